"""Cryo-EM grids with known truth: a cassette, its grids, and what a microscope sees of them.

`Cassette.from_seed` makes grids, `render_view` the pictures at atlas, square and hole magnification, `specimen_at` what
an exposure of the same place shows. What is true of a place is behind a door of its own, `simulation.grids.truth`.
"""

from structloop.simulation.grids.recipes import GridKind, Recipe, draw_recipe
from structloop.simulation.grids.rendering import CAMERA, Camera, render_view
from structloop.simulation.grids.scene import Cassette, HoleState, SceneGrid, SceneHole, SceneSquare, SquareState
from structloop.simulation.grids.specimens import specimen_at
from structloop.simulation.grids.view import View

__all__ = [
    "CAMERA",
    "Camera",
    "Cassette",
    "GridKind",
    "HoleState",
    "Recipe",
    "SceneGrid",
    "SceneHole",
    "SceneSquare",
    "SquareState",
    "View",
    "draw_recipe",
    "render_view",
    "specimen_at",
]
