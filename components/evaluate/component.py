"""evaluate as a Kubeflow component."""

from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    plan: dsl.Input[dsl.Artifact],
    dataset: dsl.Input[dsl.Artifact],
    sealed: dsl.Input[dsl.Artifact],
    candidates: dsl.Input[dsl.Artifact],
    store: str,
    evaluation: dsl.Output[dsl.Artifact],
    report: dsl.Output[dsl.HTML],
    figures: dsl.Output[dsl.Metrics],
) -> None:
    """Choose a candidate on validation, then open the sealed test once.

    Args:
        plan: The checked study.
        dataset: The images, without the labels of the test split.
        sealed: The labels of the test split.
        candidates: A folder with one folder a candidate.
        store: Folder or URI where finished work and the ledger of test openings are kept.
        evaluation: The choice, all figures with their intervals, plots and the report.
        report: The report, shown in the UI.
        figures: The winner's figures on test, shown in the UI.
    """
    import shutil
    from pathlib import Path

    from medgraft.artifacts import read_json
    from medgraft.stages.evaluate import run
    from medgraft.store import Store

    folder = Path(evaluation.path)
    print(run(Path(plan.path), Path(dataset.path), Path(sealed.path), Path(candidates.path), folder, Store(store)))
    shutil.copyfile(folder / "report.html", report.path)
    metrics = read_json(folder / "metrics.json")
    figures.metadata["winner"] = metrics["winner"]
    for name, interval in metrics["candidates"][metrics["winner"]]["test"]["macro"].items():
        # An undefined figure or a withheld interval is left out, not shown as 0.
        for key, bound in ((name, "estimate"), (f"{name}_low", "low"), (f"{name}_high", "high")):
            if interval[bound] is not None:
                figures.log_metric(key, interval[bound])
