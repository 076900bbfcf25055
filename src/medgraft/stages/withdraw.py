"""withdraw: everything that holds a patient, for someone who must take it back. Nothing is deleted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from medgraft.artifacts import CARD, read_json
from medgraft.data.dataset import ALIASES, patients, read_rows
from medgraft.data.identity import group_key
from medgraft.errors import UserError
from medgraft.networks.initialization import EXPOSED
from medgraft.params import Dataset, Registration
from medgraft.registry.server import connect, talking
from medgraft.registry.withdrawal import runs_with, versions_with, where
from medgraft.stages.running import read_item
from medgraft.store import Store

HOLDS = "holds the patient's images"
HELD_WITH_OTHERS = f"{HOLDS}, made one with those of others who share a picture"
UNKNOWN = "cannot be checked: its candidate was never finished"
CACHE = Path(".medgraft")
ELSEWHERE = (
    "not looked into: other folders of artifacts, the caches and remotes of DVC (.dvc/cache), artifacts of Kubeflow "
    "Pipelines, backups, and the source itself. The patient is looked up as the reader spells it (8 digits for NIH, "
    "a DICOM id with an issuer is id^^^issuer); `--hashed` takes the id that artifacts show"
)
FINGERPRINT = re.compile("[0-9a-f]{32}")
SPLITS = ("train", "validation", "test", "unlabelled")


@dataclass(frozen=True)
class Holding:
    """One thing that holds the patient, or may: what it is, where it lies, and why it is listed."""

    kind: str
    place: str
    reason: str


@dataclass(frozen=True)
class Artifact:
    """An artifact of the work folder or the store, its folder at hand."""

    card: Mapping[str, Any]
    place: str
    folder: Path

    @property
    def fingerprint(self) -> str:
        """Its own."""
        return str(self.card["fingerprint"])


def run(group: str, hashed: bool, artifacts: Path, store: Store) -> list[Holding]:
    """List artifacts, finished and unfinished runs, caches, MLflow runs and model versions that hold the patient.

    `group` is the patient's id as the source has it, or, if `hashed`, the HMAC id that artifacts show. Raises
    `UserError` without a plan (which names the group key and the MLflow server) or where the server does not answer.
    """
    dataset = Dataset(**read_item(artifacts / "plan", "ingest")["dataset"])
    key = group_key(dataset.group_key)
    if hashed and not FINGERPRINT.fullmatch(group):
        raise UserError("a hashed patient id has 32 hex digits, as the column group_id shows; give that one")
    patient = group if hashed else key.group_id(group)
    registration = read_item(artifacts / "plan", "register")
    client = connect(Registration(**{k: registration[k] for k in Registration.model_fields}).tracking_uri)
    with TemporaryDirectory() as temporary, talking(client):
        found = [*_local(artifacts), *_stored(store, Path(temporary))]
        images = {i for artifact in found for i in _images(artifact, patient)}
        every = {i for artifact in found for i in _all_images(artifact)}
        reasons = _held(found, patient)
        known = {artifact.fingerprint for artifact in found}
        holdings = [Holding(a.card["kind"], a.place, reasons[a.fingerprint]) for a in found if a.fingerprint in reasons]
        holdings += [
            Holding(a.card["kind"], a.place, f"cannot be checked: {why}")
            for a in found
            if a.fingerprint not in reasons and (why := _obscure(a, key.key_id))
        ]
        holdings += _unfinished(store, set(reasons), known)
        holdings += _caches(images, every)
        server = where(client)
        holdings += [
            Holding("MLflow run", f"{server} {run.info.run_id}", why)
            for run, why in runs_with(client, set(reasons), known)
        ]
        holdings += [
            Holding("model version", f"{server} {version.name}/{version.version}", why)
            for version, why in versions_with(client, patient, key.key_id, set(reasons))
        ]
    return holdings


def _local(folder: Path) -> Iterator[Artifact]:
    for path in sorted(folder.rglob(CARD)):
        yield Artifact(read_json(path), str(path.parent), path.parent)


def _stored(store: Store, temporary: Path) -> Iterator[Artifact]:
    """Artifacts of the store; what decides about patients is copied next to its card."""
    for key in _keys(store, "results"):
        text = store.read_text("results", key, CARD)
        if text is not None:
            folder = temporary / key
            if store.get(key, folder):
                yield Artifact(read_json(folder / CARD), f"{store.root} results/{key}", folder)


def _keys(store: Store, kind: str) -> list[str]:
    return sorted({name.removesuffix(".json") for name in store.names(kind)})


def _obscure(artifact: Artifact, key_id: str) -> str:
    """Why nothing can be said of an artifact that does not name the patient; empty if it can."""
    card, exposed = artifact.card, artifact.folder / EXPOSED
    key = card.get("key_id") or (read_json(exposed)["key_id"] if exposed.is_file() else key_id)
    if key != key_id:
        return f"its patients are named by group key {key}"
    if card["kind"] == "dataset" and card["asked"]["dataset"]["ungrouped"]:
        return "it names no patients (dataset.ungrouped)"
    return ""


def _all_images(artifact: Artifact) -> list[str]:
    return read_rows(artifact.folder)["image_id"].to_list() if artifact.card["kind"] == "dataset" else []


def _images(artifact: Artifact, patient: str) -> list[str]:
    """Image ids of the patient in a dataset."""
    if artifact.card["kind"] != "dataset":
        return []
    ids = _ids(artifact.folder, patient)
    rows = read_rows(artifact.folder)
    return [image for image, group in rows.select("image_id", "group_id").iter_rows() if group in ids]


def _merged(folder: Path, patient: str) -> bool:
    aliases: dict[str, list[str]] = read_json(folder / ALIASES)
    return patient in aliases or any(patient in others for others in aliases.values())


def _ids(folder: Path, patient: str) -> set[str]:
    """The id itself and, where the patient was made one with others, the id that stands for them."""
    aliases: dict[str, list[str]] = read_json(folder / ALIASES)
    return {patient} | {standing for standing, others in aliases.items() if patient in others}


def _held(found: list[Artifact], patient: str) -> dict[str, str]:
    """Fingerprint → why it is listed: it holds the patient, was exposed to it, or was made from what does."""
    reasons: dict[str, str] = {}
    for artifact in found:
        kind, folder = artifact.card["kind"], artifact.folder
        if kind == "dataset" and patient in patients(folder, _splits(artifact)):
            reasons[artifact.fingerprint] = HELD_WITH_OTHERS if _merged(folder, patient) else HOLDS
        elif (folder / EXPOSED).is_file() and patient in read_json(folder / EXPOSED)["groups"]:
            reasons[artifact.fingerprint] = "its weights were trained on the patient"
    grown = True
    while grown:
        grown = False
        for artifact in found:
            sources = set(artifact.card["made_from"].values()) & reasons.keys()
            if sources and artifact.fingerprint not in reasons:
                reasons[artifact.fingerprint] = "was made from it"
                grown = True
    return reasons


def _splits(artifact: Artifact) -> list[str]:
    return [name for name in SPLITS if name in artifact.card["splits"]]


def _unfinished(store: Store, held: set[str], known: set[str]) -> Iterator[Holding]:
    """Finished runs and checkpoints of candidates; of candidates that were never finished nothing is known."""
    for kind in ("results", "checkpoints"):
        for key in _keys(store, kind):
            print_ = key.partition("-")[0]
            if key == print_:
                continue
            if print_ in held:
                yield Holding("run", f"{store.root} {kind}/{key}", "a run of a candidate that holds it")
            elif print_ not in known:
                yield Holding(
                    "run", f"{store.root} {kind}/{key}", "cannot be checked: its candidate was never finished"
                )


def _caches(images: set[str], every: set[str]) -> Iterator[Holding]:
    """Stores of the patient's images, or of images of no data set that is here; copies of sources."""
    stores = {"pixels": ("pixel store", "*.json"), "features": ("feature store", "*/*.json")}
    for what, (kind, pattern) in stores.items():
        for facts in sorted((CACHE / what).glob(pattern)):
            held, data = set(read_json(facts)["image_ids"]), str(facts.with_name(f"{facts.name[:-5]}.npy"))
            if images & held:
                yield Holding(kind, data, f"holds the patient's {what}")
            elif held - every:
                yield Holding(kind, data, "cannot be checked: its data set is gone")
    for folder in sorted((CACHE / "sources").glob("*")):
        yield Holding("copy of a source", str(folder), "may hold the patient: it is as the source was")


def describe(holdings: list[Holding]) -> list[str]:
    """The list in lines for a terminal."""
    if not holdings:
        return ["nothing that could be looked into holds this patient, as it is spelled here", ELSEWHERE]
    lines = [f"{len(holdings)} things hold this patient, or may:"]
    lines += [f"  {holding.kind}: {holding.place} ({holding.reason})" for holding in holdings]
    return [
        *lines,
        ELSEWHERE,
        "nothing was deleted. Ask again with the other group keys where a thing cannot be checked. Then take the "
        "patient out of the source, delete what holds the patient, run the pipeline again, and archive the model "
        "versions",
    ]
