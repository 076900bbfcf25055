"""What `evaluate` reads, for any task: a plan, a dataset, its sealed labels, and candidates whose skill is made up."""

import io
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from PIL import Image
from tests.evaluation.report.sources import sources
from tests.nets import net, net_spec

from medgraft.artifacts import fingerprint, write_card, write_json
from medgraft.data.card import label_facts
from medgraft.data.dataset import Item, write_aliases, write_sealed, write_shards
from medgraft.data.labels import Label, truths
from medgraft.networks.export import MODEL, export
from medgraft.networks.network import Network, save_network
from medgraft.params import Dataset, Evaluation, Split, Study, Task
from medgraft.seeds import derive
from medgraft.stages.agreement import asked, trained_by

SKILL = {"weak": 0.3, "strong": 0.9}
FITS = ((0.5, 0), (0.5, 1), (1.0, 0), (1.0, 1))


def make_artifacts(
    folder: Path,
    task: Task,
    patients: int = 40,
    classes: int = 3,
    agreeing: bool = True,
    all_ill: bool = False,
    **evaluation: Any,
) -> dict[str, Path]:
    """Write them below `folder`; patients have two studies of two images each, columns `sex` and `age`.

    Of a multilabel task the last class is rare and not scored, and a fifth of the truths is unknown. Of a multiclass
    task, unless `agreeing`, the test images of the first five patients have several classes.
    `all_ill`: the first image of every test patient is of class 1.
    """
    names = ["no", "yes"] if task == "binary" else [f"grade {c}" for c in range(classes)]
    settings = Dataset(name="made_up", source="nowhere", reader={"type": "manifest"}, task=task, classes=names)
    items = [
        item
        for split in ("train", "validation", "test")
        for item in _items(split, task, patients, len(names), agreeing, all_ill)
    ]
    paths = {name: folder / name for name in ("plan", "dataset", "sealed", "candidates")}
    card = _write_dataset(paths["dataset"], paths["sealed"], items, settings)
    study = Study(fractions=[0.5, 1.0], seeds=[0, 1])
    for name, skill in SKILL.items():
        _write_candidate(paths["candidates"] / name, items, task, names, skill, study, card["fingerprint"])
        write_json(
            paths["plan"] / "candidates" / f"{name}.json",
            {"settings": {"strategy": "full"}, "study": study.model_dump()},
        )
    write_json(paths["plan"] / "dataset.json", {"dataset": settings.model_dump(), "split": Split().model_dump()})
    chosen = Evaluation(**evaluation).model_dump() | {"reference": "weak"}
    write_json(paths["plan"] / "evaluation.json", chosen | {"candidates": list(SKILL)})
    write_card(paths["plan"], "plan", "0" * 32, {})
    return paths


