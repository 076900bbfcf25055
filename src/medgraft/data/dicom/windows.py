"""Windows for CT by name: the part of the Hounsfield scale that is spread over the 256 grays."""

from collections.abc import Mapping
from typing import Literal

Window = Literal[
    "brain",
    "subdural",
    "stroke",
    "temporal_bone",
    "neck",
    "lung",
    "mediastinum",
    "abdomen",
    "soft_tissue",
    "liver",
    "spine",
    "bone",
]
# Centre and width in Hounsfield units. After Murphy A, Baba Y, et al. Windowing (CT), Radiopaedia.org,
# https://doi.org/10.53347/rID-52108; where it gives a range (subdural, neck), its middle. Of its two for stroke the
# wider one: 8 units leave nothing of the skull or of the ventricles.
WINDOWS: Mapping[Window, tuple[float, float]] = {
    "brain": (40, 80),
    "subdural": (75, 215),
    "stroke": (40, 40),
    "temporal_bone": (600, 2800),
    "neck": (40, 375),
    "lung": (-600, 1500),
    "mediastinum": (50, 350),
    "abdomen": (50, 400),
    "soft_tissue": (50, 400),
    "liver": (30, 150),
    "spine": (50, 250),
    "bone": (400, 1800),
}
# What settings ask for: a name, or a centre and a width in whatever units rescaling gives.
Asked = Window | tuple[float, float]


def named(window: Asked) -> str:
    """What reports call a window."""
    return window if isinstance(window, str) else f"{window[0]:g}/{window[1]:g}"
