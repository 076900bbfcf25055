"""Mistakes, thumbnails and occlusion maps of made-up evaluations."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.evaluation.report.cohorts import Cohort, decide

from medgraft.artifacts import write_json
from medgraft.evaluation.arrays import Floats

Result = dict[str, Any]

WRONG = ("false positive", "false negative", "wrong class", "wrong grade")


def image_id(number: int) -> str:
    """As a content hash looks."""
    return _hash("image", number)


def _hash(*parts: object) -> str:
    return hashlib.sha256(str(parts).encode()).hexdigest()[:32]


def write_failures(
    folder: Path, unit: Mapping[str, str], test: Cohort, classes: Sequence[str], p: Floats, figures: Result
) -> None:
    """Write failures.json and gallery/: the surest mistakes, one a patient, and what was surest and right."""
    found = [case for row in range(len(p)) if (case := _case(row, test, classes, p, figures))]
    sure = sorted(found, key=lambda case: -case["probability"])
    one_a_patient = {case["group_id"]: case for case in reversed(sure) if case["kind"] in WRONG}
    mistakes = sorted(one_a_patient.values(), key=lambda case: -case["probability"])[:12]
    right = [case for case in sure if case["kind"] not in WRONG][:6]
    write_json(folder / "failures.json", {"units": dict(unit), "mistakes": mistakes, "correct": right})
    for case in [*mistakes, *right]:
        seed = int(case["image_id"], 16) % 1000
        draw(folder / "gallery" / f"{case['image_id']}.png", seed)
        draw(folder / "gallery" / f"{case['image_id']}_saliency.png", seed, red=True)


def _case(row: int, test: Cohort, classes: Sequence[str], p: Floats, figures: Result) -> Result | None:
    """The decision of a unit, of the first finding where there are several; none of what was rightly not found."""
    facts = {"image_id": image_id(row), "group_id": _hash("patient", int(test.groups[row]))}
    if test.task in ("multiclass", "ordinal"):
        d, y = int(decide(test.task, p[[row]], None)[0]), int(test.labels[row])
        kind = f"{'right' if d == y else 'wrong'} {'grade' if test.task == 'ordinal' else 'class'}"
        named = {"class": classes[d], "kind": kind, "truth": classes[y], "decided": classes[d]}
        return facts | named | {"probability": float(p[row, d])}
    c = 1 if test.task == "binary" else int(np.flatnonzero(~np.isnan(test.truths[row]))[0])
    at = (
        figures["decision_threshold"]
        if test.task == "binary"
        else figures["per_class"][classes[c]]["decision_threshold"]
    )
    truth, found = bool(test.truths[row, c]), bool(p[row, c] >= at)
    if not truth and not found:
        return None
    words = classes if test.task == "binary" else ("absent", "present")
    kind = f"{'true' if truth == found else 'false'} {'positive' if found else 'negative'}"
    named = {"class": classes[c], "kind": kind, "truth": words[truth], "decided": words[found]}
    return facts | named | {"probability": float(p[row, c] if found else 1 - p[row, c])}


def draw(path: Path, seed: int, red: bool = False) -> None:
    """A disc on noise, 96 x 96; with a red shade over the disc."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    cy, cx = rng.integers(30, 66, size=2)
    disc = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / rng.integers(150, 600))
    gray = rng.normal(70, 14, (96, 96)) + 110 * disc
    pixels = np.repeat(gray[:, :, None], 3, axis=2) + (disc[:, :, None] * [120, -60, -60] if red else 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
