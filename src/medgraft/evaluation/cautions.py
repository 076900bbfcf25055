"""What a reader must be told of the subgroups, in sentences: where the model does worse, and where nobody can tell."""

from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]

FIGURES = {"auroc": "AUROC", "sensitivity": "sensitivity", "specificity": "specificity"}
NO_SUBGROUPS = (
    "The data set has no subgroup columns: whether the model serves sexes, ages, sites or devices alike is not known."
)


def subgroup_cautions(subgroups: Sequence[Facts], per_class: Facts) -> list[str]:
    """A sentence a stratum and class with figures worse than those of all, and one a column about what is withheld.

    Worse: its whole interval lies below the estimate for all. A pointer, not a test: strata overlap with all, and
    nothing is adjusted for how many were looked at. `subgroups` and `per_class` are the winner's in metrics.json.
    """
    if not subgroups:
        return [NO_SUBGROUPS]
    worse = [
        f"{stratum['column']} {stratum['value']}, {label}: {'; '.join(found)}."
        for stratum in subgroups
        for label, figures in stratum["figures"].items()
        if (
            found := [
                _against(n, figures[n], per_class[label][n]) for n in FIGURES if below(figures[n], per_class[label][n])
            ]
        )
    ]
    columns = dict.fromkeys(stratum["column"] for stratum in subgroups)
    withheld = {c: [s["value"] for s in subgroups if s["column"] == c and s["withheld"]] for c in columns}
    return worse + [
        f"{column} {', '.join(values)}: too few patients, so nothing is known of the model there."
        for column, values in withheld.items()
        if values
    ]


def below(figure: Facts, overall: Facts) -> bool:
    """Whether the whole interval of a stratum's figure lies below the estimate for all; not where it is withheld."""
    if figure["high"] is None or overall["estimate"] is None:
        return False
    return bool(figure["high"] < overall["estimate"])


def _against(name: str, figure: Facts, overall: Facts) -> str:
    return (
        f"{FIGURES[name]} {figure['estimate']:.3f} ({figure['low']:.3f}–{figure['high']:.3f}) "
        f"against {overall['estimate']:.3f} of all"
    )
