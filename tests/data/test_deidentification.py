import pytest

from medgraft.data.deidentification import capped_age, check_columns
from medgraft.errors import UserError

PATIENTS = [f"p{n}" for n in range(200)]


@pytest.mark.parametrize(("years", "kept"), [(None, None), (0.9, 0), (61, 61), (89.9, 89), (90, 90), (104, 90)])
def test_ages_from_90_are_one(years: float | None, kept: int | None) -> None:
    assert capped_age(years) == kept


def test_columns_that_group_people_may_be_kept() -> None:
    columns: dict[str, list[str | int | float | None]] = {
        "sex": ["F", "M"] * 100,
        "device": [f"device {n % 50}" for n in range(200)],
        "dose": [n / 7 for n in range(200)],
        "empty": [None] * 200,
    }
    check_columns(columns, PATIENTS)


@pytest.mark.parametrize(
    ("values", "groups", "said"),
    [
        ([f"Erika {n}" for n in range(200)], PATIENTS, "'x' has 200 different texts for 200 patients"),
        ([f"Erika {n % 101}" for n in range(200)], PATIENTS, "'x' has 101 different texts for 200 patients"),
        (PATIENTS, PATIENTS, "'x' holds the ids of the patients"),
        ([7, 8, 9, None], ["7", "8", "9", "10"], "'x' holds the ids of the patients"),
    ],
)
def test_columns_that_tell_people_apart_are_refused(
    values: list[str | int | float | None], groups: list[str], said: str
) -> None:
    with pytest.raises(UserError, match="take it out of the reader's `subgroups`") as caught:
        check_columns({"sex": ["F"] * len(groups), "x": values}, groups)
    assert said in str(caught.value)
    assert "sex" not in str(caught.value)
    assert "Erika" not in str(caught.value)


@pytest.mark.parametrize("distinct", [50, 100])
def test_just_enough_sharing_is_enough(distinct: int) -> None:
    check_columns({"x": [f"site {n % distinct}" for n in range(200)]}, PATIENTS)


def test_few_values_are_never_refused_however_few_the_patients() -> None:
    check_columns({"x": [f"site {n}" for n in range(10)]}, PATIENTS[:10])
