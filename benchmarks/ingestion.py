"""How fast `medgraft ingest` is beside the `datasets` imagefolder builder, and how much memory it takes.

    python -m benchmarks.ingestion speed malaria_cells knee_kl_grade nih_cxr_multilabel --repeats 5
    python -m benchmarks.ingestion memory 0 1000 10000 100000

Speed: the same image files, interleaved, in turns that begin with another one each time. Wall-clock and CPU seconds.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml
from PIL import Image

from medgraft.artifacts import write_card, write_json
from medgraft.data.images import ImageFile
from medgraft.data.readers import readers
from medgraft.params import Dataset, Split
from medgraft.stages import ingest
from medgraft.store import Store

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("MEDGRAFT_SHARED", ROOT / "../shared/data"))
Measured = tuple[float, float]  # seconds of wall clock and of CPU


def speed(recipe: str, repeats: int) -> None:
    """Print the images a second of both on the set of a recipe."""
    dataset, split = recipe_of(recipe)
    with tempfile.TemporaryDirectory() as scratch:
        images, count = _image_folder(dataset, Path(scratch) / "images")
        ways: dict[str, Callable[[Path], None]] = {
            "medgraft ingest, all checks": lambda out: ingest_set(dataset, split, out),
            "imagefolder → Parquet": lambda out: _imagefolder(images, out, decode=False),
            "imagefolder → Parquet, then every image decoded": lambda out: _imagefolder(images, out, decode=True),
        }
        times: dict[str, list[Measured]] = {name: [] for name in ways}
        for turn in range(repeats + 1):
            names = list(ways)[turn % len(ways) :] + list(ways)[: turn % len(ways)]
            for name in names:
                took = _timed(ways[name])
                if turn:  # the first turn warms the file cache and imports what is imported late
                    times[name].append(took)
    print(f"\n### {recipe}: {count:,} images, repeats: {repeats}\n")
    print("| | images/s, median (range) | CPU s per 1,000 images | medgraft's speed to its |\n|---|---|---|---|")
    own = median(wall for wall, _ in times["medgraft ingest, all checks"])
    for name, measured in times.items():
        wall, work = median(wall for wall, _ in measured), median(work for _, work in measured)
        rates = sorted(count / wall for wall, _ in measured)
        row = f"{count / wall:,.0f} ({rates[0]:,.0f}–{rates[-1]:,.0f}) | {1000 * work / count:.2f}"
        print(f"| {name} | {row} | {wall / own:.2f} |")


def memory(sizes: list[int]) -> None:
    """Print the peak resident memory of ingesting so many generated images, each size in a process of its own."""
    print("| images | peak resident memory (MB) | seconds | images/s |\n|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as scratch:
            source = _generated(Path(scratch) / "source", size)
            start = time.perf_counter()
            command = [sys.executable, "-m", "benchmarks.ingestion", "child", str(source), str(Path(scratch) / "out")]
            found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
            seconds = time.perf_counter() - start
        print(f"| {size:,} | {int(found.stdout) / 1024:,.0f} | {seconds:,.1f} | {size / seconds:,.0f} |", flush=True)


def child(source: Path, out: Path) -> None:
    """Ingest generated images and print this process's peak resident memory in KB; with no image, that of imports."""
    if (source / "labels.csv").is_file():
        reader = {"type": "manifest", "table": "labels.csv", "path": "file", "label": "finding", "group": "patient"}
        dataset = Dataset(
            name="made_up",
            source=str(source),
            reader=reader,
            task="binary",
            classes=["healthy", "ill"],
            group_key="public",
        )
        ingest_set(dataset, Split(), out)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def recipe_of(name: str) -> tuple[Dataset, Split]:
    """What a recipe says of its set, read from the shared data, and of its split."""
    params: dict[str, Any] = yaml.safe_load((ROOT / f"recipes/{name}.yaml").read_text(encoding="utf-8"))
    source = SHARED / Path(params["dataset"]["source"]).name
    return Dataset(**(params["dataset"] | {"source": str(source)})), Split(**params["split"])


def _image_folder(dataset: Dataset, folder: Path) -> tuple[Path, int]:
    """The images of a source as imagefolder wants them, a folder a class where there are classes; and how many."""
    reader = readers.get(dataset.reader["type"])
    count = 0
    for record in reader.read(Path(dataset.source), reader.settings(**dataset.reader)):
        assert isinstance(record.content, ImageFile)
        target = folder / (record.label or "all") / f"{count:06d}{record.content.path.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(record.content.path.read_bytes())
        count += 1
    return folder, count


def ingest_set(dataset: Dataset, split: Split, out: Path) -> None:
    """What `medgraft ingest` does."""
    write_json(out / "plan/dataset.json", {"dataset": dataset.model_dump(), "split": split.model_dump()})
    write_card(out / "plan", "plan", "0" * 32, {})
    ingest.run(out / "plan", out / "dataset", out / "sealed", Store(str(out / "store")))


def _imagefolder(images: Path, out: Path, *, decode: bool) -> None:
    import datasets  # late: `main` sets the environment that keeps it offline

    builder = datasets.load_dataset_builder("imagefolder", data_dir=str(images), cache_dir=str(out / "cache"))
    builder.download_and_prepare(str(out / "parquet"), file_format="parquet")
    if decode:
        files = sorted(str(path) for path in (out / "parquet").rglob("*.parquet"))
        rows = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
        for row in rows:
            row["image"].load()


def _timed(way: Callable[[Path], None]) -> Measured:
    with tempfile.TemporaryDirectory() as scratch:
        wall, work = time.perf_counter(), time.process_time()
        way(Path(scratch))
        return time.perf_counter() - wall, time.process_time() - work


def _generated(folder: Path, count: int) -> Path:
    """`count` PNGs of 32 x 32 pixels of noise, one a patient, and their table; nothing for 0."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(count):
        file = f"images/{number:06d}.png"
        noise = np.random.default_rng(number).integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(noise).save(folder / file, compress_level=1)
        rows.append({"file": file, "patient": number, "finding": ("healthy", "ill")[number % 2]})
    if rows:
        with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    return folder


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    fast = commands.add_parser("speed")
    fast.add_argument("recipes", nargs="+")
    fast.add_argument("--repeats", type=int, default=5)
    commands.add_parser("memory").add_argument("sizes", nargs="+", type=int)
    one = commands.add_parser("child")
    one.add_argument("source", type=Path)
    one.add_argument("out", type=Path)
    asked = parser.parse_args()
    if asked.command == "child":
        child(asked.source, asked.out)
        return
    with tempfile.TemporaryDirectory() as cache:
        if asked.command == "memory":
            memory(asked.sizes)
            return
        os.environ |= {"HF_DATASETS_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HOME": cache}
        for recipe in asked.recipes:
            speed(recipe, asked.repeats)


if __name__ == "__main__":
    main()
