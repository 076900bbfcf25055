import pytest

from medgraft.catalog import Catalog, nearest
from medgraft.errors import UserError


def test_a_name_is_given_once() -> None:
    catalog: Catalog[int] = Catalog("strategy", "strategies_of_this_test")
    catalog.add("linear", 1)
    with pytest.raises(ValueError, match="strategy 'linear' is registered twice"):
        catalog.add("linear", 2)
    assert catalog.get("linear") == 1


def test_an_unknown_name_lists_what_there_is() -> None:
    catalog: Catalog[int] = Catalog("strategy", "strategies_of_this_test")
    catalog.add("linear", 1)
    catalog.add("full", 2)
    assert catalog.names() == ["full", "linear"]
    with pytest.raises(UserError, match=r"unknown strategy 'liner' \(did you mean 'linear'\?\); allowed: full, linear"):
        catalog.get("liner")


def test_nothing_is_suggested_for_another_word() -> None:
    assert nearest("zzz", ["linear", "full"]) == ""
    assert nearest("x", []) == ""
