"""Coordinate files: reading and writing them, and matching the names of micrographs."""

from structloop.particles.coordinates.micrograph_lists import described_by, read_micrograph_list
from structloop.particles.coordinates.names import NameMatches, match_names, plain_name
from structloop.particles.coordinates.reading import read_coordinates, with_shapes
from structloop.particles.coordinates.writing import FORMATS, WrittenPicks, write_coordinates

__all__ = [
    "FORMATS",
    "NameMatches",
    "WrittenPicks",
    "described_by",
    "match_names",
    "plain_name",
    "read_coordinates",
    "read_micrograph_list",
    "with_shapes",
    "write_coordinates",
]
