"""Adding up frames, each place brought back by its own displacement.

Frames are resampled tile by tile by two small matrix products, one along each axis, with a Lanczos kernel of three
lobes. Within a tile the displacement is that of its middle: tiles are so small that the rest stays below a tenth of a
pixel even in strongly bent exposures. Several weighted sums are made in one go (see `doses`).
"""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import MotionError
from structloop.micrographs.motion.field import MotionField

FloatArray = NDArray[np.float32]

_TILE_PX = 32
_LOBES = 3
_STEPS = 64
"""Kernels stand ready for every 1/64 pixel: an error of at most 0.008 pixels."""

GROUP = 4
"""Frames that are resampled together; so many are in memory."""


@dataclass(frozen=True)
class _Kernels:
    """Matrices (steps, tile, tile + 2 margin) that resample a tile at every displacement from -reach to reach."""

    table: FloatArray
    reach: int
    margin: int

    @classmethod
    def of(cls, largest_px: float) -> "_Kernels":
        reach = int(np.ceil(largest_px + 0.5 / _STEPS))
        margin = reach + _LOBES
        size = _TILE_PX + 2 * margin
        shifts = np.arange(-reach * _STEPS, reach * _STEPS + 1) / _STEPS
        # Row i of the tile is read at i + shift; column j of the matrix is pixel j - margin.
        distance = np.arange(size)[None, :] - margin - np.arange(_TILE_PX)[:, None]
        at = distance[None] - shifts[:, None, None]
        kernel = np.where(np.abs(at) < _LOBES, np.sinc(at) * np.sinc(at / _LOBES), 0)
        kernel /= kernel.sum(axis=2, keepdims=True)
        return cls(kernel.astype(np.float32), reach, margin)

    def index(self, shifts_px: NDArray[np.float64]) -> NDArray[np.int64]:
        steps = np.round(shifts_px * _STEPS).astype(np.int64) + self.reach * _STEPS
        return np.clip(steps, 0, len(self.table) - 1)


class FrameSum:
    """Sums of displaced frames; give the frames in groups, then take `sums`."""

    def __init__(self, field: MotionField, weights: FloatArray, executor: Executor | None = None) -> None:
        """As `weights` (sums, frames) says, for the frames of `field`.

        Raises:
            MotionError: a frame is displaced by more than half of itself.
        """
        self._height, self._width = field.height_px, field.width_px
        self._rows, self._columns = (-(-side // _TILE_PX) for side in (self._height, self._width))
        self._weights = weights
        self._executor = executor
        middle = (_TILE_PX - 1) / 2
        x = np.arange(self._columns) * _TILE_PX + middle
        y = np.arange(self._rows) * _TILE_PX + middle
        across, down = np.meshgrid(np.minimum(x, self._width - 1), np.minimum(y, self._height - 1))
        moved = field.at(across, down)
        self._whole = np.round(field.coefficients_px[:, :, 0]).astype(np.int64)
        if (np.abs(self._whole) > np.array([self._width, self._height]) // 2).any():
            raise MotionError("a frame is displaced by more than half of itself; throw it away, or leave the movie out")
        rest = moved - self._whole[:, :, None, None]
        self._kernels = _Kernels.of(float(np.abs(rest).max(initial=0.0)))
        self._index = self._kernels.index(rest)
        self.sums_padded = np.zeros((len(weights), self._rows * _TILE_PX, self._columns * _TILE_PX), np.float32)

    def add(self, positions: Sequence[int], frames: Sequence[FloatArray]) -> None:
        """Adds corrected frames (y, x), at these positions among the frames of the field."""
        padded = [self._padded(frame, *self._whole[at]) for at, frame in zip(positions, frames, strict=True)]
        weights = np.ascontiguousarray(self._weights[:, list(positions)])

        def row(number: int) -> None:
            strips = np.empty((len(padded), self._columns, _TILE_PX, _TILE_PX), np.float32)
            for strip, at, frame in zip(strips, positions, padded, strict=True):
                self._resample(frame, at, number, strip)
            added = weights @ strips.reshape(len(padded), -1)
            tiles = added.reshape(len(weights), self._columns, _TILE_PX, _TILE_PX)
            place = self.sums_padded[:, number * _TILE_PX : (number + 1) * _TILE_PX]
            shape = (len(weights), _TILE_PX, self._columns, _TILE_PX)
            place.reshape(shape)[...] += tiles.transpose(0, 2, 1, 3)

        if self._executor is None:
            for number in range(self._rows):
                row(number)
        else:
            list(self._executor.map(row, range(self._rows)))

    @property
    def sums(self) -> FloatArray:
        """(sums, y, x)."""
        return self.sums_padded[:, : self._height, : self._width]

    def _resample(self, frame: FloatArray, at: int, number: int, out: FloatArray) -> None:
        size = _TILE_PX + 2 * self._kernels.margin
        strip = frame[number * _TILE_PX : number * _TILE_PX + size]
        stride = strip.strides
        tiles = np.lib.stride_tricks.as_strided(
            strip, (self._columns, size, size), (_TILE_PX * stride[1], stride[0], stride[1]), writeable=False
        )
        table = self._kernels.table
        down = np.matmul(table[self._index[at, 1, number]], np.ascontiguousarray(tiles))
        np.matmul(down, table[self._index[at, 0, number]].transpose(0, 2, 1), out=out)

    def _padded(self, frame: FloatArray, dx: int, dy: int) -> FloatArray:
        """The frame moved back by whole pixels, its rim repeated where it does not reach."""
        margin = self._kernels.margin
        out = np.empty((self._rows * _TILE_PX + 2 * margin, self._columns * _TILE_PX + 2 * margin), np.float32)
        y0, y1 = _overlap(self._height, out.shape[0], margin - int(dy))
        x0, x1 = _overlap(self._width, out.shape[1], margin - int(dx))
        top, left = y0 + int(dy) - margin, x0 + int(dx) - margin
        out[y0:y1, x0:x1] = frame[top : top + y1 - y0, left : left + x1 - x0]
        # Beyond the frame stands its mirror image: noise like the rest, and no edge.
        _mirror(out, y0, y1)
        _mirror(out.T, x0, x1)
        return out


def _overlap(side: int, padded: int, start: int) -> tuple[int, int]:
    return max(0, start), min(padded, start + side)


def _mirror(rows: FloatArray, first: int, last: int) -> None:
    known = last - first
    period = max(2 * known, 1)
    for before in (range(first), range(last, len(rows))):
        if len(before):
            place = (np.array(before) - first) % period
            rows[before.start : before.stop] = rows[first + np.where(place < known, place, period - 1 - place)]


__all__ = ["GROUP", "FrameSum"]
