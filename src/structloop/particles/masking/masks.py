"""All reasons put together: one mask per micrograph, at about the sampling that pickers work at."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.core.errors import ParticlesError
from structloop.imaging.film_edges import film_mask
from structloop.particles.masking.borders import border_widths
from structloop.particles.masking.crystals import TILE_PX, crystalline_tiles
from structloop.particles.masking.lumps import dense_lumps

REASONS = ("border", "film", "lump", "crystalline")
"""What is masked, in the order in which reasons are given: a place is counted under the first that holds."""

_DIAMETER_PX = 9.0
_LONGEST_SIDE_PX = 1024
# A particle within so many diameters of a border is not whole.
_MARGIN_DIAMETERS = 0.25


@dataclass(frozen=True)
class MicrographMask:
    """Where picks are not wanted, and why.

    Attributes:
        reasons: (y, x) per reason of `REASONS`, True where it holds; the arrays span the whole stored micrograph.
        native_shape: (height, width) of the stored micrograph.
    """

    reasons: dict[str, NDArray[np.bool_]] = field(repr=False)
    native_shape: tuple[int, int]

    @property
    def masked(self) -> NDArray[np.bool_]:
        """(y, x), True where any reason holds."""
        return np.asarray(np.logical_or.reduce(list(self.reasons.values())))

    def shares(self) -> dict[str, float]:
        """Share of the area per reason; a place counts under the first that holds. What holds nowhere is left out."""
        taken = np.zeros_like(self.reasons["border"])
        found = {}
        for name in REASONS:
            new = self.reasons[name] & ~taken
            if new.any():
                found[name] = float(new.mean())
            taken |= new
        return found

    def only(self, *reasons: str) -> "MicrographMask":
        """The mask with only these reasons."""
        kept = {name: mask if name in reasons else np.zeros_like(mask) for name, mask in self.reasons.items()}
        return MicrographMask(kept, self.native_shape)

    def at(self, xy_px: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether places (n, 2) in stored pixels are masked; places outside of the micrograph are."""
        height, width = self.native_shape
        masked = self.masked
        places = (np.asarray(xy_px, np.float64).reshape(-1, 2) + 0.5) / (width, height)
        inside = ((places >= 0) & (places < 1)).all(axis=1)
        column, row = (np.clip(places, 0, 1 - 1e-9) * masked.shape[::-1]).astype(np.intp).T
        return np.asarray(masked[row, column] | ~inside)


def find_mask(
    pixels: NDArray[np.float32],
    *,
    diameter_px: float,
    pixel_size_angstrom: float | None = None,
    contrast: str = "dark",
) -> MicrographMask:
    """Finds streaked borders, support film, dense lumps and crystalline ice.

    It errs towards masking too little: a place lost costs particles, a place kept costs only false picks that scores
    can still tell.

    Args:
        pixels: (y, x) as stored, finite.
        diameter_px: Particle diameter, stored pixels.
        pixel_size_angstrom: Where known; crystalline ice is looked for only then, and where pixels are fine enough.
        contrast: Particles (and all that is dense) are `dark` or `bright`.

    Raises:
        ParticlesError: the diameter is not above 0.
    """
    if not (math.isfinite(diameter_px) and diameter_px > 0):
        raise ParticlesError(f"the particle's diameter is {diameter_px} px; give one above 0")
    height, width = pixels.shape
    factor = max(1, int(diameter_px / _DIAMETER_PX), -(-max(pixels.shape) // _LONGEST_SIDE_PX))
    factor = min(factor, max(1, min(pixels.shape) // 16))
    small = _averaged(pixels, factor)
    if contrast == "bright":
        small = -small
    diameter = diameter_px / factor
    border = _border(small.shape, border_widths(pixels), pixels.shape, factor, _MARGIN_DIAMETERS * diameter)
    film = film_mask(small, border, diameter)
    lump = dense_lumps(small, border | film, diameter)
    lump = ndimage.distance_transform_edt(~lump) <= _MARGIN_DIAMETERS * diameter if lump.any() else lump
    reasons = {"border": border, "film": film, "lump": lump, "crystalline": np.zeros_like(border)}
    tiles = None if pixel_size_angstrom is None else crystalline_tiles(pixels, pixel_size_angstrom)
    if tiles is not None and tiles.any():
        rows = np.minimum((np.arange(small.shape[0]) * factor) // TILE_PX, tiles.shape[0] - 1)
        columns = np.minimum((np.arange(small.shape[1]) * factor) // TILE_PX, tiles.shape[1] - 1)
        reasons["crystalline"] = tiles[np.ix_(rows, columns)]
    return MicrographMask(reasons, (height, width))


def _averaged(pixels: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Blocks of `factor` x `factor` averaged; the last row and column of them may hold repeated pixels."""
    if factor == 1:
        return pixels
    rest = [(0, -side % factor) for side in pixels.shape]
    padded = np.pad(pixels, rest, mode="edge") if any(after for _, after in rest) else pixels
    rows, columns = (side // factor for side in padded.shape)
    return np.asarray(padded.reshape(rows, factor, columns, factor).mean(axis=(1, 3)), np.float32)


def _border(
    shape: tuple[int, ...], widths: tuple[int, int, int, int], native: tuple[int, ...], factor: int, margin: float
) -> NDArray[np.bool_]:
    masked = np.zeros(shape, np.bool_)
    left, top, right, bottom = (math.ceil(width / factor + margin) if width else 0 for width in widths)
    masked[:, :left] = True
    masked[:top] = True
    if right:
        masked[:, -right:] = True
    if bottom:
        masked[-bottom:] = True
    return masked


__all__ = ["REASONS", "MicrographMask", "find_mask"]
