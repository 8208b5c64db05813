"""Where to draw the holes of a session when nothing says where its squares lie on the grid."""

from dataclasses import dataclass

import numpy as np

from structloop.grids.targeting.holes import FloatArray, Groups, HoleTable

CELL = 1.15
GAP = 0.6
# Patches of a square stand in rows of so many, and squares in shelves of this width, in cells.
ACROSS = 6
SHELF = 22.0


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
    """Squares on shelves in the order of their tiles; the patches of a square in rows, each scaled to a cell."""
    x, y = np.zeros(len(holes)), np.zeros(len(holes))
    places = []
    left = top = shelf_height = 0.0
    for square in np.argsort(groups.tile_of_square, kind="stable"):
        patches = np.flatnonzero(groups.square_of_patch == square)
        width = min(len(patches), ACROSS) * CELL
        height = ((len(patches) - 1) // ACROSS + 1) * CELL
        if left > 0 and left + width > SHELF:
            left, top, shelf_height = 0.0, top + shelf_height + GAP, 0.0
        for number, patch in enumerate(patches):
            rows = np.flatnonzero(groups.patch == patch)
            spread = max(float(np.ptp(holes.x_px[rows])), float(np.ptp(holes.y_px[rows])), 1e-9)
            x[rows] = left + number % ACROSS * CELL + (holes.x_px[rows] - holes.x_px[rows].min()) / spread
            y[rows] = top + number // ACROSS * CELL + (holes.y_px[rows] - holes.y_px[rows].min()) / spread
        square_name, tile_name = groups.square_names[square], groups.tile_names[groups.tile_of_square[square]]
        places.append(SquarePlace(square_name, tile_name, left, top, width, height))
        left += width + GAP
        shelf_height = max(shelf_height, height)
    return Layout(x, y, tuple(places))


__all__ = ["Layout", "SquarePlace", "lay_out"]
