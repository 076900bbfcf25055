"""Digital phantoms: a computer-generated image set that looks like a hospital's export, dirt included.

For demos, tests and checks of the whole pipeline where no patient's data may be used. Lesions of varying
contrast lie on power-law backgrounds, as in observer studies (Burgess et al., Med. Phys. 28:419, 2001).
"""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medgraft.artifacts import file_hash, read_json, write_json, writing
from medgraft.data.phantom_anatomy import SITES, Anatomy, acquire, draw_anatomy, draw_view, place_in_organ
from medgraft.data.phantom_cohort import Patient, View, draw_patient
from medgraft.data.phantom_dirt import MIN_PATIENTS, Row, plant
from medgraft.data.phantom_lesion import KINDS, Lesion, Rng, draw_lesion, make_grid
from medgraft.errors import UserError, raise_all
from medgraft.seeds import derive

GENERATOR = 1  # raise it whenever the same settings give other bytes
NOTICE = "DIGITAL PHANTOMS: computer-generated, no patient, not for any clinical use"
MIN_SIZE = 32
RECORD = "phantom.json"
LABEL_COLUMNS = ("finding", "kind", "grade", *KINDS)
# Sum of lesion diameters, in image widths, from which the grade is 2 and 3.
GRADE_LIMITS = (0.20, 0.40)


@dataclass(frozen=True)
class PhantomSummary:
    """What an export holds: rows of labels.csv after planting dirt, and the dirt that was planted.

    `kinds` counts rows that show a kind (a row may show several), `sites` counts patients."""

    folder: Path
    written: bool  # False: an identical export was there already and was left as it is
    patients: int
    rows: int
    lesions: int
    kinds: dict[str, int]
    sites: dict[str, int]
    planted: dict[str, int]


def write_phantoms(
    out: Path,
    *,
    patients: int = 160,
    size: int = 96,
    seed: int = 0,
    images_per_patient: tuple[int, int] = (2, 7),
) -> PhantomSummary:
    """Write a phantom export to the folder `out`; the same settings give the same bytes.

    - `images/<patient>_<date>_<number>.png`: 8-bit grayscale, `size` x `size` pixels
    - `masks/<kind>/<same name>.png`: 0 or 255; 255 where a lesion's contrast is above half its peak; for images
      with that kind only
    - `labels.csv`: `file`, `patient_id`, `finding` (healthy, lesion), `kind` (the one with most lesions, or none),
      `grade` (0-3, by the sum of lesion diameters), a 0/1 column for each of `KINDS`, `site` (A; B looks
      different), `age` (years), `sex` (F, M), `study_date` (ISO)
    - `README.md`, `phantom.json`: the notice, the settings, what it holds, the dirt planted (`phantom_dirt.plant`)

    Fewer than 5 % of rows are dirty from 40 patients on (at the default images per patient). A larger export
    begins with the smaller one of the same seed. An unaltered export with other settings is replaced. Raises
    `UserError` for settings out of range and for a folder with anything else in it.
    """
    low, high = images_per_patient
    problems = []
    if patients < MIN_PATIENTS:
        problems.append(f"patients is {patients}; give at least {MIN_PATIENTS}")
    if size < MIN_SIZE:
        problems.append(f"size is {size} pixels; give at least {MIN_SIZE}")
    if not 1 <= low <= high:
        problems.append(f"images per patient is {low} to {high}; give a range that starts at 1 or more")
    raise_all(problems, "the phantom settings")
    settings = {"patients": patients, "size": size, "seed": seed, "images_per_patient": [low, high]}
    wanted = {"notice": NOTICE, "generator": GENERATOR, "settings": settings}
    record = _existing(out)
    if record is not None and wanted.items() <= record.items():
        return _summary(out, record, written=False)
    with writing(out) as folder:
        for name in ("images", *(f"masks/{kind}" for kind in KINDS)):
            (folder / name).mkdir(parents=True)
        cohort = [draw_patient(seed, index, images_per_patient) for index in range(patients)]
        written = [_write_patient(folder, patient, index, size, seed) for index, patient in enumerate(cohort)]
        rows, planted = plant(folder, list(chain.from_iterable(written)), LABEL_COLUMNS, seed)
        _write_labels(folder / "labels.csv", rows)
        (folder / "README.md").write_text(_readme(settings), encoding="utf-8")
        holds = {
            "patients": patients,
            "rows": len(rows),
            "lesions": sum(row["finding"] == "lesion" for row in rows),
            "kinds": {kind: sum(row[kind] == 1 for row in rows) for kind in KINDS},
            "sites": dict(sorted(Counter(patient.site for patient in cohort).items())),
            "planted": planted,
        }
        record = wanted | {"holds": holds, "sha256": _digest(folder)}
        write_json(folder / RECORD, record)
    return _summary(out, record, written=True)


