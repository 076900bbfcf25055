"""What every model is asked alike: the task, the classes that count, and the settings of the evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medgraft.params import Evaluation, Task


@dataclass(frozen=True)
class Judge:
    """`scored`: the places in `classes` of those that macro figures run over."""

    task: Task
    classes: Sequence[str]
    scored: Sequence[int]
    settings: Evaluation

    @property
    def exclusive(self) -> bool:
        """Whether each unit has one class, rather than any number of findings."""
        return self.task != "multilabel"


def judge(card: Mapping[str, Any], settings: Evaluation) -> Judge:
    """Of a dataset's card, or of what else has its `task`, `classes` and `scored` (names), such as metrics.json."""
    scored = [card["classes"].index(label) for label in card["scored"]]
    return Judge(card["task"], card["classes"], scored, settings)
