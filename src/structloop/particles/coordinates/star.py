"""RELION's STAR files: 3.0 (flat), 3.1 to 5 (`data_optics`), per micrograph or of many, and lists of coordinate files.

Coordinates are pixels of the micrograph, the centre of the first stored pixel at (0, 0), as `relion_preprocess` 3.1
extracts them. The score is `_rlnAutopickFigureOfMerit`; RELION writes -999 where a pick has none.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CoordinateFileError
from structloop.imaging.star_syntax import StarBlock, format_loop, parse_star
from structloop.particles.coordinates.numerals import coordinate, number, optional_number, shown
from structloop.schema.particles import MicrographPicks, OpticsGroup, PickSet

X, Y, MICROGRAPH, SCORE, OPTICS = (
    "rlnCoordinateX",
    "rlnCoordinateY",
    "rlnMicrographName",
    "rlnAutopickFigureOfMerit",
    "rlnOpticsGroup",
)
OPTICS_NAME, PIXEL_SIZE = "rlnOpticsGroupName", "rlnMicrographPixelSize"
LIST_COLUMN = "rlnMicrographCoordinates"
NO_SCORE = -999.0
# Coordinates of tomograms, which have a third dimension that this program knows nothing of.
_TOMOGRAPHY = ("rlnTomoName", "rlnCoordinateZ", "rlnCenteredCoordinateXAngst")


def read_star(text: str, path: Path) -> PickSet:
    """The picks of a STAR file, in the file's own direction of y.

    A file whose block names no micrograph holds the picks of one, which has the file's name.

    Raises:
        CoordinateFileError: it holds no coordinates of micrographs, or a faulty value.
    """
    blocks = parse_star(text, path)
    block = _block_of_picks(blocks, path)
    optics = read_optics(blocks, path)
    names = block.column(MICROGRAPH)
    if names is not None and "" in names:
        line = block.lines[names.index("")]
        raise CoordinateFileError(f"{path}, line {line}: {MICROGRAPH} is empty; correct or remove that line")
    if names is None:
        places = {path.stem: np.arange(len(block.rows))}
    else:
        found: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            found.setdefault(name, []).append(row)
        places = {name: np.array(rows, dtype=np.intp) for name, rows in found.items()}
    columns = _Columns(block, path)
    sizes = {group.number: group.micrograph_pixel_size_angstrom for group in optics}
    micrographs = tuple(columns.micrograph(name, rows, sizes) for name, rows in places.items())
    return PickSet(micrographs, optics, origin=str(path))


def _block_of_picks(blocks: Sequence[StarBlock], path: Path) -> StarBlock:
    with_picks = [block for block in blocks if X in block.columns and Y in block.columns]
    for block in blocks:
        for column in _TOMOGRAPHY:
            if column in block.columns:
                raise CoordinateFileError(f"{path} has column _{column}: picks of tomograms are not read")
    if len(with_picks) == 1:
        return with_picks[0]
    if with_picks:
        names = ", ".join(f"data_{block.name}" for block in with_picks)
        raise CoordinateFileError(f"{path} has coordinates in several blocks ({names}); keep one of them")
    for block in blocks:
        if X in block.values and Y in block.values:
            raise CoordinateFileError(f"{path} has one pick outside a loop_, which RELION does not write; use a loop_")
    half = [column for block in blocks for column in (X, Y) if column in block.columns]
    if half:
        raise CoordinateFileError(f"{path} has column _{half[0]} and not the other of _{X} and _{Y}")
    raise CoordinateFileError(
        f"{path} has no columns _{X} and _{Y}: it does not say where its particles are; "
        "take the file that the picking or extraction job wrote"
    )


class _Columns:
    """The columns of a block of picks, parsed once and then shared out to the micrographs."""

    def __init__(self, block: StarBlock, path: Path) -> None:
        where = [f"{path}, line {line}" for line in block.lines]
        self._xy = np.empty((len(block.rows), 2), dtype=np.float64)
        for axis, column in enumerate((X, Y)):
            texts = block.column(column) or []
            self._xy[:, axis] = [coordinate(text, at, column) for text, at in zip(texts, where, strict=True)]
        scores = block.column(SCORE)
        self._scores = None
        if scores is not None:
            self._scores = np.array([optional_number(*each, SCORE) for each in zip(scores, where, strict=True)])
            self._scores[self._scores == NO_SCORE] = np.nan
        groups = block.column(OPTICS)
        self._groups = None
        if groups is not None:
            self._groups = np.array([_whole(*each) for each in zip(groups, where, strict=True)], dtype=np.int64)
        kept = [name for name in block.columns if name not in (X, Y, MICROGRAPH, SCORE, OPTICS)]
        self._extra: dict[str, NDArray[Any]] = {}
        for name in kept:
            self._extra[name] = np.array(block.column(name), dtype=object)

    def micrograph(self, name: str, rows: NDArray[np.intp], sizes: Mapping[int, float | None]) -> MicrographPicks:
        """The picks in some rows."""
        extra = {column: values[rows] for column, values in self._extra.items()}
        group = None
        if self._groups is not None:
            present = np.unique(self._groups[rows])
            if len(present) == 1:
                group = int(present[0])
            elif len(present) > 1:
                extra[OPTICS] = self._groups[rows]
        scores = None if self._scores is None else self._scores[rows]
        if scores is not None and len(scores) and np.isnan(scores).all():
            scores = None
        size = sizes.get(group) if group is not None else None
        return MicrographPicks(name, self._xy[rows], scores, extra, optics_group=group, pixel_size_angstrom=size)


def _whole(text: str, where: str) -> int:
    value = number(text, where, OPTICS)
    if not value.is_integer() or abs(value) > 1e9:
        raise CoordinateFileError(f"{where}: {OPTICS} '{text}' is no whole number")
    return int(value)


def read_optics(blocks: Sequence[StarBlock], path: Path) -> tuple[OpticsGroup, ...]:
    """The groups of the block `data_optics`; none where there is no such block.

    Raises:
        CoordinateFileError: there are two such blocks, or a group has no number or stands twice.
    """
    found = [block for block in blocks if block.name == "optics"]
    if not found:
        return ()
    if len(found) > 1:
        raise CoordinateFileError(f"{path} has two blocks data_optics; keep one of them")
    block = found[0]
    rows = block.rows or ([list(block.values.values())] if block.values else [])
    columns = block.columns or list(block.values)
    if rows and OPTICS not in columns:
        raise CoordinateFileError(f"{path}: block data_optics has no column _{OPTICS}")
    groups: dict[int, OpticsGroup] = {}
    for place, row in enumerate(rows):
        where = f"{path}, line {block.lines[place]}" if block.lines else str(path)
        values = dict(zip(columns, row, strict=True))
        group = _whole(values.pop(OPTICS), where)
        if group in groups:
            raise CoordinateFileError(f"{where}: optics group {group} stands twice; remove one")
        groups[group] = OpticsGroup(group, values.pop(OPTICS_NAME, f"opticsGroup{group}"), values)
    return tuple(groups.values())


def write_star(picks: PickSet, *, flat: bool = False) -> str:
    """A STAR file of all micrographs: with `data_optics` where optics groups are known, else (or if `flat`) without.

    Columns that the picks have from another STAR file are kept, in their order; `left_out_of_star` says which are not.

    Raises:
        CoordinateFileError: a name cannot stand in a STAR file.
    """
    scored = any(each.scores is not None for each in picks)
    grouped = not flat and (
        bool(picks.optics) or any(each.optics_group is not None or OPTICS in each.extra for each in picks)
    )
    kept = _columns_of_all(picks)
    columns = [MICROGRAPH, X, Y, *([SCORE] if scored else []), *([OPTICS] if grouped else []), *kept]
    rows = [
        [each.micrograph, *row]
        for each in picks
        for row in _rows(each, scored=scored, grouped=grouped, kept=kept, default=_default_group(picks))
    ]
    if flat or not picks.optics:
        return "\n" + format_loop("", columns, rows)
    return f"\n# version 30001\n\n{_format_optics(picks.optics)}\n# version 30001\n\n" + format_loop(
        "particles", columns, rows
    )


def write_star_of_one(picks: MicrographPicks) -> str:
    """The STAR file of one micrograph, as RELION's picking jobs write it: coordinates and score, no name."""
    kept = [name for name in picks.extra if name.startswith("rln") and name != OPTICS]
    columns = [X, Y, *([SCORE] if picks.scores is not None else []), *kept]
    rows = _rows(picks, scored=picks.scores is not None, grouped=False, kept=kept, default=None)
    return "\n" + format_loop("", columns, rows)


