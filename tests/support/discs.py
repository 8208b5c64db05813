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
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = random.normal(150, 18, SIZE)
    for centre in centres:
        pixels -= 45 * (np.hypot(x - centre[0], y - centre[1]) < DIAMETER_PX / 2)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return np.asarray(centres, np.float64)
