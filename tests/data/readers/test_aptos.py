from pathlib import Path

from tests.data import layouts

from medgraft.data.images import ImageFile
from medgraft.data.readers.aptos import AptosSettings, read


def test_the_labelled_part(tmp_path: Path) -> None:
    layouts.aptos(tmp_path)
    records = list(read(tmp_path, AptosSettings(type="aptos")))
    assert [record.label for record in records] == ["0", "1", "2", "3", "4"] * 2
    assert records[0].reference == "train.csv row 1"
    assert records[0].content == ImageFile(tmp_path / "train_images/000000000000.png")
    assert all(r.problem is None and isinstance(r.content, ImageFile) and r.content.path.is_file() for r in records)
    assert not AptosSettings(type="aptos").grouped


def test_images_without_labels_when_asked(tmp_path: Path) -> None:
    layouts.aptos(tmp_path)
    records = list(read(tmp_path, AptosSettings(type="aptos", unlabelled=True)))
    assert [(r.reference, r.label, r.split) for r in records[10:]] == [
        (f"test.csv row {number}", None, "unlabelled") for number in (1, 2, 3)
    ]


def test_names_that_lead_out(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("id_code,diagnosis\n../../etc/x,1\n,2\n")
    records = list(read(tmp_path, AptosSettings(type="aptos")))
    assert [record.problem for record in records] == ["the path is empty or leads out of the source"] * 2
