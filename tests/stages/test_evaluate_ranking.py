"""A ranking, made whenever: the report shows what became of it, and nothing else of the evaluation knows of it."""

import shutil
from pathlib import Path

from tests.evaluation.artifacts import SKILL, make_artifacts
from tests.evaluation.report.reading import Page
from tests.evaluation.test_advising import write_ranking

from medgraft.artifacts import CARD, read_json, write_card, write_json
from medgraft.evaluation.advising import STALE
from medgraft.stages import evaluate
from medgraft.store import Store

PRINTS = {"a": "a" * 32, "b": "b" * 32}


def inputs(folder: Path) -> dict[str, Path]:
    """Made-up artifacts whose two candidates differ in their initialization alone: a was weak, b strong."""
    paths = make_artifacts(folder, "binary")
    for name, source in zip(SKILL, PRINTS, strict=True):
        settings = {"strategy": "full", "initialization": source}
        card = read_json(paths["candidates"] / name / CARD)
        made_from = card.pop("made_from") | {source: PRINTS[source]}
        told = {key: value for key, value in card.items() if key not in ("kind", "schema_version", "fingerprint")}
        told |= {"settings": settings, "chosen": settings}
        write_card(paths["candidates"] / name, card["kind"], card["fingerprint"], made_from, **told)
        plan = paths["plan"] / "candidates" / f"{name}.json"
        write_json(plan, read_json(plan) | {"settings": settings})
    return paths


def test_a_ranking_is_shown_whenever_it_was_made_and_opens_nothing(tmp_path: Path) -> None:
    paths, store, out = inputs(tmp_path), Store(str(tmp_path / "store")), tmp_path / "evaluation"
    ranking = tmp_path / "ranking"

    def run() -> tuple[str, Page]:
        outcome = evaluate.run(**paths, evaluation=out, store=store, ranking=ranking)
        test_set = read_json(out / "ledger.json")["test_set"]
        assert read_json(out / "ledger.json")["openings"] == len(store.names("ledger", test_set)) == 1
        return outcome, Page((out / "report.html").read_text(encoding="utf-8"))

    outcome, page = run()
    assert outcome == "built"
    assert "advice" not in {attributes.get("id") for _, attributes in page.elements}
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    dataset = read_json(paths["dataset"] / CARD)["fingerprint"]
    write_ranking(ranking, {"a": 2.0, "b": 1.0}, dataset=dataset, **PRINTS)
    outcome, page = run()
    assert outcome == "up to date"
    assert "It did not help" in page.text
    assert "did not help: it put a first" in page.tables["Whether it helped, full"][1][-1]
    changed = {path.name for path, raw in before.items() if path.read_bytes() != raw}
    assert changed == {"report.html"}

    shutil.rmtree(out)
    outcome, page = run()
    assert outcome == "restored"
    assert "It did not help" in page.text

    write_ranking(ranking, {"a": 2.0, "b": 1.0}, dataset="0" * 32, **PRINTS)
    assert STALE in run()[1].text

    shutil.rmtree(ranking)
    run()
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
