"""By how much one image is shifted against another, found from their pixels alone."""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from structloop.simulation.micrographs.canvas import mapped, worker_count

FloatArray = NDArray[np.float32]

_LEAST_OVERLAP = 0.25
CLEAR = 0.4
"""A correlation that cannot come by chance: edges, not noise."""


@dataclass(frozen=True)
class Shift:
    """Of one image against another.

    Attributes:
        dx_px, dy_px: What lies at (x, y) in the first lies at (x + dx, y + dy) in the second.
        correlation: Of the two where they overlap then, -1 to 1.
        significance: How far that stands out of the correlations at all other shifts, in standard deviations.
    """

    dx_px: float
    dy_px: float
    correlation: float
    significance: float


def find_shift(first: FloatArray, second: FloatArray, blur_px: float = 1.0) -> Shift:
    """The shift between two images of the same size, by normalised cross-correlation of their overlap.

    Each shift is judged by the correlation of what the two images share then (Padfield 2012, without masks), so that
    lattices do not pull towards a large overlap; shifts with less than a quarter of the image in common do not count.
    The peak is refined by a parabola.

    Args:
        first: The image (y, x) that the shift is counted from.
        second: The other.
        blur_px: Standard deviation of the blur before, against shot noise; slow changes over a quarter of the image are
            taken out as well.
    """
    a, b = mapped(lambda image: _even(image, blur_px), (first, second))
    rows, columns = a.shape
    # Larger shifts leave less than the least overlap, whatever the other axis does.
    reach = (
        min(int((1 - _LEAST_OVERLAP) * rows) + 1, rows - 1),
        min(int((1 - _LEAST_OVERLAP) * columns) + 1, columns - 1),
    )
    shape = (
        int(fft.next_fast_len(rows + reach[0], real=True)),
        int(fft.next_fast_len(columns + reach[1], real=True)),
    )
    fa, fb = (fft.rfft2(image, s=shape, workers=worker_count()) for image in (a, b))
    np.conj(fa, out=fa)
    fa *= fb
    product = _unwrapped(fft.irfft2(fa, s=shape, workers=worker_count(), overwrite_x=True), reach)
    overlap = _lengths(rows, reach[0])[:, None] * _lengths(columns, reach[1])[None, :]
    # Sums over the overlap: of the first where the second's frame covers it, and the other way round.
    sum_a, sum_b = _sums(a, reach), _sums(b, reach)[::-1, ::-1]
    energy_a, energy_b = _sums(a * a, reach), _sums(b * b, reach)[::-1, ::-1]
    floor = 1e-3 * math.sqrt(max(float(energy_a.max() * energy_b.max()), 0.0)) + 1e-12
    per_pixel = 1 / np.maximum(overlap, 1)
    product -= sum_a * sum_b * per_pixel
    energy_a -= sum_a * sum_a * per_pixel
    energy_b -= sum_b * sum_b * per_pixel
    energy = np.sqrt(np.maximum(energy_a, 0) * np.maximum(energy_b, 0))
    score = product / np.maximum(energy, np.float32(floor))
    counts = overlap > _LEAST_OVERLAP * rows * columns
    score[~counts] = -1
    # Chance correlations are the larger the smaller the overlap: where nothing correlates well, this is allowed for.
    weighed = score * np.sqrt(overlap * np.float32(1 / (rows * columns)))
    spread = float(weighed[counts].std())
    if spread <= 0:
        return Shift(0.0, 0.0, 0.0, 0.0)
    chosen = score if float(score.max()) >= CLEAR else np.where(counts, weighed, np.float32(-1))
    # What counts never lies at the rim of the shifts that were looked at.
    y, x = np.unravel_index(int(chosen.argmax()), score.shape)
    dy = float(y) - reach[0] + _vertex(score[y - 1 : y + 2, x])
    dx = float(x) - reach[1] + _vertex(score[y, x - 1 : x + 2])
    return Shift(dx, dy, float(score[y, x]), float(weighed[y, x]) / spread)


def _unwrapped(cyclic: FloatArray, reach: tuple[int, int]) -> FloatArray:
    """Shifts from -reach to reach of a correlation that has its negative ones at the end."""
    (down, across), (rows, columns) = reach, (slice(None, reach[0] + 1), slice(None, reach[1] + 1))
    upper = np.concatenate([cyclic[-down:, -across:], cyclic[-down:, columns]], axis=1)
    lower = np.concatenate([cyclic[rows, -across:], cyclic[rows, columns]], axis=1)
    return np.concatenate([upper, lower], axis=0)


def _lengths(size: int, reach: int) -> FloatArray:
    """How long the overlap is at shifts from -reach to reach."""
    return (size - np.abs(np.arange(-reach, reach + 1))).astype(np.float32)


def _sums(image: FloatArray, reach: tuple[int, int]) -> FloatArray:
    """Sum over the part of an image that another of its size covers at each shift, (2 reach + 1) a side.

    That part always touches a corner, so that sums of rows and columns from the edges give it exactly.
    """
    sums = _cumulated(np.ascontiguousarray(_cumulated(np.ascontiguousarray(image.T, np.float64)).T))
    (down, across), (rows, columns) = reach, image.shape
    # A negative shift covers what comes after its length, a positive one what comes before the end less its length.
    high = np.concatenate([sums[-1] - sums[down - 1 :: -1], sums[rows - down - 1 :][::-1]])
    covered = np.empty((2 * down + 1, 2 * across + 1), np.float32)
    covered[:, :across] = high[:, -1:] - high[:, across - 1 :: -1]
    covered[:, across:] = high[:, columns - across - 1 :][:, ::-1]
    return covered


def _cumulated(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative sums down the rows, in place; whole rows at a time, which is several times faster than `cumsum`."""
    for above, row in pairwise(rows):
        row += above
    return rows


def _even(image: FloatArray, blur_px: float) -> FloatArray:
    image = np.asarray(image, np.float32)
    smooth = ndimage.gaussian_filter(image, blur_px) if blur_px else image
    even = smooth - _background(smooth)
    low, high = np.percentile(even, (0.5, 99.5))
    return np.asarray(np.clip(even, low, high), np.float32)


def _background(image: FloatArray) -> FloatArray:
    """What changes slowly, over an eighth of the image or more; worked out on blocks of pixels, which is faster."""
    rows, columns = image.shape
    block = max(min(rows, columns) // 64, 1)
    high, wide = rows // block, columns // block
    coarse = image[: high * block, : wide * block].reshape(high, block, wide, block).mean(axis=(1, 3))
    coarse = ndimage.gaussian_filter(coarse, min(high, wide) / 8)
    return np.asarray(_stretch(high, rows) @ coarse @ _stretch(wide, columns).T, np.float32)


@lru_cache(maxsize=16)
def _stretch(cells: int, pixels: int) -> FloatArray:
    """Matrix (pixels, cells) that spreads cells over pixels edge to edge, linear in between."""
    at = np.clip((np.arange(pixels) + 0.5) * cells / pixels - 0.5, 0, cells - 1)
    return np.asarray(np.maximum(1 - np.abs(at[:, None] - np.arange(cells)[None, :]), 0), np.float32)


def _vertex(values: FloatArray) -> float:
    before, here, after = (float(value) for value in values)
    curve = before - 2 * here + after
    return 0.0 if curve >= 0 else min(max((before - after) / (2 * curve), -0.5), 0.5)


__all__ = ["CLEAR", "Shift", "find_shift"]
