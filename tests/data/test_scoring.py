import numpy as np
from numpy.typing import NDArray

from medgraft.data.labels import truths
from medgraft.data.scoring import MIN_GROUPS, scored_classes

Part = tuple[list[str], NDArray[np.float64]]


def _groups(*counts: int) -> Part:
    """So many patients of each class, each with one image."""
    return _part(*({f"{c}/{i}" for i in range(count)} for c, count in enumerate(counts)))


def _part(*by_class: set[str]) -> Part:
    """An image of class c for every patient in the c-th set."""
    rows = [(group, c) for c, groups in enumerate(by_class) for group in sorted(groups)]
    return [group for group, _ in rows], truths([c for _, c in rows], len(by_class))


def _scored(parts: dict[str, Part], classes: list[str], binary: bool) -> tuple[list[str], dict[str, str]]:
    return scored_classes({n: p[0] for n, p in parts.items()}, {n: p[1] for n, p in parts.items()}, classes, binary)


def test_binary_scores_its_positive_class_alone() -> None:
    enough = _groups(10, 10)
    assert _scored({"validation": enough, "test": enough}, ["no", "yes"], binary=True) == (["yes"], {})
    scored, why = _scored({"validation": enough, "test": _groups(10, 9)}, ["no", "yes"], binary=True)
    assert scored == []
    assert why == {"yes": f"9 positive patients in test (fewer than {MIN_GROUPS})"}
    scored, why = _scored({"validation": _groups(9, 10), "test": enough}, ["no", "yes"], binary=True)
    assert why == {"yes": f"9 negative patients in validation (fewer than {MIN_GROUPS})"}


def test_multiclass_scores_every_class_with_enough_patients() -> None:
    groups = {"validation": _groups(30, 10, 5), "test": _groups(30, 10, 12)}
    scored, why = _scored(groups, ["a", "b", "c"], binary=False)
    assert scored == ["a", "b"]
    assert why == {"c": f"5 positive patients in validation (fewer than {MIN_GROUPS})"}


def test_a_patient_with_two_classes_counts_for_both_and_once() -> None:
    both = {f"x{i}" for i in range(10)}
    groups = {"validation": _part(both, both), "test": _part(both, both)}
    assert _scored(groups, ["no", "yes"], binary=True) == (["yes"], {})
    nine = {f"x{i}" for i in range(9)}
    groups = {"validation": _part(nine, both, nine), "test": _part(both, both, nine)}
    scored, why = _scored(groups, ["a", "b", "c"], binary=False)
    assert scored == []  # class b: the nine negatives of a and c are the same patients
    assert "9 negative patients in validation" in why["b"]


def test_patients_whose_finding_is_unknown_count_for_neither_side() -> None:
    groups = [f"p{i}" for i in range(30)]
    table = np.full((30, 2), np.nan)
    table[:10, 0], table[10:20, 0] = 1, 0
    table[:10, 1], table[10:19, 1] = 1, 0
    part = (groups, table)
    scored, why = _scored({"validation": part, "test": part}, ["edema", "mass"], binary=False)
    assert scored == ["edema"]
    assert why["mass"].startswith("9 negative patients in validation, 9 negative patients in test")
