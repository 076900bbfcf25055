"""Reads hostile sources in a process of its own, and tells what became of each row, and how much memory it took.

`python -m tests.data.hostile.child READER SOURCE` prints JSON: "outcomes" (reference → `ACCEPTED` or the reason) and
"peak" (bytes, the largest of this process and of those it started).
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

from tests.data.hostile.item import ACCEPTED

from medgraft.data.examination import examine_all
from medgraft.data.readers import readers
from medgraft.errors import UserError
from medgraft.params import Dataset

CLASSES = ["healthy", "lesion"]
SETTINGS: dict[str, dict[str, Any]] = {
    "folder": {},
    "dicom": {"label_from": "folder"},
    "nifti": {"files": {"type": "folder"}},
    "parquet": {"label": "label"},
    "medmnist": {"names": {0: "healthy", 1: "lesion"}},
}


def outcomes(reader: str, source: Path, max_pixels: int) -> dict[str, str]:
    """What became of each record of a source, or of the source as a whole."""
    found = readers.get(reader)
    settings = found.settings(**({"type": reader} | SETTINGS[reader]))
    dataset = Dataset(
        name="hostile", source="", reader={}, task="binary", classes=CLASSES, ungrouped=True, max_pixels=max_pixels
    )
    try:
        records = list(found.read(source, settings))
    except UserError as error:
        return {"source": str(error)}
    examined = examine_all(records, dataset, grouped=settings.grouped)
    told = dict(examined.quarantined) | {row.record.reference: ACCEPTED for row in examined.rows}
    assert len(records) == len(examined.quarantined) + len(examined.rows) == len(told)
    return {record.reference: told[record.reference] for record in records}


def peak() -> int:
    """Bytes of memory, the most that this process or one that it started has held at once."""
    # Of this process not getrusage's, which begins with what the parent held.
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return 1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)


if __name__ == "__main__":
    name, folder, limit = sys.argv[1:]
    paths = sorted(Path(folder).iterdir()) if name == "medmnist" else [Path(folder)]
    print(json.dumps({"outcomes": [outcomes(name, path, int(limit)) for path in paths], "peak": peak()}))
