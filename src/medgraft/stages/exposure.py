"""What initializations have seen, held against what they are to be judged on and what is chosen by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medgraft.artifacts import read_json
from medgraft.data.overlap import exposed_together, in_common, refuse_overlap
from medgraft.errors import UserError
from medgraft.networks.initialization import EXPOSED
from medgraft.stages.running import read_item


@dataclass(frozen=True)
class Exposure:
    """What several initializations have seen.

    `together`: as `exposed_together` (empty: nothing). `learned`: of those that were trained with labels (all that do
    not say otherwise), how many patients and images of the study's train split were among theirs, in words, by name.
    `warnings`: for every artifact.
    """

    together: Mapping[str, Any]
    learned: Mapping[str, str]
    warnings: Sequence[str]


def exposed(plan: Path, folder: Path, names: Sequence[str], dataset: Path) -> Exposure:
    """What any of the initializations in `folder` has seen.

    Raises `UserError` when one has seen patients or images of the dataset's validation or test split.
    """
    seen = {name: read_json(folder / name / EXPOSED) for name in names if (folder / name / EXPOSED).is_file()}
    warnings = []
    learned = {}
    for name, facts in seen.items():
        source = read_item(plan, "pretrain", name)["settings"].get("dataset")
        warnings += refuse_overlap(name, facts, dataset, Path(source) if source else None)
        common = in_common(facts, dataset, ["train"])
        if facts.get("labels", True) and common is not None:
            learned[name] = common
            warnings.append(
                f"Initialization '{name}' was trained with labels of {common} of this dataset's train split: what is "
                "cross-validated inside train looks better than it is with these features, and so does a learning "
                "curve below all labels."
            )
    return Exposure(exposed_together(seen.values()) if seen else {}, learned, warnings)


def refuse_learned(learned: Mapping[str, str], what: str) -> None:
    """Raise `UserError` if there is any; `what` has labels of train for its measure."""
    for name, common in learned.items():
        raise UserError(
            f"{what}, where initialization '{name}' was trained with the labels of {common}: it would seem better than "
            "it is; remove them from its source set, or leave it out"
        )
