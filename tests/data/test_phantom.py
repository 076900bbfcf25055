"""The phantom export is deterministic, says truly what it holds, and can't be solved by brightness."""

import json
import re
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from sklearn.metrics import roc_auc_score

from medgraft.data.phantom import NOTICE, PhantomSummary, write_phantoms
from medgraft.data.phantom_cohort import draw_patient
from medgraft.data.phantom_lesion import KINDS, RARE_KIND, draw_lesion, make_grid
from medgraft.errors import UserError

Pixels: TypeAlias = NDArray[np.uint8]

BROKEN = ("truncated", "zero_byte", "not_an_image")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> PhantomSummary:
    return write_phantoms(tmp_path_factory.mktemp("phantoms") / "export", patients=75, size=48)


@pytest.fixture(scope="module")
def labels(export: PhantomSummary) -> pl.DataFrame:
    return pl.read_csv(export.folder / "labels.csv")


@pytest.fixture(scope="module")
def readable(export: PhantomSummary, labels: pl.DataFrame) -> dict[str, Pixels]:
    """Images by file, without the broken and missing ones."""
    images = {}
    for file in labels["file"]:
        if (array := _pixels(export.folder / file)) is not None:
            images[file] = array
    return images


def _pixels(path: Path) -> Pixels | None:
    try:
        with Image.open(path) as image:
            assert (image.format, image.mode, image.info) == ("PNG", "L", {})  # nothing rides along
            return np.asarray(image)
    except (OSError, SyntaxError, UnidentifiedImageError):
        return None


def _files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_same_settings_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert write_phantoms(tmp_path / name, patients=12, size=32, seed=5).written
    assert _files(tmp_path / "a") == _files(tmp_path / "b")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]  # no temporary left behind


def test_a_larger_export_begins_with_the_smaller_one(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "small", patients=10, size=32)
    write_phantoms(tmp_path / "large", patients=14, size=32)
    small, large = _files(tmp_path / "small"), _files(tmp_path / "large")
    assert large["labels.csv"].startswith(small["labels.csv"])
    pictures = [name for name in small if name.endswith(".png")]
    assert pictures
    assert all(small[name] == large[name] for name in pictures)


def test_seeds_give_other_patients_and_images(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "a", patients=10, size=32, seed=1)
    write_phantoms(tmp_path / "b", patients=10, size=32, seed=2)
    ids = [set(pl.read_csv(tmp_path / name / "labels.csv")["patient_id"]) for name in ("a", "b")]
    assert not ids[0] & ids[1]


def test_labelled_as_phantoms(export: PhantomSummary) -> None:
    record = json.loads((export.folder / "phantom.json").read_text())
    assert record["notice"] == NOTICE
    assert record["settings"] == {"patients": 75, "size": 48, "seed": 0, "images_per_patient": [2, 7]}
    assert NOTICE in (export.folder / "README.md").read_text()


def test_summary_agrees_with_the_table(export: PhantomSummary, labels: pl.DataFrame) -> None:
    assert export.rows == len(labels) == labels["file"].n_unique()
    assert export.patients == labels["patient_id"].n_unique() == 75
    assert export.lesions == (labels["finding"] == "lesion").sum()
    assert export.kinds == {kind: labels[kind].sum() for kind in KINDS}
    sites = labels.unique("patient_id")["site"].value_counts()
    assert export.sites == dict(sites.sort("site").iter_rows())


def test_cohort_mix(labels: pl.DataFrame) -> None:
    patients = (
        labels.drop_nulls("finding")
        .group_by("patient_id")
        .agg(
            pl.len(),
            pl.col("site", "sex", "age").n_unique().name.suffix("_n"),
            pl.col("site").first(),
            pl.col(RARE_KIND).max(),
            (pl.col("finding") == "lesion").mean().alias("share"),
        )
    )
    assert patients.select(pl.col("site_n", "sex_n", "age_n").max()).row(0) == (1, 1, 1)
    assert set(patients["len"]) <= set(range(1, 9))  # 1: the other is unlabelled; 8: seven and a duplicate
    assert 0.20 < (patients["site"] == "B").sum() / 75 < 0.30
    assert patients[RARE_KIND].sum() == 3  # 4 % of 75
    assert patients.filter(pl.col("share").is_between(0.01, 0.99)).height > 10  # healthy views of ill patients
    assert 0.38 < (labels["finding"] == "lesion").sum() / len(labels) < 0.52
    assert set(labels["grade"].drop_nulls()) == {0, 1, 2, 3}
    assert set(labels["kind"].drop_nulls()) == {"none", *KINDS}


