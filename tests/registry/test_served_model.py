import base64
import gzip
import io
import subprocess
import sys
import zlib
from pathlib import Path

import mlflow
import nibabel
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from numpy.typing import NDArray
from PIL import Image

from medgraft.data.content import BadImageError as BadStoredError
from medgraft.data.examination import examine, stored_bytes
from medgraft.data.images import ImageBytes, decode_raster
from medgraft.data.images import decode as decode_stored
from medgraft.data.volumes import decode_nifti
from medgraft.registry.served_model import BadImageError, decode, decode_volume

WHITE = 4095  # of images with more than 8 bits
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 4), dtype=np.uint8)
ALONE = """
import sys
class Refuse:
    def find_spec(self, name, *rest):
        if name.partition(".")[0] in ("torch", "medgraft", "timm"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(model.input_example).to_json(orient="values"))
"""


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def stored(raw: bytes) -> bytes:
    return stored_bytes(ImageBytes(lambda: raw), examine(decode_raster(raw, 10_000)), WHITE, 10_000)[0]


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    return encoded(Image.fromarray(PIXELS[..., :3]), "JPEG", exif=exif)


def deep_colour() -> bytes:
    """A PNG with 16 bits a channel, which Pillow opens as 8-bit RGB."""
    raw = bytearray(encoded(Image.new("RGB", (2, 1)), "PNG"))
    header = raw.index(b"IHDR")
    raw[header + 12] = 16
    raw[header + 17 : header + 21] = zlib.crc32(raw[header : header + 17]).to_bytes(4)
    return bytes(raw)


FILES = {
    "gray PNG": encoded(Image.fromarray(PIXELS[..., 0]), "PNG"),
    "colour PNG": encoded(Image.fromarray(PIXELS[..., :3]), "PNG"),
    "transparent PNG": encoded(Image.fromarray(PIXELS), "PNG"),
    "transparent gray PNG": encoded(Image.fromarray(PIXELS).convert("LA"), "PNG"),
    "palette PNG": encoded(Image.fromarray(PIXELS[..., :3]).quantize(16), "PNG"),
    "palette GIF with transparency": encoded(Image.fromarray(PIXELS[..., 0]), "GIF", transparency=7),
    "bilevel TIFF": encoded(Image.fromarray(PIXELS[..., 0]).convert("1"), "TIFF"),
    "CMYK JPEG": encoded(Image.fromarray(PIXELS[..., :3]).convert("CMYK"), "JPEG"),
    "turned JPEG": turned(),
    "12-bit PNG": encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 16 + 5), "PNG"),
    "16-bit TIFF": encoded(Image.fromarray(PIXELS[..., 1].astype(np.uint16) * 257), "TIFF"),
    "32-bit TIFF": encoded(Image.fromarray(PIXELS[..., 2].astype(np.int32) * 15), "TIFF"),
}


FILM = encoded(Image.new("L", (9, 9)), "GIF", save_all=True, append_images=[Image.new("L", (9, 9), 9)])


@pytest.mark.parametrize("raw", FILES.values(), ids=FILES.keys())
def test_reads_an_image_as_ingest_stores_it(raw: bytes) -> None:
    np.testing.assert_array_equal(decode(text(raw), 10_000, WHITE), decode_stored(stored(raw)))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("raw", FILES.values(), ids=FILES.keys())
def test_damage_is_refused_or_read_as_ingest_reads_it(raw: bytes) -> None:
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(60):
        damaged = bytearray(raw[: rng.integers(1, len(raw) + 1)] if rng.random() < 0.5 else raw)
        for place in rng.integers(0, len(damaged), size=rng.integers(0, 4)):
            damaged[place] = rng.integers(256)
        try:
            pixels = decode(text(bytes(damaged)), 10_000, WHITE)
        except BadImageError:
            with pytest.raises(BadStoredError):
                stored(bytes(damaged))
            continue
        try:
            kept = stored(bytes(damaged))
        except BadStoredError:
            continue  # ingest also refuses what it cannot strip of metadata
        read += 1
        np.testing.assert_array_equal(pixels, decode_stored(kept))
    assert read > 5


