"""Hostile DICOM files: more than 150, the same for the same seed."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from pydicom import FileDataset
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from tests.data.archiving import Entry, make_zip
from tests.data.containers import nifti
from tests.data.hostile.item import ACCEPTED, BLANK, EMPTY, HEADER, TRUNCATED, Hostile, cut, one
from tests.data.hostile.making import TEXTS, Maker, saved
from tests.data.hostile.rasters import PAYLOAD

MAX_PIXELS = 1_000_000
NO_DICOM, PROGRAM = "not a DICOM file", "executable code in the preamble"
TOO_LARGE = f"more pixels than dataset.max_pixels = {MAX_PIXELS}"
NO_PIXELS, LENGTH = "no pixel data", "wrong length of the pixel data"
NO_SIZE, COLOURS, SYNTAX = "no size", "unsupported colours", "unsupported transfer syntax"
LOOKUP, WINDOW = "a lookup table that makes no sense", "a window that makes no sense"
RESCALING = "a rescaling that makes no sense"
SIDE = 16
EIGHT_BITS = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
EIGHT_BITS |= {"RescaleIntercept": 0, "WindowCenter": 128, "WindowWidth": 256}
EXECUTABLE = (b"MZ", b"MZ\x90\0\3", b"\x7fELF\2\1\1", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"#!/bin/sh\n", b"ZM")
ENCODED = (JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless)


def frames(seed: int) -> Iterator[Hostile]:
    """All of them, no two with the same name."""
    kinds = (truncated, programs, nothing, bombs, encodings, headers, kinds_, meanings, others, sound)
    for kind in kinds:
        for number, item in enumerate(kind(Maker(seed))):
            name = f"{kind.__name__.strip('_')}_{number:03d}.{item.name}"
            yield Hostile(name, item.content, item.outcomes)


def dataset(make: Maker, **elements: Any) -> FileDataset:
    """A CT image of noise; an element that is None is left out."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = elements.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.{make.draw.randrange(10**9)}")
    found = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    told = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "PatientID": f"P{make.draw.randrange(10**6)}",
        "Modality": "CT",
        "Rows": SIDE,
        "Columns": SIDE,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": 1024,
        "WindowWidth": 4096,
        "PixelData": make.numbers.integers(0, 4096, (SIDE, SIDE)).astype("<u2").tobytes(),
    }
    for keyword, value in (told | elements).items():
        if value is not None:
            setattr(found, keyword, value)
    if "PixelData" in found:
        found["PixelData"].VR = "OB" if meta.TransferSyntaxUID in ENCODED else "OW"
    return found


def written(found: FileDataset) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    found.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def ct(make: Maker, **elements: Any) -> bytes:
    """`dataset` as a file."""
    return written(dataset(make, **elements))


def _packed(make: Maker, syntax: UID, content: bytes, **elements: Any) -> bytes:
    return ct(make, syntax=syntax, PixelData=encapsulate([content]), **(EIGHT_BITS | elements))