def _summary(out: Path, record: dict[str, Any], *, written: bool) -> PhantomSummary:
    return PhantomSummary(folder=out, written=written, **record["holds"])


def _existing(out: Path) -> dict[str, Any] | None:
    """The record of the export in `out`, None if nothing is there; `UserError` if it is anything else."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    remedy = "choose another folder, or delete this one"
    if not (out / RECORD).is_file():
        raise UserError(f"{out} is not empty and not a phantom export (no {RECORD}); {remedy}")
    record = read_json(out / RECORD)
    if not isinstance(record, dict) or record.get("notice") != NOTICE:
        raise UserError(f"{out / RECORD} is not the record of a phantom export; {remedy}")
    if record.get("sha256") != _digest(out):
        raise UserError(f"the phantom export in {out} was altered after it was written; {remedy}")
    return record


def _digest(folder: Path) -> str:
    """One hash over the names and bytes of all files but the record."""
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{file_hash(folder / name)}  {name}\n" for name in files if name != RECORD]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _write_patient(folder: Path, patient: Patient, index: int, size: int, seed: int) -> list[Row]:
    """Render and write the images and masks of patient number `index`; their rows."""
    anatomy = draw_anatomy(np.random.default_rng(derive("phantom", "anatomy", seed, index)))
    rows = []
    for number, view in enumerate(patient.views):
        rng = np.random.default_rng(derive("phantom", "view", seed, index, number))
        image, lesions = _render(view, anatomy, patient.site, size, rng)
        file = Path("images", f"{view.stem}.png")
        Image.fromarray(image).save(folder / file)
        for kind in view.lesions:
            mask = np.any([lesion.mask for lesion in lesions if lesion.kind == kind], axis=0)
            Image.fromarray(255 * mask.astype(np.uint8)).save(folder / "masks" / kind / file.name)
        rows.append(_row(file, patient, view, lesions))
    return rows


def _render(view: View, anatomy: Anatomy, site: str, size: int, rng: Rng) -> tuple[NDArray[np.uint8], list[Lesion]]:
    """One image, uint8 [size, size], and the lesions in it."""
    grid = make_grid(size, SITES[site].zoom)
    signal = draw_view(grid, anatomy, rng)
    kinds = [kind for kind, count in view.lesions.items() for _ in range(count)]
    lesions = [draw_lesion(kind, grid, place_in_organ(anatomy, rng), rng) for kind in kinds]
    for lesion in lesions:
        signal = signal + lesion.contrast * lesion.shape
    return acquire(signal, grid, SITES[site], rng), lesions


def _row(file: Path, patient: Patient, view: View, lesions: list[Lesion]) -> Row:
    burden = sum(lesion.diameter for lesion in lesions)
    grade = 1 + sum(burden >= limit for limit in GRADE_LIMITS) if lesions else 0
    return {
        "file": file.as_posix(),
        "patient_id": patient.patient_id,
        "finding": "lesion" if lesions else "healthy",
        "kind": max(view.lesions, key=view.lesions.__getitem__, default="none"),
        "grade": grade,
        **{kind: int(kind in view.lesions) for kind in KINDS},
        "site": patient.site,
        "age": patient.age,
        "sex": patient.sex,
        "study_date": view.study_date.isoformat(),
    }


def _write_labels(path: Path, rows: list[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _readme(settings: dict[str, Any]) -> str:
    listed = "".join(f"- {name}: {value}\n" for name, value in settings.items())
    return (
        f"# {NOTICE}\n\n"
        f"Written by medgraft's phantom generator, version {GENERATOR}. Every number, date and image is made up.\n"
        f"Some files are broken, missing, unlabelled or duplicated on purpose: {RECORD} counts them.\n\n"
        f"Settings:\n{listed}"
    )
