"""Squares in an atlas and holes in a square, found without training and without a template of one size."""

from structloop.grids.finding.frames import Frame
from structloop.grids.finding.holes import FoundHole, FoundHoles, find_hole_near_middle, find_holes
from structloop.grids.finding.lattice import Lattice
from structloop.grids.finding.mosaic import Mosaic, stitch
from structloop.grids.finding.squares import FoundSquare, FoundSquares, find_squares

__all__ = [
    "FoundHole",
    "FoundHoles",
    "FoundSquare",
    "FoundSquares",
    "Frame",
    "Lattice",
    "Mosaic",
    "find_hole_near_middle",
    "find_holes",
    "find_squares",
    "stitch",
]
