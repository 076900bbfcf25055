"""Defaults and limits of the schema, and that every field is documented."""

import pytest
from pydantic import BaseModel, ValidationError

from medgraft.params import Augmentation, Dataset, Evaluation, Params, Registration, Split, Study

BLOCKS: list[type[BaseModel]] = [Params, Dataset, Split, Augmentation, Study, Evaluation, Registration]


@pytest.mark.parametrize("block", BLOCKS)
def test_every_field_has_a_sentence(block: type[BaseModel]) -> None:
    for name, field in block.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_values_never_change_and_unknown_keys_are_mistakes() -> None:
    split = Split()
    with pytest.raises(ValidationError, match="frozen"):
        split.seed = 1  # type: ignore[misc]  # that is refused
    with pytest.raises(ValidationError, match="extra"):
        Split.model_validate({"tset": 0.2})


@pytest.mark.parametrize(
    ("block", "values"),
    [
        (Split, {"test": 0}),
        (Split, {"test": 1}),
        (Split, {"seed": -1}),
        (Study, {"fractions": []}),
        (Study, {"fractions": [0]}),
        (Study, {"fractions": [1.1]}),
        (Study, {"seeds": []}),
        (Study, {"batch_size": 1}),
        (Evaluation, {"draws": 1999}),
        (Evaluation, {"specificity": 1}),
        (Augmentation, {"scale": 1}),
        (Augmentation, {"rotation": 181}),
        (Registration, {"model_name": "a/b"}),
        (Registration, {"model_name": ""}),
        (Split, {"test": float("nan")}),
    ],
)
def test_values_out_of_range_are_refused(block: type[BaseModel], values: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        block.model_validate(values)
    assert {str(problem["loc"][0]) for problem in caught.value.errors()} == set(values)


@pytest.mark.parametrize("key", ["public", "env:MEDGRAFT_GROUP_KEY", "env:A1"])
def test_group_keys(key: str) -> None:
    Dataset(name="a", source=".", reader={}, task="binary", classes=["a", "b"], group_key=key)


@pytest.mark.parametrize("key", ["secret", "env:", "env:a b", "file:/key", "public "])
def test_a_key_itself_is_never_a_parameter(key: str) -> None:
    with pytest.raises(ValidationError, match="group_key"):
        Dataset(name="a", source=".", reader={}, task="binary", classes=["a", "b"], group_key=key)


def test_a_site_may_be_a_number() -> None:
    split = Split.model_validate({"held_out": {"column": "site", "value": 1}})
    assert split.held_out is not None
    assert split.held_out.value == "1"
