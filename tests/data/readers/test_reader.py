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
