"""pretrain as a Kubeflow component."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def pretrain(
    plan: dsl.Input[dsl.Artifact],
    name: str,
    store: str,
    initialization: dsl.Output[dsl.Artifact],
) -> None:
    """Make one named initialization of the plan.

    Args:
        plan: The checked study.
        name: Which initialization.
        store: Folder or URI where finished work and checkpoints are kept.
        initialization: Backbone weights and their card.
    """
    from pathlib import Path

    from medgraft.stages.pretrain import run
    from medgraft.store import Store

    initialization.metadata["name"] = name
    print(run(Path(plan.path), name, Path(initialization.path), Store(store)))
