"""The pixel grid a picture is computed on, and how maps and places of the specimen fall on it."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import ThreadpoolController

from structloop.core.errors import SimulationError
from structloop.simulation.specimen import FloatArray, Specimen

ComplexArray = NDArray[np.complex64]

Item = TypeVar("Item")
Result = TypeVar("Result")

_BAND_ROWS = 128


@cache
def worker_count() -> int:
    """Threads to use: as many as OMP_NUM_THREADS or the machine allows, at most four. Results do not depend on it."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    allowed = int(told) if told.isdigit() and int(told) > 0 else (os.cpu_count() or 1)
    return max(1, min(4, allowed))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(worker_count(), thread_name_prefix="render", initializer=_mark_inside)


# A forked process has none of the threads of its parent.
os.register_at_fork(after_in_child=_pool.cache_clear)
_INSIDE = threading.local()


def _mark_inside() -> None:
    _INSIDE.worker = True


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep the linear algebra library from starting threads of its own within ours: they would wait for each other."""
    with _libraries().limit(limits=1, user_api="blas"):
        yield


def mapped(work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """Results of `work` for each item, in order, from all threads; within one of those threads, one after the other."""
    if worker_count() == 1 or len(items) <= 1 or getattr(_INSIDE, "worker", False):
        return map(work, items)
    return _pool().map(work, items)


def on_threads(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Call `work` for each item, on all threads."""
    for _ in mapped(work, items):
        pass


def in_bands(rows: int, work: Callable[[slice], None], high: int = _BAND_ROWS) -> None:
    """Call `work` for bands of rows, on all threads; every band is the same whatever the number of threads."""
    on_threads(work, [slice(start, min(start + high, rows)) for start in range(0, rows, high)])


