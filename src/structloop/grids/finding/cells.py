"""What the unit cell of a lattice looks like, and where in it the things are."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.grids.finding.flattening import FloatImage, Mask
from structloop.grids.finding.lattice import Lattice


def fold(flat: FloatImage, mask: Mask, lattice: Lattice) -> FloatImage:
    """The mean unit cell `(v, u)` in lattice coordinates, of side about the pitch.

    Each pixel adds to the cell at its position modulo the lattice; what breaks the lattice averages out.
    """
    side = int(np.clip(np.ceil(lattice.pitch_px), 6, 64))
    y, x = np.nonzero(mask)
    u, v = np.linalg.solve(lattice.matrix, np.stack([x, y]).astype(float))
    column = np.floor((u % 1.0) * side).astype(int) % side
    row = np.floor((v % 1.0) * side).astype(int) % side
    place = row * side + column
    total = np.bincount(place, weights=flat[y, x].astype(float), minlength=side * side)
    count = np.bincount(place, minlength=side * side)
    return np.asarray((total / np.maximum(count, 1)).reshape(side, side), dtype=np.float32)


def unfold(cell: FloatImage, lattice: Lattice, half_px: int, centre: tuple[float, float] = (0.0, 0.0)) -> FloatImage:
    """A picture, `(2 half + 1)` pixels a side, of the lattice of cells around lattice coordinates `centre`."""
    y, x = np.mgrid[-half_px : half_px + 1, -half_px : half_px + 1]
    u, v = np.linalg.solve(lattice.matrix, np.stack([x.ravel(), y.ravel()]).astype(float))
    side = cell.shape[0]
    where = np.stack([(v + centre[1]) * side - 0.5, (u + centre[0]) * side - 0.5])
    return np.asarray(
        ndimage.map_coordinates(cell, where, order=1, mode="grid-wrap").reshape(y.shape), dtype=np.float32
    )


def mean_window(flat: FloatImage, places: NDArray[np.float64], half_px: int) -> FloatImage:
    """The mean of windows around places (x, y), sub-pixel shifted, those that lie within the image."""
    height, width = flat.shape
    within = places[
        (places[:, 0] >= half_px)
        & (places[:, 1] >= half_px)
        & (places[:, 0] < width - half_px)
        & (places[:, 1] < height - half_px)
    ]
    chosen = (within if len(within) >= 3 else places)[:200]
    y, x = np.mgrid[-half_px : half_px + 1, -half_px : half_px + 1]
    windows = [
        ndimage.map_coordinates(flat, [y + place[1], x + place[0]], order=1, mode="constant") for place in chosen
    ]
    return np.asarray(np.mean(windows, axis=0), dtype=np.float32)


__all__ = ["fold", "mean_window", "unfold"]
