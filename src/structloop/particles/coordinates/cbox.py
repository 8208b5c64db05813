"""crYOLO's `.cbox`: a STAR file with corners, sizes, confidences and filaments of one micrograph.

The centre lies half a box from the corner. `<NA>` stands for what is not known. crYOLO keeps tomograms in the same
format; their picks have a third coordinate and are refused.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CoordinateFileError
from structloop.imaging.star_syntax import StarBlock, format_loop, format_values, parse_star
from structloop.particles.coordinates.numerals import MISSING, coordinate, number, optional_number, shown
from structloop.schema.particles import MicrographPicks, PickSet

COLUMNS = (
    "CoordinateX",
    "CoordinateY",
    "CoordinateZ",
    "Width",
    "Height",
    "Depth",
    "EstWidth",
    "EstHeight",
    "Confidence",
    "NumBoxes",
    "Angle",
)
FILAMENT = "filamentid"
_NEEDED = ("CoordinateX", "CoordinateY", "Width", "Height")
NOT_KNOWN = "<NA>"


def read_cbox(text: str, path: Path) -> PickSet:
    """The picks of a crYOLO file.

    Raises:
        CoordinateFileError: it has no block `data_cryolo`, is of a tomogram, or holds a faulty value.
    """
    blocks = parse_star(text, path)
    found = [block for block in blocks if block.name == "cryolo"]
    if len(found) != 1:
        raise CoordinateFileError(f"{path} has {len(found)} blocks data_cryolo; a .cbox file has one")
    block = found[0]
    missing = [name for name in _NEEDED if name not in block.columns]
    if missing:
        raise CoordinateFileError(f"{path} has no column _{missing[0]}; it is no .cbox file, or damaged")
    where = [f"{path}, line {line}" for line in block.lines]
    _refuse_tomograms(block, where, path)
    corner = np.stack([_numbers(block, name, where) for name in ("CoordinateX", "CoordinateY")], axis=1)
    size = np.stack([_numbers(block, name, where) for name in ("Width", "Height")], axis=1)
    if (size < 0).any():
        raise CoordinateFileError(f"{where[int(np.argmax((size < 0).any(axis=1)))]}: a box of negative size cannot be")
    scores = None
    if "Confidence" in block.columns:
        texts = zip(block.column("Confidence") or [], where, strict=True)
        scores = np.array([optional_number(*each, "Confidence") for each in texts], dtype=np.float64)
        scores = None if np.isnan(scores).all() else scores
    extra: dict[str, NDArray[Any]] = {
        name: np.array(block.column(name), dtype=object)
        for name in block.columns
        if name not in (*_NEEDED, "Confidence")
    }
    picks = MicrographPicks(path.stem, corner + size / 2, scores, extra, size_px=size if size.any() else None)
    return PickSet((picks,), origin=str(path))


def _refuse_tomograms(block: StarBlock, where: list[str], path: Path) -> None:
    depths = {
        number(text, at, "CoordinateZ")
        for text, at in zip(block.column("CoordinateZ") or [], where, strict=False)
        if text not in MISSING
    }
    if len(depths) > 1:
        raise CoordinateFileError(
            f"{path}: _CoordinateZ goes from {min(depths):g} to {max(depths):g}: picks of tomograms are not read"
        )


def _numbers(block: StarBlock, name: str, where: list[str]) -> NDArray[np.float64]:
    texts = zip(block.column(name) or [], where, strict=True)
    return np.array([coordinate(*each, name) for each in texts], dtype=np.float64)


def write_cbox(picks: MicrographPicks, size_px: NDArray[np.float64]) -> str:
    """A crYOLO file of one micrograph.

    Args:
        picks: Its picks; columns that another `.cbox` gave them are kept.
        size_px: `(n, 2)`, width and height of each box.
    """
    corner = picks.xy_px - size_px / 2
    columns: dict[str, list[str]] = {name: [NOT_KNOWN] * len(picks) for name in COLUMNS}
    for name, values in picks.extra.items():
        if name in COLUMNS or name == FILAMENT:
            columns[name] = [str(value) for value in values]
    columns["CoordinateX"], columns["CoordinateY"] = ([shown(value) for value in axis] for axis in corner.T)
    columns["Width"], columns["Height"] = ([shown(value) for value in axis] for axis in size_px.T)
    if picks.scores is not None:
        columns["Confidence"] = [NOT_KNOWN if np.isnan(value) else shown(value) for value in picks.scores]
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    return (
        "\n"
        + format_values("global", {"cbox_format_version": "1.0"})
        + format_loop("cryolo", list(columns), rows)
        + format_loop("cryolo_include", ["slice_index"], [])
    )


def held_by_cbox(name: str) -> bool:
    """Whether a `.cbox` file has such a column."""
    return name in COLUMNS or name == FILAMENT


__all__ = ["COLUMNS", "FILAMENT", "held_by_cbox", "read_cbox", "write_cbox"]
