"""Power spectra of overlapping tiles, in polar bins: all that the fits read of a micrograph.

Tiles overlap by half or more and fade at their rims (Hann), so that lumps spill little over other waves (Welch, IEEE
Trans. Audio Electroacoust. 15 (1967) 70). Averaging each into sectors and rings at once keeps the fits fast; nothing is
averaged over directions that differ.
"""

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from structloop.core.errors import CtfError
from structloop.micrographs.ctf.transfer import Array64, FloatArray

SECTORS = 48
# Rings of the largest defocus are only resolved by tiles that are wide (their signal comes from lambda df k away).
_TILE_ANGSTROM = 1536.0
_LEAST_TILE_PX = 128
_OF_NYQUIST = 0.95
# Power in bins, spots, and the share that is usable.
_Tile = tuple[FloatArray, FloatArray, float]
# Detectors and gain references leave a cross in the spectrum.
_CROSS_PX = 1.5
# A tile with more of it masked is left out.
_MOST_MASKED = 0.5
_OUTLIER_SIGMA = 8.0
# Squared rows and columns of the Hann window's transform, summed: how many waves one independent wave takes up.
_HANN_SPREAD = 35 / 18
# Overlapping tiles tell more apart waves than either does: measured on white noise, over blocks of many waves.
_TOLD_APART = 1.4


@dataclass(frozen=True, slots=True, eq=False)
class Spectra:
    """Power of a micrograph's tiles in sectors and rings.

    Attributes:
        power: (tiles, sectors, rings), mean power; 0 where a bin has no waves.
        waves: (sectors, rings), how many waves of a tile's spectrum a bin holds.
        k2: (sectors, rings), mean squared spatial frequency, 1/Angstrom^2.
        directions_rad: (sectors,), from +x towards +y of the array, 0 to pi.
        centres_px: (tiles, 2), (x, y) of the tiles' centres.
        usable: (tiles,), share of each tile (weighted by its window) that is not masked.
        step: Spatial frequency of one wave per tile, 1/Angstrom.
        pixel_size_angstrom: Of the micrograph.
        tile_px: Side of a tile.
        independence: Independent waves per wave of the mean over all tiles: neither neighbours in the spectrum nor
            overlapping tiles are independent.
        spots: (tiles, bands) largest power of a wave in each band of `spot_bands`, over the mean there.
        spot_bands: Bands (low, high) of k, 1/Angstrom, which `spots` are of.
    """

    power: FloatArray
    waves: FloatArray
    k2: Array64
    directions_rad: Array64
    centres_px: Array64
    usable: Array64
    step: float
    pixel_size_angstrom: float
    tile_px: int
    shape_px: tuple[int, int]
    spots: FloatArray
    spot_bands: tuple[tuple[float, float], ...] = ()

    @property
    def k(self) -> Array64:
        """(rings,), spatial frequency of the rings, 1/Angstrom."""
        total = self.waves.sum(axis=0)
        return np.asarray(np.sqrt((self.k2 * self.waves).sum(axis=0) / np.maximum(total, 1)))

    def mean(self, tiles: NDArray[np.bool_] | Array64 | None = None) -> "MeanSpectrum":
        """The mean of some tiles (a mask, or weights), each weighted by what of it is usable."""
        chosen = self.usable * (1.0 if tiles is None else np.asarray(tiles, np.float64))
        total = float(chosen.sum())
        if total <= 0:
            raise CtfError("no part of the micrograph is left to take a spectrum of: everything is masked")
        power = np.tensordot((chosen / total).astype(np.float32), self.power, axes=1)
        independent = self._independent_tiles(chosen)
        # Waves beside each other share what the window's transform spreads.
        certain = self.waves * (independent * _TOLD_APART / _HANN_SPREAD**2)
        return MeanSpectrum(power, certain, self.k2, self.directions_rad, self.step)

    def _independent_tiles(self, chosen: Array64) -> float:
        """How many tiles without overlap would give a mean as certain as that of these."""
        gaps = np.abs(self.centres_px[:, None, :] - self.centres_px[None, :, :]) / self.tile_px
        shared = np.prod(_hann_overlap(gaps), axis=-1) ** 2
        return float(chosen.sum() ** 2 / (chosen @ shared @ chosen))


@dataclass(frozen=True, slots=True, eq=False)
class MeanSpectrum:
    """The mean power of some tiles.

    Attributes:
        power: (sectors, rings).
        certain: (sectors, rings), number of independent waves averaged: the relative variance is its inverse.
        k2: (sectors, rings), 1/Angstrom^2.
        directions_rad: (sectors,).
        step: Width of a ring, 1/Angstrom.
    """

    power: FloatArray
    certain: FloatArray
    k2: Array64
    directions_rad: Array64
    step: float


