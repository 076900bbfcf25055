"""Whatever stands in a table: records come out, one a row, or a `UserError`, and no path leaves the source."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.mids import MidsImage
from medgraft.data.readers import (
    ReaderSettings,
    Record,
    aptos,
    bimcv,
    chexpert,
    ham10000,
    kermany,
    manifest,
    messidor,
    nih_cxr14,
)
from medgraft.data.readers.aptos import AptosSettings
from medgraft.data.readers.bimcv import BimcvSettings
from medgraft.data.readers.chexpert import ChexpertSettings
from medgraft.data.readers.ham10000 import HamSettings
from medgraft.data.readers.kermany import KermanySettings
from medgraft.data.readers.manifest import ManifestSettings
from medgraft.data.readers.messidor import MessidorSettings
from medgraft.data.readers.nih_cxr14 import NihSettings
from medgraft.data.volumes import NiftiFile
from medgraft.errors import UserError

QUICK = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Case:
    """A reader, a source it can read, the table of it that is spoilt, and whether each row of that makes a record."""

    make: Callable[[Path], None]
    read: Callable[[Path], Iterator[Record]]
    table: str
    a_record_a_row: bool = True
    delimiter: str = ","


def _reader(module: Any, kind: type[ReaderSettings], **asked: Any) -> Callable[[Path], Iterator[Record]]:
    return lambda source: module.read(source, kind(type="any", **asked))


def _bimcv(folder: Path) -> None:
    """With a second table, so that there are labels to look for when the first is spoilt."""
    layouts.bimcv(folder)
    (folder / "derivatives/labels/Labels_covid_123.tsv").write_bytes((folder / layouts.BIMCV_LABELS).read_bytes())


COMMON = {
    "table": "Data_Entry_2017.csv",
    "group": "Patient ID",
    "study": "View Position",
    "subgroups": ["Patient Age", "Patient Gender"],
    "dates": ["OriginalImage[Width"],
}
LIST = {"label": "Finding Labels", "labels": ["Mass", "Nodule"], "separator": "|", "negative": "No Finding"}
LISTS = _reader(manifest, ManifestSettings, path="images_001/images/{Image Index}", **COMMON, **LIST)
COLUMNS = _reader(manifest, ManifestSettings, path="Image Index", **COMMON, labels=["Follow-up #", "Height]"])
BIMCV = _reader(bimcv, BimcvSettings, findings={"COVID": ["COVID 19"]})
MESSIDOR_2 = _reader(messidor, MessidorSettings)
MESSIDOR = _reader(messidor, MessidorSettings, edition="messidor")
NIH = _reader(nih_cxr14, NihSettings)
CASES = {
    "manifest of lists": Case(layouts.nih_cxr14, LISTS, "Data_Entry_2017.csv"),
    "manifest of columns": Case(layouts.nih_cxr14, COLUMNS, "Data_Entry_2017.csv"),
    "aptos": Case(layouts.aptos, _reader(aptos, AptosSettings), "train.csv"),
    "messidor-2": Case(layouts.messidor_2, MESSIDOR_2, "messidor_data.csv"),
    "messidor-2 pairs": Case(layouts.messidor_2, MESSIDOR_2, "messidor-2.csv", False, ";"),
    "messidor": Case(layouts.messidor, MESSIDOR, "Annotation_Base11.csv"),
    "nih_cxr14": Case(layouts.nih_cxr14, NIH, "Data_Entry_2017.csv"),
    "nih_cxr14 list": Case(layouts.nih_cxr14, NIH, "test_list.txt", False),
    "chexpert": Case(layouts.chexpert, _reader(chexpert, ChexpertSettings), "train.csv"),
    "bimcv": Case(_bimcv, BIMCV, layouts.BIMCV_LABELS, False, "\t"),
    "bimcv people": Case(layouts.bimcv, BIMCV, "participants.tsv", False, "\t"),
    "ham10000": Case(layouts.ham10000, _reader(ham10000, HamSettings), "HAM10000_metadata.tab", True, "\t"),
}
ANY = st.characters(exclude_categories=["Cs"])
TRICKY = ["", "../x", "/etc/hostname", "1", "-1", "NaN", "1e400", "No Finding|Mass", "['a' 'b']", "a\0b", "x" * 300]
cells = st.one_of(st.text(ANY, max_size=20), st.sampled_from(TRICKY))
blobs = st.binary(max_size=400)


@pytest.fixture(scope="module", params=list(CASES))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, Path, list[str], int]:
    """A case, a source, the header of its table, and how many records the other tables make."""
    case: Case = CASES[request.param]
    source = tmp_path_factory.mktemp("source")
    case.make(source)
    path = source / case.table
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = csv.reader(stream, delimiter=case.delimiter)
    others = len(list(case.read(source))) - (len(rows) if case.a_record_a_row else 0)
    return case, source, header, others


def _records(case: Case, source: Path, content: bytes) -> list[Record] | None:
    """The records of the source with that table; None where the reader refuses it."""
    (source / case.table).write_bytes(content)
    try:
        records = list(case.read(source))
    except UserError:
        return None
    for record in records:
        assert (record.content is None) <= (record.problem is not None)
        if isinstance(record.content, ImageFile | MidsImage | NiftiFile):
            assert record.content.path.resolve().is_relative_to(source)
    return records


@QUICK
@given(content=blobs | blobs.map(lambda blob: b"\x1f\x8b\x08" + blob))
def test_random_bytes(case: tuple[Case, Path, list[str], int], content: bytes) -> None:
    spoilt, source, _, _ = case
    _records(spoilt, source, content)


@QUICK
@given(content=blobs)
def test_random_bytes_below_the_header(case: tuple[Case, Path, list[str], int], content: bytes) -> None:
    spoilt, source, header, _ = case
    _records(spoilt, source, spoilt.delimiter.join(header).encode() + b"\n" + content)


@QUICK
@given(data=st.data())
def test_random_cells(case: tuple[Case, Path, list[str], int], data: st.DataObject) -> None:
    spoilt, source, header, others = case
    rows = data.draw(st.lists(st.lists(cells, min_size=len(header), max_size=len(header)), max_size=5))
    stream = io.StringIO(newline="")
    table = csv.writer(stream, delimiter=spoilt.delimiter, quoting=csv.QUOTE_ALL)
    table.writerows([header, *rows])
    records = _records(spoilt, source, stream.getvalue().encode())
    if records is not None:
        assert len(records) == others + (len(rows) if spoilt.a_record_a_row else 0)


@QUICK
@given(names=st.lists(st.text(ANY.filter(lambda sign: sign not in "/\0"), max_size=40), max_size=5, unique=True))
def test_random_names_of_files(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        (source / "train/CNV").mkdir(parents=True)
        for name in names:
            (source / "train/CNV" / f"{name}-1.jpeg").touch()
        records = list(kermany.read(source, KermanySettings(type="kermany")))
        assert [record.problem for record in records] == [None] * len(names)
