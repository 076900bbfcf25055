"""The header of a DICOM file: read without its pixels, checked, and boiled down to what decoding needs."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from math import ceil
from struct import unpack

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import parse_basic_offsets, parse_fragments
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID

from medgraft.data.content import BadImageError
from medgraft.data.dicom.elements import damage, integer, text
from medgraft.data.dicom.gray import Gray
from medgraft.data.dicom.grays import GRAY_KEYWORDS, Bits, grays
from medgraft.data.dicom.kinds import KIND_KEYWORDS, refuse_other_objects
from medgraft.data.dicom.luts import PALETTE_KEYWORDS, Lut, palette
from medgraft.data.dicom.preamble import check_preamble
from medgraft.data.dicom.syntaxes import NATIVE, refuse_unknown

OFFSET_KEYWORDS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
SHAPE_KEYWORDS = (
    "Rows",
    "Columns",
    "NumberOfFrames",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "DataFrameAssignmentSequence",
    "IconImageSequence",
)
KEYWORDS = (*KIND_KEYWORDS, *SHAPE_KEYWORDS, *GRAY_KEYWORDS, *PALETTE_KEYWORDS, *OFFSET_KEYWORDS)
PIXEL_DATA, FLOATS, DOUBLES = (0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)
ENDLESS = 0xFFFFFFFF
SMALLEST_FRAME = 64  # bytes; the header of an RLE frame alone, and any JPEG has more
GRAYS = ("MONOCHROME1", "MONOCHROME2")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
# Retired, or of video alone; named in reasons, as nothing else that a file says about its colours is.
OTHER_COLOURS = ("YBR_PARTIAL_422", "YBR_PARTIAL_420", "HSV", "ARGB", "CMYK", "XYB")


@dataclass(frozen=True, eq=False)
class Header:
    """What decoding needs, checked; nothing in it is about a person.

    `start`: where the value of Pixel Data begins in the file; `vr`: how it is declared; `offsets`: the extended
    offset table and its lengths; `grays`: one for the file or one a frame, none for colour.
    """

    syntax: UID
    photometric: str
    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    planar: int
    start: int
    vr: str
    offsets: tuple[bytes, bytes] | None
    grays: tuple[Gray, ...]
    palette: tuple[Lut, Lut, Lut] | None

    @property
    def encoded(self) -> bool:
        """Whether each frame has to be decompressed."""
        return self.syntax not in NATIVE

    def gray(self, frame: int) -> Gray:
        """What the gray values of a frame (from 0) mean."""
        return self.grays[frame if len(self.grays) > 1 else 0]


def read_header(stream: BufferedReader, keywords: Sequence[str] = ()) -> tuple[Header, Dataset]:
    """The header of an open file, and the data set of it and of those other elements; reads no pixels.

    Raises `BadImageError` for what is not an image, or cannot be read, or ends before all its pixels.
    """
    check_preamble(stream)
    with damage("damaged header"):
        meta = read_file_meta_info(stream.name)
        syntax = UID(text(meta, "TransferSyntaxUID") or "")
        if not syntax:
            raise BadImageError("damaged header (no transfer syntax)")
        refuse_unknown(syntax)
        stream.seek(0)
        dataset = dcmread(stream, stop_before_pixels=True, specific_tags=[*KEYWORDS, *keywords])
        refuse_other_objects(dataset, text(meta, "MediaStorageSOPClassUID"))
        little = bool(dataset.original_encoding[1])
        vr, length = _pixel_data(stream, dataset, little)
        header = _header(dataset, syntax, stream.tell(), vr, little)
    with damage("truncated or damaged"):
        if header.encoded:
            _check_fragments(stream, header)
        else:
            _check_length(stream, header, length)
    return header, dataset


def _pixel_data(stream: BufferedReader, dataset: Dataset, little: bool) -> tuple[str, int]:
    """How Pixel Data is declared, and its length; the stream stands before the element, and then before its value."""
    order = "<" if little else ">"
    start = stream.read(8)
    if len(start) < 8:
        icon = " (an icon only)" if "IconImageSequence" in dataset else ""
        raise BadImageError(f"no pixel data{icon}")
    tag = unpack(f"{order}HH", start[:4])
    if tag in (FLOATS, DOUBLES):
        raise BadImageError("pixels that are not whole numbers")
    if tag != PIXEL_DATA:
        raise BadImageError("no pixel data")
    if dataset.original_encoding[0] or start[4:6] not in (b"OB", b"OW", b"UN"):  # files may be implicit and not say so
        return "OW", int(unpack(f"{order}L", start[4:])[0])
    return start[4:6].decode("ascii"), int(unpack(f"{order}L", stream.read(4))[0])


def _header(dataset: Dataset, syntax: UID, start: int, vr: str, little: bool) -> Header:
    rows, columns = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    if rows < 1 or columns < 1:
        raise BadImageError("no size (Rows or Columns)")
    frames = integer(dataset, "NumberOfFrames") or 1
    if frames < 1:
        raise BadImageError("damaged header (a negative number of frames)")
    photometric, samples = _colours(dataset)
    allocated, stored, signed = _bits(dataset)
    if signed and photometric not in GRAYS:
        raise BadImageError("colours below zero")
    planar = integer(dataset, "PlanarConfiguration") or 0
    if samples == 3 and planar not in (0, 1):
        raise BadImageError("damaged header (planar configuration)")
    table, lengths = (dataset.get(keyword) for keyword in OFFSET_KEYWORDS)
    return Header(
        syntax=syntax,
        photometric=photometric,
        rows=rows,
        columns=columns,
        frames=frames,
        samples=samples,
        allocated=allocated,
        stored=stored,
        signed=signed,
        planar=planar,
        start=start,
        vr=vr,
        offsets=(table, lengths) if isinstance(table, bytes) and isinstance(lengths, bytes) else None,
        grays=grays(dataset, photometric, Bits(stored, signed, little), frames) if photometric in GRAYS else (),
        palette=palette(dataset, little, signed) if photometric == PALETTE else None,
    )


def _colours(dataset: Dataset) -> tuple[str, int]:
    """Photometric interpretation, and how many samples a pixel has."""
    photometric = text(dataset, "PhotometricInterpretation")
    samples = integer(dataset, "SamplesPerPixel") or (3 if photometric in COLOURS else 1)
    if photometric not in (*GRAYS, *COLOURS, PALETTE):
        raise BadImageError("unsupported colours" + (f" ({photometric})" if photometric in OTHER_COLOURS else ""))
    if samples != (3 if photometric in COLOURS else 1):
        raise BadImageError(f"damaged header ({samples} samples a pixel)")
    if "DataFrameAssignmentSequence" in dataset:
        raise BadImageError("unsupported colours (enhanced palette)")
    return photometric, samples


def _bits(dataset: Dataset) -> tuple[int, int, bool]:
    """Bits allocated and stored, and whether one of these is a sign."""
    allocated = integer(dataset, "BitsAllocated")
    stored, high = integer(dataset, "BitsStored") or allocated, integer(dataset, "HighBit")
    sign = integer(dataset, "PixelRepresentation") or 0
    if allocated not in (1, 8, 16, 32) or stored is None or not 1 <= stored <= allocated or sign not in (0, 1):
        raise BadImageError("damaged header (bits of a pixel)")
    if high is not None and high != stored - 1:
        raise BadImageError("unsupported bits (not the lowest of a pixel)")
    return allocated, stored, bool(sign)


def _check_length(stream: BufferedReader, header: Header, length: int) -> None:
    """Raise `BadImageError` unless the uncompressed pixels of all frames are there, and nothing more.

    More than a byte that makes the length even would be legal nowhere, and tells that rows or columns may be wrong.
    """
    samples = 2 if header.photometric == "YBR_FULL_422" else header.samples  # two pixels share their colours
    expected = ceil(header.rows * header.columns * samples * header.allocated * header.frames / 8)
    there = os.fstat(stream.fileno()).st_size - header.start
    if there < expected or (length != ENDLESS and there < length):
        raise BadImageError("truncated or damaged (pixel data)")
    if length not in (expected, expected + expected % 2):
        raise BadImageError("wrong length of the pixel data")


def _check_fragments(stream: BufferedReader, header: Header) -> None:
    """Raise `BadImageError` where several frames are promised, and fewer pieces are there, or hardly any bytes."""
    if header.frames > 1:
        there = os.fstat(stream.fileno()).st_size - header.start
        parse_basic_offsets(stream)
        if there < header.frames * SMALLEST_FRAME or parse_fragments(stream)[0] < header.frames:
            raise BadImageError("truncated or damaged (fewer frames than it says)")
