"""register as a Kubeflow component."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    plan: dsl.Input[dsl.Artifact],
    dataset: dsl.Input[dsl.Artifact],
    candidates: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    store: str,
    registration: dsl.Output[dsl.Artifact],
) -> None:
    """Pack the chosen model, check the package against its own predictions, and register it with MLflow.

    Args:
        plan: The checked study.
        dataset: The images, without the labels of the test split.
        candidates: A folder with one folder a candidate.
        evaluation: The choice and its figures.
        store: Folder or URI where finished work is kept.
        registration: The receipt, the ONNX model and its model card.
    """
    from pathlib import Path

    from medgraft.stages.register import run
    from medgraft.store import Store

    read = Path(plan.path), Path(dataset.path), Path(candidates.path), Path(evaluation.path)
    print(run(*read, Path(registration.path), Store(store)))