def test_label_columns_agree(labels: pl.DataFrame) -> None:
    for row in labels.drop_nulls("finding").iter_rows(named=True):
        shown = {kind for kind in KINDS if row[kind]}
        assert (row["finding"] == "lesion") == bool(shown) == (row["grade"] > 0) == (row["kind"] != "none")
        assert row["kind"] in shown or not shown


def test_patient_ids_are_in_file_names(labels: pl.DataFrame) -> None:
    for file, patient in labels.select("file", "patient_id").iter_rows():
        assert re.fullmatch(r"MRN-\d{7}", patient)
        assert Path(file).name.startswith(patient)


def test_patient_ids_are_unique() -> None:
    ids = {draw_patient(0, index, (1, 1)).patient_id for index in range(2000)}
    assert len(ids) == 2000


def test_masks_agree_with_columns(export: PhantomSummary, labels: pl.DataFrame) -> None:
    labelled = labels.drop_nulls("finding")
    unlabelled = Path(labels.filter(pl.col("finding").is_null())["file"].item()).name
    for kind in KINDS:
        masks = {path.name for path in (export.folder / "masks" / kind).iterdir()} - {unlabelled}
        assert masks == {Path(file).name for file in labelled.filter(pl.col(kind) == 1)["file"]}
        for name in masks:
            mask = _pixels(export.folder / "masks" / kind / name)
            assert mask is not None
            assert mask.shape == (48, 48)
            assert set(np.unique(mask)) == {0, 255}
            assert 0 < (mask > 0).mean() < 0.3


def test_lesions_are_brighter_inside_their_mask(
    export: PhantomSummary, readable: dict[str, Pixels], labels: pl.DataFrame
) -> None:
    differences = []
    for file in labels.filter(pl.col("nodule") == 1)["file"]:
        if (image := readable.get(file)) is None:
            continue
        mask = _pixels(export.folder / "masks" / "nodule" / Path(file).name)
        assert mask is not None
        y, x = np.indices(mask.shape)
        # A ring of tissue as far from the middle as the lesion is: the organ's own brightness cancels.
        r = np.hypot(y - 23.5, x - 23.5)
        around = (mask == 0) & (r >= r[mask > 0].min()) & (r <= r[mask > 0].max())
        differences.append(image[mask > 0].mean() - image[around].mean())
    assert np.mean(np.array(differences) > 0) > 0.9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [32, 96])
def test_lesion_shapes(kind: str, size: int) -> None:
    lesion = draw_lesion(kind, make_grid(size), (0.1, -0.2), np.random.default_rng(0))
    assert lesion.shape.max() == 1.0
    inside = np.argwhere(lesion.mask)
    middle = (inside.mean(axis=0) * 2 + 1 - size) / size
    assert middle == pytest.approx((-0.2, 0.1), abs=0.12)  # (y, x)
    extent = np.ptp(inside, axis=0).max() / size
    assert 0.3 * lesion.diameter < extent < 1.3 * lesion.diameter + 2 / size


def test_planted_dirt_is_there(export: PhantomSummary, labels: pl.DataFrame, readable: dict[str, Pixels]) -> None:
    paths = [export.folder / file for file in labels["file"]]
    present = [path for path in paths if path.exists()]
    broken = [path.read_bytes() for path in present if path.relative_to(export.folder).as_posix() not in readable]
    kinds = ["zero_byte" if not b else "truncated" if b.startswith(b"\x89PNG") else "not_an_image" for b in broken]
    contents = [path.read_bytes() for path in present]
    stray = {p.name for p in (export.folder / "images").iterdir()} - {path.name for path in paths}
    assert stray == {"Thumbs.db"}
    assert export.planted == {
        **{kind: kinds.count(kind) for kind in BROKEN},
        "missing": len(paths) - len(present),
        "unlabelled": labels["finding"].null_count(),
        "duplicates": len(contents) - len(set(contents)),
        "stray": len(stray),
    }
    assert all(export.planted.values())
    assert labels.filter(pl.col("finding").is_null()).select("kind", "grade", *KINDS).null_count().row(0) == (1,) * 7


