import pytest

from medgraft.evaluation.wording import unit, why_withheld


@pytest.mark.parametrize(
    ("facts", "names", "rule"),
    [
        ({"of": "image", "aggregate": "mean"}, ("image", "images"), "one prediction per image"),
        (
            {"of": "study", "aggregate": "max"},
            ("study", "studies"),
            "one prediction per study, the largest of its images' probabilities",
        ),
        (
            {"of": "group", "aggregate": "mean"},
            ("patient", "patients"),
            "one prediction per patient, the mean of its images' probabilities",
        ),
    ],
)
def test_what_a_prediction_is_about(facts: dict[str, str], names: tuple[str, str], rule: str) -> None:
    found = unit(facts)
    assert ((found.one, found.many), found.rule) == (names, rule)


def test_why_an_interval_is_withheld() -> None:
    assert why_withheld({"undefined_share": 0.0123}) == "1.2 % undefined draws"
    assert why_withheld({"undefined_share": 0.005}) == "all draws are alike"
