"""Random fields that do not depend on the size of the picture, and shot noise.

A structural field is drawn in Fourier space, in square tiles of frequencies counted in waves per field of view, each
tile from its own generator. A binned picture of the same specimen therefore shows the same structure as the full one,
with the high frequencies missing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from structloop.simulation.micrographs.canvas import (
    Canvas,
    ComplexArray,
    in_bands,
    looked_up,
    on_threads,
    radial_table,
    worker_count,
)
from structloop.simulation.specimen import FloatArray

_TILE = 256
_NOISE_ROWS = 32
_GAUSSIAN_FROM = 12.0
# Of the largest amplitude of a field: less than this is nothing.
_NOTHING = 1e-6


def generator_of(*words: int) -> np.random.Generator:
    """A fast generator (SFC64) seeded by some whole numbers."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([word & 0xFFFFFFFFFFFFFFFF for word in words])))


def structural_field(
    canvas: Canvas, seed: int, purpose: int, density: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Random field (height, width) with a power spectral density told as a function of frequency.

    Args:
        canvas: The grid.
        seed, purpose: Which field; the same on every grid of the same field of view.
        density: Power per unit of frequency area at k (1/Angstrom): the field's variance is the integral of it over
            the plane of frequencies.
    """
    # Complex normal numbers of mean square 1 come of two of mean square 1/2.
    scale = np.float32((0.5 * canvas.height * canvas.width) ** 0.5 / canvas.pixel_angstrom)
    table = np.sqrt(radial_table(density, canvas.highest)) * scale
    # No Nyquist frequencies, and none that there is nothing of.
    there = np.flatnonzero(table > _NOTHING * table.max())
    if len(there) == 0:
        return np.zeros((canvas.height, canvas.width), np.float32)
    finest = (int(there[-1]) + 1) / (len(table) - 1) * canvas.highest
    half_x = min((canvas.width - 1) // 2, int(finest * canvas.width * canvas.pixel_angstrom) + 1)
    half_y = min((canvas.height - 1) // 2, int(finest * canvas.height * canvas.pixel_angstrom) + 1)
    spectrum = np.empty((canvas.height, half_x + 1), np.complex64)
    spectrum[half_y + 1 : canvas.height - half_y] = 0
    # Pixel (0, 0) of a binned grid is not pixel (0, 0) of the specimen's frame: a shift by (step - 1) / 2 of those.
    shift = (canvas.step - 1) / 2 / canvas.step
    turn_x = _turn(np.arange(half_x + 1), shift / canvas.width)

    def one(tile: tuple[int, int]) -> None:
        row, column = tile
        first, last = max(row * _TILE, -half_y), min((row + 1) * _TILE - 1, half_y)
        left, right = column * _TILE, min((column + 1) * _TILE - 1, half_x)
        drawn = generator_of(seed, purpose, row + (1 << 20), column).standard_normal(
            (last - row * _TILE + 1, 2 * _TILE), dtype=np.float32
        )
        values = drawn.view(np.complex64)[first - row * _TILE :, : right - left + 1]
        # No tile has frequencies on both sides of 0: its rows lie together in the spectrum.
        top = first % canvas.height
        rows, columns = slice(top, top + last - first + 1), slice(left, right + 1)
        values = values * looked_up(table, canvas.kx[:, columns], canvas.ky[rows], canvas.highest)
        if shift:
            values *= turn_x[columns]
            values *= _turn(np.arange(first, last + 1), shift / canvas.height)[:, None]
        spectrum[rows, columns] = values

    last_row = half_y // _TILE
    tiles = [(r, c) for r in range(-last_row - 1, last_row + 1) for c in range(half_x // _TILE + 1)]
    on_threads(one, [(r, c) for r, c in tiles if (r + 1) * _TILE - 1 >= -half_y])
    spectrum[0, 0] = 0
    return inverse(spectrum, canvas)


def _turn(waves: NDArray[Any], of_one: float) -> ComplexArray:
    """Phase factors of a shift by so many periods of one wave per field of view."""
    return np.asarray(np.exp(2j * np.pi * of_one * waves), np.complex64)


def add_spectrum(total: ComplexArray, canvas: Canvas, part: ComplexArray, coarse: Canvas) -> None:
    """Add the half spectrum of an image on a coarse grid to that of the same field of view on a fine one.

    What is at and beyond the coarse grid's Nyquist frequency is left out.

    Args:
        total: Half spectrum on the fine grid; is added to.
        canvas: The fine grid.
        part: Half spectrum on the coarse one; is overwritten.
        coarse: The coarse grid, with whole numbers of the fine one's pixels in each of its own.
    """
    half_x, half_y = (coarse.width - 1) // 2, (coarse.height - 1) // 2
    ratio = coarse.step / canvas.step
    shift = -(ratio - 1) / 2
    columns = slice(0, half_x + 1)
    larger = np.float32(canvas.height * canvas.width / (coarse.height * coarse.width))
    turn_x = _turn(np.arange(half_x + 1), shift / canvas.width) * larger
    for rows in (np.arange(half_y + 1), np.arange(-half_y, 0)):
        here = part[rows[0] % coarse.height : rows[-1] % coarse.height + 1, columns]
        here *= turn_x
        here *= _turn(rows, shift / canvas.height)[:, None]
        total[rows[0] % canvas.height : rows[-1] % canvas.height + 1, columns] += here


def forward(image: FloatArray) -> ComplexArray:
    """Half spectrum of a real image."""
    return np.asarray(fft.rfft2(image, workers=worker_count()), np.complex64)


def inverse(spectrum: ComplexArray, canvas: Canvas) -> FloatArray:
    """Real image of a half spectrum, which is overwritten; columns that it lacks at the end are 0."""
    # One axis after the other: the transform of both makes a copy.
    spectrum = fft.ifft(spectrum, axis=0, workers=worker_count(), overwrite_x=True)
    return np.asarray(fft.irfft(spectrum, n=canvas.width, axis=1, workers=worker_count()), np.float32)


def counted(rate: FloatArray, seed: int) -> FloatArray:
    """Counts of Poisson statistics around a rate (height, width); the rate is overwritten and returned.

    Exact where 2 per cent of the pixels expect fewer than 12. Above, a normal variable with the mean, variance and
    skewness of the Poisson distribution (Cornish-Fisher, first order), which is not rounded.
    """
    sample = rate[:: max(1, len(rate) // 64), :: max(1, rate.shape[1] // 64)]
    exact = float(np.quantile(sample, 0.02)) < _GAUSSIAN_FROM

    def draw(rows: slice) -> None:
        # Few rows at a time stay in the cache.
        for start in range(rows.start, rows.stop, _NOISE_ROWS):
            part = rate[start : min(start + _NOISE_ROWS, rows.stop)]
            generator = generator_of(seed, 0x5107, start // _NOISE_ROWS)
            np.maximum(part, 0, out=part)
            if exact:
                part[...] = generator.poisson(part)
                continue
            normal = generator.standard_normal(part.shape, dtype=np.float32)
            spread = np.sqrt(part)
            spread *= normal
            normal *= normal
            normal -= 1
            normal *= np.float32(1 / 6)
            part += spread
            part += normal

    in_bands(len(rate), draw)
    return rate


__all__ = ["add_spectrum", "counted", "forward", "generator_of", "inverse", "structural_field"]
