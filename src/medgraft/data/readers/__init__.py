"""Readers: one file a source format, each adding itself to the catalog."""

from medgraft.data.readers import folder, manifest
from medgraft.data.readers.reader import SPLITS, Reader, ReaderSettings, Record, readers

__all__ = ["SPLITS", "Reader", "ReaderSettings", "Record", "folder", "manifest", "readers"]
