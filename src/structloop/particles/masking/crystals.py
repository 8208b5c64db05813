"""Crystalline ice, told by its reflections near 3.67 and 3.9 angstrom (hexagonal ice; 3.67 for cubic)."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

TILE_PX = 256
_BAND_ANGSTROM = (4.05, 3.45)
_BESIDE_ANGSTROM = ((5.2, 4.3), (3.3, 3.0))
# Noise gives |amplitude|^2 an exponential distribution: over a few hundred waves its mean stays within 20 %, and none
# is beyond 15 times the mean but once in ten thousand tiles.
_MEAN_RATIO = 1.5
_PEAK_RATIO = 25.0


def crystalline_tiles(pixels: NDArray[np.float32], pixel_size_angstrom: float) -> NDArray[np.bool_] | None:
    """Tiles (y, x) of 256 stored pixels in which ice is crystalline; None where pixels are too coarse to say.

    Args:
        pixels: (y, x) as stored.
        pixel_size_angstrom: Of the stored pixels; from about 1.65 upward the reflections are beyond what they resolve.
    """
    if not 0 < pixel_size_angstrom < _BESIDE_ANGSTROM[1][0] / 2 or min(pixels.shape) < TILE_PX:
        return None
    rows, columns = (side // TILE_PX for side in pixels.shape)
    ky = fft.fftfreq(TILE_PX, pixel_size_angstrom)[:, None]
    kx = fft.rfftfreq(TILE_PX, pixel_size_angstrom)[None, :]
    k = np.hypot(kx, ky)
    ring = (k > 1 / _BAND_ANGSTROM[0]) & (k < 1 / _BAND_ANGSTROM[1])
    beside = np.zeros_like(ring)
    for coarse, fine in _BESIDE_ANGSTROM:
        beside |= (k > 1 / coarse) & (k < 1 / fine)
    # A window keeps dark lumps from spilling lines over all waves.
    window = np.hanning(TILE_PX).astype(np.float32)
    found = np.zeros((rows, columns), np.bool_)
    for row in range(rows):
        strip = pixels[row * TILE_PX : (row + 1) * TILE_PX, : columns * TILE_PX]
        tiles = strip.reshape(TILE_PX, columns, TILE_PX).transpose(1, 0, 2)
        tiles = (tiles - tiles.mean(axis=(1, 2), keepdims=True)) * window[:, None] * window
        power = np.abs(fft.rfft2(tiles)) ** 2
        usual = np.maximum(power[:, beside].mean(axis=1), 1e-20)
        inside = power[:, ring]
        found[row] = (inside.mean(axis=1) > _MEAN_RATIO * usual) & (inside.max(axis=1) > _PEAK_RATIO * usual)
    return found


__all__ = ["TILE_PX", "crystalline_tiles"]