def test_duplicates_stay_within_their_patient(labels: pl.DataFrame, readable: dict[str, Pixels]) -> None:
    by_pixels: dict[bytes, list[str]] = {}
    for file, image in readable.items():
        by_pixels.setdefault(image.tobytes(), []).append(file)
    pairs = [files for files in by_pixels.values() if len(files) > 1]
    assert len(pairs) == 2
    for files in pairs:
        rows = labels.filter(pl.col("file").is_in(files)).drop("file")
        assert rows.unique().height == 1


@pytest.mark.parametrize("seed", range(20))
def test_dirt_stays_below_five_percent(seed: int) -> None:
    images = sum(len(draw_patient(seed, index, (2, 7)).views) for index in range(40))
    assert 7 / (images + 2) < 0.05


def test_brightness_does_not_give_it_away(labels: pl.DataFrame, readable: dict[str, Pixels]) -> None:
    rows = labels.drop_nulls("finding").filter(pl.col("file").is_in(list(readable)))
    lesion = (rows["finding"] == "lesion").to_numpy()
    # Healthy images have bright spots too, so even the brightest pixel is a poor test.
    for statistic, limit in ((np.mean, 0.65), (np.max, 0.75)):
        auroc = roc_auc_score(lesion, [statistic(readable[file]) for file in rows["file"]])
        assert max(auroc, 1 - auroc) < limit


def test_site_b_looks_different_and_is_no_label(labels: pl.DataFrame, readable: dict[str, Pixels]) -> None:
    rows = labels.drop_nulls("finding").filter(pl.col("file").is_in(list(readable)))
    # Noise, as the mean absolute difference of neighbours in the corners, where there is no organ.
    noise = [np.abs(np.diff(readable[file][:8, :8].astype(float), axis=1)).mean() for file in rows["file"]]
    assert roc_auc_score(rows["site"] == "B", noise) > 0.8
    lesion, b = (rows["finding"] == "lesion").to_numpy(), (rows["site"] == "B").to_numpy()
    assert abs(lesion[b].mean() - lesion[~b].mean()) < 0.2


def test_identical_export_is_left_alone(tmp_path: Path) -> None:
    first = write_phantoms(tmp_path / "x", patients=10, size=32)
    before = {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}
    again = write_phantoms(tmp_path / "x", patients=10, size=32)
    assert (first.written, again.written) == (True, False)
    assert (again.rows, again.kinds, again.planted) == (first.rows, first.kinds, first.planted)
    assert before == {path: path.stat().st_mtime_ns for path in first.folder.rglob("*")}


def test_unaltered_export_with_other_settings_is_replaced(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "x", patients=10, size=32)
    assert write_phantoms(tmp_path / "x", patients=11, size=32).written
    write_phantoms(tmp_path / "y", patients=11, size=32)
    assert _files(tmp_path / "x") == _files(tmp_path / "y")


def test_altered_export_is_refused(tmp_path: Path) -> None:
    write_phantoms(tmp_path / "x", patients=10, size=32)
    (tmp_path / "x" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="altered"):
        write_phantoms(tmp_path / "x", patients=10, size=32)
    assert (tmp_path / "x" / "notes.txt").exists()


def test_other_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").write_bytes(b"real")
    with pytest.raises(UserError, match="not a phantom export"):
        write_phantoms(tmp_path, patients=10, size=32)
    assert (tmp_path / "scan.dcm").read_bytes() == b"real"
    (tmp_path / "phantom.json").write_text("{}")
    with pytest.raises(UserError, match="not the record"):
        write_phantoms(tmp_path, patients=10, size=32)
    with pytest.raises(UserError, match="not a phantom export"):
        write_phantoms(tmp_path / "scan.dcm", patients=10, size=32)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    assert write_phantoms(tmp_path / "x", patients=10, size=32).written


def test_bad_settings_are_listed_together(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"(?s)3 problems.*patients is 3.*size is 8.*5 to 2"):
        write_phantoms(tmp_path / "x", patients=3, size=8, images_per_patient=(5, 2))
    assert not (tmp_path / "x").exists()
