"""Reader `dicom`: a folder of DICOM files, whatever they are called; labels from a table, or from folders."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from medgraft.data.content import BadImageError
from medgraft.data.dicom.elements import damage
from medgraft.data.dicom.frame import DicomFrame, opened
from medgraft.data.dicom.header import read_header
from medgraft.data.dicom.kinds import burned_in, secondary_capture, text_ruled_out
from medgraft.data.dicom.tags import day, kept, patient, plain
from medgraft.data.readers.dicom_settings import SITE, DicomSettings
from medgraft.data.readers.dicom_table import UNLABELLED, Known, Labels
from medgraft.data.readers.files import NO_TEXT, inside, is_text
from medgraft.data.readers.reader import Reader, Record, Value, readers

IDS = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "InstitutionName")


@dataclass(frozen=True)
class Found:
    """What a file's header says, as far as records need it."""

    path: Path
    frames: int = 1
    patient: str | None = None
    issuer: str | None = None
    study: str | None = None
    joined: str | None = None
    subgroups: Mapping[str, Value] = field(default_factory=dict)
    problem: str | None = None


def read(source: Path, settings: DicomSettings) -> Iterator[Record]:
    """A record for each frame of each file, sorted by path; and one for each row of the table that no file answers to.

    No file is passed over: what is not a DICOM image is a record with a problem. Raises `UserError` for a table that
    cannot be read.
    """
    labels = Labels(source, settings) if settings.table else None
    found = [_look(path, source, settings) for path in _files(source, settings)]
    issuers = _issuers(found)
    for number, file in enumerate(found, start=1):
        known = labels.of(file.joined) if labels else _of_folder(file, source, settings)
        problem = file.problem or known.problem
        group = _group(file, issuers)
        for reference, frame in _frames(f"file {number}", file, settings):
            yield Record(
                reference=reference,
                content=None if problem else DicomFrame(file.path, frame, settings.shown_through),
                label=known.label,
                labels=known.labels,
                group=group,
                study=file.study,
                split=known.split,
                subgroups=file.subgroups,
                problem=problem,
            )
    if labels:
        yield from labels.unanswered()


def _of_folder(file: Found, source: Path, settings: DicomSettings) -> Known:
    """The class that the outermost folder names, where folders name one."""
    if settings.label_from is None or file.problem == NO_TEXT:
        return UNLABELLED
    folders = file.path.relative_to(source).parts[:-1]
    return Known(folders[0]) if folders else Known(problem="not inside a class folder")


def _files(source: Path, settings: DicomSettings) -> Sequence[Path]:
    if not source.is_dir():
        return [source]
    table = source / settings.table if settings.table else None
    return sorted(path for path in source.rglob("*") if not path.is_dir() and path != table)


def _look(path: Path, source: Path, settings: DicomSettings) -> Found:
    if not is_text(str(path.relative_to(source))):
        return Found(path, problem=NO_TEXT)
    joined = _place(path, source, settings)
    if path.is_symlink() and inside(source, str(path.relative_to(source))) is None:
        return Found(path, joined=joined, problem="a link that leads out of the source")
    if path.exists() and not path.is_file():
        return Found(path, joined=joined, problem="not a regular file")
    tags = [*IDS, *settings.subgroups, *settings.dates]
    tag = settings.join.tag if settings.join else None
    try:
        with opened(path) as stream:
            header, dataset = read_header(stream, [*tags, tag] if tag and joined is None else tags)
        with damage("damaged header"):
            problem = _unsafe(dataset, settings)
    except BadImageError as reason:
        return Found(path, joined=joined, problem=str(reason))
    return Found(
        path=path,
        frames=header.frames,
        patient=patient(dataset),
        issuer=plain(dataset, "IssuerOfPatientID"),
        study=plain(dataset, "StudyInstanceUID"),
        joined=plain(dataset, tag) if tag and joined is None else joined,
        subgroups=_subgroups(dataset, settings),
        problem=problem,
    )


def _place(path: Path, source: Path, settings: DicomSettings) -> str | None:
    """What the table knows a file by, where that is its place."""
    if settings.join is None or settings.join.tag not in ("path", "stem"):
        return None
    return path.stem if settings.join.tag == "stem" else path.relative_to(source).as_posix()


def _unsafe(dataset: Dataset, settings: DicomSettings) -> str | None:
    """Why pixels may show who a patient is."""
    if settings.burned_in != "keep" and burned_in(dataset):
        return "burned-in text"
    if settings.burned_in == "strict" and not text_ruled_out(dataset):
        return "burned-in text not ruled out"
    why = secondary_capture(dataset)
    return f"secondary capture ({why})" if why and settings.secondary_capture != "keep" else None


def _subgroups(dataset: Dataset, settings: DicomSettings) -> dict[str, Value]:
    found: dict[str, Value] = {tag: kept(dataset, tag) for tag in settings.subgroups}
    if settings.sites:
        found[SITE] = settings.sites.get(plain(dataset, "InstitutionName") or "")
    return found | {tag: day(dataset, tag) for tag in settings.dates}


def _issuers(found: Sequence[Found]) -> Mapping[str, set[str | None]]:
    issuers: dict[str, set[str | None]] = defaultdict(set)
    for file in found:
        if file.patient is not None:
            issuers[file.patient].add(file.issuer)
    return issuers


def _group(file: Found, issuers: Mapping[str, set[str | None]]) -> str | None:
    """The patient, under one id for all files: the issuer counts only where each file with that id names one.

    Otherwise one patient, named with and without issuer, would be two, one to learn from and one to be tested on.
    """
    if file.patient is None or None in issuers[file.patient]:
        return file.patient
    return f"{file.patient}^^^{file.issuer}"


def _frames(reference: str, file: Found, settings: DicomSettings) -> Iterator[tuple[str, int]]:
    """Where each image stands, and its frame, from 0."""
    if file.frames == 1:
        yield reference, 0
        return
    middle = (file.frames - 1) // 2
    for frame in range(file.frames) if settings.frames == "all" else (middle,):
        yield f"{reference} frame {frame + 1}", frame


readers.add("dicom", Reader(DicomSettings, read))
