"""Which objects of DICOM are images, and which of these may show more than a body: names, dates, screens."""

from pydicom.dataset import Dataset
from pydicom.uid import UID

from medgraft.data.content import BadImageError
from medgraft.data.dicom.elements import text, texts

# What tells that a file is no image, or not one of a patient alone.
KIND_KEYWORDS = ("SOPClassUID", "BurnedInAnnotation", "ImageType", "ConversionType")

DIRECTORY = "1.2.840.10008.1.3.10"
# An image, though its class is not called so.
ULTRASOUND_VOLUME = "1.2.840.10008.5.1.4.1.1.6.2"
# PS3.6 annex A: Secondary Capture and its four kinds of several frames; prints on film, which were screens, too.
SECONDARY_CAPTURES = (
    "1.2.840.10008.5.1.4.1.1.7",
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
    "1.2.840.10008.5.1.1.29",
    "1.2.840.10008.5.1.1.30",
)
# PS3.3 C.8.6.1, how an image came to be digital. DI, a digital interface, is all that tells nothing against it.
CONVERSIONS = ("DV", "DF", "SD", "SI", "DRW", "SYN", "WSD")
# Values of Image Type that makers give to screens and to summaries of dose.
SCREENS = ("SCREEN SAVE", "SCREEN_SAVE", "SCREENSAVE", "DOSE_INFO")


def refuse_other_objects(dataset: Dataset, media: str | None) -> None:
    """Raise `BadImageError` for a class that is known and no image; `media` is the class that the file's meta gives.

    The dictionary's name of a class tells: "CT Image Storage", but "Encapsulated PDF Storage". Private classes pass.
    """
    uid = UID(text(dataset, "SOPClassUID") or media or "")
    if uid == DIRECTORY:
        raise BadImageError("a directory of files, not an image")
    known = uid.name != str(uid)
    if known and "Image Storage" not in uid.name and uid != ULTRASOUND_VOLUME:
        raise BadImageError(f"not an image ({uid.name})")


def burned_in(dataset: Dataset) -> bool:
    """Whether the file says that text about the patient is in the pixels, or shows the label of a slide."""
    return text(dataset, "BurnedInAnnotation") == "YES" or "LABEL" in texts(dataset, "ImageType")


def text_ruled_out(dataset: Dataset) -> bool:
    """Whether the file says that there is no such text; most say nothing, those of ultrasound that have it, too."""
    return text(dataset, "BurnedInAnnotation") == "NO" and not burned_in(dataset)


def secondary_capture(dataset: Dataset) -> str | None:
    """Why an image is a copy of a screen, a film or a page and not what a device acquired; None where it is."""
    if (text(dataset, "SOPClassUID") or "") in SECONDARY_CAPTURES:
        return "its class"
    if (conversion := text(dataset, "ConversionType")) in CONVERSIONS:
        return f"conversion type {conversion}"
    return "its image type" if set(SCREENS) & set(texts(dataset, "ImageType")) else None