def take_spectra(
    pixels: NDArray[np.generic],
    pixel_size_angstrom: float,
    *,
    masked: NDArray[np.bool_] | None = None,
    finest_angstrom: float = 2.5,
    tile_angstrom: float = _TILE_ANGSTROM,
    spot_bands: tuple[tuple[float, float], ...] = (),
    threads: int | None = None,
) -> Spectra:
    """Spectra of overlapping tiles over a micrograph.

    Args:
        pixels: (y, x), finite.
        pixel_size_angstrom: Of the pixels.
        masked: True where pixels do not count; of any size, stretched over the micrograph.
        finest_angstrom: Nothing finer than this, or than 95 % of the Nyquist frequency, is kept.
        tile_angstrom: Least side of a tile, where the micrograph is large enough for three along a side.
        spot_bands: Bands of k, 1/Angstrom, in which single waves are looked at.
        threads: How many; all cores of this process without it.

    Raises:
        CtfError: the pixel size or the picture is unusable, or all of it is masked.
    """
    if not (math.isfinite(pixel_size_angstrom) and 0.05 <= pixel_size_angstrom <= 50):
        raise CtfError(f"the pixel size is {pixel_size_angstrom} angstrom; give one from 0.05 to 50")
    if pixels.ndim != 2 or min(pixels.shape) < 2 * _LEAST_TILE_PX:
        raise CtfError(f"the micrograph is {pixels.shape}; a CTF needs at least {2 * _LEAST_TILE_PX} pixels a side")
    height, width = pixels.shape
    wanted = max(tile_angstrom / pixel_size_angstrom, _LEAST_TILE_PX)
    tile = fft.next_fast_len(int(min(wanted, min(height, width) / 2)), real=True) // 2 * 2
    rows, columns = _starts(height, tile), _starts(width, tile)
    bins = _Bins.of(tile, pixel_size_angstrom, finest_angstrom, spot_bands)
    middle, spread = _middle(pixels)
    keep = None if masked is None or not masked.any() else _stretched(~masked, (height, width))
    window = np.hanning(tile + 1)[:-1].astype(np.float32)

    def one(column: int) -> list[_Tile]:
        strip = np.asarray(pixels[:, column : column + tile], np.float32) - middle
        np.clip(strip, -_OUTLIER_SIGMA * spread, _OUTLIER_SIGMA * spread, out=strip)
        weight: FloatArray = np.ones(height, np.float32)
        if keep is not None:
            kept = keep[:, column : column + tile]
            strip *= kept
            weight = np.asarray(kept @ (window * window) / np.float32((window * window).sum()), np.float32)
        strip *= window
        lines = np.asarray(fft.rfft(strip, axis=1), np.complex64)[:, : bins.columns]
        found = []
        for row in rows:
            share = float((weight[row : row + tile] * window**2).sum() / (window**2).sum())
            if share < 1 - _MOST_MASKED:
                found.append((*bins.nothing(), 0.0))
                continue
            block = np.ascontiguousarray(lines[row : row + tile]) * window[:, None]
            found.append((*bins.binned(fft.fft(block, axis=0, overwrite_x=True), share), share))
        return found

    made = [each for strip in _on_threads(one, columns, threads or _cores()) for each in strip]
    usable = np.array([each[2] for each in made])
    if not usable.any():
        raise CtfError("no part of the micrograph is left to take a spectrum of: everything is masked")
    centres = np.array([(x + (tile - 1) / 2, y + (tile - 1) / 2) for x in columns for y in rows])
    return Spectra(
        np.stack([each[0] for each in made]),
        bins.waves,
        bins.k2,
        (np.arange(SECTORS) + 0.5) * math.pi / SECTORS,
        centres,
        usable,
        1 / (tile * pixel_size_angstrom),
        pixel_size_angstrom,
        tile,
        (height, width),
        np.stack([each[1] for each in made]),
        spot_bands,
    )


