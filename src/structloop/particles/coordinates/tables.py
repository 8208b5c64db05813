"""Tables with a header: Topaz's `.txt`, and CSV with commas, semicolons or tabs.

Topaz's columns are `image_name`, `x_coord`, `y_coord`, `score`, parted by tabs, the names without endings. A CSV file
names its columns in one of the ways of `NAMES`; a file without a column of micrographs holds the picks of one, which
has the file's name.
"""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates.names import plain_name
from structloop.particles.coordinates.numerals import coordinate, optional_number, shown
from structloop.particles.coordinates.star import OPTICS
from structloop.schema.particles import MicrographPicks, PickSet

TOPAZ_HEADER = ("image_name", "x_coord", "y_coord", "score")
NAMES: dict[str, tuple[str, ...]] = {
    "micrograph": ("micrograph", "image_name", "micrograph_name", "rlnmicrographname", "image", "filename"),
    "x": ("x", "x_coord", "x_px", "x-coordinate", "rlncoordinatex", "center_x", "centre_x"),
    "y": ("y", "y_coord", "y_px", "y-coordinate", "rlncoordinatey", "center_y", "centre_y"),
    "score": ("score", "confidence", "probability", "rlnautopickfigureofmerit"),
    "width": ("width",),
    "height": ("height",),
    "optics_group": ("optics_group", "rlnopticsgroup"),
    "pixel_size_angstrom": ("pixel_size_angstrom",),
    "micrograph_width_px": ("micrograph_width_px",),
    "micrograph_height_px": ("micrograph_height_px",),
}
_DELIMITERS = "\t;,"


