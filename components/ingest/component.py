"""ingest as a Kubeflow component."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(
    plan: dsl.Input[dsl.Artifact],
    store: str,
    dataset: dsl.Output[dsl.Artifact],
    sealed: dsl.Output[dsl.Artifact],
) -> None:
    """Read a source of images, quarantine, de-identify, de-duplicate, split by patient and pack.

    Args:
        plan: The checked study.
        store: Folder or URI where finished work is kept.
        dataset: Parquet shards, card and quality report, without the labels of the test split.
        sealed: The labels of the test split, for `evaluate` alone.
    """
    from pathlib import Path

    from medgraft.stages.ingest import run
    from medgraft.store import Store

    print(run(Path(plan.path), Path(dataset.path), Path(sealed.path), Store(store)))
