"""Micrographs of dark discs in noise, quickly made: for tests of what is done with picks, not of how good they are."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

DIAMETER_PX = 26.0
SIZE = (540, 640)


def write_discs(path: Path, seed: int) -> NDArray[np.float64]:
    """Writes a picture with discs on a jittered grid; returns their centres (n, 2), x and y in pixels."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(50, 600, 75), np.arange(50, 500, 75)), axis=-1).reshape(-1, 2)
    centres = grid + random.uniform(-12, 12, grid.shape)
    pixels = random.normal(150, 18, SIZE)
    around = np.arange(-14, 15)
    for centre in centres:
        # Only round the disc: pictures of whole distances would take longer than what is tested.
        x, y = (round(float(each)) + around for each in centre)
        disc = np.hypot(x[None, :] - centre[0], y[:, None] - centre[1]) < DIAMETER_PX / 2
        pixels[y[0] : y[-1] + 1, x[0] : x[-1] + 1] -= 45 * disc
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return np.asarray(centres, np.float64)
