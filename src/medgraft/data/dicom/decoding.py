"""One frame of a DICOM file, decoded to its stored values; what it claims to be is checked before."""

from io import BufferedReader
from struct import unpack_from
from typing import Any

from numpy.typing import NDArray
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from medgraft.data.content import BadImageError
from medgraft.data.dicom.apart import decode_apart
from medgraft.data.dicom.elements import damage
from medgraft.data.dicom.header import Header
from medgraft.data.dicom.syntaxes import JPEG_8, JPEG_12, JPEG_2000, JPEG_LOSSLESS, RLE

J2K_START = b"\xff\x4f\xff\x51"
# Start of frame of JPEG and, the last one, of JPEG-LS; 0xC4, 0xC8 and 0xCC among them are something else.
JPEG_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)
JPEG_END = b"\xff\xd9"


def stored_values(stream: BufferedReader, header: Header, index: int) -> NDArray[Any]:
    """A frame (from 0) as integers [H, W], or in colour as RGB [H, W, 3] of as many bits as are stored.

    Raises `BadImageError` when it is damaged, or is not of the size that the header gives it.
    """
    with damage("truncated or damaged"):
        stream.seek(header.start)
        if not header.encoded:
            options = _options(header) | {"number_of_frames": header.frames}
            return get_decoder(header.syntax).as_array(stream, index=index, **options)[0]
        frame = get_frame(stream, index, number_of_frames=header.frames, extended_offsets=header.offsets)
        return _decoded(frame, header)


def _decoded(frame: bytes, header: Header) -> NDArray[Any]:
    syntax, options = header.syntax, _options(header)
    if syntax == RLE:
        # A frame that cannot be compressed grows by 1 %. Far more would decode to far more than there is room for.
        if len(frame) > 2 * header.rows * header.columns * header.samples * header.allocated // 8 + 1024:
            raise BadImageError("wrong length of the pixel data")
        return _here(frame, syntax, options, "pydicom")
    if JPEG_END not in frame[-10:]:
        raise BadImageError("truncated or damaged (no end of a frame)")
    if syntax in JPEG_2000:
        frame = frame[frame.index(J2K_START) :]  # a header of the file format JP2 does not belong here
        rows, columns, samples, precision = _j2k_size(frame)
    else:
        rows, columns, samples, precision = _jpeg_size(frame)
    if (rows, columns, samples) != (header.rows, header.columns, header.samples):
        raise BadImageError("truncated or damaged (a frame of another size than the header says)")
    if syntax == JPEG_8 or (syntax == JPEG_12 and precision == header.stored == 8):
        return _here(frame, syntax, options, "pillow")
    if syntax in JPEG_2000 and (samples == 1 or precision <= 8):
        return _here(frame, syntax, options, "pillow")
    if syntax == JPEG_12:  # pydicom lets GDCM decode it under this name only, though it can
        return decode_apart(frame, options | {"transfer_syntax_uid": str(JPEG_LOSSLESS)})
    return decode_apart(frame, options)


def _here(frame: bytes, syntax: UID, options: dict[str, Any], plugin: str) -> NDArray[Any]:
    return get_decoder(syntax).as_array(encapsulate([frame]), index=0, decoding_plugin=plugin, **options)[0]


def _options(header: Header) -> dict[str, Any]:
    options: dict[str, Any] = {
        "transfer_syntax_uid": header.syntax,
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": 1,
        "samples_per_pixel": header.samples,
        "photometric_interpretation": header.photometric,
        "bits_allocated": header.allocated,
        "bits_stored": header.stored,
        "pixel_representation": int(header.signed),
        "pixel_keyword": "PixelData",
        "pixel_vr": header.vr,
    }
    return options | ({"planar_configuration": header.planar} if header.samples > 1 else {})


def _j2k_size(frame: bytes) -> tuple[int, int, int, int]:
    """Rows, columns, samples and bits of a JPEG 2000 codestream, ISO/IEC 15444-1 A.5.1."""
    right, bottom, left, top = unpack_from(">4L", frame, 8)
    (samples,) = unpack_from(">H", frame, 40)
    return bottom - top, right - left, samples, (frame[42] & 0x7F) + 1


def _jpeg_size(frame: bytes) -> tuple[int, int, int, int]:
    """Rows, columns, samples and bits of a JPEG or JPEG-LS codestream, ISO/IEC 10918-1 B.2.2."""
    at = 2
    while True:
        if frame[at] != 0xFF:
            raise ValueError("not a marker")
        marker = frame[at + 1]
        if marker == 0xFF:  # fill
            at += 1
        elif marker in JPEG_FRAMES:
            precision, rows, columns, samples = unpack_from(">BHHB", frame, at + 4)
            return rows, columns, samples, precision
        else:
            at += 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
