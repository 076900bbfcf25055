"""The model as MLflow serves it. This file is copied into every package and runs without medgraft and torch.

One column `image`, base64 text of an image file (PNG, JPEG or what else ingest accepts), or of a NIfTI file where the
model takes volumes → one column of calibrated probability for each class. Both are read as ingest reads them
(medgraft.data.images, medgraft.data.volumes): what it would quarantine is refused here, EXIF orientation is obeyed,
transparency shows black, axes are turned to RAS+.
"""

import base64
import binascii
import gzip
import io
import json
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Image.MAX_IMAGE_PIXELS = None  # the package's own limit is checked before decoding, with a reason
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    MemoryError,
    struct.error,
)
BYTES_A_VOXEL, HEADER = 8, 64 * 2**20  # the most that a NIfTI file needs
MILLIMETRES = {1: 1000.0, 3: 0.001}  # a unit, by the code in `xyzt_units`; unknown is taken as millimetres
NEAR = 1e-4  # relative: header sizes are float32


class BadImageError(Exception):
    """An image that gets no prediction; the message is the reason."""


class ServedModel(PythonModel):
    """ONNX Runtime on the CPU, one image at a time, so that images of different sizes may share a request."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401  (mlflow's PythonModelContext)
        """Open the package once."""
        folder = Path(context.artifacts["package"])
        package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        self.classes: list[str] = package["classes"]
        self.max_pixels: int = package["max_pixels"]
        self.white: int | None = package["white"]
        self.dimensions: int = package["dimensions"]
        self.spacing: list[float] | None = package["spacing"]
        providers = ["CPUExecutionProvider"]
        self.session = onnxruntime.InferenceSession(folder / "model.onnx", providers=providers)

    def predict(
        self,
        context: Any,  # noqa: ANN401  (as the framework calls it)
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Probabilities float32, one row an image; raises `MlflowException` naming every row that cannot be read."""
        probabilities: list[NDArray[np.float32]] = []
        problems: list[str] = []
        for row, text in enumerate(model_input["image"]):
            try:
                pixels = self._decode(text)
            except BadImageError as error:
                problems.append(f"row {row}: {error}")
            else:
                probabilities.append(self.session.run(None, {"image": pixels[None]})[0][0])
        if problems:
            count = f"{len(problems)} of {len(model_input)} images cannot be read"
            raise MlflowException.invalid_parameter_value(f"{count}: {'; '.join(problems)}")
        table = np.asarray(probabilities, dtype=np.float32).reshape(-1, len(self.classes))
        return pd.DataFrame(table, columns=self.classes)

    def _decode(self, text: object) -> NDArray[Any]:
        if self.dimensions == 3:
            return decode_volume(text, self.max_pixels, self.spacing)
        return decode(text, self.max_pixels, self.white)


def decode(text: object, max_pixels: int, white: int | None) -> NDArray[np.uint8]:
    """Base64 text (line breaks allowed) of an image file → uint8 [height, width, 3], upright RGB.

    `white`: the value of gray images with more than 8 bits that is shown white, as in the training images.
    """
    raw = _unwrapped(text)
    with _damage("damaged header"):
        try:
            image = Image.open(io.BytesIO(raw), formats=FORMATS)
        except UnidentifiedImageError as error:
            raise BadImageError(f"not an image that can be read ({', '.join(FORMATS)})") from error
    if image.width * image.height > max_pixels:
        raise BadImageError(f"more than {max_pixels} pixels ({image.width} x {image.height})")
    with _damage("damaged header"):
        frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise BadImageError("more than one frame")
    if image.mode == "F":
        raise BadImageError("pixels that are not whole numbers")
    if not image.mode.startswith("I") and any(";16" in str(tile) for tile in image.tile):
        raise BadImageError(f"more than 8 bits a channel in colour (mode {image.mode})")
    with _damage("truncated or damaged"):
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I"):
            return _eight_bits(np.asarray(upright), white)
        return np.asarray(_on_black(upright).convert("RGB"))


def decode_volume(text: object, max_pixels: int, spacing: list[float] | None) -> NDArray[np.float32]:
    """Base64 text of a NIfTI file, gzipped or not → float32 [x, y, z, 1], axes right, front, up.

    `spacing`: millimetres a voxel that the training volumes were brought to; None where they kept their own.
    """
    import nibabel
    from nibabel.affines import voxel_sizes
    from nibabel.filebasedimages import ImageFileError
    from nibabel.orientations import apply_orientation, io_orientation
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    raw = _unwrapped(text)
    most = BYTES_A_VOXEL * max_pixels + HEADER
    with _damage("truncated or damaged", (zlib.error, ImageFileError, HeaderDataError, WrapStructError)):
        if raw[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
                raw = stream.read(most + 1)
        if len(raw) > most:
            raise BadImageError(f"more bytes than {max_pixels} voxels have")
        kind = nibabel.Nifti2Image if raw[:4] in (b"\x1c\x02\0\0", b"\0\0\x02\x1c") else nibabel.Nifti1Image
        image = kind.from_bytes(raw)
        shape = image.shape
        if len(shape) < 3 or int(np.prod(shape[3:])) != 1 or int(np.prod(shape)) > max_pixels:
            raise BadImageError(f"not one volume of at most {max_pixels} voxels ({' x '.join(map(str, shape))})")
        told = int(image.header["sform_code"]) > 0 or int(image.header["qform_code"]) > 0
        sizes = np.asarray(image.header.get_zooms()[:3], dtype=np.float64)
        if told:
            sizes = voxel_sizes(image.affine)
        sizes = np.abs(sizes) * MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0)
        stored = image.dataobj
        values = stored.get_unscaled().astype(np.float64) * float(stored.slope) + float(stored.inter)
        values = values.reshape(shape[:3])
        if told:  # without an orientation the axes stay: nibabel would mirror them
            turn = io_orientation(image.affine)
            values = apply_orientation(values, turn)
            sizes = sizes[np.argsort(turn[:, 0])]
    if not np.isfinite(values).all():
        raise BadImageError("values that are not finite")
    if spacing is not None and not np.allclose(sizes, spacing, rtol=NEAR):
        raise BadImageError(f"voxels of {sizes.tolist()} mm; resample it to {spacing} mm, as the training volumes were")
    return np.ascontiguousarray(values, dtype=np.float32)[..., None]


def _unwrapped(text: object) -> bytes:
    if not isinstance(text, str) or not text:
        raise BadImageError("no image; send the base64 text of an image file")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImageError(f"not base64 text ({error})") from error


def _eight_bits(values: NDArray[Any], white: int | None) -> NDArray[np.uint8]:
    if white is None:
        raise BadImageError("more than 8 bits, while every training image had 8; convert it as they were")
    if values.min() < 0 or values.max() > 65535:
        raise BadImageError(f"values outside 16 bits ({values.min()} to {values.max()})")
    scaled = np.round(np.minimum(values.astype(np.uint16), white) * (255 / white)).astype(np.uint8)
    return np.repeat(scaled[:, :, None], 3, axis=2)


@contextmanager
def _damage(what: str, also: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    try:
        yield
    except DAMAGE + also as error:
        raise BadImageError(f"{what} ({type(error).__name__})") from error


def _on_black(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image


set_model(ServedModel())
