"""validate: a registered model on a data set it was not made from, with nothing fitted, chosen or left out."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from medgraft.artifacts import Card, fingerprint, read_json, write_card, write_json
from medgraft.code_version import code_version
from medgraft.data.dataset import dataset_card, patients, read_labels, read_rows, read_sealed
from medgraft.data.labels import Label
from medgraft.data.overlap import look_alikes
from medgraft.errors import UserError, raise_all
from medgraft.evaluation.external import assess
from medgraft.evaluation.gallery import write_gallery
from medgraft.evaluation.judge import judge
from medgraft.evaluation.ledger import LEDGER, record_opening, refresh_opening
from medgraft.evaluation.parts import refuse_unusable
from medgraft.evaluation.plots import write_plots
from medgraft.evaluation.readout import Readout, fixed_readout
from medgraft.evaluation.report import write_validation_report
from medgraft.evaluation.validating import scored_here, validation_metrics
from medgraft.networks.cost import mac_count, parameter_count
from medgraft.networks.export import MODEL
from medgraft.networks.network import load_network
from medgraft.params import Evaluation, Registration
from medgraft.registry.packaged import Packaged, download, find_version, other_white
from medgraft.registry.prediction import predict_dataset
from medgraft.registry.server import connect, talking
from medgraft.registry.validation import track_validation
from medgraft.stages import BASE
from medgraft.stages.agreement import require_dataset, require_sealed
from medgraft.stages.running import produce, read_item
from medgraft.store import Store

CODE = (*BASE, "charts.py", "stages/validate.py", "data", "networks", "evaluation", "registry")


def run(model: str, dataset: Path, out: Path, store: Store) -> str:
    """Score the version `model` (`name@alias` or `name/version`) on all labelled images of a dataset artifact.

    The plan and the sealed labels lie beside the dataset. Temperature, thresholds, unit and targets are the package's;
    prevalence, draws and metric the plan's. Returns how the artifact came about. Raises `UserError` when the model
    was not packed by medgraft, has other classes, or was trained on patients or images of this set.
    """
    plan, sealed = dataset.parent / "plan", dataset.parent / "sealed"
    item = read_item(plan, "register")
    registration = Registration(**{key: item[key] for key in Registration.model_fields})
    asked = read_item(plan, "evaluate")
    card, labels = dataset_card(dataset), require_sealed(sealed, dataset)
    require_dataset(plan, card)
    client = connect(registration.tracking_uri)
    with talking(client), TemporaryDirectory() as temporary:
        version = find_version(client, model)
        packaged = download(client, version.name, str(version.version), Path(temporary))
        raise_all(_unusable(packaged, card, dataset), f"the validation of {model}")
        package = packaged.package
        settings = _settings(asked, package)
        made_from = {
            "dataset": card["fingerprint"],
            "sealed": labels["fingerprint"],
            "registration": package["fingerprints"]["registration"],
        }
        print_ = fingerprint("validation", settings.model_dump(), made_from, code_version(CODE))

        def build(folders: dict[str, Path]) -> None:
            name = f"{version.name}/{version.version}"
            _build(folders["validation"], print_, made_from, settings, name, packaged, dataset, sealed, store)

        outcome = produce({"validation": out}, {"validation": print_}, store, build)
        if refresh_opening(store, card["test_set"], print_, out):
            _report(out, dataset, card)
        metrics = read_json(out / "metrics.json")
        track_validation(client, registration.experiment, version, out, print_, metrics)
    return outcome


def _build(
    folder: Path,
    print_: str,
    made_from: dict[str, str],
    settings: Evaluation,
    name: str,
    packaged: Packaged,
    dataset: Path,
    sealed: Path,
    store: Store,
) -> None:
    card, package = dataset_card(dataset), packaged.package
    rows = read_rows(dataset)
    together = rows.filter(pl.col("split") != "unlabelled").with_columns(split=pl.lit("test"))
    refuse_unusable(together, judge(card, settings))
    opening = record_opening(store, card["test_set"], print_)
    opened = read_sealed(sealed)
    if set(opened) != set(rows.filter(pl.col("split") == "test")["image_id"]):
        raise UserError(f"{sealed} does not hold the labels of {dataset}'s test split; run `medgraft ingest` again")
    known = dict(zip(rows["image_id"], read_labels(rows), strict=True)) | opened
    labels: dict[str, Label] = {image_id: label for image_id, label in known.items() if label is not None}
    of = dict(zip(rows["image_id"], rows["group_id"], strict=True))
    scored, unscored = scored_here(card, [of[i] for i in labels], list(labels.values()))
    by = judge(dict(card) | {"scored": scored}, settings)
    answers = predict_dataset(packaged.load(), dataset, list(card["splits"]))
    found = assess("test", rows, labels, answers, _readout(package), by, card["subgroups"])
    network = load_network(packaged.content)
    size = {
        "parameters": parameter_count(network),
        "macs": mac_count(network),
        "size_bytes": (packaged.content / MODEL).stat().st_size,
    }
    metrics = validation_metrics(card, unscored, name, found, package["temperature"], size)
    metrics["candidates"][name]["warnings"] = _cautions(packaged, card, rows)
    write_json(folder / "metrics.json", metrics)
    write_json(folder / LEDGER, asdict(opening))
    write_json(folder / "failures.json", found.failures.facts(settings.unit, settings.aggregate))
    cases = [*found.failures.mistakes, *found.failures.correct]
    write_gallery(folder / "gallery", cases, dataset, None, network, package["temperature"])
    write_plots(folder / "plots", {name: found.reading}, name, name, {})
    write_card(folder, "validation", print_, made_from, model=name, warnings=metrics["dataset"]["warnings"])
    _report(folder, dataset, card)


def _report(folder: Path, dataset: Path, card: Card) -> None:
    write_validation_report(
        folder,
        dataset=dataset,
        quality=read_json(dataset / "quality.json"),
        dataset_card=card,
        ledger=read_json(folder / LEDGER),
    )


def _settings(asked: Mapping[str, Any], package: Mapping[str, Any]) -> Evaluation:
    """The plan's, but for what the package says of how it is used."""
    fixed = {
        "unit": package["unit"],
        "aggregate": package["aggregate"],
        "specificity": package["specificity_target"],
        "sensitivity": package["sensitivity_target"],
        "reference": None,
    }
    return Evaluation(**{key: asked[key] for key in Evaluation.model_fields} | fixed)


