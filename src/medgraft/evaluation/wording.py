"""Names for metrics, units of prediction and what an interval lacks: the words of report, card and checklists."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medgraft.evaluation.uncertainty import MAX_UNDEFINED

METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "balanced accuracy",
    "quadratic_kappa": "quadratic-weighted kappa",
}
_NAMES = {"image": ("image", "images"), "study": ("study", "studies"), "group": ("patient", "patients")}
_AGGREGATES = {"mean": "mean", "max": "largest"}


@dataclass(frozen=True)
class Unit:
    """The unit of prediction: its name, the plural, and the rule that makes one prediction of a unit's images."""

    one: str
    many: str
    rule: str


def unit(facts: Mapping[str, str]) -> Unit:
    """The unit of metrics.json, `{"of": "image" | "study" | "group", "aggregate": "mean" | "max"}`."""
    one, many = _NAMES[facts["of"]]
    if facts["of"] == "image":
        return Unit(one, many, "one prediction per image")
    aggregate = _AGGREGATES[facts["aggregate"]]
    return Unit(one, many, f"one prediction per {one}, the {aggregate} of its images' probabilities")


def p_value(p: float) -> str:
    """`p = 0.017`; what three digits would call 0 is `p < 0.001`."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def why_withheld(figure: Mapping[str, Any]) -> str:
    """Why an `Interval` has an estimate but no bounds: there are two reasons, and only two."""
    if figure["undefined_share"] > MAX_UNDEFINED:
        return f"{100 * figure['undefined_share']:.1f} % undefined draws"
    return "all draws are alike"
