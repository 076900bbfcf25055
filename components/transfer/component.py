"""transfer as a Kubeflow component."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def transfer(
    plan: dsl.Input[dsl.Artifact],
    name: str,
    dataset: dsl.Input[dsl.Artifact],
    initializations: dsl.Input[dsl.Artifact],
    store: str,
    candidate: dsl.Output[dsl.Artifact],
) -> None:
    """Fit one candidate of the plan, every label fraction and seed of it; a retry goes on from the store.

    Args:
        plan: The checked study.
        name: Which candidate.
        dataset: The images, without the labels of the test split.
        initializations: A folder with one folder an initialization.
        store: Folder or URI where finished work and checkpoints are kept.
        candidate: The model, its predictions on validation and test, and its histories.
    """
    from pathlib import Path

    from medgraft.stages.transfer import run
    from medgraft.store import Store

    candidate.metadata["name"] = name
    paths = Path(dataset.path), Path(initializations.path), Path(candidate.path)
    print(run(Path(plan.path), name, *paths, Store(store)))
