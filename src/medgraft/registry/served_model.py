"""The model as MLflow serves it. This file is copied into every package and runs without medgraft and torch.

One column `image`, base64 text of an image file (PNG, JPEG or what else ingest accepts) → one column of calibrated
probability for each class. Images are read as ingest reads them (medgraft.data.images): what it would quarantine
is refused here, EXIF orientation is obeyed, transparency shows black.
"""

import base64
import binascii
import io
import json
import struct
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
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, OverflowError, MemoryError, struct.error)


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
                pixels = decode(text, self.max_pixels, self.white)
            except BadImageError as error:
                problems.append(f"row {row}: {error}")
            else:
                probabilities.append(self.session.run(None, {"image": pixels[None]})[0][0])
        if problems:
            count = f"{len(problems)} of {len(model_input)} images cannot be read"
            raise MlflowException.invalid_parameter_value(f"{count}: {'; '.join(problems)}")
        table = np.asarray(probabilities, dtype=np.float32).reshape(-1, len(self.classes))
        return pd.DataFrame(table, columns=self.classes)


def decode(text: object, max_pixels: int, white: int | None) -> NDArray[np.uint8]:
    """Base64 text (line breaks allowed) of an image file → uint8 [height, width, 3], upright RGB.

    `white`: the value of gray images with more than 8 bits that is shown white, as in the training images.
    """
    if not isinstance(text, str) or not text:
        raise BadImageError("no image; send the base64 text of an image file")
    try:
        raw = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadImageError(f"not base64 text ({error})") from error
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


def _eight_bits(values: NDArray[Any], white: int | None) -> NDArray[np.uint8]:
    if white is None:
        raise BadImageError("more than 8 bits, while every training image had 8; convert it as they were")
    if values.min() < 0 or values.max() > 65535:
        raise BadImageError(f"values outside 16 bits ({values.min()} to {values.max()})")
    scaled = np.round(np.minimum(values.astype(np.uint16), white) * (255 / white)).astype(np.uint8)
    return np.repeat(scaled[:, :, None], 3, axis=2)


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise BadImageError(f"{what} ({type(error).__name__})") from error


def _on_black(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    return image


set_model(ServedModel())
