"""A finished study in small: real images, a real network, its predictions and figures, in the contract's files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from sklearn.linear_model import LogisticRegression
from tests.nets import net, net_spec
from tests.registry import facts
from tests.registry.pictures import picture

from medgraft.artifacts import fingerprint, read_json, write_card, write_json
from medgraft.data.dataset import Item, read_images, read_rows, write_aliases, write_shards
from medgraft.data.images import decode
from medgraft.evaluation.metrics import auroc
from medgraft.evaluation.uncertainty import cluster_weights, interval
from medgraft.networks.cost import mac_count, parameter_count
from medgraft.networks.export import MODEL, export
from medgraft.networks.network import Network, load_network, save_network

CLASSES = ("clear", "nodule, solid/part-solid")
TEMPERATURE = 1.7
SHARES = {"train": 12, "validation": 12, "test": 16}  # patients, with two images each


@dataclass(frozen=True)
class Study:
    """Where its artifacts lie."""

    plan: Path
    dataset: Path
    candidates: Path
    evaluation: Path
    registration: Path

    @property
    def inputs(self) -> tuple[Path, Path, Path, Path]:
        """What `register` reads."""
        return self.plan, self.dataset, self.candidates, self.evaluation


def make_study(
    folder: Path,
    *,
    tracking_uri: str,
    noise: float = 0.0,
    first_patient: int = 0,
    key_id: str = "public",
    minimum: float = 0.5,
    experiment: str = "study",
) -> Study:
    """Write one. `noise` is added to the winner's last layer: the more, the worse it is.

    Patients are numbered from `first_patient` on: train, then validation, then test.
    """
    study = Study(*(folder / name for name in ("plan", "dataset", "candidates", "evaluation", "registration")))
    _write_dataset(study.dataset, first_patient, key_id)
    with _one_thread():
        for name, extra in (("solid", noise), ("shaky", noise + 3)):
            _write_candidate(study.candidates / name, study.dataset, extra)
        _write_evaluation(study, "solid")
    registration = {
        "model_name": "nodules",
        "experiment": experiment,
        "tracking_uri": tracking_uri,
        "gate": {"minimum": minimum, "margin": 0.02},
    }
    params = {
        "dataset": {
            "name": "nodules",
            "source": "/data/nodules",
            "reader": {"type": "manifest"},
            "max_pixels": 1_000_000,
            "classes": CLASSES,
        },
        "evaluation": {"metric": "auroc", "draws": 2000},
        "registration": registration,
    }
    write_json(study.plan / "registration.json", registration | {"params": params})
    write_card(study.plan, "plan", fingerprint("plan", params, {}, ""), {})
    return study


@contextmanager
def _one_thread() -> Iterator[None]:
    """Small batches on busy cores: threads that wait for each other would take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _write_dataset(folder: Path, first_patient: int, key_id: str) -> None:
    items, raw, labels = [], {}, {}
    patients = iter(range(first_patient, first_patient + sum(SHARES.values())))
    for split, count in SHARES.items():
        for patient in (next(patients) for _ in range(count)):
            for shot in (0, 1):
                label = patient % 2
                image_id = fingerprint("image", [patient, shot], {}, "")
                group = fingerprint("group", [patient], {}, key_id)
                items.append(Item(image_id, group, None, split, label, "0" * 16, {}, f"{patient}/{shot}"))
                raw[image_id], labels[image_id] = picture(patient, shot, bool(label)), label
    write_shards(folder, items, lambda item: (raw[item.image_id], "png"), "binary", CLASSES, [])
    write_aliases(folder, {})
    test = sorted(i.image_id for i in items if i.split == "test")
    write_card(
        folder,
        "dataset",
        fingerprint("dataset", [first_patient], {}, key_id),
        {},
        name="nodules",
        task="binary",
        classes=CLASSES,
        scored=CLASSES[1:],
        unscored={},
        licence="CC0-1.0",
        channels=1,
        dimensions=2,
        white=None,
        studies=False,
        key_id=key_id,
        warnings=["Made-up pictures."],
        splits=facts.splits(CLASSES, SHARES),
        asked=facts.ASKED,
        test_set=fingerprint("test_set", test, {}, ""),
        subgroups=[],
    )
    write_json(folder / "quality.json", facts.quality(len(items)))
    write_json(folder.parent / "labels.json", labels)


