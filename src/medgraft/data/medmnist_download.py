"""`medmnist:<name>` and `medmnist:<name>@<size>`: MedMNIST's own files from Zenodo, checked by MD5."""

import re
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets.utils import download_url  # type: ignore[import-untyped]  # has no types

from medgraft.catalog import nearest
from medgraft.errors import UserError

SCHEME = "medmnist:"
NAME = re.compile(r"medmnist:([a-z0-9]+)(?:@([0-9]+))?")
SMALLEST = 28


def parse(source: str) -> tuple[str, int]:
    """Name and size in pixels (28 if left out) of a source like `medmnist:adrenalmnist3d@64`."""
    found = NAME.fullmatch(source)
    if found is None:
        raise UserError(f"dataset.source {source}: write it as medmnist:<name> or medmnist:<name>@<size>")
    return found[1], int(found[2] or SMALLEST)


def look_up(name: str, size: int) -> tuple[str, str]:
    """Address and MD5 of that set as the medmnist package knows them; nothing is downloaded.

    Raises `UserError` when the package is not installed, or knows no such set or size.
    """
    try:
        from medmnist import INFO  # an optional dependency, slow to import
    except ImportError as error:
        raise UserError(
            f"{SCHEME}{name} needs the medmnist package; install it with `pip install 'medgraft[medmnist]'`"
        ) from error
    if name not in INFO:
        raise UserError(f"{SCHEME}{name}: no such set{nearest(name, INFO)}; MedMNIST has: {', '.join(INFO)}")
    info, suffix = INFO[name], "" if size == SMALLEST else f"_{size}"
    if f"url{suffix}" not in info:
        sizes = [SMALLEST, *(int(key.removeprefix("url_")) for key in info if key.startswith("url_"))]
        raise UserError(f"{SCHEME}{name}@{size}: no such size; it has: {', '.join(map(str, sorted(sizes)))}")
    return info[f"url{suffix}"], info[f"MD5{suffix}"]


def fetch(name: str, size: int, cache: Path) -> Path:
    """The `.npz` file of that set in the folder `cache`, downloaded unless it is there and whole.

    Raises `UserError` as `look_up` does, and when the download fails.
    """
    url, md5 = look_up(name, size)
    file = f"{name}.npz" if size == SMALLEST else f"{name}_{size}.npz"
    try:
        download_url(url, cache, file, md5)
    except RuntimeError as error:
        raise UserError(
            f"{SCHEME}{name}: what came from {url} is not the file that the medmnist package knows (another MD5); "
            "try again, or bring medmnist up to date"
        ) from error
    except (OSError, HTTPException) as error:
        raise UserError(
            f"{SCHEME}{name}: cannot be downloaded from {url} ({type(error).__name__}); without a way to the internet, "
            "download it elsewhere and give its path as dataset.source"
        ) from error
    return cache / file
