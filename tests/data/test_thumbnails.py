from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.pictures import picture

from medgraft.data.thumbnails import write_thumbnails


def test_one_square_png_for_each_image(tmp_path: Path) -> None:
    images = {"wide": picture(1, 50, 200), "tiny": picture(2, 8, 8), "colour": picture(3, 300, 200, 3)}
    names = {image_id: f"{image_id}.png" for image_id in images}
    for folder in ("first", "second"):
        write_thumbnails(tmp_path / folder, names, images.__getitem__)
    assert sorted(p.name for p in (tmp_path / "first").iterdir()) == ["colour.png", "tiny.png", "wide.png"]
    for name in names.values():
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    shown = {name: Image.open(tmp_path / "first" / f"{name}.png") for name in names}
    assert {image.size for image in shown.values()} == {(96, 96)}
    assert [shown[name].mode for name in names] == ["L", "L", "RGB"]


@pytest.mark.parametrize(("shape", "rows"), [((50, 200), 24), ((100, 100), 96)])
def test_proportions_stay(tmp_path: Path, shape: tuple[int, int], rows: int) -> None:
    write_thumbnails(tmp_path, {"a": "a.png"}, lambda _: picture(1, *shape))
    lit = np.asarray(Image.open(tmp_path / "a.png")).any(axis=1)
    assert lit.sum() == rows
