"""What of the public sets is taken for one picture, and which copies are recognised: the numbers of docs/adr/0007.

python -m benchmarks.near_duplicates malaria_cells nih_cxr_multilabel knee_kl_grade_ordinal
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from tests.data.pictures import COPIES, Pixels, changed

from benchmarks.ingestion import SHARED
from medgraft.data.near_duplicates import Found, Pictured, find, perceptual_hash

PICKED = 100  # originals that are copied in each way


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="Folders below the shared data, each with images/.")
    for name in parser.parse_args().sets:
        pictures, patients = _read(SHARED / name)
        _apart(name, pictures, patients)
        _recall(pictures)


def _read(folder: Path) -> tuple[list[Pixels], list[str]]:
    """Every picture, and its patient (itself where the set names none)."""
    files = sorted(path for path in (folder / "images").iterdir() if path.suffix in (".png", ".jpg"))
    patients = {file.stem: file.stem for file in files}
    if (folder / "labels.csv").is_file():
        table = pl.read_csv(folder / "labels.csv", infer_schema=False)
        if "patient_id" in table.columns:
            patients |= dict(table.select("image_id", "patient_id").iter_rows())
    arrays = [np.asarray(Image.open(file)) for file in files]
    return [a if a.ndim == 3 else a[:, :, None] for a in arrays], [patients[file.stem] for file in files]


def _apart(name: str, pictures: list[Pixels], patients: list[str]) -> None:
    start = time.process_time()
    found = _find(pictures)
    seconds = time.process_time() - start
    across = [pair for pair in found.verified if patients[pair.a] != patients[pair.b]]
    joined = len({index for pair in across for index in (pair.a, pair.b)})
    print(
        f"\n{name}: {len(pictures):,} images in {seconds:.1f} CPU s; {len(found.verified)} pairs verified, "
        f"{len(across)} across patients ({joined} images, {joined / len(pictures):.1%}); {found.suspect_count} suspects"
        + (f", the most alike {found.suspects[0].correlation:.3f}" if found.suspects else "")
        + ("; bounded" if found.bounded else "")
    )


def _recall(pictures: list[Pixels]) -> None:
    """How many copies are tied to their original, among all pictures of the set."""
    plain = [index for index, picture in enumerate(pictures) if np.ptp(picture) > 0]
    picked = random.Random(0).sample(plain, min(PICKED, len(plain)))
    for kind, change in COPIES.items():
        together = _find([*pictures, *(changed(pictures[index], change) for index in picked)]).copies
        tied = sum(
            any({index, len(pictures) + copy} <= set(group) for group in together) for copy, index in enumerate(picked)
        )
        print(f"  {kind}: {tied} of {len(picked)}")


def _find(pictures: list[Pixels]) -> Found:
    return find([Pictured(perceptual_hash(p), p.shape[:2]) for p in pictures], pictures.__getitem__)


if __name__ == "__main__":
    main()
