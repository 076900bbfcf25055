"""What is unknown is neither present nor absent."""

import numpy as np
import pytest

from medgraft.data.labels import Label, combined, known, truths


def test_a_class_excludes_the_others_and_an_unknown_label_tells_nothing() -> None:
    nan = np.nan
    table = truths([2, None, (1, 0, None), (None, None, None)], 3)
    np.testing.assert_array_equal(table, [[0, 0, 1], [nan] * 3, [1, 0, nan], [nan] * 3])
    assert [known(label) for label in (0, None, (1, 0, None), (None, None, None))] == [True, False, True, False]


@pytest.mark.parametrize(
    ("labels", "together"),
    [
        ([], None),
        ([None, 0, 0], 0),
        ([(1, None, None), None, (None, 0, None)], (1, 0, None)),
        ([(0, 1), (0, 1)], (0, 1)),
    ],
)
def test_labels_of_one_picture_add_up(labels: list[Label | None], together: Label | None) -> None:
    assert combined(labels) == together


@pytest.mark.parametrize("labels", [[0, 1], [(1, None), (0, None)], [(1, 1), None, (1, 0)]])
def test_contradictions_are_refused(labels: list[Label | None]) -> None:
    with pytest.raises(ValueError, match="contradict"):
        combined(labels)