@dataclass(frozen=True)
class Canvas:
    """A pixel grid over the whole field of view.

    Attributes:
        height, width: In pixels of this grid.
        pixel_angstrom: Edge of one pixel.
        step: Edge of one pixel in pixels of the specimen's own frame; pixel (0, 0) of this grid has its centre at
            ((step - 1) / 2, (step - 1) / 2) there.
    """

    height: int
    width: int
    pixel_angstrom: float
    step: float

    @classmethod
    def of(cls, specimen: Specimen, binning: int = 1) -> "Canvas":
        """The grid of the image, or of the image binned; what does not fill a whole pixel at the far edges is left out.

        Raises:
            SimulationError: The binning is below 1 or leaves no pixel.
        """
        if binning < 1 or min(specimen.width_px, specimen.height_px) // binning < 8:
            raise SimulationError(
                f"binning {binning} does not fit an image of {specimen.width_px} x {specimen.height_px}"
            )
        return cls(
            specimen.height_px // binning, specimen.width_px // binning, specimen.pixel_size_angstrom * binning, binning
        )

    @cached_property
    def kx(self) -> FloatArray:
        """Frequencies of the columns of a half spectrum, 1/Angstrom, (1, width // 2 + 1)."""
        return (np.arange(self.width // 2 + 1) / (self.width * self.pixel_angstrom)).astype(np.float32)[None, :]

    @cached_property
    def ky(self) -> FloatArray:
        """Frequencies of the rows of a spectrum, 1/Angstrom, (height, 1)."""
        return np.fft.fftfreq(self.height, self.pixel_angstrom).astype(np.float32)[:, None]

    @property
    def highest(self) -> float:
        """Largest frequency in the corners, 1/Angstrom."""
        return float(0.5**0.5 / self.pixel_angstrom)

    def to_here(self, specimen_px: FloatArray | float) -> FloatArray:
        """Coordinates in pixels of this grid of coordinates in pixels of the specimen's frame."""
        return np.asarray((np.asarray(specimen_px) - (self.step - 1) / 2) / self.step, np.float32)

    def stretched(self, coarse: FloatArray) -> FloatArray:
        """A coarse map spread over this grid, edge to edge (cells, as when a small picture is enlarged).

        Quadratic B-splines: smooth, never beyond the range of the map, and the mean stays.
        """
        coarse = np.asarray(coarse, np.float32)
        if coarse.ndim != 2 or min(coarse.shape) < 1:
            raise SimulationError(f"a map of the specimen has shape {coarse.shape}; give (rows, columns)")
        if coarse.shape == (self.height, self.width):
            return coarse
        if coarse.min() == coarse.max():
            return np.full((self.height, self.width), coarse.flat[0], np.float32)
        across = _across(coarse, self.width)
        spread = np.empty((self.height, self.width), np.float32)

        def fill(band: slice) -> None:
            spread[band] = _spline_band(coarse.shape[0], self.height, band.start, band.stop) @ across

        in_bands(self.height, fill)
        return spread

    def weigh(self, image: FloatArray, coarse: FloatArray) -> FloatArray:
        """Multiply an image on this grid, in place, with a coarse map spread over it; see `stretched`."""
        coarse = np.asarray(coarse, np.float32)
        if coarse.min() == coarse.max():
            image *= coarse.flat[0]
            return image
        if coarse.shape == image.shape:
            image *= coarse
            return image
        across = _across(coarse, self.width)

        def multiply(band: slice) -> None:
            image[band] *= _spline_band(coarse.shape[0], self.height, band.start, band.stop) @ across

        in_bands(self.height, multiply)
        return image


@cache
def _spline(cells: int, pixels: int) -> sparse.csr_array:
    """Sparse matrix (pixels, cells) of quadratic B-spline weights, clamped at the edges."""
    columns, weights = _weights(cells, pixels)
    rows = np.repeat(np.arange(pixels), 3)
    return sparse.csr_array((weights.ravel(), (rows, columns.ravel())), shape=(pixels, cells))


@lru_cache(maxsize=2048)
def _spline_band(cells: int, pixels: int, first: int, last: int) -> sparse.csr_array:
    """Some rows of `_spline`."""
    return _spline(cells, pixels)[first:last]


def _weights(cells: int, pixels: int) -> tuple[NDArray[np.int64], FloatArray]:
    """Which three cells each pixel takes its value from, and their weights; both (pixels, 3)."""
    at = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    nearest = np.floor(at + 0.5).astype(np.int64)
    off = at - nearest
    weights = np.stack([0.5 * (0.5 - off) ** 2, 0.75 - off**2, 0.5 * (0.5 + off) ** 2], axis=1)
    columns = np.clip(np.stack([nearest - 1, nearest, nearest + 1], axis=1), 0, cells - 1)
    return columns, weights.astype(np.float32)


def _across(coarse: FloatArray, pixels: int) -> FloatArray:
    """A map (rows, cells) with its rows stretched to so many pixels."""
    rows, cells = coarse.shape
    if cells == pixels:
        return coarse
    if pixels % cells or pixels // cells > 8:
        return np.ascontiguousarray((_spline(cells, pixels) @ coarse.T).T)
    # All cells are parted alike: a few weighted sums of whole rows, and nothing to be turned round.
    times = pixels // cells
    weights = _weights(cells, pixels)[1]
    spread = np.empty((rows, cells, times), np.float32)

    def fill(band: slice) -> None:
        wide = np.pad(coarse[band], ((0, 0), (1, 1)), mode="edge")
        for part in range(times):
            total = wide[:, :-2] * weights[part, 0]
            total += wide[:, 1:-1] * weights[part, 1]
            total += wide[:, 2:] * weights[part, 2]
            spread[band, :, part] = total

    in_bands(rows, fill)
    return spread.reshape(rows, pixels)


def radial_table(function: Callable[[FloatArray], FloatArray], highest: float, size: int = 8192) -> FloatArray:
    """Values of a function of spatial frequency at `size` points up to `highest`, for `looked_up`."""
    return np.asarray(function(np.linspace(0, highest, size, dtype=np.float32)), np.float32)


def looked_up(table: FloatArray, kx: FloatArray, ky: FloatArray, highest: float) -> FloatArray:
    """Radial function from its table at frequencies (kx, ky)."""
    k = np.sqrt(kx * kx + ky * ky)
    k *= np.float32((len(table) - 1) / highest)
    k += np.float32(0.5)
    return np.asarray(table.take(k.astype(np.int32), mode="clip"), np.float32)


def tiles_of(height: int, width: int, core: int) -> Iterator[tuple[slice, slice]]:
    """Rectangles of at most `core` pixels that cover an image."""
    for top in range(0, height, core):
        for left in range(0, width, core):
            yield slice(top, min(top + core, height)), slice(left, min(left + core, width))


__all__ = [
    "Canvas",
    "ComplexArray",
    "in_bands",
    "looked_up",
    "mapped",
    "on_threads",
    "one_thread_each",
    "radial_table",
    "tiles_of",
    "worker_count",
]
