"""Images of the Medical Imaging Data Structure (MIDS): a PNG with the values of a DICOM file, and its header as JSON.

BIMCV writes such PNGs with SimpleITK (Notebooks/dcm2png.py of https://github.com/BIMCV-CSUSP/BIMCV-COVID-19), which
rescales values, but neither windows nor inverts them: as they are, some look nearly black and others inverted. The
header beside it is in the DICOM JSON model (PS3.18 F.2).
"""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from medgraft.data.content import BadImageError, Loaded
from medgraft.data.dicom.elements import damage, integer, text
from medgraft.data.dicom.gray import Gray, shown
from medgraft.data.dicom.grays import SHAPES, Bits, grays
from medgraft.data.images import ImageFile, read_file

KEYWORDS = (
    *("Modality", "PhotometricInterpretation", "PresentationLUTShape", "BitsStored", "PixelRepresentation"),
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence", "PixelPaddingValue", "PixelPaddingRangeLimit"),
)
TAGS = {f"{tag_for_keyword(keyword):08X}" for keyword in KEYWORDS}
LARGEST_HEADER = 2**25  # bytes
DAMAGED = "damaged JSON file beside the image"


@dataclass(frozen=True)
class MidsImage:
    """The PNG at `path`, gray as the JSON file of the same name says."""

    path: Path

    def digest(self) -> str:
        """SHA-256 of both files."""
        return sha256(ImageFile(self.path).digest().encode() + read_file(self._header)).hexdigest()

    def load(self, max_pixels: int) -> Loaded:
        """Decode the PNG, then show its values: uint8 [H, W, 1]; colours are left as they are."""
        loaded = ImageFile(self.path).load(max_pixels)
        if loaded.array.shape[2] != 1:
            return loaded
        gray = _gray(self._header)
        if loaded.array.dtype == np.uint8 and gray.bits > 8:
            raise BadImageError("fewer bits than the JSON file beside the image says")
        pixels, changes = shown(loaded.array[:, :, 0], gray, None)
        return Loaded(pixels[:, :, None], loaded.mode, (*loaded.changes, *changes))

    def kept(self) -> tuple[bytes, str] | None:
        """Nothing: the PNG need not show what its header says."""
        return None

    @property
    def _header(self) -> Path:
        return self.path.with_suffix(".json")


def _gray(path: Path) -> Gray:
    """What the header says of gray values, but for the rescaling, which the values of the PNG have behind them."""
    if not path.is_file():
        raise BadImageError("no JSON file beside the image")
    if path.stat().st_size > LARGEST_HEADER:
        raise BadImageError(f"{DAMAGED} (too large)")
    with damage(DAMAGED):
        elements = json.loads(read_file(path)).items()
        dataset = Dataset.from_json({tag.upper(): value for tag, value in elements if tag.upper() in TAGS})
        photometric = text(dataset, "PhotometricInterpretation")
        bits = integer(dataset, "BitsStored")
        if photometric not in SHAPES or bits is None or not 1 <= bits <= 16:
            raise BadImageError("the JSON file beside the image does not say what is white")
        signed = integer(dataset, "PixelRepresentation") == 1
        [gray] = grays(dataset, photometric, Bits(bits, signed, little=True), frames=1)
    return replace(gray, rescale=None, modality_lut=None)