class _Bins:
    """Which sector and ring every wave of a tile's spectrum belongs to."""

    def __init__(
        self, tile: int, pixel_angstrom: float, finest_angstrom: float, bands: tuple[tuple[float, float], ...]
    ) -> None:
        finest = min(1 / finest_angstrom, _OF_NYQUIST / 2 / pixel_angstrom)
        self.rings = int(finest * tile * pixel_angstrom)
        self._half = min(self.rings + 1, tile // 2 - 1)
        self.columns = self._half + 1
        ky = np.arange(-self._half, self._half + 1)[:, None]
        kx = np.arange(self.columns)[None, :]
        radius = np.hypot(kx, ky)
        ring = np.rint(radius).astype(np.int64)
        sector = np.minimum((np.arctan2(ky, kx) % math.pi / math.pi * SECTORS).astype(np.int64), SECTORS - 1)
        used = (ring < self.rings) & (np.abs(kx) > _CROSS_PX) & (np.abs(ky) > _CROSS_PX)
        nowhere = SECTORS * self.rings
        self._index = np.where(used, sector * self.rings + ring, nowhere).ravel()
        size = nowhere + 1
        waves = np.bincount(self._index, minlength=size)[:-1].reshape(SECTORS, self.rings)
        step = 1 / (tile * pixel_angstrom)
        k2 = np.bincount(self._index, (radius**2).ravel(), minlength=size)[:-1].reshape(waves.shape)
        # An empty bin has the frequency of its ring, so that nothing computed of it is infinite.
        at_ring = np.broadcast_to(np.arange(self.rings, dtype=np.float64) ** 2, waves.shape)
        self.k2 = np.where(waves > 0, k2 / np.maximum(waves, 1), at_ring) * step**2
        self.waves = waves.astype(np.float32)
        self._per_wave = (1 / np.maximum(waves, 1)).astype(np.float32)
        self._bands = [np.flatnonzero(used & (radius * step > low) & (radius * step < high)) for low, high in bands]

    @classmethod
    def of(
        cls, tile: int, pixel_angstrom: float, finest_angstrom: float, bands: tuple[tuple[float, float], ...]
    ) -> "_Bins":
        return cls(tile, pixel_angstrom, finest_angstrom, bands)

    def nothing(self) -> tuple[FloatArray, FloatArray]:
        """What a tile gives that is left out."""
        return (
            np.zeros((SECTORS, self.rings), np.float32),
            np.zeros(len(self._bands), np.float32),
        )

    def binned(self, spectrum: NDArray[np.complex64], share: float) -> tuple[FloatArray, FloatArray]:
        """Mean power per bin, and spots."""
        cut = np.concatenate([spectrum[-self._half :], spectrum[: self._half + 1]])
        power = np.square(cut.real)
        power += np.square(cut.imag)
        power *= np.float32(1 / share)
        flat = power.ravel()
        total = np.bincount(self._index, flat, minlength=SECTORS * self.rings + 1)[:-1]
        spots = [_above_usual(flat[where]) for where in self._bands]
        binned = total.reshape(SECTORS, self.rings).astype(np.float32) * self._per_wave
        return binned, np.array(spots, np.float32)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _on_threads(job: Callable[[int], list[_Tile]], items: list[int], workers: int) -> Iterable[list[_Tile]]:
    if workers == 1:
        return [job(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(job, items))


def _above_usual(power: FloatArray) -> float:
    """The largest power over the mean that noise of the same median has."""
    if len(power) == 0:
        return 0.0
    return float(power.max() / max(float(np.median(power)) / math.log(2), 1e-30))


def _starts(side: int, tile: int) -> list[int]:
    """First pixels of tiles that overlap by half or a little more and span the side."""
    count = math.ceil((side - tile) / (tile / 2)) + 1
    return [round(start) for start in np.linspace(0, side - tile, count)]


def _middle(pixels: NDArray[np.generic]) -> tuple[np.float32, np.float32]:
    """Median and robust deviation of a sample of pixels; the deviation is not below the plain one by much."""
    sample = np.asarray(pixels[::7, ::7], np.float32)
    middle = np.float32(np.median(sample))
    return middle, np.float32(max(1.4826 * float(np.median(np.abs(sample - middle))), 0.3 * float(sample.std()), 1e-20))


def _stretched(keep: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.float32]:
    rows = np.minimum((np.arange(shape[0]) + 0.5) * keep.shape[0] / shape[0], keep.shape[0] - 1).astype(np.intp)
    columns = np.minimum((np.arange(shape[1]) + 0.5) * keep.shape[1] / shape[1], keep.shape[1] - 1).astype(np.intp)
    return np.asarray(keep[np.ix_(rows, columns)], np.float32)


def _hann_overlap(gap: Array64) -> Array64:
    """Autocorrelation of the Hann window at gaps in window lengths; 1 at 0."""
    inside = np.minimum(gap, 1.0)
    turn = 2 * math.pi * inside
    return np.asarray((1 - inside) * (2 + np.cos(turn)) / 3 + np.sin(turn) / (2 * math.pi))


__all__ = ["SECTORS", "MeanSpectrum", "Spectra", "take_spectra"]
