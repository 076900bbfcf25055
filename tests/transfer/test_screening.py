"""The search for a cut: ranked inside train, few finalists, the whole among them; no label of validation is read."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from tests.transfer.studies import initialization, study_run

from medgraft.networks.assembly import assemble
from medgraft.networks.cuts import WHOLE, Cut, cuts
from medgraft.params import Evaluation
from medgraft.stages.searching import find
from medgraft.training.features import Examples
from medgraft.training.probe import Fit, Probe
from medgraft.transfer import Run, screening, strategies
from medgraft.transfer.plots import plot_search
from medgraft.transfer.screening import Screened, chosen
from medgraft.transfer.truncated import TruncatedSettings

RESNET = initialization("scratch", "resnet10t", seed=3)


def screened(name: str, parameters: int, loss: float, se: float = 0.01) -> Screened:
    place = Cut(name, 1, True, 8, 2, parameters, parameters)
    nothing = Probe(np.zeros(1), np.ones(1), {})
    # Of 400 patients, whose losses differ so much that the difference of two places has about that standard error.
    noise = np.random.default_rng(parameters).normal(0, se / 2**0.5 * 20, 400)
    by_patient = np.stack([loss + noise - noise.mean(), np.ones(400)], axis=1)
    return Screened(place, 1, Fit(1.0, False, np.array([loss]), se, 5, np.zeros((1, 2)), nothing), 0, se, by_patient)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ({"a": 0.50, "b": 0.405, "c": 0.40}, ["c", "b"]),  # b is within a standard error of c, and smaller
        ({"a": 0.50, "b": 0.45, "c": 0.40}, ["c", "b"]),  # none is: the next best
        ({"a": 0.40, "b": 0.405, "c": 0.45}, ["a", "b"]),  # the best is the smallest
        ({"a": 0.409, "b": 0.402, "c": 0.40}, ["c", "a"]),
        ({"a": 0.50}, ["a"]),
    ],
)
def test_the_finalists_are_the_best_and_the_smallest_within_a_standard_error(
    losses: dict[str, float], expected: list[str]
) -> None:
    found = [screened(name, 100 * (place + 1), loss) for place, (name, loss) in enumerate(losses.items())]
    assert chosen([*found, screened(WHOLE, 1000, 0.3)]) == expected


def searched(folder: Path, study: Run | None = None) -> dict[str, object]:
    given = study or study_run(folder, "binary", [RESNET], [], epochs=2)
    settings = TruncatedSettings(strategy="truncated", initialization="scratch", epochs=2)

    def run_of(fraction: float, seed: int, finalist: str = "") -> Run:
        return replace(given, seed=seed, key=f"key-{seed}-{finalist}")

    found = find(strategies.get("truncated"), settings, run_of, [0, 1], Evaluation())
    assert found.search is not None
    assert found.settings.model_dump() == found.search.finalists[str(found.search.record["chosen"])].model_dump()
    assert set(found.fits) == {0, 1}
    if found.search.plot is not None:
        found.search.plot(found.search.record, folder / "search.svg")
    return found.search.record


def test_a_search_probes_blocks_then_units_and_lets_validation_choose_among_three(tmp_path: Path) -> None:
    said: list[str] = []
    record = searched(tmp_path, study_run(tmp_path, "binary", [RESNET], said, epochs=2))
    probes = {probe["name"]: probe for probe in record["probes"]}  # type: ignore[attr-defined]  # a list
    places = {place.name: place for place in cuts(assemble(RESNET.origin.backbone), 32)}
    ends = {name for name, place in places.items() if place.ends_block and name != "layer4.0"}
    assert {name for name, probe in probes.items() if probe["stage"] == 1} == ends | {WHOLE}
    learned = [w for k, w in RESNET.weights.items() if "running" not in k and "num_batches" not in k]
    assert probes[WHOLE]["parameters"] == sum(w.numel() for w in learned)
    assert min(probe["excess"] for probe in probes.values()) == 0
    finalists = record["finalists"]
    assert isinstance(finalists, list)
    assert len(finalists) == record["looks"] == 3
    assert finalists[-1] == "full"
    selection = record["selection"]
    assert isinstance(selection, dict)
    assert selection["winner"] == record["chosen"]
    assert {row["name"] for row in selection["rows"]} == set(finalists)
    drift = {place["name"]: place for place in record["drift"]}  # type: ignore[attr-defined]  # a list
    assert list(drift)[-1] == WHOLE
    assert drift["stem"]["kept"] > 0.5
    assert "<svg" in (tmp_path / "search.svg").read_text()
    with mpl.rc_context({"font.size": 20, "axes.grid": False, "figure.facecolor": "red"}):  # a user's own
        plot_search(record, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == (tmp_path / "search.svg").read_bytes()
    assert len([line for line in said if line.startswith("features of")]) == 1  # one pass


@pytest.mark.parametrize(
    ("architecture", "liked", "inside"),
    [
        ("resnet18", "layer2.1", {"layer2.0"}),
        ("resnet18", WHOLE, {"layer4.0"}),  # its last cut, layer4.1, is the whole network under another name
        ("convnext_atto", WHOLE, {"stages.3.blocks.0"}),  # a norm follows its last cut
        ("convnext_atto", "stages.3.blocks.1", {"stages.3.blocks.0"}),
        ("mobilenetv3_small_050", WHOLE, {"blocks.1.0"}),  # one unit in its last block: the best other one
        ("mobilenetv3_small_050", "blocks.5.0", set()),
    ],
)
def test_the_units_inside_the_best_block_are_probed_also_of_the_last_one(
    architecture: str, liked: str, inside: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(run: Run, train: Examples, features: object, what: str) -> Fit:
        loss = 0.3 if what.endswith(f" at {liked}") else 0.5 if what.endswith(" at blocks.1.1") else 0.6
        nothing = Probe(np.zeros(1), np.ones(1), {})
        return Fit(1.0, False, np.array([loss]), 0.01, 5, np.zeros((len(train.labels), 2)), nothing)

    monkeypatch.setattr(screening, "probe", told)
    given = study_run(tmp_path, "binary", [initialization("scratch", architecture, seed=3)], [])
    found = screening.screen(given, "scratch")
    assert {each.place.name for each in found if each.stage == 2} == inside
    assert found[-1].place.name == WHOLE
    assert len({each.place.parameters for each in found}) == len(found)


def test_screening_reads_no_label_of_validation_and_no_image_of_test(tmp_path: Path) -> None:
    given = study_run(tmp_path, "binary", [RESNET], [], epochs=1)
    strategy = strategies.get("truncated")
    settings = TruncatedSettings(strategy="truncated", initialization="scratch")
    assert strategy.search is not None
    found = strategy.search(given, settings)
    (shard,) = (given.data.folder / "data").glob("test-*.parquet")
    rows = pl.read_parquet(shard)
    rows.with_columns(image=rows["image"].reverse()).write_parquet(shard)  # its labels are sealed anyway
    turned = given.data.validation.with_columns(label=(1 - pl.col("label")).cast(pl.Int64))
    other = strategy.search(replace(given, data=replace(given.data, validation=turned)), settings)
    assert other.record == found.record
    assert list(other.finalists) == list(found.finalists)


def test_the_best_source_is_found_inside_train_and_costs_no_look(tmp_path: Path) -> None:
    noise = initialization("noise", "resnet10t", seed=5)
    flat = {k: w * 0 if k.startswith("layer4") else w for k, w in noise.weights.items()}
    sources = [replace(noise, name="flat", weights=flat, card={"sha256": "flat"}), RESNET]
    given = study_run(tmp_path, "binary", sources, [])
    strategy = strategies.get("best_source")
    settings = strategy.settings(strategy="best_source", initializations=["flat", "scratch"])  # type: ignore[call-arg]  # its own key
    found = find(strategy, settings, lambda fraction, seed, finalist="": replace(given, seed=seed), [0], Evaluation())
    assert found.search is not None
    assert found.search.record["chosen"] == "scratch"
    assert found.search.record["looks"] == 0
    assert found.settings.sources == ["scratch"]
