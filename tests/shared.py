"""Public image sets that lie beside the checkout; tests that need one are skipped where there is none."""

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """The folder of the image set `name`: below `$MEDGRAFT_SHARED`, or `../shared/data` beside the checkout."""
    beside = Path(__file__).parents[1] / "../shared/data"
    folder = Path(os.environ.get("MEDGRAFT_SHARED", beside)) / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}; set MEDGRAFT_SHARED to the folder that holds {name}")
    return folder.resolve()
