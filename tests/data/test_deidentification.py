import pytest

from medgraft.data.deidentification import Value, capped_age, check_columns, deidentified
from medgraft.data.identity import GroupKey
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
        "age": [n % 120 for n in range(200)],
        "age of a test": [n + 1 for n in range(200)],
        "PatientAge": [f"{n % 100:03}Y" for n in range(200)],
        "year": [1990 + n % 30 for n in range(200)],
        "running number of the image": [n % 51 + 100 for n in range(200)],
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
        ([7.0, 8.0, 9.0, None], ["007", "08", "9", "10"], "'x' holds the ids of the patients"),
        ([f"P 0{n}" for n in range(4)], [f"p0{n} " for n in range(4)], "'x' holds the ids of the patients"),
        ([f"00{n}" for n in range(1, 5)], [f"{n}" for n in range(1, 5)], "'x' holds the ids of the patients"),
        ([f"Erika {n}" for n in range(5)], PATIENTS[:5], "'x' has 5 different texts for 5 patients"),
        ([f"Erika {n % 9}" for n in range(10)], PATIENTS[:10], "'x' has 9 different texts for 10 patients"),
        ([*[f"Erika {n}" for n in range(9)], *[None] * 191], PATIENTS, "'x' has 9 different texts for 9 patients"),
        ([70_000 + n for n in range(200)], PATIENTS, "'x' has 200 different whole numbers for 200 patients"),
        ([1.0 + n for n in range(200)], PATIENTS, "'x' has 200 different whole numbers for 200 patients"),
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


def test_what_several_patients_share_is_kept_however_few_they_are() -> None:
    check_columns({"x": [f"site {n % 8}" for n in range(10)]}, PATIENTS[:10])
    check_columns({"x": [f"site {n}" for n in range(4)]}, PATIENTS[:4])
    check_columns({"age": [f"{n + 30:03}Y" for n in range(10)]}, PATIENTS[:10])
    views = [f"view {n % 10}" for n in range(60)]  # ten views of each of six patients
    check_columns({"x": views}, [f"p{n // 10}" for n in range(60)])


@pytest.mark.parametrize("day", ["2020-02-29", "20200229", 20200229, "2020-02-29T10:00:00", " 2020-02-29 "])
def test_days_must_be_named_as_such(day: Value) -> None:
    columns = {"seen": [day, day, "unknown", None]}
    with pytest.raises(UserError, match="'seen' holds days; name it in the reader's `dates`") as caught:
        check_columns(columns, PATIENTS[:4])
    assert "29" not in str(caught.value)
    check_columns(columns, PATIENTS[:4], ["seen"])


def test_the_days_of_many_patients_may_all_differ() -> None:
    check_columns({"seen": [f"20{n // 100 + 10}-01-{n % 28 + 1:02}" for n in range(200)]}, PATIENTS, ["seen"])


def _kept(name: str, value: Value) -> Value:
    return deidentified({name: value}, "p", [], GroupKey(b"a key that nobody knows"))[name]


AGES = [
    "age",
    "Age",
    "AGE",
    "age_years",
    "Age (y)",
    "age_at_scan",
    "patientage",
    "PatientAge",
    "PATIENT_AGE",
    "AgeAtScan",
]
OTHERS = ["image", "page", "stage", "dosage", "percentage", "usage", "average", "language", "passage", "coverage"]


@pytest.mark.parametrize("name", AGES)
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (97, 90),
        (97.5, 90.0),
        ("97", "90"),
        ("97.0", "90"),
        ("097Y", "90"),
        ("089Y", "089Y"),
        (61.5, 61.5),
        (None, None),
    ],
)
def test_high_ages_are_one_whatever_the_column_calls_them(name: str, value: Value, kept: Value) -> None:
    assert (_kept(name, value), type(_kept(name, value))) == (kept, type(kept))


@pytest.mark.parametrize("name", [*OTHERS, "voltage", "IMAGE", "Image number", "boneage", "agent"])
def test_what_is_no_age_stays(name: str) -> None:
    assert [_kept(name, value) for value in (97, "97", 400.5)] == [97, "97", 400.5]


def test_ages_in_other_units() -> None:
    assert [_kept("age_months", value) for value in (97, 1079, 1080, 1200.0)] == [97, 1079, 1080, 1080.0]
    assert [_kept("age (days)", value) for value in (97, 33_000, "33000")] == [97, 32_850, "32850"]
    assert [_kept("age", value) for value in ("097M", "old", "80-99")] == ["097M", "old", "80-99"]
