"""Values of data elements as numbers and text, and one kind of error for all that can be wrong with a file.

pydicom quotes values, which may be names, in warnings and logs: both are silenced here, for good.
"""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import config
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from medgraft.data import images
from medgraft.data.content import BadImageError

# All of these come out of pydicom for damaged files.
DAMAGE = (
    *images.DAMAGE,
    AttributeError,
    RuntimeError,
    AssertionError,
    ArithmeticError,
    StopIteration,
    BytesLengthException,
    InvalidDicomError,
)

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").propagate = False
warnings.filterwarnings("ignore", module=r"pydicom\b")


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Turn whatever a damaged file sets off into `BadImageError`, whose text quotes nothing of the file."""
    try:
        yield
    except DAMAGE as error:
        raise BadImageError(f"{what} ({type(error).__name__})") from None


def first(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401  (a value of any type)
    """The first value of an element; None where it is absent or empty."""
    value = dataset.get(keyword)
    if isinstance(value, str | bytes) or not hasattr(value, "__getitem__"):
        return None if value in ("", b"") else value
    return value[0] if len(value) else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """The first value as a whole number; raises one of `DAMAGE` where it is none."""
    value = first(dataset, keyword)
    return None if value is None else int(value)


def number(dataset: Dataset, keyword: str) -> float | None:
    """The first value as a number; raises one of `DAMAGE` where it is none, or not finite."""
    value = first(dataset, keyword)
    if value is None:
        return None
    if not math.isfinite(value := float(value)):
        raise ValueError("not finite")
    return value


def text(dataset: Dataset, keyword: str) -> str | None:
    """The first value as text without spaces around it; None where nothing is left."""
    value = first(dataset, keyword)
    return (None if value is None else str(value).strip(" \0")) or None


def texts(dataset: Dataset, keyword: str) -> list[str]:
    """All values as text, in capitals."""
    value = dataset.get(keyword)
    values = [value] if isinstance(value, str) else list(value or [])
    return [str(one).strip(" \0").upper() for one in values]


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent."""
    value = dataset.get(keyword)
    return [item for item in value if isinstance(item, Dataset)] if value else []
