"""register: the chosen model, packed, checked against its own predictions, tracked and registered with MLflow."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from medgraft.artifacts import fingerprint, read_json, write_card, write_json, writing
from medgraft.code_version import code_version
from medgraft.networks.export import MODEL
from medgraft.params import Registration
from medgraft.registry.package import CONTENT, MODEL_CARD, Release, write_package
from medgraft.registry.registering import confirm, name_challenger, register
from medgraft.registry.runs import FINGERPRINT
from medgraft.registry.server import connect, shown, talking
from medgraft.registry.tracking import count_openings, summary, track
from medgraft.registry.verification import verify
from medgraft.registry.winner import Winner, read_winner
from medgraft.stages import STAGES
from medgraft.stages.agreement import without_names
from medgraft.stages.running import produce, read_item
from medgraft.store import Store

RECEIPT = "receipt.json"


def run(plan: Path, dataset: Path, candidates: Path, evaluation: Path, registration: Path, store: Store) -> str:
    """Register the evaluation's winner; returns how the artifact came about.

    An artifact that is there or in the store counts only if the server still has its version: a registration is a
    statement about a server, and that may have been set up anew, or be another one. Otherwise it is made again.
    Where the server is (the tracking URI) is no part of the fingerprint.

    Raises `UserError` when the server does not answer, when the inputs do not belong together, or when the package
    does not repeat the predictions it was chosen by; then nothing is registered.
    """
    item = read_item(plan, "register")
    settings = Registration(**{key: item[key] for key in Registration.model_fields})
    winner = read_winner(dataset, candidates, evaluation)
    made_from = {kind: winner.fingerprints[kind] for kind in ("dataset", "candidate", "evaluation")}
    matters = {"model_name": settings.model_name, "experiment": settings.experiment}
    print_ = fingerprint("registration", matters, made_from, code_version(STAGES["register"].code))
    client = connect(settings.tracking_uri)

    def build(folders: dict[str, Path]) -> None:
        with TemporaryDirectory() as temporary:
            package = Path(temporary, "model")
            openings = count_openings(client, settings.experiment, winner)
            limit = item["params"]["dataset"]["max_pixels"]
            write_package(package, winner, dataset, Release(settings.model_name, limit, openings, print_))
            deviation = verify(package, winner.name, dataset, evaluation)
            told = item["params"]["dataset"]
            params = item["params"] | {"dataset": told | {"reader": without_names(told["reader"])}}
            tracked = track(client, settings.experiment, winner, candidates, evaluation, params, openings)
            tags = _version_tags(print_, winner, deviation)
            text = summary(winner, openings)
            version = register(client, settings.model_name, package, tracked, tags, text)
            receipt = {
                "model_name": settings.model_name,
                "version": str(version.version),
                "alias": name_challenger(client, version),
                "run_id": version.run_id,
                "tracking_uri": shown(client.tracking_uri),
                "experiment": settings.experiment,
                "winner": winner.name,
                "openings": openings,
            }
            _write(folders["registration"], package, print_, made_from, receipt)

    with talking(client):
        outcome = produce({"registration": registration}, {"registration": print_}, store, build)
        if outcome != "built" and not confirm(client, print_, read_json(registration / RECEIPT)):
            with writing(registration) as folder:
                build({"registration": folder})
            store.put(registration, print_)
            return "built"
    return outcome


def _version_tags(print_: str, winner: Winner, deviation: float) -> dict[str, str]:
    return {
        FINGERPRINT: print_,
        "medgraft.dataset": winner.fingerprints["dataset"],
        "medgraft.test_set": winner.fingerprints["test_set"],
        "medgraft.evaluation": winner.fingerprints["evaluation"],
        "medgraft.winner": winner.name,
        "medgraft.largest_deviation": f"{deviation:.2e}",
    }


def _write(folder: Path, package: Path, print_: str, made_from: Mapping[str, str], receipt: Mapping[str, Any]) -> None:
    for name in (MODEL, MODEL_CARD):
        shutil.copyfile(package / CONTENT / name, folder / name)
    write_json(folder / RECEIPT, receipt)
    write_card(folder, "registration", print_, made_from, model_name=receipt["model_name"], winner=receipt["winner"])
