"""Digital phantoms: a computer-generated image set that looks like a hospital's export, dirt included.

For demos, tests and checks of the whole pipeline where no patient's data may be used. Lesions are added to
power-law backgrounds, as in the signal-known-statistically phantoms of the model-observer literature
(Burgess et al., Med. Phys. 28, 2001), with contrasts down to barely visible.
"""

import csv
import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medgraft.artifacts import file_hash, read_json, write_json, writing
from medgraft.data.phantom_anatomy import SITES, acquire, draw_anatomy, draw_view, place_in_organ
from medgraft.data.phantom_cohort import Patient, View, draw_patient
from medgraft.data.phantom_dirt import MIN_PATIENTS, plant
from medgraft.data.phantom_lesion import KINDS, Lesion, draw_lesion, make_grid
from medgraft.errors import UserError, raise_all
from medgraft.seeds import derive

GENERATOR = 1  # raise it whenever the same settings give other bytes
NOTICE = "DIGITAL PHANTOMS: computer-generated, no patient, not for any clinical use"