def is_header(line: str) -> bool:
    """Whether a line looks like the header of such a table: it names both coordinates."""
    names = {name.strip().strip('"').lstrip("_").lower() for name in line.split(_delimiter(line))}
    return any(name in names for name in NAMES["x"]) or any(name in names for name in NAMES["y"])


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def read_table(text: str, path: Path) -> PickSet:
    """The picks of a table with a header.

    Raises:
        CoordinateFileError: a column is missing or stands twice, a row is too short or too long, or a value is faulty.
    """
    lines = text.lstrip("\n").split("\n")
    skipped = text.count("\n") - (len(lines) - 1)
    try:
        reader = csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=_delimiter(lines[0]), strict=True)
        rows = [(reader.line_num + skipped, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise CoordinateFileError(f"{path} is no table with a header: {error}") from error
    header = [name.strip() for name in rows[0][1]] if rows else []
    known = _known_columns(header, path)
    width = len(header)
    for line, row in rows[1:]:
        if len(row) != width:
            raise CoordinateFileError(f"{path}, line {line}: {len(row)} values for {width} columns; correct that line")
    where = [f"{path}, line {line}" for line, _ in rows[1:]]
    cells = [[row[place].strip() for _, row in rows[1:]] for place in range(width)]
    names = cells[known["micrograph"]] if "micrograph" in known else [path.stem] * len(where)
    for name, at in zip(names, where, strict=True):
        if not name:
            raise CoordinateFileError(f"{at}: the micrograph's name is empty; correct or remove that line")
    columns = {name: _numbers(cells[place], where, name) for name, place in known.items() if name != "micrograph"}
    extra = {header[place]: np.array(cells[place], dtype=object) for place in set(range(width)) - set(known.values())}
    return PickSet(tuple(_shared_out(names, columns, dict(sorted(extra.items())), path)), origin=str(path))


def _known_columns(header: Sequence[str], path: Path) -> dict[str, int]:
    plain = [name.lstrip("_").lower() for name in header]
    for name in plain:
        if plain.count(name) > 1:
            raise CoordinateFileError(f"{path}: column '{name}' stands twice in its header; remove one")
    known: dict[str, int] = {}
    for meaning, names in NAMES.items():
        places = [place for place, name in enumerate(plain) if name in names]
        if len(places) > 1:
            twice = " and ".join(f"'{header[place]}'" for place in places)
            raise CoordinateFileError(f"{path}: {twice} could both be the {meaning}; remove one")
        if places:
            known[meaning] = places[0]
    for meaning in ("x", "y"):
        if meaning not in known:
            raise CoordinateFileError(
                f"{path} has no column for {meaning}; its header must name one of {', '.join(NAMES[meaning])}"
            )
    if ("width" in known) != ("height" in known):
        # One side alone says nothing of the box.
        known.pop("width", None)
        known.pop("height", None)
    return known


def _numbers(texts: Sequence[str], where: Sequence[str], name: str) -> NDArray[np.float64]:
    parse = coordinate if name in ("x", "y") else optional_number
    return np.array([parse(text, at, name) for text, at in zip(texts, where, strict=True)], dtype=np.float64)


def _shared_out(
    names: Sequence[str], columns: dict[str, NDArray[np.float64]], extra: dict[str, NDArray[Any]], path: Path
) -> list[MicrographPicks]:
    places: dict[str, list[int]] = {} if names else {path.stem: []}
    for row, name in enumerate(names):
        places.setdefault(name, []).append(row)
    found = []
    for name, rows in places.items():
        each = {column: values[rows] for column, values in columns.items()}
        kept = {column: values[rows] for column, values in extra.items()}
        group = _optics_group(each, kept, name, path)
        scores = each.get("score")
        shape = [_same(each, column, name, path) for column in ("micrograph_height_px", "micrograph_width_px")]
        found.append(
            MicrographPicks(
                name,
                np.stack([each["x"], each["y"]], axis=1).reshape(-1, 2),
                None if scores is None or np.isnan(scores).all() else scores,
                kept,
                _sizes(each),
                None if shape[0] is None or shape[1] is None else (int(shape[0]), int(shape[1])),
                _same(each, "pixel_size_angstrom", name, path),
                group,
            )
        )
    return found


def _sizes(columns: dict[str, NDArray[np.float64]]) -> NDArray[np.float64] | None:
    if "width" not in columns:
        return None
    sizes = np.stack([columns["width"], columns["height"]], axis=1)
    # One box without a size leaves none that a file of boxes could be written from.
    return None if np.isnan(sizes).any() or (sizes < 0).any() else sizes


def _optics_group(
    columns: dict[str, NDArray[np.float64]], extra: dict[str, NDArray[Any]], micrograph: str, path: Path
) -> int | None:
    """The optics group of a micrograph; where its picks are in several, they go into `extra`."""
    groups = np.unique(columns.get("optics_group", np.empty(0)), equal_nan=True)
    known = groups[~np.isnan(groups)]
    if not len(known):
        return None
    if len(known) < len(groups):
        raise CoordinateFileError(f"{path}: {micrograph} has some picks without an optics_group; give all of them one")
    for group in known:
        if not (group.is_integer() and 0 <= group <= 1e9):
            raise CoordinateFileError(f"{path}: optics_group {group:g} of {micrograph} cannot be")
    if len(known) == 1:
        return int(known[0])
    extra[OPTICS] = columns["optics_group"].astype(np.int64)
    return None


def _same(columns: dict[str, NDArray[np.float64]], column: str, micrograph: str, path: Path) -> float | None:
    """The one value that a column has for a micrograph; None where there is none."""
    values = columns.get(column, np.empty(0))
    present = np.unique(values[~np.isnan(values)])
    if len(present) > 1:
        raise CoordinateFileError(f"{path}: {micrograph} has several values of {column}; it can have one")
    whole = column.endswith("_px")
    if len(present) and not (0 < present[0] <= 1e6 and (not whole or present[0].is_integer())):
        raise CoordinateFileError(f"{path}: {column} {present[0]:g} of {micrograph} cannot be")
    return float(present[0]) if len(present) else None


def write_topaz(picks: PickSet) -> str:
    """Topaz's table; the names lose their endings, as Topaz wants them.

    Raises:
        CoordinateFileError: a name holds a tab or a line break.
    """
    scored = any(each.scores is not None for each in picks)
    rows: list[Sequence[str]] = [TOPAZ_HEADER if scored else TOPAZ_HEADER[:3]]
    for each in picks:
        scores = np.full(len(each), np.nan) if each.scores is None else each.scores
        name = plain_name(each.micrograph)
        if any(character in name for character in '\t\n\r"'):
            raise CoordinateFileError(f"the name {name!r} cannot stand in Topaz's table; rename the micrograph")
        for (x, y), score in zip(each.xy_px, scores, strict=True):
            last = [] if not scored else ["" if np.isnan(score) else shown(score)]
            rows.append([name, shown(x), shown(y), *last])
    return "".join("\t".join(row) + "\n" for row in rows)


def write_csv(picks: PickSet) -> str:
    """A CSV file with everything that is known of each pick."""
    filled = [each for each in picks if len(each)]
    names = [name for name in _COLUMNS if any(not np.isnan(_COLUMNS[name](each)).all() for each in filled)]
    extra = _extra_of(filled)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(["micrograph", "x", "y", *names, *extra])
    for each in filled:
        columns = [np.broadcast_to(_COLUMNS[name](each), len(each)) for name in names]
        for place, (x, y) in enumerate(each.xy_px):
            known = ["" if np.isnan(column[place]) else shown(column[place]) for column in columns]
            others = [_text(each.extra[name][place]) if name in each.extra else "" for name in extra]
            writer.writerow([each.micrograph, shown(x), shown(y), *known, *others])
    return written.getvalue()


def _or_nan(value: Any) -> NDArray[np.float64]:
    return np.array(np.nan if value is None else value, dtype=np.float64)


# What of a micrograph's picks goes into which column: one number for all of them, or one each; NaN is an empty cell.
_COLUMNS: dict[str, Callable[[MicrographPicks], NDArray[np.float64]]] = {
    "score": lambda each: _or_nan(each.scores),
    "width": lambda each: _or_nan(None if each.size_px is None else each.size_px[:, 0]),
    "height": lambda each: _or_nan(None if each.size_px is None else each.size_px[:, 1]),
    "optics_group": lambda each: _or_nan(each.extra.get(OPTICS, each.optics_group)),
    "pixel_size_angstrom": lambda each: _or_nan(each.pixel_size_angstrom),
    "micrograph_width_px": lambda each: _or_nan(None if each.shape_px is None else each.shape_px[1]),
    "micrograph_height_px": lambda each: _or_nan(None if each.shape_px is None else each.shape_px[0]),
}


def _extra_of(picks: Sequence[MicrographPicks]) -> list[str]:
    taken = {name for names in NAMES.values() for name in names}
    found: dict[str, None] = {}
    for each in picks:
        found.update(
            {name: None for name, values in each.extra.items() if values.ndim == 1 and name.lower() not in taken}
        )
    return list(found)


def left_out_of_csv(picks: PickSet) -> list[str]:
    """Names of the extra columns that `write_csv` leaves out: several numbers per pick, or a name taken already."""
    kept = {*_extra_of(picks.micrographs), OPTICS}
    return sorted({name for each in picks for name in each.extra if name not in kept})


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


__all__ = ["NAMES", "TOPAZ_HEADER", "is_header", "left_out_of_csv", "read_table", "write_csv", "write_topaz"]
