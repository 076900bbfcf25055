"""What becomes of every file of the pydicom-data package, and of those that pydicom itself brings.

`python -m tests.data.dicom.public_files` writes public_files.csv anew; read it before you commit it. Its last column is
what becomes of a secondary capture when these are kept.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import data_store
import pydicom

from medgraft.data.content import BadImageError
from medgraft.data.readers.dicom import read
from medgraft.data.readers.dicom_settings import DicomSettings
from medgraft.data.readers.reader import Record

TABLE = Path(__file__).with_suffix(".csv")
COLUMNS = ("package", "file", "records", "by_default", "with_captures")
FOLDERS = {
    "pydicom_data": Path(data_store.__file__).parent / "data",
    "pydicom": Path(pydicom.__file__).parent / "data" / "test_files",
}
DEFAULT = DicomSettings(type="dicom")
CAPTURES = DicomSettings(type="dicom", secondary_capture="keep", burned_in="keep")


def files() -> Iterator[tuple[str, Path]]:
    """Every file, with its package."""
    for package, folder in FOLDERS.items():
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            yield package, path


def outcome(record: Record) -> str:
    """What becomes of a record: what it was, its shape and what was done, or the reason for its quarantine."""
    if record.content is None:
        return f"quarantined: {record.problem}"
    try:
        found = record.content.load(10_000_000)
    except BadImageError as reason:
        return f"quarantined: {reason}"
    shape = " x ".join(map(str, found.array.shape))
    return ": ".join([f"{found.mode} {shape}", *([", ".join(found.changes)] if found.changes else [])])


def row(package: str, path: Path) -> dict[str, str]:
    """The file's row of the table."""
    records = list(read(path, DEFAULT))
    default = [outcome(record) for record in records]
    captures: list[str] = []
    if any("secondary capture" in one or "burned-in" in one for one in default):
        captures = [outcome(record) for record in read(path, CAPTURES)]
    name = path.relative_to(FOLDERS[package]).as_posix()
    return dict(zip(COLUMNS, (package, name, str(len(records)), *map(_together, (default, captures))), strict=True))


def table() -> list[dict[str, str]]:
    """The table as committed."""
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _together(outcomes: list[str]) -> str:
    return " | ".join(dict.fromkeys(outcomes))


if __name__ == "__main__":
    with TABLE.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row(package, path) for package, path in files())
