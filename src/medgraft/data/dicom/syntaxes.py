"""Transfer syntaxes: how pixels are encoded, and which of these encodings can be read."""

from collections.abc import Mapping

from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from medgraft.data.content import BadImageError

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)
JPEG_8 = JPEGBaseline8Bit
JPEG_12 = JPEGExtended12Bit
JPEG_LOSSLESS = JPEGLossless
JPEG_2000 = (JPEG2000Lossless, JPEG2000)
RLE = RLELossless
# What reports call them.
ENCODED: Mapping[UID, str] = {
    JPEGBaseline8Bit: "JPEG",
    JPEGExtended12Bit: "JPEG",
    JPEGLossless: "lossless JPEG",
    JPEGLosslessSV1: "lossless JPEG",
    JPEGLSLossless: "JPEG-LS",
    JPEGLSNearLossless: "JPEG-LS",
    JPEG2000Lossless: "JPEG 2000",
    JPEG2000: "JPEG 2000",
    RLELossless: "RLE",
}


def refuse_unknown(syntax: UID) -> None:
    """Raise `BadImageError` for an encoding that is not read: video, deflated data sets, what makers keep private.

    A deflated data set would have to be inflated whole before its header tells how large it may be.
    """
    if syntax not in NATIVE and syntax not in ENCODED:
        known = syntax.name != str(syntax)
        raise BadImageError("unsupported transfer syntax" + (f" ({syntax.name})" if known else ""))