def test_line_breaks_in_base64_are_allowed() -> None:
    raw = FILES["colour PNG"]
    wrapped = base64.encodebytes(raw).decode()
    assert "\n" in wrapped
    np.testing.assert_array_equal(decode(wrapped, 10_000, None), decode(text(raw), 10_000, None))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (None, "no image"),
        (float("nan"), "no image"),
        ("", "no image"),
        ("§§§", "not base64"),
        ("abc", "not base64"),
        (text(b"<svg/>"), "not an image"),
        (text(FILES["colour PNG"][:-900]), "truncated or damaged"),
        (text(encoded(Image.new("L", (101, 100)), "PNG")), r"more than 10000 pixels \(101 x 100\)"),
        (text(encoded(Image.fromarray(np.full((9, 9), 3000, np.uint16)), "PNG")), "more than 8 bits"),
        (text(deep_colour()), "more than 8 bits"),
        (text(encoded(Image.new("RGB", (9, 9)), "EPS")), "not an image"),
        (text(FILM), "more than one frame"),
    ],
)
def test_refuses_with_the_reason(sent: object, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        decode(sent, max_pixels=10_000, white=None)


def test_names_every_row_that_cannot_be_read(package: Path) -> None:
    model = mlflow.pyfunc.load_model(str(package))
    good = text(FILES["gray PNG"])
    with pytest.raises(MlflowException, match=r"2 of 4 .* row 1: not base64 .*; row 3: not an image") as caught:
        model.predict(pd.DataFrame({"image": [good, "?", good, text(b"no image")]}))
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"  # which the server answers as 400


def test_refuses_what_the_package_calls_too_large(package: Path) -> None:
    model = mlflow.pyfunc.load_model(str(package))
    large = text(encoded(Image.new("L", (1001, 1000)), "PNG"))
    with pytest.raises(MlflowException, match=r"row 0: more than 1000000 pixels \(1001 x 1000\)"):
        model.predict(pd.DataFrame({"image": [large]}))


def test_answers_images_of_different_sizes_one_row_each(package: Path) -> None:
    model = mlflow.pyfunc.load_model(str(package))
    sent = [text(raw) for raw in (FILES["gray PNG"], FILES["turned JPEG"], FILES["colour PNG"])]
    answer = model.predict(pd.DataFrame({"image": sent}))
    assert list(answer.columns) == ["clear", "nodule, solid/part-solid"]
    np.testing.assert_allclose(answer.sum(axis=1), 1, atol=1e-6)
    alone = model.predict(pd.DataFrame({"image": sent[1:2]}))
    np.testing.assert_array_equal(answer.iloc[1], alone.iloc[0])


def test_runs_where_torch_and_medgraft_are_not_installed(package: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ALONE, str(package)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    model = mlflow.pyfunc.load_model(str(package))
    assert done.stdout.strip() == model.predict(model.input_example).to_json(orient="values")


def nifti(turned: bool, gzipped: bool, kind: type[np.generic] = np.int16) -> tuple[bytes, NDArray[np.float32]]:
    """A file as scanners write it, and its values along right, front and up."""
    values = np.random.default_rng(0).integers(-900, 900, (5, 4, 3)).astype(kind)
    affine = np.diag([2.0, 1.5, 3.0, 1.0])
    if turned:
        affine = np.array([[0, -2.0, 0, 9], [1.5, 0, 0, 0], [0, 0, -3.0, 4], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_slope_inter(0.5, -10)
    raw = image.to_bytes()
    expected, _ = decode_nifti(raw)
    return (gzip.compress(raw) if gzipped else raw), expected.astype(np.float32)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("gzipped", [False, True])
def test_volumes_are_read_as_ingest_reads_them(turned: bool, gzipped: bool) -> None:
    raw, expected = nifti(turned, gzipped)
    found = decode_volume(base64.b64encode(raw).decode(), 10_000, None)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[..., 0], expected)


def test_volumes_that_ingest_would_refuse_are_refused() -> None:
    raw, _ = nifti(turned=True, gzipped=True)
    text = base64.b64encode(raw).decode()
    with pytest.raises(BadImageError, match="at most 10 voxels"):
        decode_volume(text, 10, None)
    with pytest.raises(BadImageError, match="truncated or damaged"):
        decode_volume(base64.b64encode(raw[:-20]).decode(), 10_000, None)
    with pytest.raises(BadImageError, match="truncated or damaged"):
        decode_volume(base64.b64encode(b"no volume at all").decode(), 10_000, None)
    with pytest.raises(BadImageError, match="resample it to"):
        decode_volume(text, 10_000, [1.0, 1.0, 1.0])
    assert decode_volume(text, 10_000, [2.0, 1.5, 3.0]).shape == (4, 5, 3, 1)
    with pytest.raises(BadImageError, match="not base64"):
        decode_volume("#", 10_000, None)
