"""Tiny stand-ins of public sets, laid out as they are downloaded: the same names of files, folders and columns.

Pixels are noise, patients are invented. Where each layout was looked up stands in the docstring of its reader.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
from tests.data.sources import encoded, noise

SIZE = 24  # pixels


def aptos(folder: Path, patients: int = 10) -> None:
    """https://www.kaggle.com/competitions/aptos2019-blindness-detection/data"""
    names = [f"{number:012x}" for number in range(patients)]
    _table(folder / "train.csv", ["id_code", "diagnosis"], [(name, n % 5) for n, name in enumerate(names)])
    _table(folder / "test.csv", ["id_code"], [(f"f{name[1:]}",) for name in names[:3]])
    for name in names:
        _image(folder / "train_images" / f"{name}.png", colour=True)
    for name in names[:3]:
        _image(folder / "test_images" / f"f{name[1:]}.png", colour=True)


def messidor_2(folder: Path, patients: int = 5) -> None:
    """https://www.adcis.net/en/third-party/messidor2/ and https://www.kaggle.com/datasets/google-brain/messidor2-dr-grades

    The first eye of each examination has a name like those of Messidor, the second `.JPG` on disk and `.jpg` in the
    table. The last examination could not be graded.
    """
    grades, pairs = [], []
    for number in range(patients):
        left, right = f"20051020_4{number:04d}_0100_PP.png", f"IM{number:06d}.JPG"
        pairs.append((left, right))
        found = (f"{number % 5}.0", f"{number % 2}.0", 1) if number < patients - 1 else ("", "", 0)
        grades += [(left, *found), (right.replace("JPG", "jpg"), *found)]
        _image(folder / "IMAGES" / left, colour=True)
        _image(folder / "IMAGES" / right, colour=True)
    columns = ["image_id", "adjudicated_dr_grade", "adjudicated_dme", "adjudicated_gradable"]
    _table(folder / "messidor_data.csv", columns, grades)
    _table(folder / "messidor-2.csv", ["left", "right"], pairs, delimiter=";")