def _readout(package: Mapping[str, Any]) -> Readout:
    """The thresholds that were stored with the model."""
    decision = package["decision_thresholds"] or {package["classes"][-1]: package["decision_threshold"]}
    points = package["operating_thresholds"]
    return fixed_readout(package["task"], package["classes"], points["specificity"], points["sensitivity"], decision)


def _unusable(packaged: Packaged, card: Card, dataset: Path) -> list[str]:
    """Why figures of this model on this set would mean nothing."""
    if packaged.foreign:
        return ["it was not packed by medgraft, so its training patients and thresholds are unknown"]
    package, training = packaged.package, packaged.training
    problems = [
        f"its {what} {theirs}, this data set's {what} {ours}"
        for what, theirs, ours in (
            ("task is", package["task"], card["task"]),
            ("images have dimensions", package["dimensions"], card["dimensions"]),
            ("voxels (mm) are", package["spacing"], card["asked"]["dataset"]["reader"].get("spacing")),
            ("classes are", ", ".join(package["classes"]), ", ".join(card["classes"])),
        )
        if theirs != ours
    ]
    problems += other_white(package, card)
    if training["key_id"] != card["key_id"]:
        return [
            *problems,
            f"its training patients are named by group key {training['key_id']}, this data set's by {card['key_id']}: "
            "overlap cannot be checked; ingest both with the same group key",
        ]
    groups = patients(dataset, list(card["splits"])) & set(training["groups"])
    images = set(read_rows(dataset)["image_id"]) & set(training["images"])
    if groups or images:
        problems.append(
            f"it was trained or chosen on {len(groups)} patients and {len(images)} images of this set; take them out"
        )
    return problems


def _cautions(packaged: Packaged, card: Card, rows: pl.DataFrame) -> list[str]:
    """What a reader must know of overlap that ids cannot show."""
    found = []
    hashes = packaged.training.get("hashes", [])
    alike = look_alikes(rows, hashes)
    if alike:
        found.append(
            f"{len(alike)} of {len(rows)} images look like one the model was trained or chosen on (perceptual hashes). "
            "Most look-alikes are different images, but a copy among them would make the figures too good."
        )
    if card["asked"]["dataset"]["ungrouped"] or packaged.package["ungrouped"]:
        found.append("Patients are not known on both sides, so that nobody was trained on cannot be checked.")
    return found


def summary(folder: Path) -> list[str]:
    """What a validation found, in lines for a terminal."""
    metrics = read_json(folder / "metrics.json")
    name, metric = metrics["winner"], metrics["metric"]
    figure = metrics["candidates"][name]["test"]["macro"][metric]
    split = f"{metrics['units']['test']} {metrics['unit']['of']}s of {metrics['dataset']['name']}"
    told = "undefined" if figure["estimate"] is None else f"{figure['estimate']:.3f}"
    bounds = "" if figure["low"] is None else f" ({figure['low']:.3f} to {figure['high']:.3f}, 95 % interval)"
    warned = [*metrics["dataset"]["warnings"], *metrics["candidates"][name]["warnings"]]
    return [
        f"{name} on {split}: {metric} {told}{bounds}",
        *(f"  warning: {warning}" for warning in warned),
        f"report: {folder / 'report.html'}",
    ]
