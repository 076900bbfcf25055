"""Names planted in DICOM tags, file names and CSV columns are in no artifact, store, log, report or MLflow run."""

from pathlib import Path

import numpy as np
import polars as pl
from tests.data.dicoms import dataset, encoded
from tests.servers import mlflow_server
from tests.workspace import medgraft, write_params

PATIENTS = 84
SECRETS = (
    b"Mustermann",
    b"mustermann",
    b"MRN-47",
    b"1.2.826.0.1.99",
    b"Waldkrankenhaus",
    b"Dr. Huber",
    b"ACC-31",
    b"19640812",
    b"a secret of at",
)
BIRTH, STUDY_DATE, KEY = "19640812", "20200102", "a secret of at least sixteen characters"


def _write_source(folder: Path) -> None:
    """Two images for each patient; every file, row and tag names somebody."""
    folder.mkdir()
    rows = []
    for patient in range(PATIENTS):
        for number in range(2):
            study = f"1.2.826.0.1.99.{patient}.{number}"
            rng = np.random.default_rng(patient * 10 + number)
            made = dataset(
                rng.integers(0, 200 + 50 * (patient % 2), (16, 16), dtype=np.uint8),
                PatientName=f"Mustermann^Erika{patient}",
                PatientID=f"MRN-47{patient:03d}",
                PatientBirthDate=BIRTH,
                PatientAge=f"{60 + patient % 35:03d}Y",
                PatientSex="FM"[patient % 2],
                StudyInstanceUID=study,
                StudyDate=STUDY_DATE,
                AccessionNumber=f"ACC-31{patient}",
                InstitutionName="Waldkrankenhaus",
                ReferringPhysicianName="Dr. Huber",
                PatientComments="call Mrs. Mustermann",
            )
            (folder / f"Mustermann Erika MRN-47{patient:03d} {number}.dcm").write_bytes(encoded(made))
            rows.append({"uid": study, "finding": "ab"[patient % 2], "name": "Mustermann", "note": "of Dr. Huber"})
    (folder / "Mustermann notes.txt").write_text("Mrs. Mustermann, MRN-47000")
    raw = (folder / "Mustermann Erika MRN-47000 0.dcm").read_bytes()
    (folder / "Mustermann damaged.dcm").write_bytes(raw[:-60])
    pl.DataFrame(rows).write_csv(folder / "findings.csv")


def _params(source: Path, tracking_uri: str) -> dict[str, object]:
    return {
        "dataset": {
            "name": "planted",
            "source": str(source),
            "task": "binary",
            "classes": ["a", "b"],
            "group_key": "env:KEY_OF_TEST",
            "max_quarantined": 0.1,
            "reader": {
                "type": "dicom",
                "table": "findings.csv",
                "join": {"column": "uid", "tag": "StudyInstanceUID"},
                "label": "finding",
                "subgroups": ["PatientSex", "PatientAge"],
                "sites": {"Waldkrankenhaus": "north"},
                "dates": ["StudyDate"],
            },
        },
        "split": {"validation": 0.3, "test": 0.3},
        "initializations": {"scratch": {"method": "random", "architecture": "test_efficientnet", "image_size": 32}},
        "candidates": {"probe": {"strategy": "linear", "initialization": "scratch"}},
        "study": {"max_images": 64, "chunk_steps": 2, "device": "cpu"},
        "registration": {"model_name": "planted", "experiment": "planted", "tracking_uri": tracking_uri},
    }


def _read(path: Path) -> bytes:
    """What a file holds; the columns of Parquet are compressed, so that its bytes tell nothing."""
    raw = path.read_bytes()
    return raw + repr(pl.read_parquet(path).to_dicts()).encode() if path.suffix == ".parquet" else raw


def test_nothing_names_anybody(tmp_path: Path) -> None:
    source, work, server = tmp_path / "source", tmp_path / "work", tmp_path / "server"
    _write_source(source)
    server.mkdir()
    with mlflow_server(server) as uri:
        write_params(work, _params(source, uri))
        printed = medgraft(work, "run", KEY_OF_TEST=KEY)
        assert "planted version 1 is registered" in printed
        assert "2 x " in printed or printed.count("quarantined: 1 x") == 2  # the damaged file and the notes were seen
    told = {work / "params.yaml", *(work / "artifacts" / "plan").rglob("*")}  # these name the sites, as the user does
    files = [p for folder in (work, server) for p in folder.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} >= {".parquet", ".json", ".html", ".onnx", ".safetensors", ".db", ".png"}
    contents = [("the log", printed.encode()), *((str(p.relative_to(tmp_path)), _read(p)) for p in files)]
    for name, content in contents:
        allowed = {b"Waldkrankenhaus"} if tmp_path / name in told else set()
        found = {secret for secret in SECRETS if secret in content or secret in name.encode()}
        assert found <= allowed, name
    rows = pl.concat([pl.read_parquet(p) for p in sorted((work / "artifacts/dataset/data").glob("*.parquet"))])
    assert len(rows) == 2 * PATIENTS
    assert set(rows["site"]) == {"north"}
    assert rows["PatientAge"].max() == 90
    assert "2020-01-02" not in set(rows["StudyDate"].drop_nulls())
    assert rows["StudyDate"].null_count() == 0
