"""How numbers are written in the report: one way for one quantity."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from medgraft.evaluation.wording import METRICS, p_value, why_withheld

UNDEFINED = "undefined"


def headline(metric: str, task: str) -> str:
    """A metric's name, "macro" where it is a mean over one-vs-rest classes.

    Where classes exclude each other, balanced accuracy is one by name; kappa is of all grades at once.
    """
    whole = {"quadratic_kappa"} if task == "multilabel" else {"quadratic_kappa", "balanced_accuracy"}
    return METRICS[metric] if task == "binary" or metric in whole else f"macro {METRICS[metric]}"


def number(value: float | None, digits: int = 3) -> str:
    """`0.912`, with a true minus sign; never "−0.000"."""
    if value is None:
        return UNDEFINED
    text = f"{abs(value):.{digits}f}"
    return f"−{text}" if value < 0 and float(text) else text


def signed(value: float | None, digits: int = 3) -> str:
    """A difference: `+0.012`, `−0.012`, `0.000`."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 and float(text) else text


def threshold(value: float) -> str:
    """A threshold in probability; more digits than a metric, so that a small one does not read as 0."""
    return number(value, 4)


def percent(share: float, digits: int = 1) -> str:
    """A share in [0, 1] as `2.4 %`."""
    return f"{100 * share:.{digits}f} %"


def plain_percent(share: float) -> str:
    """A share that was asked for, with the digits it has: `95 %`, `12.5 %`."""
    return f"{100 * share:g} %"


def count(value: float) -> str:
    """`12,345`, and `12.5` for a median between two counts."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def parameters(value: int) -> str:
    """`1.23 M`; a few thousand as they are: `9,408`."""
    return f"{value / 1e6:,.2f} M" if value >= 10_000 else count(value)


def macs(value: int) -> str:
    """Multiply-accumulates an image: `45 MMACs`, `4.5 MMACs`."""
    mega = value / 1e6
    return f"{mega:,.0f} MMACs" if mega >= 10 else f"{mega:.1f} MMACs"


def size(value: int) -> str:
    """Bytes as `4.2 MB` (10^6 bytes)."""
    return f"{value / 1e6:,.1f} MB"


def milliseconds(value: float) -> str:
    """`0.62`, `12.3`, `1,204`: about three digits."""
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def ratio(value: float) -> str:
    """How many times as much: `×0.25`, `×0.0041`, `×12.50`."""
    return f"×{value:.2g}" if value < 0.1 else f"×{value:,.2f}"


def times(value: int) -> str:
    """`once`, `3 times`."""
    return "once" if value == 1 else f"{count(value)} times"


def plural(value: int, one: str) -> str:
    """`1 image`, `1,200 images`, `2 studies`."""
    many = f"{one[:-1]}ies" if one.endswith("y") else f"{one}s"
    return f"{count(value)} {one if value == 1 else many}"


def breakable(name: str) -> Markup:
    """A name that may break into lines after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


def groupby_order(rows: Sequence[Mapping[str, Any]], key: str) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Rows by what they have under `key`, in the order they stand in (jinja's own `groupby` sorts)."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    return list(found.items())


_ALL = (
    number,
    signed,
    threshold,
    percent,
    plain_percent,
    count,
    parameters,
    macs,
    size,
    milliseconds,
    ratio,
    times,
    plural,
    breakable,
    groupby_order,
    p_value,
    why_withheld,
)
FILTERS: dict[str, Callable[..., object]] = {function.__name__: function for function in _ALL}
