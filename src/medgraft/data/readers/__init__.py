"""Readers: one file a source format, each adding itself to the catalog."""

from medgraft.data.readers import (
    aptos,
    bimcv,
    chexpert,
    dicom,
    folder,
    ham10000,
    kermany,
    manifest,
    medmnist,
    messidor,
    nifti,
    nih_cxr14,
    parquet,
    pcam,
)
from medgraft.data.readers.reader import SPLITS, Reader, ReaderSettings, Record, readers

__all__ = [
    "SPLITS",
    "Reader",
    "ReaderSettings",
    "Record",
    "aptos",
    "bimcv",
    "chexpert",
    "dicom",
    "folder",
    "ham10000",
    "kermany",
    "manifest",
    "medmnist",
    "messidor",
    "nifti",
    "nih_cxr14",
    "parquet",
    "pcam",
    "readers",
]
