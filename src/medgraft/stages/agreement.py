"""Whether an artifact was made as the plan asks: what is compared must be what params.yaml says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgraft.artifacts import Card, fingerprint, read_card
from medgraft.errors import UserError
from medgraft.params import Dataset, Split, Study
from medgraft.stages.running import read_item


def asked(dataset: Dataset, split: Split) -> dict[str, Any]:
    """What decides a dataset besides its content: not where it lies, nor the secret; names of institutions hashed."""
    told = dataset.model_dump(exclude={"source", "group_key"})
    return {"dataset": told | {"reader": without_names(dataset.reader)}, "split": split.model_dump()}


def without_names(reader: Mapping[str, Any]) -> dict[str, Any]:
    """A reader's settings in which the names of institutions (`sites`: name → alias) are hashes."""
    sites = reader.get("sites")
    if not isinstance(sites, Mapping):
        return dict(reader)
    return dict(reader) | {"sites": {fingerprint("site", name, {}, "")[:8]: alias for name, alias in sites.items()}}


def trained_by(study: Study) -> dict[str, Any]:
    """What of the study decides a candidate: not where it computes."""
    return study.model_dump(exclude={"device", "workers"})


def require_dataset(plan: Path, card: Card) -> None:
    """Raise `UserError` when the dataset was ingested by other settings than the plan's."""
    item = read_item(plan, "ingest")
    if card["asked"] != asked(Dataset(**item["dataset"]), Split(**item["split"])):
        raise UserError("the dataset was ingested by other settings than the plan's; run `medgraft ingest`")


def require_sealed(sealed: Path, dataset: Path) -> Card:
    """The card of the sealed labels; raises `UserError` when they are not those of the dataset's test split."""
    card = read_card(sealed, "sealed")
    if card["made_from"].get("dataset") != read_card(dataset, "dataset")["fingerprint"]:
        raise UserError(f"{sealed} does not hold the labels of {dataset}; run `medgraft ingest`, which makes both")
    return card


def require_candidate(plan: Path, card: Card) -> None:
    """Raise `UserError` when the candidate was fitted by other settings than the plan's."""
    name = card["name"]
    item = read_item(plan, "transfer", name)
    asked_for = (item["settings"], item.get("evaluation"), trained_by(Study(**item["study"])))
    if (card["settings"], card["evaluation"], card["study"]) != asked_for:
        raise UserError(
            f"candidate '{name}' was fitted by other settings than the plan's; run `medgraft transfer {name}`"
        )


def require_dimensions(dataset: Card, volumes: Mapping[str, str | None]) -> None:
    """Raise `UserError` where images would go into networks for volumes, or volumes into networks for images.

    `volumes`: by initialization how its network takes volumes, None for images.
    """
    holds = "images" if dataset["dimensions"] == 2 else "volumes"
    remedy = "leave `volumes` out of its settings" if holds == "images" else "add `volumes: acs` to its settings"
    for name, how in volumes.items():
        takes = "images" if how is None else "volumes"
        if takes != holds:
            raise UserError(
                f"the dataset {dataset['name']} holds {holds}, but initialization {name} takes {takes}; {remedy}"
            )