def _items(split: str, task: Task, patients: int, classes: int, agreeing: bool, all_ill: bool) -> list[Item]:
    rng = np.random.default_rng(derive(split, task))
    items: list[Item] = []
    for patient in range(patients):
        group = fingerprint("group", [split, patient], {}, "")
        own = int(rng.integers(classes))
        for image in range(4):
            apart = split == "test" and patient < 5 and not agreeing
            # A patient's images are mostly alike; of a multiclass task they must be.
            alike = not apart and (task == "multiclass" or rng.random() < 0.8)
            label = _label(rng, task, classes, own if alike else None)
            if all_ill and split == "test" and image == 0:
                label = 1
            items.append(
                Item(
                    image_id=fingerprint("image", [split, patient, image], {}, ""),
                    group_id=group,
                    study_id=fingerprint("study", [split, patient, image // 2], {}, ""),
                    split=split,
                    label=label,
                    phash="0" * 16,
                    subgroups={"sex": ("f", "m")[patient % 2], "age": 20 + patient},
                    source_uri=f"labels.csv row {len(items) + 1}",
                )
            )
    return items


def _label(rng: np.random.Generator, task: Task, classes: int, own: int | None) -> Label:
    if task != "multilabel":
        return int(rng.integers(classes)) if own is None else own
    share = [0.4] * (classes - 1) + [0.02]
    present, unknown = rng.random(classes) < share, rng.random(classes) < [0, *[0.2] * (classes - 1)]
    return tuple(None if u else int(p) for p, u in zip(present.tolist(), unknown.tolist(), strict=True))


def _write_dataset(dataset: Path, sealed: Path, items: Sequence[Item], settings: Dataset) -> Mapping[str, Any]:
    def picture(item: Item) -> tuple[bytes, str]:
        pixels = np.random.default_rng(derive(item.image_id)).integers(0, 255, size=(20, 28))
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "PNG")
        return buffer.getvalue(), "png"

    write_shards(dataset, items, picture, settings.task, settings.classes, ["sex", "age"])
    write_aliases(dataset, {})
    test = sorted((item for item in items if item.split == "test"), key=lambda item: item.image_id)
    labels = [[item.image_id, item.label] for item in test]
    facts = label_facts(items, settings, Split()) | {
        "name": settings.name,
        "task": settings.task,
        "classes": settings.classes,
        "key_id": "public",
        "channels": 1,
        "dimensions": 2,
        "white": None,
        "studies": True,
        "subgroups": ["sex", "age"],
        "asked": asked(settings, Split()),
        "test_set": fingerprint("test_set", labels, {}, ""),
    }
    print_ = fingerprint("dataset", labels, {}, "")
    write_card(dataset, "dataset", print_, {}, **facts)
    write_card(sealed, "sealed", fingerprint("sealed", labels, {}, ""), {"dataset": print_})
    write_sealed(sealed, test, settings.task)
    write_json(dataset / "quality.json", sources(dataset.parent, dict(facts), list(SKILL), 1)["quality"])
    return {"fingerprint": print_}


def _network(task: Task, names: tuple[str, ...]) -> Network:
    return net(net_spec("test_efficientnet", 16, names, task))


@cache
def _exported(task: Task, names: tuple[str, ...]) -> bytes:
    with TemporaryDirectory() as folder:
        export(_network(task, names), Path(folder, MODEL))
        return Path(folder, MODEL).read_bytes()


def _write_candidate(
    folder: Path, items: Sequence[Item], task: Task, names: Sequence[str], skill: float, study: Study, dataset: str
) -> None:
    save_network(_network(task, tuple(names)), folder)
    (folder / MODEL).write_bytes(_exported(task, tuple(names)))
    judged = [item for item in items if item.split != "train"]
    table = np.nan_to_num(truths([item.label for item in judged], len(names)))
    frames = []
    for fraction, seed in FITS:
        noise = np.random.default_rng(derive(folder.name, fraction, seed)).normal(size=table.shape)
        logits = noise + fraction * skill * table - (1 if task == "multilabel" else 0)
        frames.append(
            pl.DataFrame(
                {
                    "fraction": fraction,
                    "seed": seed,
                    "split": [item.split for item in judged],
                    "image_id": [item.image_id for item in judged],
                    "logits": pl.Series(logits.tolist(), dtype=pl.List(pl.Float32)),
                }
            )
        )
    pl.concat(frames).write_parquet(folder / "predictions.parquet")
    fit = {"train_images": 100, "train_groups": 20, "steps": 10, "best_step": 10, "validation_loss": 0.5}
    write_card(
        folder,
        "candidate",
        fingerprint("candidate", [folder.name], {"dataset": dataset}, ""),
        {"dataset": dataset},
        name=folder.name,
        strategy="full",
        initializations={"scratch": "0" * 32},
        origins={
            "scratch": {"method": "random", "architecture": "test_efficientnet", "source": "drawn", "licence": "none"}
        },
        settings={"strategy": "full"},
        chosen={"strategy": "full"},
        looks=1,
        evaluation=None,
        study=trained_by(study),
        fits=[{"fraction": fraction, "seed": seed} | fit for fraction, seed in FITS],
        warnings=[],
    )
