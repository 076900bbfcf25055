"""What initializations have seen, held against what they are to be judged on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medgraft.artifacts import read_json
from medgraft.data.overlap import exposed_together, refuse_overlap
from medgraft.networks.initialization import EXPOSED
from medgraft.stages.running import read_item


def exposed(plan: Path, folder: Path, names: Sequence[str], dataset: Path) -> tuple[dict[str, Any], list[str]]:
    """What any of the initializations in `folder` has seen (empty: nothing), and warnings about look-alikes.

    Raises `UserError` when one has seen patients or images of the dataset's validation or test split.
    """
    seen = {name: read_json(folder / name / EXPOSED) for name in names if (folder / name / EXPOSED).is_file()}
    warnings = []
    for name, facts in seen.items():
        source = read_item(plan, "pretrain", name)["settings"].get("dataset")
        warnings += refuse_overlap(name, facts, dataset, Path(source) if source else None)
    return (exposed_together(seen.values()) if seen else {}), warnings
