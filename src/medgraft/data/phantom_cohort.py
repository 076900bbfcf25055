"""Who is in a digital phantom cohort: patients, their views, and which lesions each view shows.

Every draw is derived from (seed, patient, view), so a larger cohort begins with the smaller one.
"""

import datetime as dt
from dataclasses import dataclass

import numpy as np

from medgraft.data.phantom_lesion import KINDS, RARE_KIND
from medgraft.seeds import derive

# Patients are dealt from shuffled decks, so that small cohorts have the intended mix too. 14 of 25 have
# lesions and show them in 4 of 5 views: 45 % of images. The rare kind is 1 in 25 patients.
_KIND_COUNTS = {"none": 11, "nodule": 4, "ring": 3, "spiculated": 3, "calcification": 3, RARE_KIND: 1}
_KIND_DECK = tuple(kind for kind, count in _KIND_COUNTS.items() for _ in range(count))
_SITE_DECK = ("A", "A", "A", "B")
_COMMON = tuple(kind for kind in KINDS if kind != RARE_KIND)


@dataclass(frozen=True)
class View:
    """One image to be: its file stem, its date, and how many lesions of each kind it shows."""

    stem: str
    study_date: dt.date
    lesions: dict[str, int]


@dataclass(frozen=True)
class Patient:
    """One phantom patient."""

    patient_id: str
    kind: str
    site: str
    sex: str
    age: int
    views: tuple[View, ...]


def _dealt(deck: tuple[str, ...], name: str, seed: int, index: int) -> str:
    """The card of patient `index`, from a fresh shuffled deck every `len(deck)` patients."""
    order = np.random.default_rng(derive("phantom", name, seed, index // len(deck))).permutation(len(deck))
    return deck[int(order[index % len(deck)])]


def _lesions(kind: str, second: str | None, rng: np.random.Generator) -> dict[str, int]:
    counts = {kind: int(rng.integers(1, 4))}
    if second is not None and rng.uniform() < 0.5:
        counts[second] = 1
    return counts


def draw_patient(seed: int, index: int, images_per_patient: tuple[int, int]) -> Patient:
    """Patient number `index` (from 0) of the cohort `seed`."""
    rng = np.random.default_rng(derive("phantom", "patient", seed, index))
    # 1234577 is coprime to 10**7, so no two patients of a cohort share a number.
    patient_id = f"MRN-{(derive('phantom', 'mrn', seed) + 1234577 * index) % 10**7:07d}"
    kind = _dealt(_KIND_DECK, "kind", seed, index)
    others = [k for k in _COMMON if k != kind]
    second = others[rng.integers(len(others))] if rng.uniform() < 0.25 else None
    images = int(rng.integers(images_per_patient[0], images_per_patient[1] + 1))
    shows = rng.uniform(size=images) < 0.8
    shows[rng.integers(images)] = True
    age = int(np.clip(rng.normal(58, 16), 18, 93))
    baseline = dt.date(2018, 1, 1) + dt.timedelta(days=int(rng.integers(5 * 365)))
    follow_up = baseline + dt.timedelta(days=int(rng.integers(60, 365)))
    first_study = int(rng.integers(1, images + 1))
    views = []
    for number in range(images):
        date = baseline if number < first_study else follow_up
        lesions = _lesions(kind, second, rng) if kind != "none" and shows[number] else {}
        views.append(View(f"{patient_id}_{date:%Y%m%d}_{number + 1:02d}", date, lesions))
    site = _dealt(_SITE_DECK, "site", seed, index)
    return Patient(patient_id, kind, site, "F" if rng.uniform() < 0.5 else "M", age, tuple(views))
