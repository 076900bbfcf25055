"""What candidates tried before they were what they are, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from medgraft.evaluation.report import search_charts
from medgraft.evaluation.report.formats import headline, number, plural

Facts = Mapping[str, Any]

WHOLES = {"full": "whole"}  # the finalist that is not cut, and how its probe is called


@dataclass(frozen=True)
class Probed:
    """A place, or an initialization, that a probe was fitted at: the probe's facts, and what became of it."""

    name: str
    facts: Facts
    finalist: bool
    chosen: bool


@dataclass(frozen=True)
class Searched:
    """One candidate's search. `probes` are of cuts if they have `parameters`, else of initializations.

    `selection` is None where one finalist was left, and so nothing chosen; `metric` is what it was by. `drift` says in
    words, and `charts` (title, SVG) show, what is known of the cuts.
    """

    candidate: str
    probes: list[Probed]
    finalists: list[str]
    chosen: str
    selection: Facts | None
    metric: str
    drift: str
    charts: list[tuple[str, Markup]]

    @property
    def of_cuts(self) -> bool:
        """Whether places to cut a network were tried."""
        return any("parameters" in probe.facts for probe in self.probes)


def searched(searches: Mapping[str, Facts], task: str) -> list[Searched]:
    """`searches` as in searches.json; strategies of other packages may have recorded neither probes nor drift."""
    return [_searched(name, record, task, index) for index, (name, record) in enumerate(searches.items())]


def looks(metrics: Facts, searches: Mapping[str, Facts]) -> str:
    """How often validation was looked at to choose something, and whose score there suffers from it."""
    choosing = {name: len(record["finalists"]) for name, record in searches.items() if len(record["finalists"]) > 1}
    total = f"{plural(metrics['looks'], 'look')} at validation in all"
    if not choosing:
        return f"{total}: one a candidate."
    candidates = len(metrics["candidates"])
    which = "which" if candidates == 1 else f"{'one' if len(choosing) == 1 else len(choosing)} of which"
    finalists = ", ".join(f"{name}: {count}" for name, count in choosing.items())
    return (
        f"{total}: {plural(candidates, 'candidate')}, {which} chose among finalists there ({finalists}). The score of "
        "such a candidate on validation is that of a finalist which did well on these same images, and so likely a "
        "little too good; test was opened only afterwards."
    )


def _searched(candidate: str, record: Facts, task: str, index: int) -> Searched:
    finalists, chosen = ([WHOLES.get(n, n) for n in names] for names in (record["finalists"], [record["chosen"]]))
    probes = []
    for facts in record.get("probes", []):
        name = facts["name"] if "name" in facts else facts["initialization"]
        probes.append(Probed(name, facts, name in finalists, name in chosen))
    drift = record.get("drift", [])
    known = [place for place in drift if place["kept"] is not None]  # None: of constant features
    charts = []
    if probes and "parameters" in probes[0].facts:
        marked = {p.name: p.chosen for p in probes if p.finalist}
        charts.append(("Cuts", search_charts.losses(record["probes"], marked, f"search{index}", candidate)))
    if known:
        charts.append(("What fine-tuning kept", search_charts.drift(drift, f"drift{index}", candidate)))
    return Searched(
        candidate,
        probes,
        list(record["finalists"]),
        record["chosen"],
        record.get("selection"),
        headline(record["metric"], task) if "metric" in record else "",
        _in_words(known) if known else "",
        charts,
    )


def _in_words(drift: Sequence[Facts]) -> str:
    most, least = (f(drift, key=lambda place: place["kept"]) for f in (max, min))
    beside = [place for place in drift if place["random"] is not None]
    lost = [place["name"] for place in beside if place["kept"] <= place["random"]]
    where = "everywhere" if len(beside) == len(drift) else "wherever those tell images apart"
    random = f"no closer than random weights: {', '.join(lost)}" if lost else f"closer than random weights {where}"
    return (
        "Fine-tuning the whole network left the features of "
        f"{most['name']} closest to the pretrained ones (CKA {number(most['kept'], 2)}) and those of {least['name']} "
        f"farthest from them ({number(least['kept'], 2)}); {random}."
    )