def _rle(pixels: int) -> bytes:
    """A frame of zeros, run by run."""
    return struct.pack("<16L", 1, 64, *[0] * 14) + b"\x81\0" * (pixels // 128)


def _jpeg(make: Maker, kind: str = "JPEG", side: int = SIDE) -> bytes:
    return saved(make.noise("L", side, side), kind)


def truncated(make: Maker) -> Iterator[Hostile]:
    """Cut at a random place, or with a bit of the header changed."""
    for _ in range(40):
        yield one("dcm", cut(ct(make), make.draw, 0.95), TRUNCATED, HEADER, NO_DICOM, NO_PIXELS)
    for _ in range(15):
        packed = _packed(make, JPEGBaseline8Bit, _jpeg(make))
        yield one("dcm", cut(packed, make.draw, 0.95), TRUNCATED, HEADER, NO_DICOM, NO_PIXELS)


def programs(make: Maker) -> Iterator[Hostile]:
    """What an operating system would run, in the first 128 bytes: CVE-2019-11687."""
    for start in EXECUTABLE:
        for _ in range(3):
            found = dataset(make)
            found.preamble = (start + make.bytes(128))[:128]
            yield one("dcm", written(found), PROGRAM)


def nothing(make: Maker) -> Iterator[Hostile]:
    """No bytes, text, noise."""
    yield one("dcm", b"", EMPTY)
    for text in TEXTS:
        yield one("dcm", text, NO_DICOM)
    for length in (1, 127, 128, 132, 4096):
        yield one("dcm", make.bytes(length), NO_DICOM)
        yield one("dcm", bytes(128) + b"DICM" + make.bytes(length), HEADER, TRUNCATED, NO_PIXELS, SYNTAX)
    yield one("dcm", bytes(128) + b"DICM", HEADER, NO_PIXELS)


def bombs(make: Maker) -> Iterator[Hostile]:
    """Sizes and counts that are lies, and streams that inflate."""
    for rows, columns in ((65_535, 65_535), (1001, 1000), (SIDE, 65_535)):
        size = {"Rows": rows, "Columns": columns}
        reasons = (TOO_LARGE, TRUNCATED, LENGTH)
        yield one("dcm", ct(make, **size), *reasons)
        for syntax, kind in ((JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000")):
            yield one("dcm", _packed(make, syntax, _jpeg(make, kind), **size), *reasons)
        yield one("dcm", _packed(make, RLELossless, _rle(SIDE**2), **size), *reasons)
    for count in (2, 10_000, 2**31 - 1, -1):
        yield one("dcm", ct(make, NumberOfFrames=count), TRUNCATED, LENGTH, HEADER)
        yield one("dcm", _packed(make, JPEGBaseline8Bit, _jpeg(make), NumberOfFrames=count), TRUNCATED, HEADER)
    yield one("dcm", _packed(make, JPEGBaseline8Bit, _jpeg(make, side=900)), TRUNCATED)
    yield one("dcm", _packed(make, JPEG2000Lossless, _jpeg(make, "JPEG2000", 900)), TRUNCATED)
    yield one("dcm", _packed(make, RLELossless, _rle(10**8)), LENGTH, TRUNCATED)
    raw = ct(make)
    at = raw.index(struct.pack("<HH", 0x7FE0, 0x10)) + 8
    for length in (0, 2, 2**31, 2**32 - 2):
        yield one("dcm", raw[:at] + struct.pack("<L", length) + raw[at + 4 :], LENGTH, TRUNCATED)
    start = raw.index(struct.pack("<HH", 0x8, 0x16))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = packer.compress(raw[start:]) + packer.compress(bytes(10**8)) + packer.flush()
    head = ct(make, syntax=DeflatedExplicitVRLittleEndian, PixelData=None)
    yield one("dcm", head[: _end_of_meta(head)] + deflated, SYNTAX)


def _end_of_meta(raw: bytes) -> int:
    return 132 + 12 + int(struct.unpack_from("<L", raw, 140)[0])


def encodings(make: Maker) -> Iterator[Hostile]:
    """Compressed frames that are noise, damaged, of another size, or of another kind than the header says."""
    for syntax in ENCODED:
        for length in (2, 10, 500):
            yield one("dcm", _packed(make, syntax, make.bytes(length)), TRUNCATED, LENGTH)
        yield one("dcm", _packed(make, syntax, make.encoded("PNG")), TRUNCATED, LENGTH)
    for syntax, kind in ((JPEGBaseline8Bit, "JPEG"), (JPEG2000Lossless, "JPEG2000")):
        for _ in range(5):
            frame = _jpeg(make, kind)
            middle = make.draw.randint(len(frame) // 2, len(frame) - 20)
            yield one("dcm", _packed(make, syntax, frame[:middle] + frame[-2:]), TRUNCATED, ACCEPTED)
        yield one("dcm", _packed(make, syntax, _jpeg(make, kind, SIDE + 1)), TRUNCATED)
        yield one("dcm", _packed(make, syntax, saved(make.noise("RGB", SIDE, SIDE), kind)), TRUNCATED)
    yield one("dcm", _packed(make, MPEG2MPML, make.bytes(100)), SYNTAX)
    yield one("dcm", ct(make, syntax=UID("1.2.3.4.5.6")), SYNTAX)


def headers(make: Maker) -> Iterator[Hostile]:
    """Elements that are missing, empty or nonsense."""
    for rows, columns in ((0, SIDE), (SIDE, 0), (None, SIDE), (SIDE, None)):
        yield one("dcm", ct(make, Rows=rows, Columns=columns), NO_SIZE)
    yield one("dcm", ct(make, PixelData=None), NO_PIXELS)
    yield one("dcm", ct(make, PixelData=b""), LENGTH, TRUNCATED)
    for extra in (b"\0" * 1000, bytes(2 * SIDE * SIDE)):
        yield one("dcm", ct(make, PixelData=bytes(2 * SIDE * SIDE) + extra), LENGTH)
    for stored, high in ((17, 16), (12, 15), (64, 63), (12, 65_535)):
        yield one("dcm", ct(make, BitsStored=stored, HighBit=high), HEADER, "unsupported bits")
    for allocated in (0, 7, 24, 64, 65_535):
        yield one("dcm", ct(make, BitsAllocated=allocated), HEADER)
    for samples in (2, 3, 4, 65_535):
        yield one("dcm", ct(make, SamplesPerPixel=samples), HEADER)
    for colours in ("CMYK", "HSV", "", "MONOCHROME3", "PALETTE COLOR", "RGB"):
        yield one("dcm", ct(make, PhotometricInterpretation=colours), COLOURS, HEADER, LOOKUP)
    yield one("dcm", ct(make, PixelRepresentation=7), HEADER)
    yield one("dcm", _without_syntax(make), HEADER)


def _without_syntax(make: Maker) -> bytes:
    raw = ct(make)
    at = raw.index(struct.pack("<HH", 2, 0x10))
    return raw[:at] + struct.pack("<HH", 2, 0x11) + raw[at + 4 :]


def kinds_(make: Maker) -> Iterator[Hostile]:
    """Sound DICOM that is no image, or may show more than a patient's body."""
    yield one("dcm", ct(make, SOPClassUID=EncapsulatedPDFStorage), "not an image")
    yield one("dcm", ct(make, SOPClassUID=MediaStorageDirectoryStorage), "a directory of files, not an image")
    yield one("dcm", ct(make, SOPClassUID=SecondaryCaptureImageStorage), "secondary capture")
    yield one("dcm", ct(make, BurnedInAnnotation="YES"), "burned-in text")
    yield one("dcm", ct(make, ConversionType="WSD"), "secondary capture")
    yield one("dcm", ct(make, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]), "secondary capture")
    found = dataset(make, PixelData=None)
    found.FloatPixelData = np.full((SIDE, SIDE), np.nan, "<f4").tobytes()
    yield one("dcm", written(found), "pixels that are not whole numbers")
    for nobody in (None, "", "ANONYMOUS"):
        yield one("dcm", ct(make, PatientID=nobody), "no patient")


def meanings(make: Maker) -> Iterator[Hostile]:
    """Rescaling, windows and tables of nonsense."""
    for slope in ("0", "nan", "inf", "1e400", "x"):
        yield one("dcm", _patched_ds(make, "RescaleSlope", slope), RESCALING, HEADER)
    for width in ("0", "-5", "nan"):
        yield one("dcm", _patched_ds(make, "WindowWidth", width), WINDOW, HEADER)
    for descriptor in ([0, 0, 99], [65_535, 0, 16], [4, 0, 16]):
        item = Dataset()
        item.LUTDescriptor, item.LUTData = descriptor, [1, 2]
        item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
        yield one("dcm", ct(make, ModalityLUTSequence=[item], RescaleSlope=None, RescaleIntercept=None), LOOKUP, HEADER)


def _patched_ds(make: Maker, keyword: str, value: str) -> bytes:
    """A file with a decimal string that pydicom would not write."""
    marked = "9.87654321"
    return ct(make, **{keyword: marked}).replace(marked.encode(), value.encode().ljust(len(marked)))


def others(make: Maker) -> Iterator[Hostile]:
    """Other formats under the name of DICOM."""
    for content in (
        make.encoded("PNG"),
        make.encoded("JPEG"),
        make.encoded("TIFF"),
        nifti(make.numbers.integers(0, 9, (3, 3, 3)).astype("int16")),
        make_zip([Entry("a.dcm", ct(make))]),
        ct(make)[128:],
    ):
        yield one("dcm", content, NO_DICOM)


def sound(make: Maker) -> Iterator[Hostile]:
    """Odd, but right: nothing of this may be lost."""
    for extension in ("dcm", "png", "jpg", "IMA", "nii"):
        yield one(extension, ct(make), ACCEPTED)
        yield one(extension, _packed(make, JPEGBaseline8Bit, _jpeg(make)), ACCEPTED)
    yield one("dcm", ct(make, NumberOfFrames=0), ACCEPTED)
    yield one("dcm", ct(make, Rows=1, Columns=1, PixelData=b"\1\0"), BLANK)
    for rows, columns in ((1, 65_535), (65_535, 1)):
        values = make.numbers.integers(0, 4096, (rows, columns)).astype("<u2")
        yield one("dcm", ct(make, Rows=rows, Columns=columns, PixelData=values.tobytes()), ACCEPTED)
    rider = dataset(make)
    rider.PatientComments = PAYLOAD.decode()
    yield one("dcm", written(rider), ACCEPTED)
    tiff = dataset(make)
    tiff.preamble = (b"II*\0" + make.bytes(128))[:128]
    yield one("dcm", written(tiff), ACCEPTED)
    noise = Image.fromarray(make.numbers.integers(0, 256, (SIDE, SIDE)).astype(np.uint8))
    yield one("dcm", _packed(make, JPEG2000Lossless, saved(noise, "JPEG2000", no_jp2=True)), ACCEPTED)
