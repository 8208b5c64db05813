"""Holes in real images, by eye: counts are pinned within what a person would accept."""

import warnings
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from structloop.grids.finding import find_holes

pytestmark = pytest.mark.real_data

EPU = "sessions/epu_3.9/Images-Disc1"

# File, holes found (least, most), radius in pixels (least, most), pitch in pixels or None.
IMAGES = [
    ("images/leginon/08mar13e_00010gr_00004sq_v02.mrc", (62, 76), (8, 11), 40.6),
    ("images/leginon/08mar13e_00010gr_00004sq_v02_00005hl.mrc", (2, 4), (64, 74), None),
    ("images/leginon/sq_example.jpg", (55, 70), (14, 19), 74.0),
    ("images/serialem_montage/MMM.jpg", (80, 105), (54, 62), 187.9),
    ("images/holes_focus_series/26jun01b_00001hl.jpg", (12, 16), (62, 68), 282.0),
    ("images/holes_focus_series/26jun01b_00002hl.jpg", (12, 16), (62, 68), 282.0),
    ("images/holes_focus_series/26jun01b_00003hl.jpg", (12, 16), (62, 68), 281.0),
    (f"{EPU}/GridSquare_8999138/GridSquare_20250108_151151.jpg", (820, 960), (1.5, 3.5), 11.3),
    (f"{EPU}/GridSquare_8999186/GridSquare_20250108_152955.jpg", (650, 960), (1.5, 3.5), 11.3),
    (f"{EPU}/GridSquare_8999138/FoilHoles/FoilHole_9015889_20250108_154715.jpg", (2, 3), (64, 71), None),
    (f"{EPU}/GridSquare_8999138/FoilHoles/FoilHole_9015889_20250108_154725.jpg", (1, 2), (64, 71), None),
    (f"{EPU}/GridSquare_8999186/FoilHoles/FoilHole_9028276_20250109_061712.jpg", (3, 3), (63, 71), None),
    (f"{EPU}/GridSquare_8999186/FoilHoles/FoilHole_9028325_20250109_063110.jpg", (1, 2), (64, 71), None),
]


def load(path: Path) -> NDArray[np.float32]:
    if path.suffix == ".mrc":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with mrcfile.open(path, permissive=True) as file:
                return np.asarray(file.data, dtype=np.float32)
    return np.asarray(Image.open(path).convert("L"), dtype=np.float32)


@pytest.mark.parametrize(("name", "count", "radius", "pitch"), IMAGES, ids=lambda value: str(value)[-30:])
def test_holes_of_a_real_image(
    real_data: Path, name: str, count: tuple[int, int], radius: tuple[float, float], pitch: float | None
) -> None:
    found = find_holes(load(real_data / "grids" / name))
    assert count[0] <= len(found.holes) <= count[1]
    assert radius[0] <= found.holes[0].radius_px <= radius[1]
    if pitch is None:
        assert found.lattice is None
    else:
        assert found.lattice is not None
        assert found.lattice.pitch_px == pytest.approx(pitch, rel=0.02)
        assert not found.lattice.hexagonal
