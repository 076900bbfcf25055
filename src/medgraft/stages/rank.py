"""rank: transferability scores of the plan's initializations, as advice; nothing is chosen by them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medgraft.artifacts import CARD, fingerprint, read_card, read_json, write_card, write_json, writing
from medgraft.code_version import code_version
from medgraft.errors import UserError
from medgraft.evaluation.advice import SCORES
from medgraft.evaluation.advising import RANKING, advice_lines, advise, read_ranking
from medgraft.networks.initialization import read_initialization
from medgraft.params import Study
from medgraft.stages import BASE
from medgraft.stages.agreement import require_dataset, require_dimensions
from medgraft.stages.exposure import exposed, refuse_learned
from medgraft.training.data import training_data
from medgraft.training.fitting import Compute
from medgraft.training.window import window
from medgraft.transfer.ranking import rank

# What scores come from; what the report says of them later is in no fingerprint.
CODE = (*BASE, "charts.py", "stages/rank.py", "stages/exposure.py", "data", "networks", "training", "transfer")


def run(artifacts: Path, ranking: Path, *, say: Callable[[str], None]) -> str:
    """Score every initialization of the plan on train and validation; returns how the artifact came about.

    Raises `UserError` naming the initializations that have not been made yet, or one that has seen patients or images
    of validation or test, or was trained with labels of train: its scores would be too good.
    """
    plan, dataset, initializations = (artifacts / name for name in ("plan", "dataset", "initializations"))
    read_card(plan, "plan")
    params = read_json(plan / "params.json")
    names = list(params["initializations"])
    missing = [name for name in names if not (initializations / name / "card.json").is_file()]
    if missing:
        raise UserError(f"not made yet: {', '.join(missing)}; run `medgraft pretrain NAME` for each")
    data = training_data(dataset)
    require_dataset(plan, data.card)
    sources = [read_initialization(initializations / name) for name in names]
    require_dimensions(data.card, {source.name: source.origin.volumes for source in sources})
    seen = exposed(plan, initializations, names, dataset)
    refuse_learned(seen.learned, "transferability is scored on train, too")
    made_from = {"dataset": data.card["fingerprint"]} | {source.name: source.fingerprint for source in sources}
    print_ = fingerprint("ranking", {"cautions": seen.warnings}, made_from, code_version(CODE))
    if (ranking / CARD).is_file() and read_json(ranking / CARD).get("fingerprint") == print_:
        return "up to date"
    study = Study(**params["study"])
    compute = Compute(study.device, study.workers, say=say)
    values = window(dataset)
    rows = [row for source in sources for row in rank(source, data, values, compute)]
    counts = {"images": len(data.train) + len(data.validation), "splits": ["train", "validation"]}
    with writing(ranking) as folder:
        write_json(folder / RANKING, counts | {"rows": rows})
        write_card(folder, "ranking", print_, made_from, name=data.card["name"], warnings=seen.warnings)
    return "built"


def table(ranking: Path) -> list[str]:
    """Lines for a terminal: whole backbones first, best LogME first."""
    rows: list[dict[str, Any]] = read_json(ranking / RANKING)["rows"]
    ordered = sorted(rows, key=lambda row: (row["place"] != "whole", -row["scores"]["logme"]["estimate"]))
    lines = [f"{'initialization':<24} {'place':<28} " + " ".join(f"{name:>24}" for name in SCORES.values())]
    for row in ordered:
        cells = " ".join(f"{_cell(row['scores'][key]):>24}" for key in SCORES)
        lines.append(f"{row['initialization']:<24} {row['place']:<28} {cells}")
    lines.append("Higher is better; in brackets 95 % intervals over patients, where they can be told.")
    lines.append("TransRate grows with the number of features: compare it only where that is the same.")
    lines.append("Advice, not a choice: no such score has been shown to be reliable on medical images.")
    return [*lines, *read_card(ranking, "ranking")["warnings"]]


def outcome(artifacts: Path, ranking: Path) -> list[str]:
    """Lines for a terminal: what the study, if it has been evaluated, says of the ranking."""
    evaluation, ranked = artifacts / "evaluation", read_ranking(ranking)
    if ranked is None or not (evaluation / CARD).is_file():
        return []
    made_from = read_card(evaluation, "evaluation")["made_from"]
    folders = {name: artifacts / "candidates" / name for name in read_json(evaluation / "metrics.json")["candidates"]}
    candidates = [read_card(folder, "candidate") for folder in folders.values() if (folder / CARD).is_file()]
    if [card["fingerprint"] for card in candidates] != [made_from[name] for name in folders]:
        return ["The candidates are not those of the last evaluation; `medgraft evaluate` measures those of the plan."]
    return [
        "Against what the study measured on validation:",
        *advice_lines(advise(ranked, evaluation, candidates)),
        "`medgraft evaluate` puts this into the report; test is not opened again for it.",
    ]


def _cell(score: dict[str, float | None] | None) -> str:
    if score is None:
        return "–"
    if score["low"] is None:
        return f"{score['estimate']:.3f}"
    return f"{score['estimate']:.3f} ({score['low']:.3f}, {score['high']:.3f})"