def write_star_list(files: Mapping[str, str]) -> str:
    """RELION 4's list of coordinate files (`autopick.star`): path of each micrograph, path of its coordinates."""
    return "\n# version 30001\n\n" + format_loop(
        "coordinate_files", [MICROGRAPH, LIST_COLUMN], [[name, file] for name, file in files.items()]
    )


def _rows(
    picks: MicrographPicks, *, scored: bool, grouped: bool, kept: Sequence[str], default: int | None
) -> list[list[str]]:
    columns: list[list[str]] = [[shown(value) for value in axis] for axis in picks.xy_px.T]
    if scored:
        scores = np.full(len(picks), np.nan) if picks.scores is None else picks.scores
        columns.append([shown(NO_SCORE) if np.isnan(value) else shown(value) for value in scores])
    if grouped:
        fallback = picks.optics_group if picks.optics_group is not None else default
        groups = picks.extra.get(OPTICS, np.full(len(picks), 1 if fallback is None else fallback))
        columns.append([str(int(group)) for group in groups])
    columns.extend([str(value) for value in picks.extra[name]] for name in kept)
    return [list(row) for row in zip(*columns, strict=True)]


def _default_group(picks: PickSet) -> int | None:
    return picks.optics[0].number if picks.optics else None


def _columns_of_all(picks: PickSet) -> list[str]:
    filled = [each for each in picks if len(each)]
    if not filled:
        return []
    return [
        name
        for name in filled[0].extra
        if name.startswith("rln") and name != OPTICS and all(name in each.extra for each in filled)
    ]


