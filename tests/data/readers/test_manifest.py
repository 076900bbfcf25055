import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from tests.shared import shared_data

from medgraft.data.images import ImageFile
from medgraft.data.readers import Record
from medgraft.data.readers.manifest import ManifestSettings, read
from medgraft.data.volumes import NiftiFile
from medgraft.errors import UserError


def _settings(**changes: Any) -> ManifestSettings:
    base = {"type": "manifest", "table": "t.csv", "path": "file", "label": "finding", "group": "patient"}
    return ManifestSettings(**(base | changes))


def _read(folder: Path, text: str, **changes: Any) -> list[Record]:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return list(read(folder, _settings(**changes)))


def test_rows_become_records(tmp_path: Path) -> None:
    text = "file,patient,visit,finding,set,site,age\na.png, p1 ,2,lesion,val,A,61\nb.png,,,,,B,\n"
    options = {"split": "set", "split_values": {"val": "validation"}, "subgroups": ["site", "age"], "study": "visit"}
    assert _read(tmp_path, text, **options) == [
        Record(
            reference="t.csv row 1",
            content=ImageFile(tmp_path / "a.png"),
            label="lesion",
            group="p1",
            study="p1/2",
            split="validation",
            subgroups={"site": "A", "age": 61},
        ),
        Record("t.csv row 2", ImageFile(tmp_path / "b.png"), subgroups={"site": "B", "age": None}),
    ]


def test_volumes_are_known_by_their_names(tmp_path: Path) -> None:
    records = _read(tmp_path, "file,patient,finding\na.nii.gz,p,x\nb.NII,p,x\nc.nii.png,p,x\n")
    assert [type(record.content) for record in records] == [NiftiFile, NiftiFile, ImageFile]


def test_a_column_a_class(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"label": None, "labels": ["edema", "mass"]}
    text = "file,patient,edema,mass\na,p,1,0\nb,p,-1,\nc,p,1.0,yes\n"
    kept, unsure, bad = _read(tmp_path, text, **settings)
    assert (kept.labels, kept.label, kept.problem) == ({"edema": 1, "mass": 0}, None, None)
    assert unsure.labels == {"edema": None, "mass": None}
    assert (bad.labels, bad.problem) == (None, "a label that is not 1, 0, -1 or blank")
    [_, unsure, _] = _read(tmp_path, text, **settings, uncertain="ones", blank="zeros")
    assert unsure.labels == {"edema": 1, "mass": 0}
    assert _settings(**settings).labels == ["edema", "mass"]
    assert _settings().labels is None


def test_a_list_of_classes_in_one_cell(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"labels": ["edema", "mass"], "separator": "|", "negative": "No Finding"}
    text = "file,patient,finding\na,p,mass| edema\nb,p,No Finding\nc,p,\nd,p,mass|No Finding\ne,p,mas\n"
    both, healthy, blank, contradiction, typo = _read(tmp_path, text, **settings)
    assert both.labels == {"edema": 1, "mass": 1}
    assert healthy.labels == {"edema": 0, "mass": 0}
    assert blank.labels == {"edema": None, "mass": None}
    assert contradiction.problem == "a finding beside the word for no finding"
    assert typo.problem == "a label that is not among the reader's labels"
    assert all(record.label is None for record in (both, healthy, blank))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"label": None}, "name the column with the label in `label`"),
        ({"labels": ["a", "b"]}, "exclude each other"),
        ({"separator": "|"}, "needs the column in `label` and the classes in `labels`"),
        ({"label": None, "labels": ["a"], "separator": "|"}, "needs the column in `label`"),
        ({"negative": "none"}, "with `separator` only"),
        ({"labels": ["a"], "separator": "|", "negative": "a"}, "is among `labels`"),
        ({"label": None, "labels": ["a", "a"]}, "names a column twice"),
        ({"label": None, "labels": []}, "at least 1 item"),
        ({"subgroups": ["site", "site"]}, "names a column twice"),
        ({"subgroups": ["day"], "dates": ["day"]}, "among `subgroups`, too"),
        ({"dates": ["patient"]}, "patient ids are never written"),
    ],
)
def test_settings_that_contradict_each_other(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _settings(**changes)


def test_settings_read_back_from_the_plan_are_the_same() -> None:
    settings = _settings(label=None, labels=["edema", "mass"], subgroups=["site"])
    assert ManifestSettings(**settings.model_dump()) == settings


def test_dates_are_days_or_nothing(tmp_path: Path) -> None:
    text = "file,patient,finding,day\na,p,x,2020-02-29\na,p,x,20200229\na,p,x,2020-02-29T10:00\n"
    records = _read(tmp_path, text + "a,p,x,29/02/2020\na,p,x,Smith\na,p,x,\n", dates=["day"])
    assert [record.subgroups["day"] for record in records] == ["2020-02-29"] * 3 + [None] * 3
    settings = _settings(dates=["day"], subgroups=["site"])
    assert (settings.subgroup_columns, settings.date_columns) == (["site", "day"], ["day"])


def test_the_shared_chest_x_rays() -> None:
    source = shared_data("nih_cxr_multilabel")
    findings = (source / "labels.csv").read_text(encoding="utf-8").splitlines()[0].split(",")[4:]
    columns = {"path": "images/{image_id}.jpg", "label": None, "labels": findings, "group": "patient_id"}
    settings = _settings(table="labels.csv", **columns, subgroups=["chexnet_split"])
    records = list(read(source, settings))
    assert (len(records), len({record.group for record in records}), len(findings)) == (1000, 682, 14)
    assert all(isinstance(r.content, ImageFile) and r.content.path.is_file() and r.problem is None for r in records)
    assert sum(sum((record.labels or {}).values()) == 0 for record in records) >= 500  # type: ignore[arg-type]  # no None


def test_numbers_stay_text_where_they_are_names(tmp_path: Path) -> None:
    [record] = _read(tmp_path, "file,patient,finding\n007.png,0012,1\n")
    assert record == Record("t.csv row 1", ImageFile(tmp_path / "007.png"), label="1", group="0012")


def test_paths_from_a_pattern(tmp_path: Path) -> None:
    text = "id,side,patient,finding\n7,left,p,x\n,left,p,x\n"
    first, second = _read(tmp_path, text, path="images/{id}_{side}.png")
    assert first.content == ImageFile(tmp_path / "images" / "7_left.png")
    assert (second.content, second.problem) == (None, "the path is empty or leads out of the source")


@pytest.mark.parametrize("column", ["file.name", "Image Index", "file[0]", "0"])
def test_any_column_name_will_do(tmp_path: Path, column: str) -> None:
    [record] = _read(tmp_path, f"{column},patient,finding\na.png,p,x\n", path=column)
    assert record.content == ImageFile(tmp_path / "a.png")


@pytest.mark.parametrize("pattern", ["{", "images/{}.png", "{a}}", "{a{b}}"])
def test_broken_patterns_are_refused_before_anything_is_read(pattern: str) -> None:
    with pytest.raises(ValidationError, match="each pair of braces must hold the name of a column"):
        _settings(path=pattern)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "a/../../x.png", "link/x.png"])
