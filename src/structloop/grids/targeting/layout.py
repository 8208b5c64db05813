"""Where to draw the holes of a session when nothing says where its squares lie on the grid."""

from dataclasses import dataclass

import numpy as np

from structloop.grids.targeting.holes import FloatArray, Groups, HoleTable

CELL = 1.15
ACROSS = 12


@dataclass(frozen=True)
class SquarePlace:
    """Where a square's name is written, and how far its patches reach, in cells."""

    square: str
    atlas_tile: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Layout:
    """Positions to draw at, in cells, y down: shape (n_holes,) each."""

    x: FloatArray
    y: FloatArray
    squares: tuple[SquarePlace, ...]


def lay_out(holes: HoleTable, groups: Groups) -> Layout:
    """Squares below each other, their patches side by side, each patch in its own image's frame scaled to a cell."""
    x, y = np.zeros(len(holes)), np.zeros(len(holes))
    places = []
    top = 0.0
    for square in np.argsort(groups.tile_of_square, kind="stable"):
        patches = np.flatnonzero(groups.square_of_patch == square)
        for number, patch in enumerate(patches):
            rows = np.flatnonzero(groups.patch == patch)
            column, line = number % ACROSS, number // ACROSS
            spread = max(float(np.ptp(holes.x_px[rows])), float(np.ptp(holes.y_px[rows])), 1e-9)
            x[rows] = column * CELL + (holes.x_px[rows] - holes.x_px[rows].min()) / spread
            y[rows] = top + line * CELL + (holes.y_px[rows] - holes.y_px[rows].min()) / spread
        lines = (len(patches) - 1) // ACROSS + 1
        places.append(
            SquarePlace(
                square=groups.square_names[square],
                atlas_tile=groups.tile_names[groups.tile_of_square[square]],
                x=0.0,
                y=top,
                width=min(len(patches), ACROSS) * CELL,
                height=lines * CELL,
            )
        )
        top += lines * CELL + 0.4
    return Layout(x, y, tuple(places))


__all__ = ["Layout", "SquarePlace", "lay_out"]
