"""The leaderboard for a terminal."""

from pathlib import Path
from typing import Any

from rich.table import Table

from medgraft.artifacts import read_card, read_json
from medgraft.evaluation.wording import unit


def leaderboard_table(evaluation: Path) -> Table:
    """Candidates by validation score, with their test figures and intervals; the chosen one is marked."""
    read_card(evaluation, "evaluation")
    metrics = read_json(evaluation / "metrics.json")
    name = metrics["metric"]
    test = metrics["dataset"]["splits"]["test"]
    notes = [f"{unit(metrics['unit']).rule}; interval: 95 %, bootstrap over patients"]
    if metrics["looks"] > len(metrics["candidates"]):
        notes.append(
            f"{metrics['looks']} looks at validation by {len(metrics['candidates'])} candidates, searches included"
        )
    table = Table(
        title=f"{metrics['dataset']['name']}: {name} on {test['images']} test images of {test['groups']} patients",
        caption="\n".join([*notes, *metrics["dataset"]["warnings"]]),
    )
    reference = metrics["reference"]
    for column in ("", "candidate", "parameters", "validation ± SE", "test (95 % interval)", f"against {reference}"):
        table.add_column(column, justify="left" if column in ("", "candidate") else "right")
    ranked = sorted(metrics["candidates"].items(), key=lambda item: -item[1]["validation"]["score"])
    for candidate, facts in ranked:
        validation = facts["validation"]
        table.add_row(
            "→" if candidate == metrics["winner"] else "",
            candidate,
            f"{facts['parameters'] / 1e6:.2f} M",
            f"{validation['score']:.3f} ± {validation['standard_error']:.3f}",
            _interval(facts["test"]["macro"][name]),
            "" if facts["difference"] is None else _interval(facts["difference"][name], sign=True),
        )
    return table


def _interval(figure: dict[str, Any], sign: bool = False) -> str:
    if figure["estimate"] is None:
        return "undefined"
    form = "+.3f" if sign else ".3f"
    estimate = format(figure["estimate"], form)
    if figure["low"] is None:
        return f"{estimate} (withheld)"
    return f"{estimate} ({format(figure['low'], form)} to {format(figure['high'], form)})"