def left_out_of_star(picks: PickSet) -> list[str]:
    """Names of the columns that `write_star` leaves out: of other formats, or not known for all micrographs."""
    kept = {*_columns_of_all(picks), OPTICS}
    lost = {name for each in picks for name in each.extra if name not in kept}
    shared = set(_optics_columns(picks.optics))
    return sorted(lost | {name for group in picks.optics for name in group.columns if name not in shared})


def _optics_columns(groups: Sequence[OpticsGroup]) -> list[str]:
    return [name for name in groups[0].columns if all(name in group.columns for group in groups)] if groups else []


def _format_optics(groups: Sequence[OpticsGroup]) -> str:
    columns = _optics_columns(groups)
    rows = [[group.name, str(group.number), *(group.columns[name] for name in columns)] for group in groups]
    return format_loop("optics", [OPTICS_NAME, OPTICS, *columns], rows)


def is_list_of_files(blocks: Sequence[StarBlock]) -> bool:
    """Whether a STAR file only names coordinate files of micrographs."""
    return any(LIST_COLUMN in block.columns and MICROGRAPH in block.columns for block in blocks)


__all__ = [
    "LIST_COLUMN",
    "MICROGRAPH",
    "NO_SCORE",
    "OPTICS",
    "PIXEL_SIZE",
    "SCORE",
    "X",
    "Y",
    "is_list_of_files",
    "left_out_of_star",
    "read_optics",
    "read_star",
    "write_star",
    "write_star_list",
    "write_star_of_one",
]
