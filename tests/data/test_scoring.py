from medgraft.data.scoring import MIN_GROUPS, scored_classes


def _groups(*counts: int) -> list[set[str]]:
    return [{f"{c}/{i}" for i in range(count)} for c, count in enumerate(counts)]


def test_binary_scores_its_positive_class_alone() -> None:
    enough = _groups(10, 10)
    assert scored_classes({"validation": enough, "test": enough}, ["no", "yes"], binary=True) == (["yes"], {})
    scored, why = scored_classes({"validation": enough, "test": _groups(10, 9)}, ["no", "yes"], binary=True)
    assert scored == []
    assert why == {"yes": f"9 positive patients in test (fewer than {MIN_GROUPS})"}
    scored, why = scored_classes({"validation": _groups(9, 10), "test": enough}, ["no", "yes"], binary=True)
    assert why == {"yes": f"9 negative patients in validation (fewer than {MIN_GROUPS})"}


def test_multiclass_scores_every_class_with_enough_patients() -> None:
    groups = {"validation": _groups(30, 10, 5), "test": _groups(30, 10, 12)}
    scored, why = scored_classes(groups, ["a", "b", "c"], binary=False)
    assert scored == ["a", "b"]
    assert why == {"c": f"5 positive patients in validation (fewer than {MIN_GROUPS})"}


def test_a_patient_with_two_classes_counts_for_both_and_once() -> None:
    both = {f"x{i}" for i in range(10)}
    groups = {"validation": [both, both], "test": [both, both]}
    assert scored_classes(groups, ["no", "yes"], binary=True) == (["yes"], {})
    nine = {f"x{i}" for i in range(9)}
    groups = {"validation": [nine, both, nine], "test": [both, both, nine]}
    scored, why = scored_classes(groups, ["a", "b", "c"], binary=False)
    assert scored == []  # class b: the nine negatives of a and c are the same patients
    assert "9 negative patients in validation" in why["b"]
