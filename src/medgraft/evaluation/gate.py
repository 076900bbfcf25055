"""The gate before promotion: good enough by itself, and not worse than the model in use."""

from dataclasses import dataclass

from medgraft.evaluation.uncertainty import Difference


@dataclass(frozen=True)
class Gate:
    """`reasons`: why it did not pass, one a failed condition; empty if it passed."""

    passed: bool
    reasons: list[str]


def promotion_gate(lower: float | None, minimum: float, difference: Difference | None, margin: float) -> Gate:
    """Whether a challenger may become champion.

    `lower`: lower bound of its metric's 95 % interval (None: withheld), which must reach `minimum`. `difference`:
    challenger − champion on the same patients, None without a champion; its one-sided 95 % lower bound must exceed
    −`margin` (non-inferiority: Piaggio et al. 2012, JAMA 308:2594).
    """
    reasons = []
    if lower is None:
        reasons.append(
            "The lower bound of the metric's 95 % interval is withheld: too many bootstrap draws are undefined, "
            "or all are the same. Add test patients of the rarest class."
        )
    elif not lower >= minimum:
        reasons.append(
            f"The lower bound of the metric's 95 % interval, {lower:.4f}, is below the minimum {minimum:.4f}. "
            "Improve the model, enlarge the test set, or argue for another minimum."
        )
    if difference is not None:
        worst = difference.lower_one_sided
        if worst is None:
            reasons.append(
                "The difference to the champion is withheld: too many bootstrap draws are undefined. "
                "Add test patients of the rarest class."
            )
        elif not worst > -margin:
            reasons.append(
                f"The challenger may be worse than the champion by more than the margin {margin:.4f}: the one-sided "
                f"95 % lower bound of challenger − champion is {worst:.4f}. Keep the champion, or improve this one."
            )
    return Gate(not reasons, reasons)
