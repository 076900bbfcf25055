"""DICOM files made up for tests, as devices write them and as nobody should."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    MRImageStorage,
    UltrasoundImageStorage,
    generate_uid,
)

from medgraft.data.content import Loaded
from medgraft.data.dicom.frame import DicomFrame

PLENTY = 10_000_000
# Modality → the class of its images.
CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "US": UltrasoundImageStorage}
HOUNSFIELD = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU"}
# Stored values of CT that become -1024 … 3071 Hounsfield units.
RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def dataset(pixels: NDArray[Any], syntax: Any = ExplicitVRLittleEndian, **elements: Any) -> FileDataset:
    """An image: [H, W] gray or [H, W, 3] colour, or frames of these with `NumberOfFrames`; `elements` by keyword.

    An element given as None is left out.
    """
    modality = elements.get("Modality", "MR")
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    made = FileDataset("", {}, bytes(128), meta, syntax.is_implicit_VR, syntax.is_little_endian)
    meta.MediaStorageSOPClassUID = made.SOPClassUID = elements.pop("SOPClassUID", None) or CLASSES[modality]
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid(entropy_srcs=[pixels.tobytes().hex()])
    bits = 8 * pixels.dtype.itemsize
    colour = pixels.shape[-1] == 3
    defaults = {
        "Modality": "MR",
        "PatientID": "p1",
        "Rows": pixels.shape[-3 if colour else -2],
        "Columns": pixels.shape[-2 if colour else -1],
        "SamplesPerPixel": 3 if colour else 1,
        "PhotometricInterpretation": "RGB" if colour else "MONOCHROME2",
        "PlanarConfiguration": 0 if colour else None,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": elements.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    for keyword, value in (defaults | elements).items():
        if value is not None:
            setattr(made, keyword, value)
    if not hasattr(made, "PixelData"):
        made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
        made["PixelData"].VR = "OB" if bits == 8 else "OW"
    return made


def encoded(made: FileDataset) -> bytes:
    """The file's bytes."""
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def write(path: Path, pixels: NDArray[Any], syntax: Any = ExplicitVRLittleEndian, **elements: Any) -> DicomFrame:
    """Write such a file, and give its (first) frame."""
    path.write_bytes(encoded(dataset(pixels, syntax, **elements)))
    return DicomFrame(path)


def loaded(path: Path, pixels: NDArray[Any], window: Any = None, frame: Any = 0, **elements: Any) -> Loaded:
    """Write such a file, and load a frame of it."""
    write(path, pixels, **elements)
    return DicomFrame(path, frame, window).load(PLENTY)


def compressed(pixels: NDArray[Any], syntax: UID, **elements: Any) -> FileDataset:
    """An image whose frames, [frames, H, W] or [frames, H, W, 3], Pillow has encoded as JPEG or JPEG 2000."""
    kind = {JPEGBaseline8Bit: "JPEG", JPEG2000Lossless: "JPEG2000", JPEG2000: "JPEG2000"}[syntax]
    options: dict[str, Any] = {"no_jp2": True} if kind == "JPEG2000" else {"quality": 95, "subsampling": 0}
    colours = {"JPEG": "YBR_FULL", "JPEG2000": "YBR_RCT"}[kind] if pixels.shape[-1] == 3 else "MONOCHROME2"
    frames = []
    for one in pixels:
        buffer = io.BytesIO()
        Image.fromarray(one).save(buffer, kind, **options)
        frames.append(buffer.getvalue())
    made = dataset(
        pixels[0],
        syntax,
        **({"NumberOfFrames": len(pixels), "PhotometricInterpretation": colours} | elements),
        PixelData=encapsulate(frames),
    )
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return made


def lut(data: list[int], first: int, bits: int, signed: bool = False) -> Dataset:
    """An item of a sequence of lookup tables."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(data) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.array(data, "<u2").tobytes())
    return item


def item(**elements: Any) -> Dataset:
    """An item of any sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made
