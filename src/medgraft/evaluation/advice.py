"""Advice against outcome: what transferability scores foretold of initializations, beside what validation measured.

Candidates are compared that differ in nothing but their initialization. Nothing of test is read here: the scores come
from train and validation, and so does what they are held against.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from scipy.stats import rankdata

from medgraft.artifacts import canonical
from medgraft.evaluation.rank_correlation import Correlation, kendall, spearman
from medgraft.evaluation.wording import p_value
from medgraft.networks.cuts import WHOLE

Facts = Mapping[str, Any]

SCORES = {"logme": "LogME", "h_score": "H-score", "leep": "LEEP", "nce": "NCE", "transrate": "TransRate"}
CUT_AWAY = {"truncated", "transfusion"}  # strategies that keep nothing pretrained above their cut
LEVEL = 0.05
# Of so few even the perfect order is not rare by chance: its two-sided p is 2 / 4! = 0.083 of four, 0.017 of five.
FEW = {
    2: "of two initializations chance alone puts the best first every other time",
    3: "three initializations cannot tell a rank correlation from chance",
    4: "four initializations cannot tell a rank correlation from chance",
}


@dataclass(frozen=True)
class Tried:
    """A candidate of one initialization: which features it used of that, and its score on validation at all labels.

    `otherwise`: its settings without the initialization.
    """

    name: str
    initialization: str
    place: str
    otherwise: Facts
    measured: float
    standard_error: float


@dataclass(frozen=True)
class Judgement:
    """What became of one score's advice. `order`: rank by initialization, 1 the best; empty where it is not compared.

    `behind`: how far what it put first lies below the best measured. `helped` is None where that cannot be told.
    """

    score: str
    order: dict[str, float]
    spearman: Correlation | None
    kendall: Correlation | None
    first: list[str]
    behind: float | None
    helped: bool | None
    verdict: str


def tried(name: str, card: Facts, validation: Facts) -> Tried | None:
    """A candidate's card and its validation figures of metrics.json; None where it joins several initializations."""
    settings, chosen = dict(card["settings"]), card["chosen"]
    initialization = settings.pop("initialization", None)
    if initialization is None:
        return None
    place = chosen["cut"] if chosen["strategy"] in CUT_AWAY else WHOLE
    return Tried(name, initialization, place, settings, validation["score"], validation["standard_error"])


def compare(rows: Sequence[Facts], candidates: Sequence[Tried]) -> list[dict[str, Any]]:
    """Groups of candidates alike but for the initialization, each score's order of them, and whether it helped.

    `rows` as in ranking.json. The values are JSON's own, for advice.json.
    """
    groups: dict[str, dict[str, Tried]] = {}
    for candidate in candidates:
        groups.setdefault(canonical(candidate.otherwise), {}).setdefault(candidate.initialization, candidate)
    places = {(row["initialization"], row["place"]): row for row in rows}
    return [_group(list(group.values()), places) for group in groups.values() if len(group) > 1]


def judge(score: str, predicted: Mapping[str, float], measured: Mapping[str, float]) -> Judgement:
    """Hold a score's values against those measured, by initialization; it may lack some of these."""
    known = {name: value for name, value in measured.items() if name in predicted}
    if len(known) < 2:
        return _not_compared(score, f"it scores {len(known) or 'none'} of these initializations")
    x, y = [predicted[name] for name in known], list(known.values())
    first = [name for name in known if predicted[name] == max(x)]
    behind = max(y) - min(known[name] for name in first)
    rho, tau = (spearman(x, y), kendall(x, y)) if len(known) > 2 else (None, None)
    helped, verdict = _verdict(known, first, behind, rho)
    return Judgement(score, _order(known, x), rho, tau, first, behind, helped, verdict)


def _verdict(
    measured: Mapping[str, float], first: Sequence[str], behind: float, rho: Correlation | None
) -> tuple[bool | None, str]:
    """Whether it helped, and in words: where following it would have led, then what the whole order says."""
    best = [name for name, value in measured.items() if value == max(measured.values())]
    if len(best) == len(measured):
        return None, "cannot be told: they all did equally well on validation."
    if len(first) == len(measured):
        return False, "did not help: it scores them all alike."
    few = FEW.get(len(measured))
    put = f"it put {_listed(first)} first"
    if behind > 0:
        return False, f"did not help: {put}, {behind:.3f} below the best, {_listed(best)}{f'; {few}' if few else ''}."
    put += ", which did best"
    if rho is not None and rho.estimate <= 0:
        return False, f"did not help: {put}, but the order of all does not agree ({_told(rho)})."
    if few:
        return None, f"cannot be told: {put}, but {few}."
    assert rho is not None
    if rho.p > LEVEL:
        return False, f"did not help: {put}, but the order of all agrees no better than by chance ({_told(rho)})."
    return True, f"helped: {put}, and the order of all agrees ({_told(rho)})."


def _group(group: Sequence[Tried], places: Mapping[tuple[str, str], Facts]) -> dict[str, Any]:
    rows = {tried.initialization: places.get((tried.initialization, tried.place)) for tried in group}
    measured = {tried.initialization: tried.measured for tried in group}
    predicted = {score: _predicted(score, rows) for score in SCORES}
    order = _order(measured, list(measured.values()))
    return {
        "strategy": group[0].otherwise["strategy"],
        "settings": dict(group[0].otherwise),
        "initializations": [
            {
                "name": tried.initialization,
                "candidate": tried.name,
                "place": tried.place,
                "measured": tried.measured,
                "standard_error": tried.standard_error,
                "rank": order[tried.initialization],
                "predicted": {score: known.get(tried.initialization) for score, known in predicted.items()},
            }
            for tried in group
        ],
        "scores": [asdict(_judgement(score, predicted[score], measured, rows)) for score in SCORES],
    }


def _judgement(
    score: str, predicted: Mapping[str, float], measured: Mapping[str, float], rows: Mapping[str, Facts | None]
) -> Judgement:
    channels = {row["channels"] for name, row in rows.items() if row is not None and name in predicted}
    if score == "transrate" and len(channels) > 1:
        differ = _listed([str(number) for number in sorted(channels)])
        return _not_compared(score, f"it grows with the number of features, and these have {differ}")
    return judge(score, predicted, measured)


def _predicted(score: str, rows: Mapping[str, Facts | None]) -> dict[str, float]:
    """By initialization; without those that were not scored there: at a cut inside a block, or by a lack of classes."""
    told = {name: row["scores"][score] for name, row in rows.items() if row is not None}
    return {name: value["estimate"] for name, value in told.items() if value is not None}


def _order(names: Iterable[str], values: Sequence[float]) -> dict[str, float]:
    """Ranks from 1, the highest; equal values share their mean rank."""
    return dict(zip(names, rankdata([-value for value in values]).tolist(), strict=True))


def _not_compared(score: str, why: str) -> Judgement:
    return Judgement(score, {}, None, None, [], None, None, f"cannot be compared: {why}.")


def _told(rho: Correlation) -> str:
    return f"Spearman's ρ {rho.estimate:.2f}, {p_value(rho.p)}".replace("-", "−")


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