def messidor(folder: Path, patients: int = 8) -> None:
    """https://www.adcis.net/en/third-party/messidor/, the sheets saved as CSV"""
    columns = ["Image name", "Ophthalmologic department", "Retinopathy grade", "Risk of macular edema "]
    bases = [("Base11", "Service Ophtalmologie Lariboisière"), ("Base33", "CHU de St Etienne")]
    for base, department in bases:
        names = [f"20051019_{number:05d}_0100_PP_{base}.tif" for number in range(patients // 2)]
        rows = [(name, department, n % 4, n % 3) for n, name in enumerate(names)]
        _table(folder / f"Annotation_{base}.csv", columns, rows)
        for name in names:
            _image(folder / base / name, colour=True)


def oct2017(folder: Path, patients: int = 12) -> None:
    """https://data.mendeley.com/datasets/rscbjbr9sj: a quarter of the patients in test; each has two images."""
    for number in range(patients):
        split = "test" if number % 4 == 3 else "train"
        disease = ("CNV", "DME", "DRUSEN", "NORMAL")[number // 4 % 4]
        for image in (1, 2):
            _image(folder / split / disease / f"{disease}-{1016042 + number}-{image}.jpeg")
    (folder / "__MACOSX/train").mkdir(parents=True)
    (folder / "__MACOSX/train/._CNV-1016042-1.jpeg").write_bytes(b"\0")
    (folder / "train/.DS_Store").write_bytes(b"\0")


def chest_xray(folder: Path, patients: int = 12) -> None:
    """https://www.kaggle.com/datasets/paultimothymooney/chest-xray-pneumonia; person1 is in test and in train."""
    for number in range(patients):
        split = "test" if number % 4 == 3 else "train"
        _image(folder / split / "NORMAL" / f"IM-{number:04d}-0001.jpeg")
        _image(folder / split / "PNEUMONIA" / f"person{number}_bacteria_{10 + 2 * number}.jpeg")
        _image(folder / split / "PNEUMONIA" / f"person{number}_bacteria_{11 + 2 * number}.jpeg")
    _image(folder / "train/NORMAL/NORMAL2-IM-0001-0001.jpeg")
    _image(folder / "train/NORMAL/NORMAL2-IM-0001-0001-0002.jpeg")
    _image(folder / "test/PNEUMONIA/person1_virus_6.jpeg")
    _image(folder / "val/NORMAL/NORMAL2-IM-1427-0001.jpeg")
    _image(folder / "val/PNEUMONIA/person1946_bacteria_4874.jpeg")


FINDINGS_14 = (
    *("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax"),
    *("Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia"),
)


def nih_cxr14(folder: Path, patients: int = 8) -> None:
    """https://nihcc.app.box.com/v/ChestXray-NIHCC: two images a patient, in two folders, half the patients in test."""
    columns = ["Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Gender"]
    columns += ["View Position", "OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]", ""]
    rows, lists = [], {"train_val_list.txt": "", "test_list.txt": ""}
    for number in range(patients):
        for visit in range(2):
            name = f"{number + 1:08d}_{visit:03d}.png"
            first, second = FINDINGS_14[number // 4 % 2 * 4], FINDINGS_14[number // 4 % 2 * 4 + 5]
            labels = "No Finding" if number % 2 else f"{first}|{second}" if visit else first
            years = 411 if number == 2 else 50 + number
            rows.append((name, labels, visit, number + 1, years, "MF"[number % 2], "PA", 2682, 2749, 0.143, 0.143, ""))
            lists["test_list.txt" if number % 4 >= 2 else "train_val_list.txt"] += f"{name}\n"
            _image(folder / f"images_{1 + number % 2:03d}" / "images" / name)
    _table(folder / "Data_Entry_2017.csv", columns, rows)
    for name, lines in lists.items():
        (folder / name).write_text(lines, encoding="utf-8")


CHEXPERT = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture"),
    "Support Devices",
)


def chexpert(folder: Path, patients: int = 6) -> None:
    """https://stanfordmlgroup.github.io/competitions/chexpert/: a frontal and a lateral view a patient, two in valid.

    Patients in turn: No Finding, an effusion with uncertain edema, devices and an explicitly absent pneumothorax.
    """
    said: list[dict[str, str]] = [
        {"No Finding": "1.0", "Support Devices": ""},
        {"Pleural Effusion": "1.0", "Edema": "-1.0"},
        {"Support Devices": "1.0", "Pneumothorax": "0.0"},
    ]
    for name, numbers in (("train", range(1, patients + 1)), ("valid", range(64541, 64543))):
        rows = []
        for number in numbers:
            for view, projection in (("frontal", "AP"), ("lateral", "")):
                path = f"{name}/patient{number:05d}/study1/view1_{view}.jpg"
                labels = said[number % 3] if name == "train" else dict.fromkeys(CHEXPERT, "0.0") | said[number % 3]
                about = (f"CheXpert-v1.0-small/{path}", "Female", 40 + number % 60, view.title(), projection)
                rows.append((*about, *(labels.get(column, "") for column in CHEXPERT)))
                _image(folder / path)
        _table(folder / f"{name}.csv", ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT], rows)


BIMCV_LABELS = "derivatives/labels/labels_covid19_posi.tsv"


def bimcv(folder: Path, patients: int = 6) -> None:
    """https://bimcv.cipf.es/bimcv-projects/bimcv-covid19/: a session of two X-rays a patient, its labels with tabs.

    Images have 12 bits, and every other patient's are inverted. Labels in turn: COVID 19 with pneumonia; normal;
    COVID 19 uncertain; unchanged. The last patient has no report, and one report is of a session without X-rays.
    """
    labels = [
        "[' pneumonia'\t 'COVID 19']",
        "['normal']",
        "['COVID 19 uncertain'\t 'suture material']",
        "['unchanged']",
    ]
    columns = ["", "PatientID", "ReportID", "Report", "Labels", "Localizations", "LabelsLocalizationsBySentence"]
    columns += ["labelCUIS", "LocalizationsCUIS"]
    reports, people = [], []
    for number in range(patients):
        patient, session = f"sub-S{3000 + number:05d}", f"ses-E{6000 + number:05d}"
        people.append(
            (patient, "None", "['DX']", "[['CHEST']]", f"['{60 + number}' '{61 + number}']", "MF"[number % 2])
        )
        if number < patients - 1:
            reports.append((number, patient, session, "texto", labels[number % 4], "[]", "[]", "[]", "[]"))
        for view, modality in (("pa", "dx"), ("ll", "cr")):
            name = f"{patient}_{session}_run-1_bp-chest_vp-{view}_{modality}.png"
            _raw(folder / patient / session / "mod-rx" / name, f"MONOCHROME{1 + number % 2}")
    reports.append((patients, "sub-S09999", "ses-E09999", "solo TAC", "['normal']", "[]", "[]", "[]", "[]"))
    _table(folder / BIMCV_LABELS, columns, reports, delimiter="\t")
    about = ["participant", "health_areas", "modality_dicom", "body_parts", "age", "gender"]
    _table(folder / "participants.tsv", about, people, delimiter="\t")


LESIONS = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


def ham10000(folder: Path, patients: int = 14) -> None:
    """https://doi.org/10.7910/DVN/DBW86T: two images a lesion, in two folders, and a test set."""
    columns = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset"]
    rows, test = [], []
    for number in range(patients):
        about = (LESIONS[number % 7], "histo", f"{5 * (number % 18)}.0" if number else "", "male", "back", "rosendahl")
        for image in range(2):
            name = f"ISIC_{24306 + 2 * number + image:07d}"
            rows.append((f"HAM_{number:07d}", name, *about))
            _image(folder / f"HAM10000_images_part_{image + 1}" / f"{name}.jpg", colour=True)
        name = f"ISIC_{34524 + number:07d}"
        test.append((f"HAMTEST_{number:07d}", name, *about))
        _image(folder / "ISIC2018_Task3_Test_Images" / f"{name}.jpg", colour=True)
    _table(folder / "HAM10000_metadata.tab", columns, rows, delimiter="\t")
    _table(folder / "ISIC2018_Task3_Test_GroundTruth.csv", columns, test)


LAYOUTS: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (aptos, messidor_2, messidor, oct2017, chest_xray, nih_cxr14, chexpert, bimcv, ham10000)
}


def _image(path: Path, colour: bool = False) -> None:
    """Noise that no other file of the set has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".png": "PNG", ".tif": "TIFF"}.get(path.suffix.lower(), "JPEG")
    seed = crc32("/".join(path.parts[-4:]).encode())
    path.write_bytes(encoded(noise(seed, SIZE, 3 if colour else None), kind))


def _raw(path: Path, photometric: str) -> None:
    """Noise of 12 bits, and its header in the DICOM JSON model (PS3.18 F.2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(noise(crc32(path.name.encode()), SIZE).astype(np.uint16) * 16))
    header = {
        "00080060": {"vr": "CS", "Value": ["DX"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Invented^Name"}]},
        "00280004": {"vr": "CS", "Value": [photometric]},
        "00280101": {"vr": "US", "Value": [12]},
        "00280103": {"vr": "US", "Value": [0]},
        "00281050": {"vr": "DS", "Value": [2048.0]},
        "00281051": {"vr": "DS", "Value": [4096.0]},
    }
    path.with_suffix(".json").write_text(json.dumps(header), encoding="utf-8")


def _table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, delimiter=delimiter)
        table.writerow(columns)
        table.writerows(rows)
