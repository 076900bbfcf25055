"""What a header says about gray values, for each frame: enhanced objects say it in their functional groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom.dataset import Dataset

from medgraft.data.content import BadImageError
from medgraft.data.dicom.elements import integer, items, number, text, texts
from medgraft.data.dicom.gray import Gray
from medgraft.data.dicom.luts import sequence_lut

SHARED, FRAMES = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
GRAY_KEYWORDS = (
    "Modality",
    "PixelPresentation",
    "PresentationLUTShape",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    SHARED,
    FRAMES,
)
SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


@dataclass(frozen=True)
class Bits:
    """How many bits a stored value has, whether one is its sign, and in which order its bytes are."""

    stored: int
    signed: bool
    little: bool


def grays(dataset: Dataset, photometric: str, bits: Bits, frames: int) -> tuple[Gray, ...]:
    """One for the whole file, or one a frame where the file has groups for each; raises `BadImageError`."""
    if text(dataset, "PixelPresentation") in ("MIXED", "COLOR"):
        raise BadImageError("gray and colour in one image (supplemental palette)")
    shape = text(dataset, "PresentationLUTShape")
    if shape in SHAPES.values() and shape != SHAPES[photometric]:
        # Viewers differ in which of the two they follow, so half of them show it inverted.
        raise BadImageError(f"contradicts itself on what is white ({photometric} and {shape})")
    shared, of_frames = items(dataset, SHARED)[:1], items(dataset, FRAMES)
    if of_frames and len(of_frames) != frames:
        raise BadImageError("damaged header (groups for another number of frames)")
    groups = [[own, *shared] for own in of_frames] or [shared]
    return tuple(_gray(dataset, group, photometric, bits) for group in groups)


def _gray(dataset: Dataset, groups: Sequence[Dataset], photometric: str, bits: Bits) -> Gray:
    values = _macro(dataset, groups, "PixelValueTransformationSequence")
    voi = _macro(dataset, groups, "FrameVOILUTSequence")
    slope, intercept = number(values, "RescaleSlope"), number(values, "RescaleIntercept")
    centre, width = number(voi, "WindowCenter"), number(voi, "WindowWidth")
    gray = Gray(
        inverted=photometric == "MONOCHROME1",
        bits=bits.stored,
        signed=bits.signed,
        rescale=None if slope is None and intercept is None else (1.0 if slope is None else slope, intercept or 0.0),
        units=text(values, "RescaleType") or _units(dataset),
        modality_lut=sequence_lut(dataset, "ModalityLUTSequence", bits.little, bits.signed),
        window=None if centre is None or width is None else (centre, width),
        function=text(voi, "VOILUTFunction") or "LINEAR",
        padding=_padding(dataset),
    )
    below_zero = gray.modality_lut is None and (bits.signed or (intercept or 0) < 0)
    return replace(gray, voi_lut=sequence_lut(voi, "VOILUTSequence", bits.little, below_zero))


def _units(dataset: Dataset) -> str | None:
    """PS3.3 C.8.2.1.1.2: a slice of CT is in Hounsfield units unless it says otherwise; a localizer need not be."""
    return "HU" if text(dataset, "Modality") == "CT" and "LOCALIZER" not in texts(dataset, "ImageType") else None


def _macro(dataset: Dataset, groups: Sequence[Dataset], keyword: str) -> Dataset:
    """The item of a functional group, a frame's own before the one that all frames share; else the data set."""
    return next((found[0] for group in groups if (found := items(group, keyword))), dataset)


def _padding(dataset: Dataset) -> tuple[int, int] | None:
    value, limit = integer(dataset, "PixelPaddingValue"), integer(dataset, "PixelPaddingRangeLimit")
    return None if value is None else (value, value if limit is None else limit)
