"""The largest images that are let in by default, several at once: memory stays under 2 GB."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.data.sources import encoded, noise

ROOT = Path(__file__).parents[2]
WIDE, HIGH = 9_999, 10_000  # pixels: just below `dataset.max_pixels`
KINDS = {"RGBA": ("png", {}), "CMYK": ("jpg", {}), "I": ("tif", {"compression": "tiff_lzw"})}
INGEST = """
from pathlib import Path
from tests.data.hostile.child import peak
from tests.data.sources import run_ingest
found = run_ingest(Path("set"), Path("out"), {"type": "folder", "group_pattern": r"^([^.]+)"})
assert found.quality["quarantined"] == []
print(peak())
"""


@pytest.mark.acceptance
@pytest.mark.timeout(3600)
def test_memory_with_the_largest_images(tmp_path: Path) -> None:
    for label in ("healthy", "lesion"):
        (tmp_path / "set" / label).mkdir(parents=True)
    for number in range(110):
        path = tmp_path / "set" / ("healthy", "lesion")[number % 2] / f"patient_{number}.png"
        path.write_bytes(encoded(noise(number)))
    for mode, (extension, options) in KINDS.items():
        for number in range(2):
            image = Image.new(mode, (WIDE, HIGH), 1000 * (number + 1) if mode == "I" else (9, 90, 200, 100 + number))
            image.paste(0 if mode == "I" else (0, 0, 0, 0), (0, 0, 5_000, 1_000 + 4_000 * number))
            image.save(tmp_path / "set" / "healthy" / f"{mode}_{number}.{extension}", **options)
    variables = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", INGEST]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    print(f"peak: {int(done.stdout) / 1e9:.2f} GB")
    assert int(done.stdout) < 2e9