def _write_candidate(folder: Path, dataset: Path, noise: float) -> None:
    network = net(net_spec("test_efficientnet", 64, CLASSES))
    labels = read_json(dataset.parent / "labels.json")
    train = dict(read_images(dataset, ["train"]))
    with torch.inference_mode():
        features = network.features(_inputs(network, train)).numpy()
    scale = features.std(axis=0) + 1e-6
    fitted = LogisticRegression(C=0.01).fit(features / scale, [labels[i] for i in train])
    weight = torch.from_numpy(fitted.coef_[0] / scale).float()
    weight += noise * weight.std() * torch.randn(len(weight), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        network.head.get_parameter("0.weight").copy_(torch.stack([-weight, weight]) / 2)
    network.start_at(torch.tensor([-1.0, 1.0]) * float(fitted.intercept_[0]) / 2)
    save_network(network, folder)
    export(network, folder / MODEL)
    pl.concat([_predicted(network, dataset, s) for s in ("validation", "test")]).write_parquet(
        folder / "predictions.parquet"
    )
    history = {"fraction": 1.0, "seed": 0, "step": [50, 100], "train_loss": [0.6, 0.4], "validation_loss": [0.65, 0.5]}
    pl.DataFrame(history).write_parquet(folder / "history.parquet")
    if facts.LOOKS[folder.name] > 1:
        write_json(folder / "search.json", facts.SEARCH)
        (folder / "search.svg").write_text("<svg/>")
    fit = {"fraction": 1.0, "seed": 0, "train_images": 24, "train_groups": 12, "steps": 100, "best_step": 100}
    origin = {"method": "random", "source": "drawn", "licence": "none needed"}
    origin |= {"architecture": network.spec.backbones[0].architecture}
    settings = {"strategy": "linear_probe", "initialization": "imagenet", "learning_rate": 0.01}
    made_from = {"dataset": read_json(dataset / "card.json")["fingerprint"]}
    write_card(
        folder,
        "candidate",
        fingerprint("candidate", [folder.name, noise], made_from, ""),
        made_from,
        name=folder.name,
        strategy="linear_probe",
        initializations={"imagenet": "0" * 32},
        origins={"imagenet": origin},
        settings=settings,
        chosen=settings,
        looks=facts.LOOKS[folder.name],
        evaluation=None,
        fits=[fit | {"validation_loss": 0.5}],
        warnings=[],
    )


def _predicted(network: Network, dataset: Path, split: str) -> pl.DataFrame:
    images = dict(read_images(dataset, [split]))
    with torch.inference_mode():
        logits = network(_inputs(network, images)).tolist()
    column = pl.Series("logits", logits, dtype=pl.List(pl.Float32))
    return pl.DataFrame({"fraction": 1.0, "seed": 0, "split": split, "image_id": list(images), "logits": column})


def _inputs(network: Network, images: Mapping[str, bytes]) -> torch.Tensor:
    return torch.cat([network.preprocess(torch.from_numpy(decode(raw).copy())[None])[0] for raw in images.values()])


def _write_evaluation(study: Study, winner: str) -> None:
    dataset = read_json(study.dataset / "card.json")
    names = sorted(path.name for path in study.candidates.iterdir())
    cards = {name: read_json(study.candidates / name / "card.json") for name in names}
    made_from = {"dataset": dataset["fingerprint"]} | {name: card["fingerprint"] for name, card in cards.items()}
    predictions = pl.concat([_predictions(study, name) for name in names])
    folder = study.evaluation
    metrics = {
        "task": "binary",
        "classes": CLASSES,
        "scored": CLASSES[1:],
        "unscored": {},
        "metric": "auroc",
        "reference": names[0],
        "draws": 2000,
        "level": 0.95,
        "specificity_target": 0.9,
        "sensitivity_target": 0.9,
        "unit": {"of": "image", "aggregate": "mean"},
        "units": {split: 2 * SHARES[split] for split in ("validation", "test")},
        "dataset": {key: dataset[key] for key in ("name", "fingerprint", "test_set", "splits", "warnings")},
        "winner": winner,
        "best_on_validation": winner,
        "looks": sum(facts.LOOKS[name] for name in names),
        "candidates": {name: _figures(study, name, predictions) for name in names},
        "subgroups": [],
    }
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "selection.json", {"winner": winner, "best": winner, "rows": []})
    write_json(folder / "ledger.json", {"test_set": dataset["test_set"], "openings": 1, "this_opening": 1})
    write_json(folder / "failures.json", {"units": metrics["unit"], "mistakes": [], "correct": []})
    write_json(folder / "cost.json", {n: {"latency_ms_batch1_median": 3.5, "threads": 2} for n in names})
    predictions.write_parquet(folder / "predictions.parquet")
    (folder / "plots").mkdir()
    (folder / "plots" / "roc.csv").write_text("candidate,class,x,y\n")
    (folder / "report.html").write_text("<!doctype html><title>Report</title>")
    write_card(folder, "evaluation", fingerprint("evaluation", {}, made_from, ""), made_from)


