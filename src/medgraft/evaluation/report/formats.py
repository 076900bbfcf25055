"""How numbers are written in the report: one way for one quantity."""

from collections.abc import Callable

from markupsafe import Markup

UNDEFINED = "undefined"
METRICS = {"auroc": "AUROC", "auprc": "AUPRC", "balanced_accuracy": "balanced accuracy"}


def headline(metric: str, task: str) -> str:
    """A metric's name, "macro" where it is a mean over one-vs-rest classes (balanced accuracy is one by name)."""
    macro = task == "multiclass" and metric != "balanced_accuracy"
    return f"macro {METRICS[metric]}" if macro else METRICS[metric]


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
    """`1.23 M`."""
    return f"{value / 1e6:,.2f} M"


def macs(value: int) -> str:
    """Multiply-accumulates an image: `45 MMACs`, `4.5 MMACs`."""
    mega = value / 1e6
    return f"{mega:,.0f} MMACs" if mega >= 10 else f"{mega:.1f} MMACs"


def size(value: int) -> str:
    """Bytes as `4.2 MB` (10^6 bytes)."""
    return f"{value / 1e6:,.1f} MB"


def times(value: int) -> str:
    """`once`, `3 times`."""
    return "once" if value == 1 else f"{count(value)} times"


def plural(value: int, one: str) -> str:
    """`1 image`, `1,200 images`."""
    return f"{count(value)} {one}" if value == 1 else f"{count(value)} {one}s"


def breakable(name: str) -> Markup:
    """A name that may break into lines after its underscores."""
    return Markup("_<wbr>").join(name.split("_"))


_ALL = (number, signed, threshold, percent, plain_percent, count, parameters, macs, size, times, plural, breakable)
FILTERS: dict[str, Callable[..., str]] = {function.__name__: function for function in _ALL}
