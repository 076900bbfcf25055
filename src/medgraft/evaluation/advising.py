"""Where an evaluation meets a ranking, if one was made: advice.json, and lines for a terminal.

A ranking is no input of an evaluation: what was chosen and what test showed do not depend on it. So it is in no
fingerprint, may be made before or after, and its advice is renewed without test being opened, as the ledger's count is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.artifacts import CARD, Card, read_card, read_json, write_json
from medgraft.evaluation.advice import SCORES, compare, tried
from medgraft.evaluation.wording import METRICS

ADVICE = "advice.json"
RANKING = "ranking.json"  # as `rank` writes it
STALE = "The ranking was made of other data or weights than this study's: not shown. `medgraft rank` makes it anew."
NOTHING = "No two candidates differ in nothing but their initialization: there is nothing to hold the ranking against."
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Ranking:
    """`made_from`: fingerprints of the data set and, by name, of the initializations; `rows` as in ranking.json."""

    made_from: Mapping[str, str]
    rows: Sequence[Facts]


def read_ranking(folder: Path | None) -> Ranking | None:
    """The ranking in that folder, None where there is none; raises `UserError` for another kind of artifact."""
    if folder is None or not (folder / CARD).is_file():
        return None
    made_from = read_card(folder, "ranking")["made_from"]
    return Ranking(made_from, read_json(folder / RANKING)["rows"])


def advise(ranking: Ranking, evaluation: Path, candidates: Sequence[Card]) -> dict[str, Any]:
    """What advice.json says: the metric, why nothing is shown (empty if it is), and the groups of `compare`.

    Of metrics.json it looks at validation alone.
    """
    metrics = read_json(evaluation / "metrics.json")
    facts = {"metric": metrics["metric"], "why_not": "", "groups": []}
    if any(ranking.made_from.get(role) != print_ for card in candidates for role, print_ in card["made_from"].items()):
        return facts | {"why_not": STALE}
    measured = {name: candidate["validation"] for name, candidate in metrics["candidates"].items()}
    found = [tried(card["name"], card, measured[card["name"]]) for card in candidates]
    groups = compare(ranking.rows, [one for one in found if one is not None])
    return facts | {"why_not": "" if groups else NOTHING, "groups": groups}


def refresh_advice(ranking: Ranking | None, evaluation: Path, candidates: Sequence[Card]) -> bool:
    """Let `evaluation/advice.json` state what the ranking, as it is by now, foretold; without one it is removed.

    Returns whether that changed it: then a report made from it is old.
    """
    advice = None if ranking is None else advise(ranking, evaluation, candidates)
    if read_advice(evaluation) == advice:
        return False
    if advice is None:
        (evaluation / ADVICE).unlink()
    else:
        write_json(evaluation / ADVICE, advice)
    return True


def read_advice(evaluation: Path) -> dict[str, Any] | None:
    """What advice.json says, None where the evaluation met no ranking."""
    path = evaluation / ADVICE
    facts: dict[str, Any] | None = read_json(path) if path.is_file() else None
    return facts


def advice_lines(advice: Facts) -> list[str]:
    """For a terminal: what each group measured, best first, and what became of every score's advice."""
    if advice["why_not"]:
        return [advice["why_not"]]
    lines = []
    for group in advice["groups"]:
        measured = sorted(group["initializations"], key=lambda one: one["rank"])
        told = ", ".join(f"{one['name']} {one['measured']:.3f} ± {one['standard_error']:.3f}" for one in measured)
        lines.append(f"{group['strategy']}, {METRICS[advice['metric']]} on validation ± SE: {told}")
        lines += [f"  {SCORES[judged['score']]}: {judged['verdict']}" for judged in group["scores"]]
    return lines
