"""The largest images that are let in by default, all at once: memory stays under 2 GB."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.archiving import Entry
from tests.data.containers import gzipped, nifti
from tests.data.hostile.child import outcomes, peak
from tests.data.hostile.item import ACCEPTED
