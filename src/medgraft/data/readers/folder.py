"""Reader `folder`: a folder a class, or a folder a split with a folder a class in it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from medgraft.data.readers.files import NO_TEXT, inside, is_text, located
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers, split_name

LEADS_OUT = "a link that leads out of the source"


class FolderSettings(ReaderSettings):
    """How folders are nested, and where the patient stands in a file's name."""

    layout: Literal["class", "split/class"] = Field(
        "class", description="What the nested folders mean, outermost first."
    )
    split_values: dict[str, str] = Field(
        default_factory=dict, description="What the names of split folders mean, e.g. `{val: validation}`."
    )
    group_pattern: str | None = Field(
        None, description="Regular expression with one group that finds the patient in the path below the class."
    )

    @field_validator("group_pattern")
    @classmethod
    def _one_group(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"not a regular expression ({error})") from error
            if groups != 1:
                raise ValueError(f"needs exactly one (…) group, has {groups}")
        return pattern

    @property
    def grouped(self) -> bool:
        """Whether the patient is found in file names."""
        return self.group_pattern is not None


def read(source: Path, settings: FolderSettings) -> Iterator[Record]:
    """A record for each file, sorted by path; links to folders are not followed, but count as files that are none.

    `reference` is its number in that order: the name of a folder would tell the label, which is sealed for test.
    """
    depth = 2 if settings.layout == "split/class" else 1
    for number, path in enumerate(sorted(p for p in source.rglob("*") if p.is_symlink() or not p.is_dir()), start=1):
        folders = path.relative_to(source).parts[:-1][:depth]
        reference = f"file {number}"
        if len(folders) < depth:
            yield Record(reference, problem=f"not inside a {settings.layout} folder")
            continue
        if not is_text(str(path.relative_to(source))):  # nor could a label or a patient taken from it be written
            yield Record(reference, problem=NO_TEXT)
            continue
        place = inside(source, path.relative_to(source).as_posix())
        content, problem = located(place) if place else (None, LEADS_OUT)
        below = path.relative_to(source.joinpath(*folders)).as_posix()
        group = _group(below, settings.group_pattern)
        yield Record(
            reference=reference,
            content=content,
            label=folders[-1],
            group=group,
            split=split_name(folders[0], settings.split_values, reference) if depth == 2 else None,
            problem=problem,
        )


def _group(below: str, pattern: str | None) -> str | None:
    found = re.search(pattern, below) if pattern else None
    return found.group(1) if found else None


readers.add("folder", Reader(FolderSettings, read))
