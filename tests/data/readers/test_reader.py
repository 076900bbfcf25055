import pytest

from medgraft.data.readers.reader import readers, split_name
from medgraft.errors import UserError


def test_readers_are_in_the_catalog() -> None:
    assert {"folder", "manifest"} <= set(readers.names())


def test_split_words() -> None:
    assert split_name(None, {}, "row 1") is None
    assert split_name("train", {}, "row 1") == "train"
    assert split_name("dev", {"dev": "validation"}, "row 1") == "validation"
    with pytest.raises(UserError, match="row 1: 'dev' is not a split"):
        split_name("dev", {}, "row 1")
    with pytest.raises(UserError, match="row 1: 'dev' is not a split"):
        split_name("dev", {"dev": "valid"}, "row 1")


@pytest.mark.parametrize("cell", ["Erika Mustermann", "1234567", "P-1234567", "1970-01-01", "Müller", "x" * 13, ""])
def test_cells_that_may_name_a_patient_are_not_shown(cell: str) -> None:
    with pytest.raises(UserError, match=r"^row 1: the split is another word \(not shown.*split_values") as caught:
        split_name(cell, {}, "row 1")
    assert not cell or cell not in str(caught.value)
