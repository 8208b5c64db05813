"""EMAN's `.box` and plain `.coord`: rows of bare numbers, one file per micrograph.

A `.box` row is x and y of a corner, then width and height; the centre lies half a box from the corner, which is where
RELION and EMAN place it. Boxes of no size are centres. A fifth number is EMAN1's tag; -1 and -2 in it are the two ends
of a filament, which are no particles. A `.coord` row is x and y of the centre.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates.numerals import coordinate, number, shown
from structloop.schema.particles import MicrographPicks, PickSet

TAG = "eman_tag"
_FILAMENT_ENDS = (-1.0, -2.0)


def read_box(text: str, path: Path) -> PickSet:
    """The picks of an EMAN `.box` file.

    Raises:
        CoordinateFileError: a row has another number of values than four or five, or one of them is no number.
    """
    corners, sizes, tags = [], [], []
    for line, values in _rows(text):
        where = f"{path}, line {line}"
        if len(values) not in (4, 5):
            raise CoordinateFileError(f"{where}: {len(values)} values; a .box row is x, y, width, height")
        size = [coordinate(value, where, name) for value, name in zip(values[2:4], ("width", "height"), strict=True)]
        if min(size) < 0:
            raise CoordinateFileError(f"{where}: a box of {values[2]} x {values[3]} pixels cannot be")
        corners.append([coordinate(value, where, name) for value, name in zip(values[:2], "xy", strict=True)])
        sizes.append(size)
        tag = values[4] if len(values) == 5 else ""
        if tag and number(tag, where, "tag") in _FILAMENT_ENDS:
            raise CoordinateFileError(
                f"{where}: the tag {tag} marks an end of a filament; write its segments as boxes, then read them"
            )
        tags.append(tag)
    size_px = np.array(sizes, dtype=np.float64).reshape(-1, 2)
    xy_px = np.array(corners, dtype=np.float64).reshape(-1, 2) + size_px / 2
    extra = {TAG: np.array(tags, dtype=object)} if any(tags) else {}
    picks = MicrographPicks(path.stem, xy_px, extra=extra, size_px=size_px if size_px.any() else None)
    return PickSet((picks,), origin=str(path))


def read_coord(text: str, path: Path) -> PickSet:
    """The picks of a `.coord` file.

    Raises:
        CoordinateFileError: a row has another number of values than two, or one of them is no number.
    """
    centres = []
    for line, values in _rows(text):
        where = f"{path}, line {line}"
        if len(values) != 2:
            raise CoordinateFileError(
                f"{where}: {len(values)} values; a .coord row is x and y, and a .box row is x, y, width, height"
            )
        centres.append([coordinate(value, where, name) for value, name in zip(values, "xy", strict=True)])
    xy_px = np.array(centres, dtype=np.float64).reshape(-1, 2)
    return PickSet((MicrographPicks(path.stem, xy_px),), origin=str(path))


def write_box(picks: MicrographPicks, size_px: NDArray[np.float64]) -> str:
    """A `.box` file of one micrograph.

    Args:
        picks: Its picks.
        size_px: `(n, 2)`, width and height of each box.
    """
    tags = picks.extra.get(TAG)
    lines = []
    for place, (centre, size) in enumerate(zip(picks.xy_px, size_px, strict=True)):
        tag = [] if tags is None or not tags[place] else [str(tags[place])]
        lines.append("\t".join([*map(shown, centre - size / 2), *map(shown, size), *tag]))
    return "".join(f"{line}\n" for line in lines)


def write_coord(picks: MicrographPicks) -> str:
    """A `.coord` file of one micrograph."""
    return "".join(f"{shown(x)}\t{shown(y)}\n" for x, y in picks.xy_px)


def _rows(text: str) -> list[tuple[int, list[str]]]:
    rows = [(line, values.split()) for line, values in enumerate(text.split("\n"), start=1)]
    return [(line, values) for line, values in rows if values and not values[0].startswith("#")]


__all__ = ["TAG", "read_box", "read_coord", "write_box", "write_coord"]
