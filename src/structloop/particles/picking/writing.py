"""From a journal of candidates to the file of picks that other programs read."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates import FORMATS, WrittenPicks, write_coordinates
from structloop.particles.coordinates.optics import with_optics
from structloop.particles.picking.journal import PickedMicrograph
from structloop.schema.particles import MicrographPicks, PickSet

_BOX_DIAMETERS = 1.5


def pick_set(picked: Iterable[PickedMicrograph], *, threshold: float, origin: str) -> PickSet:
    """The picks of probability `threshold` and above, best first per micrograph; micrographs without any stay."""
    micrographs = []
    for each in picked:
        kept = each.probability >= threshold
        micrographs.append(
            MicrographPicks(
                each.micrograph,
                np.ascontiguousarray(each.xy_px[kept]),
                each.probability[kept],
                shape_px=each.shape_px,
                pixel_size_angstrom=each.pixel_size_angstrom,
            )
        )
    return with_optics(PickSet(tuple(micrographs), origin=origin))


def check_out(path: Path, format_name: str | None) -> None:
    """That picks can be written to `path`, before any work begins.

    Raises:
        CoordinateFileError: the ending or the name is of no format, or the folder is missing.
    """
    if format_name is not None and format_name not in FORMATS:
        raise CoordinateFileError(f"'{format_name}' is no coordinate format; there are {', '.join(FORMATS)}")
    endings = {each.ending for each in FORMATS.values()}
    if format_name is None and path.suffix and not path.is_dir() and path.suffix.lower() not in endings:
        raise CoordinateFileError(
            f"'{path.name}' ends in '{path.suffix}', which is of no coordinate format ({', '.join(sorted(endings))})"
        )
    if not path.absolute().parent.is_dir():
        raise CoordinateFileError(f"the folder of '{path}' does not exist; make it first")


def write_picks(picks: PickSet, path: Path, *, format_name: str | None, diameter_px: float) -> WrittenPicks:
    """Writes picks in the format that `path` ends in, or `format_name`; boxes are 1.5 diameters wide.

    Raises:
        CoordinateFileError: they cannot be written.
    """
    return write_coordinates(picks, path, format=format_name, box_size_px=float(round(_BOX_DIAMETERS * diameter_px)))


__all__ = ["check_out", "pick_set", "write_picks"]
