from medgraft.data.card import label_facts
from medgraft.data.dataset import Item
from medgraft.data.labels import Label
from medgraft.params import Dataset, Split


def items(split: str, labels: list[Label | None]) -> list[Item]:
    return [Item(f"{split}{n}", f"{split}{n}", None, split, label, "0" * 16, {}, "") for n, label in enumerate(labels)]


def test_a_finding_that_is_nowhere_in_a_split_is_warned_of() -> None:
    settings = Dataset(
        name="x",
        source="there",
        reader={"type": "manifest"},
        task="multilabel",
        classes=["mass", "hernia", "edema"],
        ungrouped=True,
    )
    both: list[Label | None] = [(1, 0, 1), (0, 0, 0)] * 10
    rows = items("train", [*both, (0, 1, 0)]) + items("validation", both) + items("test", [*both, (None, 1, None)])
    facts = label_facts(rows, settings, Split())
    assert facts["scored"] == ["mass", "edema"]
    _, warning = facts["warnings"]
    assert warning == "Class 'hernia' has no positive image in validation: how well it is found is not known."
