"""Arrays inside containers are images and volumes like those of files, or have a reason."""

import numpy as np
import pytest
from tests.data.containers import values
from tests.data.sources import encoded

from medgraft.data.arrays import ImageArray, VolumeArray
from medgraft.data.content import Array, BadImageError
from medgraft.data.images import ImageBytes

LIMIT = 1000
GRAY, COLOUR, DEEP = values((8, 6), 1), values((8, 6, 3), 2), values((8, 6), 3, "uint16", 0, 65536)


def _image(array: Array) -> ImageArray:
    return ImageArray(lambda: array)


@pytest.mark.parametrize("array", [GRAY, COLOUR])
def test_an_array_is_the_image_that_a_file_of_it_would_be(array: Array) -> None:
    loaded, file = _image(array).load(LIMIT), ImageBytes(lambda: encoded(array)).load(LIMIT)
    np.testing.assert_array_equal(loaded.array, file.array, strict=True)
    assert loaded.spacing is None
    assert loaded.changes == ("uint8 array stored as 8-bit PNG",)
    assert _image(array).kept() is None


def test_gray_is_gray_however_it_is_stored() -> None:
    for array in (GRAY, GRAY[:, :, None], np.repeat(GRAY[:, :, None], 3, axis=2)):
        np.testing.assert_array_equal(_image(array).load(LIMIT).array, GRAY[:, :, None], strict=True)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits(order: str) -> None:
    loaded = _image(DEEP.astype(f"{order}u2")).load(LIMIT)
    np.testing.assert_array_equal(loaded.array, DEEP[:, :, None], strict=True)
    assert (loaded.mode, loaded.changes) == ("array uint16", ("uint16 array stored as 8-bit PNG",))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (GRAY.astype(np.float32), r"values that are neither 8 nor 16 bits \(float32\)"),
        (GRAY.astype(np.int16), r"values that are neither 8 nor 16 bits \(int16\)"),
        (np.repeat(DEEP[:, :, None], 3, axis=2), "more than 8 bits a channel in colour"),
        (values((8, 6, 4)), r"an array that is no image \(8 x 6 x 4\)"),
        (values((8,)), r"an array that is no image \(8\)"),
        (values((40, 40)), r"more pixels than dataset.max_pixels = 1000 \(40 x 40\)"),
    ],
)
def test_arrays_that_are_no_images(array: Array, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        _image(array).load(LIMIT)


def test_what_is_too_large_is_not_even_read() -> None:
    def never() -> Array:
        raise AssertionError

    for content in (ImageArray(never, (65_535, 65_535, 3)), VolumeArray(never, (1.0, 1.0, 1.0), (2000, 2000, 2000))):
        with pytest.raises(BadImageError, match=r"more pixels than dataset.max_pixels = 1000"):
            content.load(LIMIT)


@pytest.mark.parametrize(("dtype", "kept"), [("uint8", "uint8"), ("uint16", "int16"), ("float64", "float32")])
def test_volumes_settle_as_files_of_them_do(dtype: str, kept: str) -> None:
    array = values((4, 3, 2), 1, dtype)
    loaded = VolumeArray(lambda: array, (0.1, 1.0, 2.0)).load(LIMIT)
    np.testing.assert_array_equal(loaded.array, array.astype(kept), strict=True)
    assert loaded.spacing == (float(np.float32(0.1)), 1.0, 2.0)
    assert loaded.changes == (() if dtype == kept else (f"{dtype} stored as {kept}",))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full((2, 2, 2), np.nan), "values that are not finite"),
        (values((2, 2)), r"an array that is no volume \(2 x 2 uint8\)"),
        (values((2, 0, 2)), "an array that is no volume"),
        (values((2, 2, 2)).astype(complex), "an array that is no volume"),
        (values((11, 11, 11)), "more pixels than dataset.max_pixels = 1000"),
    ],
)
def test_arrays_that_are_no_volumes(array: Array, reason: str) -> None:
    with pytest.raises(BadImageError, match=reason):
        VolumeArray(lambda: array, (1.0, 1.0, 1.0)).load(LIMIT)


def test_digests_tell_values_shapes_and_types_apart() -> None:
    arrays = [GRAY, GRAY + np.uint8(1), GRAY.reshape(6, 8), GRAY.astype(np.uint16), GRAY[:, :, None]]
    assert len({_image(array).digest() for array in arrays}) == len(arrays)
    assert _image(GRAY).digest() == _image(np.asfortranarray(GRAY)).digest()
    assert _image(GRAY).digest() == VolumeArray(lambda: GRAY, (1.0, 1.0, 1.0)).digest()


def test_a_reason_from_the_container_is_the_images_reason() -> None:
    def broken() -> Array:
        raise BadImageError("truncated or damaged (OSError)")

    for content in (ImageArray(broken), VolumeArray(broken, (1.0, 1.0, 1.0))):
        with pytest.raises(BadImageError, match="truncated"):
            content.load(LIMIT)
        with pytest.raises(BadImageError, match="truncated"):
            content.digest()
