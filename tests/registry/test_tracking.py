import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from tests.registry.study import Study

from medgraft.errors import UserError
from medgraft.registry.runs import FINGERPRINT, PARENT
from medgraft.registry.server import connect
from medgraft.registry.tracking import TEST_SET, Tracked, count_openings, summary, track
from medgraft.registry.winner import Winner

PARAMS = {
    "dataset": {"name": "nodules", "source": "/data/nodules"},
    "study": {"fractions": [1.0], "note": "x" * 7000},
    "registration": {"model_name": "nodules", "tracking_uri": "http://user:secret@host"},
}


@pytest.fixture
def client(server: str) -> MlflowClient:
    return connect(server)


def renamed(winner: Winner, evaluation: str, test_set: str = "t" * 32) -> Winner:
    """The same winner of another evaluation."""
    dataset = winner.dataset | {"test_set": test_set}
    return replace(winner, evaluation=winner.evaluation | {"fingerprint": evaluation}, dataset=dataset)


def tracked(client: MlflowClient, experiment: str, winner: Winner, study: Study) -> Tracked:
    return track(client, experiment, winner, study.candidates, study.evaluation, PARAMS, openings=1)


def tree(client: MlflowClient, where: Tracked) -> tuple[Run, dict[str, Run]]:
    """The evaluation's run, and the candidates' by name."""
    runs = client.search_runs([where.experiment_id])
    children = {r.data.tags["medgraft.candidate"]: r for r in runs if r.data.tags.get(PARENT) == where.run_id}
    return client.get_run(where.run_id), children


def test_an_evaluation_is_a_run_and_its_candidates_are_nested_in_it(
    client: MlflowClient, winner: Winner, study: Study
) -> None:
    where = tracked(client, "tree", renamed(winner, "e" * 32), study)
    parent, children = tree(client, where)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags[FINGERPRINT] == "e" * 32
    assert parent.data.tags[TEST_SET] == "t" * 32
    assert parent.data.metrics["test/auroc"] == winner.figures["test"]["macro"]["auroc"]["estimate"]
    assert parent.data.params["study.fractions"] == "1.0"
    assert len(parent.data.params["study.note"]) == 6000
    assert "secret" not in json.dumps(parent.data.params)
    shown = {file.path for file in client.list_artifacts(where.run_id)}
    assert {"report.html", "metrics.json", "selection.json", "plots"} <= shown
    assert children.keys() == {"solid", "shaky"}
    for name, run in children.items():
        assert run.info.status == "FINISHED"
        assert run.info.run_name == name
        assert run.data.tags[FINGERPRINT] == winner.cards[name]["fingerprint"]
        assert run.data.params["strategy"] == "linear_probe"
        assert run.data.params["learning_rate"] == "0.01"
        assert run.data.params["packaged_fit.best_step"] == "100"
        figures = winner.metrics["candidates"][name]
        assert run.data.metrics["test/auroc_low"] == figures["test"]["macro"]["auroc"]["low"]
        history = client.get_metric_history(run.info.run_id, "fit/fraction_1/seed_0/validation_loss")
        assert [(m.step, m.value) for m in history] == [(50, 0.65), (100, 0.5)]


def test_looks_and_searches_are_told_of_candidates(client: MlflowClient, winner: Winner, study: Study) -> None:
    _, children = tree(client, tracked(client, "searches", renamed(winner, "e" * 32), study))
    solid, shaky = children["solid"], children["shaky"]
    assert [run.data.params["looks"] for run in (solid, shaky)] == ["1", "3"]
    assert shaky.data.params["search.chosen"] == "layer2"
    assert "search.chosen" not in solid.data.params
    files = {name: [f.path for f in client.list_artifacts(run.info.run_id)] for name, run in children.items()}
    assert files == {"solid": [], "shaky": ["search.json", "search.svg"]}


def test_the_dataset_is_an_input_of_every_run(client: MlflowClient, winner: Winner, study: Study) -> None:
    where = tracked(client, "inputs", renamed(winner, "e" * 32), study)
    parent, children = tree(client, where)
    for run in (parent, *children.values()):
        assert run.inputs is not None
        (given,) = run.inputs.dataset_inputs
        assert given.dataset.profile is not None
        assert (given.dataset.name, given.dataset.digest) == ("nodules", winner.dataset["fingerprint"])
        assert list(json.loads(given.dataset.source)) == ["fingerprint"]  # where it lies may hold a password or a name
        assert json.loads(given.dataset.profile)["test"]["groups"] == 16


def test_no_patient_and_no_image_is_named(client: MlflowClient, winner: Winner, study: Study, tmp_path: Path) -> None:
    where = tracked(client, "names", renamed(winner, "e" * 32), study)
    parent, children = tree(client, where)
    client.download_artifacts(where.run_id, "", str(tmp_path))
    told = "".join(json.dumps(run.to_dictionary()) for run in (parent, *children.values()))
    told += "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    labels = json.loads((study.dataset.parent / "labels.json").read_text())
    assert not [image_id for image_id in labels if image_id in told]


def test_finished_runs_are_left_alone(client: MlflowClient, winner: Winner, study: Study) -> None:
    once = tracked(client, "again", renamed(winner, "e" * 32), study)
    before = tree(client, once)
    assert tracked(client, "again", renamed(winner, "e" * 32), study) == once
    after = tree(client, once)
    assert [r.to_dictionary() for r in (after[0], *after[1].values())] == [
        r.to_dictionary() for r in (before[0], *before[1].values())
    ]


def test_every_evaluation_of_a_test_set_is_an_opening(client: MlflowClient, winner: Winner, study: Study) -> None:
    first, second = renamed(winner, "1" * 32), renamed(winner, "2" * 32)
    assert count_openings(client, "openings", first) == 1  # the experiment does not exist yet
    run_id = tracked(client, "openings", first, study).run_id
    assert count_openings(client, "openings", first) == 1
    assert count_openings(client, "openings", second) == 2
    client.delete_run(run_id)
    assert count_openings(client, "openings", second) == 2
    assert count_openings(client, "openings", renamed(winner, "2" * 32, test_set="u" * 32)) == 1
    assert count_openings(client, "openings", replace(second, ledger={"openings": 7})) == 7


def test_a_deleted_experiment_is_named(client: MlflowClient, winner: Winner, study: Study) -> None:
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(UserError, match="'gone' was deleted; restore it"):
        tracked(client, "gone", winner, study)


def test_summary_says_the_choice_the_figure_and_the_warnings(winner: Winner) -> None:
    figure: dict[str, Any] = winner.figures["test"]["macro"]["auroc"]
    text = summary(winner, openings=2)
    assert "**`solid`** was chosen among 2 candidates by AUROC" in text
    assert f"AUROC {figure['estimate']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})" in text
    assert "opened 2 times" in text
    assert "**Warning:** Made-up pictures." in text
    assert "Not a medical device." in text
