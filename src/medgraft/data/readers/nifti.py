"""Reader `nifti`: NIfTI volumes, listed by a table or by the folders they lie in.

Single files of NIfTI-1 and NIfTI-2, gzipped or not; a pair of .hdr and .img is quarantined, for one of them may lack or
belong to another volume.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from medgraft.data.images import ImageFile
from medgraft.data.readers import folder, manifest
from medgraft.data.readers.reader import Reader, ReaderSettings, Record, readers
from medgraft.data.volumes import NiftiFile

Millimetres = Annotated[float, Field(gt=0, le=1000)]


def _layout(settings: Any) -> str:  # noqa: ANN401  (whatever stands in params.yaml)
    return str(settings.get("type") if isinstance(settings, dict) else getattr(settings, "type", None))


class NiftiSettings(ReaderSettings):
    """How the files are listed, and the spacing they are brought to."""

    files: Annotated[
        Annotated[manifest.ManifestSettings, Tag("manifest")] | Annotated[folder.FolderSettings, Tag("folder")],
        Discriminator(_layout),
    ] = Field(description="Settings of the reader `manifest` or `folder`, its `type` among them, that lists the files.")
    spacing: tuple[Millimetres, Millimetres, Millimetres] | None = Field(
        None, description="Millimetres a voxel to the right, to the front and up; left out: as each file has it."
    )

    @property
    def grouped(self) -> bool:
        """Whether the files' reader knows the patient."""
        return self.files.grouped

    @property
    def labels(self) -> list[str] | None:
        """The classes that the files' reader gives truths for."""
        return self.files.labels

    @property
    def subgroup_columns(self) -> list[str]:
        """Columns that the files' reader carries along."""
        return self.files.subgroup_columns

    @property
    def date_columns(self) -> list[str]:
        """Those of them that hold dates."""
        return self.files.date_columns if isinstance(self.files, manifest.ManifestSettings) else []


def read(source: Path, settings: NiftiSettings) -> Iterator[Record]:
    """The records of the files' reader, every file a volume, whatever it is called."""
    for record in readers.get(settings.files.type).read(source, settings.files):
        if isinstance(record.content, ImageFile | NiftiFile):
            yield replace(record, content=NiftiFile(record.content.path, settings.spacing))
        else:
            yield record


readers.add("nifti", Reader(NiftiSettings, read))
