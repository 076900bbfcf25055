"""The dirt that real exports have, planted into a phantom export: broken files, gaps, duplicates."""

import shutil
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np

from medgraft.seeds import derive

Row = dict[str, str | int]

# All of it falls on the first patients, so that a larger export begins with the smaller one.
MIN_PATIENTS = 10
DUPLICATES = 2


def _truncate(image: Path) -> None:
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2])


def _empty(image: Path) -> None:
    image.write_bytes(b"")


def _text(image: Path) -> None:
    image.write_text("ERROR 0x8007: the image could not be exported\n", encoding="utf-8")


_DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": _truncate,
    "zero_byte": _empty,
    "not_an_image": _text,
    "missing": Path.unlink,
}


def _duplicate(folder: Path, row: Row, views: int) -> Row:
    """Copy an image and its masks to the next file name of its patient; the copy's row."""
    file = Path(str(row["file"]))
    copy = file.with_name(f"{file.stem[:-2]}{views + 1:02d}.png")
    shutil.copyfile(folder / file, folder / copy)
    for mask in sorted((folder / "masks").glob(f"*/{file.name}")):
        shutil.copyfile(mask, mask.with_name(copy.name))
    return row | {"file": copy.as_posix()}


def plant(folder: Path, rows: list[Row], label_columns: tuple[str, ...], seed: int) -> tuple[list[Row], dict[str, int]]:
    """Spoil the export in `folder` and return its new rows and how much of each kind of dirt it now has.

    `rows` are in order of patients, at least `MIN_PATIENTS` of them; no patient is hit twice. Kinds of dirt:
    - `truncated`: the PNG ends halfway; `zero_byte`; `not_an_image`: text under a .png name; `missing`
    - `unlabelled`: every one of `label_columns` is empty
    - `duplicates`: the same bytes under another name, with a row of their own
    - `stray`: `images/Thumbs.db`, a file without a row
    """
    patients = [list(group) for _, group in groupby(rows, key=lambda row: row["patient_id"])]
    order = np.random.default_rng(derive("phantom", "dirt", seed)).permutation(MIN_PATIENTS)
    kinds = [*_DAMAGES, "unlabelled", *["duplicates"] * DUPLICATES]
    for kind, index in zip(kinds, order, strict=False):
        views = patients[index]
        victim = derive("phantom", "dirt", seed, int(index)) % len(views)
        if kind == "unlabelled":
            views[victim] = views[victim] | dict.fromkeys(label_columns, "")
        elif kind == "duplicates":
            views.append(_duplicate(folder, views[victim], len(views)))
        else:
            _DAMAGES[kind](folder / str(views[victim]["file"]))
    (folder / "images" / "Thumbs.db").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504))
    counts = dict.fromkeys(kinds, 1) | {"duplicates": DUPLICATES, "stray": 1}
    return [row for views in patients for row in views], counts