def _predictions(study: Study, name: str) -> pl.DataFrame:
    labels = read_json(study.dataset.parent / "labels.json")
    groups = read_rows(study.dataset).select("image_id", "group_id")
    table = pl.read_parquet(study.candidates / name / "predictions.parquet").join(groups, on="image_id")
    logits = torch.tensor(table["logits"].to_list(), dtype=torch.float64)
    return table.select(
        pl.lit(name).alias("candidate"),
        "split",
        "image_id",
        "group_id",
        pl.Series("label", [labels[i] for i in table["image_id"]], dtype=pl.Int64),
        pl.Series("probabilities", torch.softmax(logits / TEMPERATURE, dim=1).tolist()),
    )


def _figures(study: Study, name: str, predictions: pl.DataFrame) -> Mapping[str, Any]:
    area = {split: _auroc(predictions.filter(candidate=name, split=split)) for split in ("validation", "test")}
    built = load_network(study.candidates / name)
    test = area["test"]
    loss = {"nll": 0.4, "brier": 0.2, "ece": 0.1}
    return {
        "strategy": "linear_probe",
        "initializations": ["imagenet"],
        "parameters": parameter_count(built),
        "macs": mac_count(built),
        "size_bytes": (study.candidates / name / "model.safetensors").stat().st_size,
        "temperature": TEMPERATURE,
        "looks": facts.LOOKS[name],
        "warnings": [],
        "validation": {
            "score": area["validation"]["estimate"],
            "standard_error": area["validation"]["se"],
            "seeds": [area["validation"]["estimate"]],
        },
        "test": facts.of_test(CLASSES, test, SHARES["test"]) | {"seeds": {"values": [test["estimate"]], "sd": None}},
        "difference": None if name == "shaky" else {"reference": "shaky", "auroc": test},
        "calibration": {"before": loss, "after": loss | {"slope": 1.1, "intercept": 0.0}},
        "curve": [
            {
                "fraction": 1.0,
                "train_images": 24,
                "train_groups": 12,
                "validation_images": 24,
                "mean": test["estimate"],
                "seed_sd": None,
                "low": test["low"],
                "high": test["high"],
                "seeds": [test["estimate"]],
            }
        ],
    }


def _auroc(rows: pl.DataFrame) -> dict[str, Any]:
    y, p = rows["label"].to_numpy(), np.asarray(rows["probabilities"].to_list())
    groups = rows["group_id"].rank("dense").cast(pl.Int64).to_numpy()
    truths = np.eye(len(CLASSES))[y]
    estimate = auroc(truths, p, np.ones((1, len(y))))[0, 1]
    return asdict(interval(estimate, auroc(truths, p, cluster_weights(groups, 2000, 0))[:, 1]))
