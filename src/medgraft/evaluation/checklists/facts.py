"""What the artifacts of an evaluation say, as phrases for the answers of the checklists."""

from collections.abc import Mapping, Sequence
from typing import Any

from medgraft.evaluation.wording import METRICS, unit

Facts = Mapping[str, Any]

_MEASURES = "AUROC, AUPRC, F1, balanced accuracy"
_ORDINAL = ", quadratic-weighted kappa, mean absolute error in grades"


def known(
    metrics: Facts, dataset: Facts, quality: Facts, failures: Facts, origins: Mapping[str, Facts], openings: int
) -> dict[str, str]:
    """Phrases by name; one that the artifacts cannot tell is not among them.

    `metrics`, `failures`: the evaluation's metrics.json and failures.json; `dataset`: the data set's card; `quality`:
    its quality.json; `origins`: method, source and licence of the initializations by name; `openings`: how often the
    labels of the test set were opened.
    """
    winner = metrics["candidates"][metrics["winner"]]
    return (
        _of_data(metrics, dataset, quality)
        | _of_model(metrics, winner, origins)
        | _of_evaluation(metrics, dataset, winner, failures)
        | ({"first_look": "This test set had not been opened before."} if openings == 1 else {})
    )


def _of_data(metrics: Facts, dataset: Facts, quality: Facts) -> dict[str, str]:
    splits, asked = dataset["splits"], dataset["asked"]
    quarantined, copies = len(quality["quarantined"]), len(quality["duplicates"])
    flagged = sum(row["flag"] for row in quality["drift"])
    width, height = quality["images"]["width"], quality["images"]["height"]
    facts = {
        "name": dataset["name"],
        "classes": _listed(metrics["classes"]),
        "splits": "; ".join(f"{n}: {s['images']:,} images of {s['groups']:,} patients" for n, s in splits.items()),
        "labels": "; ".join(f"{name}: {_counted(split['labels'])}" for name, split in splits.items()),
        "source": f"{quality['rows']:,} rows read, {quarantined:,} quarantined, {copies:,} exact duplicates dropped, "
        f"{quality['kept']:,} kept",
        "reasons": _counted(quality["reasons"]) or "none",
        "changes": _counted(quality["transformations"]) or "nothing",
        "sizes": f"{width['min']:,} to {width['max']:,} by {height['min']:,} to {height['max']:,} pixels "
        f"({_counted(quality['images']['modes'])})",
        "drift": f"{flagged} of {len(quality['drift'])} splits and subgroups stand out by intensity.",
        "missing": _missing(metrics["task"], asked["dataset"]["unlabelled"]),
        "division": _division(asked["split"], asked["dataset"]["ungrouped"]),
        "disjoint": _disjoint(asked["dataset"]),
    }
    if "licence" in dataset:
        facts["licence"] = dataset["licence"]
    if "train" in splits:
        facts["internal"] = "Test is a split of the data set that the model was developed on, sealed until the choice."
    else:
        facts["external"] = "Nothing of this data set was used to develop the model: all of it is test."
    return facts


def _of_model(metrics: Facts, winner: Facts, origins: Mapping[str, Facts]) -> dict[str, str]:
    used = {name: origins[name] for name in winner["initializations"]}
    described = [f"{name}: {facts['method']}, {facts['source']}, {facts['licence']}" for name, facts in used.items()]
    candidates, fractions = len(metrics["candidates"]), len(winner["curve"])
    seeds = len(winner["test"]["seeds"]["values"])
    return {
        "candidates": f"{candidates} candidate{'s' * (candidates > 1)}",
        "strategy": winner["strategy"],
        "parameters": f"{winner['parameters']:,}",
        "temperature": f"{winner['temperature']:.4f}",
        "initializations": "; ".join(described) or "All parameters at random",
        "seeds": f"{seeds} seed{'s' * (seeds > 1)}",
        "fractions": f"{fractions} label fraction{'s' * (fractions > 1)}",
    }


def _of_evaluation(metrics: Facts, dataset: Facts, winner: Facts, failures: Facts) -> dict[str, str]:
    columns = _listed(dataset["subgroups"])
    mistakes = len(failures["mistakes"])
    facts = {
        "unit": unit(metrics["unit"]).rule,
        "metric": METRICS[metrics["metric"]],
        "measures": _MEASURES + _ORDINAL * (metrics["task"] == "ordinal"),
        "level": f"{100 * metrics['level']:g} %",
        "draws": f"{metrics['draws']:,}",
        "targets": f"a specificity of {metrics['specificity_target']:g} and a sensitivity of "
        f"{metrics['sensitivity_target']:g}",
        "decision": _decision(metrics["task"], winner["test"]["decision_threshold"]),
        "by_subgroup": f"Figures by {columns}." if columns else "No subgroups: the data set has no such columns.",
        "failures": f"The {mistakes} most confident mistakes, at most one a patient, with pictures and occlusion maps."
        if mistakes
        else "There was no mistake on test.",
    }
    return facts | ({"subgroups": columns} if columns else {})


def _missing(task: str, unlabelled: str) -> str:
    kept = "kept in a split of their own and used for no figure" if unlabelled == "keep" else "quarantined"
    unknown = " An unknown label is not a negative one: it is left out of loss and figures." * (task == "multilabel")
    return f"Images without any label were {kept}.{unknown}"


def _division(split: Facts, ungrouped: bool) -> str:
    if split["held_out"]:
        rule = f"Test is every patient whose {split['held_out']['column']} is {split['held_out']['value']};"
    elif split["only_test"]:
        return "Everything that is labelled is test."
    else:
        rule = f"By {'image' if ungrouped else 'whole patients'}, {split['test']:.0%} of the images to test and"
    return f"{rule} {split['validation']:.0%} to validation (seed {split['seed']}), where the source names no split."


def _disjoint(asked: Facts) -> str:
    if asked["ungrouped"]:
        return "Images only: no patient is known, so one patient's images may lie on both sides."
    copies = "pixel by pixel or as a verified near duplicate" if asked["near_duplicates"] else "pixel by pixel"
    return f"Patients; those who share an image, {copies}, count as one."


def _decision(task: str, threshold: float | None) -> str:
    youden = "where sensitivity + specificity was largest on validation (Youden)."
    if task == "multilabel":
        return f"Each label is decided by a threshold of its own, {youden}"
    if threshold is not None:
        return f"Decided for the positive class at or above {threshold:.4f}, {youden}"
    return "Decided for the median grade." if task == "ordinal" else "Decided for the likeliest class."


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
