"""pretrain: one named initialization of the plan → backbone weights and their card."""

from pathlib import Path

from medgraft.artifacts import fingerprint, write_json
from medgraft.code_version import code_version
from medgraft.networks.initialization import EXPOSED, write_initialization
from medgraft.pretraining import methods
from medgraft.stages import STAGES
from medgraft.stages.running import produce, read_item
from medgraft.store import Store


def run(plan: Path, name: str, initialization: Path, store: Store) -> str:
    """Make the initialization `name`; returns how the artifact came about.

    What the settings point to is hashed anew, so a weights file that was exchanged since `plan` is noticed.
    """
    item = read_item(plan, "pretrain", name)
    method = methods.get(item["settings"]["method"])
    settings = method.settings(**item["settings"])
    matters = {"settings": settings.model_dump(exclude={"study": {"device", "workers"}}), "name": name}
    made_from = dict(method.content(settings))
    print_ = fingerprint("initialization", matters, made_from, code_version(STAGES["pretrain"].code))

    def build(folders: dict[str, Path]) -> None:
        made = method.make(settings, store, print_)
        folder = folders["initialization"]
        if made.exposed:
            write_json(folder / EXPOSED, made.exposed)
        write_initialization(folder, made.origin, made.weights, print_, made_from, made.classifier, **made.facts)

    return produce({"initialization": initialization}, {"initialization": print_}, store, build)
