"""What of a header may leave a file besides the pixels: a short list of tags, in a short form."""

import re
from collections.abc import Callable, Mapping
from datetime import date

from pydicom.dataset import Dataset

from medgraft.data.deidentification import capped_age
from medgraft.data.dicom.elements import DAMAGE, number, text

Value = str | int | float | None
# Letters, digits and a few signs, and no number as long as a date or an id. What has another form is free text.
SHORT = re.compile(r"(?!.*\d{6})[A-Za-z0-9][A-Za-z0-9 _.,+/()&-]{0,39}")
AGE = re.compile(r"(\d{3})([DWMY])")
A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
OLDEST_DATE, NEWEST_DATE = date(1890, 1, 1), date(2199, 12, 31)
# Ids that stand for no one: all that have one would count as one patient.
NOBODY = re.compile(
    r"0*|x*|anon(ymous|ymized|ymised|ymous patient)?|unknown|unspecified|undefined|none|null|nil|na|n a|not available|"
    r"no id|id|patient|patient id|patient name|test|de ?identified|removed|deleted|hidden|empty"
)


def _short(dataset: Dataset, keyword: str) -> Value:
    value = " ".join((text(dataset, keyword) or "").split())
    return value if SHORT.fullmatch(value) else None


def _sex(dataset: Dataset, keyword: str) -> Value:
    value = text(dataset, keyword)
    return value if value in ("M", "F", "O") else None


def _age(dataset: Dataset, keyword: str) -> Value:
    found = AGE.fullmatch(text(dataset, keyword) or "")
    return capped_age(int(found[1]) / A_YEAR[found[2]]) if found else None


# The tags that may be kept, and what is kept of each; PS3.3 C.7.1.3, C.7.2.2, C.7.5.1, C.8.
KEPT: Mapping[str, Callable[[Dataset, str], Value]] = {
    "PatientSex": _sex,
    "PatientAge": _age,
    "Modality": _short,
    "Manufacturer": _short,
    "ManufacturerModelName": _short,
    "BodyPartExamined": _short,
    "ViewPosition": _short,
    "PatientPosition": _short,
    "Laterality": _short,
    "ImageLaterality": _short,
    "PresentationIntentType": _short,
    "SliceThickness": number,
    "KVP": number,
    "MagneticFieldStrength": number,
}
DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")


def kept(dataset: Dataset, keyword: str) -> Value:
    """What is kept of a tag of `KEPT`; None where it is absent, damaged, or in no form that is kept."""
    try:
        return KEPT[keyword](dataset, keyword)
    except DAMAGE:
        return None


def day(dataset: Dataset, keyword: str) -> str | None:
    """A tag of `DATES` as YYYY-MM-DD; None where it holds no day that an image can have been taken on."""
    found = plain(dataset, keyword)
    try:
        taken = date.fromisoformat(found or "")
    except ValueError:
        return None
    return taken.isoformat() if OLDEST_DATE <= taken <= NEWEST_DATE else None


def plain(dataset: Dataset, keyword: str) -> str | None:
    """A tag as text; None where it is absent or damaged."""
    try:
        return text(dataset, keyword)
    except DAMAGE:
        return None


def patient(dataset: Dataset) -> str | None:
    """Patient ID; None for what writers put there instead of one."""
    value = plain(dataset, "PatientID")
    words = " ".join(re.findall(r"[a-z0-9]+", (value or "").casefold()))
    return None if NOBODY.fullmatch(words) else value