def test_paths_stay_inside_the_source(tmp_path: Path, path: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "link").symlink_to(tmp_path)
    [record] = _read(source, f"file,patient,finding\n{path},p,x\n")
    assert record.content is None
    assert record.problem == "the path is empty or leads out of the source"


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        ("finding", "test labels are sealed"),
        ("patient", "patient ids are never written"),
        ("file", "file names may tell"),
    ],
)
def test_secrets_are_no_subgroups(secret: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        _settings(subgroups=["site", secret])
    if secret == "file":
        with pytest.raises(ValidationError, match=why):
            _settings(path="images/{file}.png", subgroups=["file"])


def test_every_missing_column_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 problems in t\.csv") as caught:
        _read(tmp_path, "files,pateint,findings\n")
    for wanted, there in (("file", "files"), ("patient", "pateint"), ("finding", "findings")):
        assert f"no column '{wanted}' (did you mean '{there}'?); the table has: files, pateint, findings" in str(
            caught.value
        )


def test_words_that_are_no_split(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"t.csv row 2: 'val' is not a split; .*split_values"):
        _read(tmp_path, "file,patient,finding,set\na,p,x,train\nb,p,x,val\n", split="set")


def test_parquet_tables_and_the_kinds_of_their_columns(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "file": ["a.png", "b.png"],
            "patient": [17, 18],
            "finding": [0, 1],
            "weight": [60.5, float("nan")],
            "smoker": [True, None],
            "day": [datetime.date(2020, 1, 1), None],
            "age": pl.Series([61, None], dtype=pl.Int16),
        }
    )
    frame.write_parquet(tmp_path / "t.parquet")
    settings = _settings(table="t.parquet", subgroups=["weight", "smoker", "day", "age"])
    first, second = read(tmp_path, settings)
    assert (first.group, first.label) == ("17", "0")
    assert first.subgroups == {"weight": 60.5, "smoker": "true", "day": "2020-01-01", "age": 61}
    assert second.subgroups == {"weight": None, "smoker": None, "day": None, "age": None}


def test_text_numbers_are_numbers_and_never_nan(tmp_path: Path) -> None:
    text = "file,patient,finding,a,b,c\nx,p,l,1,0.5,1\nx,p,l,-2,NaN,x\nx,p,l,,inf,\n"
    records = _read(tmp_path, text, subgroups=["a", "b", "c"])
    assert [dict(record.subgroups) for record in records] == [
        {"a": 1, "b": 0.5, "c": "1"},
        {"a": -2, "b": None, "c": "x"},
        {"a": None, "b": None, "c": None},
    ]


def test_grouped_means_there_is_a_patient_column() -> None:
    assert _settings().grouped
    assert not _settings(group=None).grouped
    assert _settings(subgroups=["site"]).subgroup_columns == ["site"]
