"""The door to what is true of a scene: for the simulated microscope, for tests and for benchmarks alone.

Nothing that has to find these things out (screening, targeting, quality) may import it; the import contracts see to
that. Commands write truth through the simulated microscope.
"""

from dataclasses import dataclass

import numpy as np

from structloop.simulation.grids.hashing import FloatArray
from structloop.simulation.grids.materials import Ground
from structloop.simulation.grids.scene import SceneGrid, SceneHole, SceneSquare
from structloop.simulation.grids.specimens import specimen_at
from structloop.simulation.grids.view import Frame, View
from structloop.simulation.specimen import Particles


@dataclass(frozen=True)
class PlaceTruth:
    """What is true of one point.

    Attributes:
        ice_nm: Thickness of ice, 0 where there is none.
        film: Whether there is support film.
        open: Whether no bar is in the way.
        crystalline: Share of the ice that is crystalline.
        square: The square it lies in, if it lies in one.
        hole: The hole it lies in, if it lies in one.
    """

    ice_nm: float
    film: bool
    open: bool
    crystalline: float
    square: SceneSquare | None
    hole: SceneHole | None


@dataclass(frozen=True)
class ViewTruth:
    """What is true of one image.

    Attributes:
        ice_nm: Map of the thickness of ice over the image, coarse, edge to edge.
        film: Share of film, likewise.
        particles: Molecules, in the image's pixels.
        defocus_um: True defocus at the middle: what was set, and how far the specimen is from the eucentric plane.
        height_um: How far above the eucentric plane the specimen lies.
    """

    ice_nm: FloatArray
    film: FloatArray
    particles: Particles
    defocus_um: float
    height_um: float


def squares(grid: SceneGrid) -> list[SceneSquare]:
    """All squares of a grid with their states."""
    return grid.squares()


def holes(square: SceneSquare) -> list[SceneHole]:
    """All holes of a square with their states."""
    return square.holes()


def at(grid: SceneGrid, x_um: float, y_um: float) -> PlaceTruth:
    """What lies at one point of the specimen."""
    frame = Frame(1, 1, x_um, y_um, 1e-3, 0.0, 0.0, -1e-3)
    maps = Ground(grid, frame, step=1, lumps=False).band(0, 1)
    near = grid.holes_within(x_um, y_um, grid.recipe.film.hole_um)
    inside = [hole for hole in near if np.hypot(hole.x_um - x_um, hole.y_um - y_um) <= hole.diameter_um / 2]
    visible = bool(maps.open[0, 0] > 0.5)
    return PlaceTruth(
        ice_nm=float(maps.ice_nm[0, 0]) if visible else 0.0,
        film=bool(maps.film[0, 0] > 0.5),
        open=visible,
        crystalline=float(maps.crystalline[0, 0]),
        square=grid.square_at(x_um, y_um),
        hole=inside[0] if inside else None,
    )


def of_view(grid: SceneGrid, view: View) -> ViewTruth:
    """What is true of an image."""
    specimen = specimen_at(grid, view)
    return ViewTruth(
        specimen.ice_nm, specimen.film, specimen.particles, view.defocus_um + specimen.height_um, specimen.height_um
    )


__all__ = ["PlaceTruth", "ViewTruth", "at", "holes", "of_view", "squares"]
