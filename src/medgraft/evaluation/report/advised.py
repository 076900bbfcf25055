"""What a ranking foretold and what validation measured, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from medgraft.evaluation.advice import SCORES
from medgraft.evaluation.report.formats import headline, number, plural
from medgraft.evaluation.report.svg import Line, drawing, line, svg

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Advised:
    """`groups` by title, as in advice.json; `summary`: whether the advice helped, in words.

    `charts`: one a score, with a series a group as in `legend`.
    """

    why_not: str
    metric: str
    groups: dict[str, Facts]
    scores: Mapping[str, str]
    summary: str
    legend: list[tuple[str, Line]]
    charts: list[tuple[str, Markup]]


def advised(advice: Facts | None, task: str) -> Advised | None:
    """Of advice.json; None where there is none."""
    if advice is None:
        return None
    groups = dict(zip(_titles(advice["groups"]), advice["groups"], strict=True))
    metric = headline(advice["metric"], task)
    legend = [(title, line(index)) for index, title in enumerate(groups)]
    charts = [(name, _chart(score, groups, legend, metric)) for score, name in SCORES.items() if _told(score, groups)]
    return Advised(advice["why_not"], metric, groups, SCORES, _summary(advice["groups"]), legend, charts)


def _titles(groups: Sequence[Facts]) -> list[str]:
    """The strategy, and of what there is several of the settings by which they differ."""
    titles = []
    for group in groups:
        others = [other["settings"] for other in groups if other["strategy"] == group["strategy"]]
        settings = group["settings"].items()
        differing = [f"{key} {value}" for key, value in settings if any(other.get(key) != value for other in others)]
        titles.append(f"{group['strategy']} ({', '.join(differing)})" if differing else group["strategy"])
    return titles


def _summary(groups: Sequence[Facts]) -> str:
    outcomes = [judged["helped"] for group in groups for judged in group["scores"] if judged["order"]]
    yes, no = outcomes.count(True), outcomes.count(False)
    if not yes and not no:
        return "Whether it helped cannot be told from these initializations."
    counts = f"of {plural(len(outcomes), 'comparison')} it helped in {yes} and did not in {no}"
    rest = len(outcomes) - yes - no
    told = f"{counts}; {rest} cannot tell." if rest else f"{counts}."
    return f"It helped in part: {told}" if yes and no else f"It helped: {told}" if yes else f"It did not help: {told}"


def _told(score: str, groups: Mapping[str, Facts]) -> bool:
    return any(_points(group, score) for group in groups.values())


def _points(group: Facts, score: str) -> list[Facts]:
    """Those initializations of a group that the score was compared on."""
    judged = next(judged for judged in group["scores"] if judged["score"] == score)
    return [one for one in group["initializations"] if one["name"] in judged["order"]]


def _chart(score: str, groups: Mapping[str, Facts], legend: Sequence[tuple[str, Line]], metric: str) -> Markup:
    """Measured over predicted with the SE of what was measured."""
    told = []
    with drawing(4.2, 2.9) as axes:
        for (title, style), group in zip(legend, groups.values(), strict=True):
            points = _points(group, score)
            x, y = [one["predicted"][score] for one in points], [one["measured"] for one in points]
            errors = [one["standard_error"] for one in points]
            axes.errorbar(x, y, yerr=errors, fmt="o", color=style.colour, markersize=5, linewidth=1)
            told += [
                f"{title}, {one['name']} {number(one['measured'])} at {number(one['predicted'][score])}"
                for one in points
            ]
        axes.set_xlabel(f"{SCORES[score]}, predicted")
        axes.set_ylabel(f"{metric} on validation")
        return svg(axes, f"advice_{score}", f"{metric} measured over {SCORES[score]} predicted: {'; '.join(told)}.")
