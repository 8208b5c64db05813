"""One picture of a montage, put together by where the microscope says that its tiles were taken."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.core.errors import ImageError
from structloop.grids.finding.flattening import FloatImage, Mask, reduce
from structloop.grids.finding.frames import Frame

WORK_PX = 1200
"""A mosaic is made at most this large a side."""


@dataclass(frozen=True)
class Mosaic:
    """A montage as one picture.

    Attributes:
        image: `(y, x)`; 0 where no tile is.
        known: Where a tile is.
        frame: Where its pixels lie on the stage.
    """

    image: FloatImage
    known: Mask
    frame: Frame


def stitch(tiles: Sequence[tuple[NDArray[np.generic], Frame]], largest_px: int = WORK_PX) -> Mosaic:
    """Put tiles together in the frame of the first one, blended where they overlap.

    Args:
        tiles: Pixels `(y, x)` and where they lie.
        largest_px: Of the mosaic's longer side; the tiles are averaged over blocks to fit.

    Raises:
        ImageError: There are no tiles.
    """
    if not tiles:
        raise ImageError("a montage without any tile cannot be put together; take it again")
    base = tiles[0][1]
    corners = np.array([_to(base, frame, x, y) for pixels, frame in tiles for x, y in _corners(pixels)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    factor = max(1, int(np.ceil(float(np.max(high - low) + 1) / largest_px)))
    width, height = (int(np.ceil((b - a + 1) / factor)) for a, b in zip(low, high, strict=True))
    (a, b), (c, d) = base.matrix_um
    middle = (factor - 1) / 2
    frame = Frame(
        ((a * factor, b * factor), (c * factor, d * factor)),
        ((base.centre_px[0] - low[0] - middle) / factor, (base.centre_px[1] - low[1] - middle) / factor),
        base.centre_um,
    )
    total = np.zeros((height, width), dtype=np.float32)
    weights = np.zeros((height, width), dtype=np.float32)
    for pixels, tile_frame in tiles:
        small, reduced = reduce(pixels, factor), tile_frame.reduced(factor)
        _add(total, weights, small, reduced, frame)
    known = weights > 0
    return Mosaic(np.where(known, total / np.maximum(weights, 1e-6), 0).astype(np.float32), known, frame)


def _add(total: FloatImage, weights: FloatImage, tile: FloatImage, frame: Frame, onto: Frame) -> None:
    """Add a tile at its place, weighing less towards its sides."""
    corners = np.array([_to(onto, frame, x, y) for x, y in _corners(tile)])
    x0, y0 = (max(0, int(np.floor(value))) for value in corners.min(axis=0))
    x1, y1 = (
        min(size, int(np.ceil(value)) + 1)
        for value, size in zip(corners.max(axis=0), (total.shape[1], total.shape[0]), strict=True)
    )
    if x0 >= x1 or y0 >= y1:
        return
    # From mosaic pixels to tile pixels: an affine map, (row, column) order.
    turn = np.linalg.solve(np.asarray(frame.matrix_um), np.asarray(onto.matrix_um))
    origin = np.array(_to(frame, onto, float(x0), float(y0)))
    matrix, offset = turn[::-1, ::-1], origin[::-1]
    shape = (y1 - y0, x1 - x0)
    rows = np.minimum(np.arange(1, tile.shape[0] + 1), np.arange(tile.shape[0], 0, -1))
    columns = np.minimum(np.arange(1, tile.shape[1] + 1), np.arange(tile.shape[1], 0, -1))
    ramp = np.minimum(np.minimum(rows[:, None], columns[None, :]), 0.1 * min(tile.shape)).astype(np.float32)
    weight = ndimage.affine_transform(ramp, matrix, offset, output_shape=shape, order=1, cval=0.0)
    values = ndimage.affine_transform(tile, matrix, offset, output_shape=shape, order=1, mode="nearest")
    total[y0:y1, x0:x1] += weight * values
    weights[y0:y1, x0:x1] += weight


def _corners(pixels: NDArray[np.generic]) -> list[tuple[float, float]]:
    height, width = pixels.shape
    return [(x, y) for x in (0.0, width - 1.0) for y in (0.0, height - 1.0)]


def _to(base: Frame, frame: Frame, x: float, y: float) -> tuple[float, float]:
    return base.to_pixel(*frame.to_stage(x, y))


__all__ = ["Mosaic", "stitch"]
