"""The table of candidate holes: which tile, square and patch each lies in, where, and what is known of it
beforehand.
"""

import csv
import hashlib
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import rankdata

from structloop.core.errors import HolesError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

REQUIRED_COLUMNS = ("hole_id", "atlas_tile", "square", "patch", "x_px", "y_px")
STAGE_COLUMNS = ("stage_x_um", "stage_y_um")
GRID_COLUMN = "grid"
KNOWN_FEATURE = "predicted_ctf_resolution_A"


@dataclass(frozen=True)
class HoleTable:
    """Candidate holes, as columns of equal length.

    Attributes:
        hole_id: Names, unique.
        grid, atlas_tile, square, patch: Names of the groups a hole lies in; each lies within the one before.
        x_px, y_px: Position in the patch's image, pixels.
        features: Numbers known beforehand, by name; NaN where missing. `predicted_ctf_resolution_A` is angstrom and
            lower is better; the sign and scale of any other are unknown.
        stage_x_um, stage_y_um: Position on the stage, micrometres, where known.
    """

    hole_id: tuple[str, ...]
    grid: tuple[str, ...]
    atlas_tile: tuple[str, ...]
    square: tuple[str, ...]
    patch: tuple[str, ...]
    x_px: FloatArray
    y_px: FloatArray
    features: Mapping[str, FloatArray] = field(default_factory=dict)
    stage_x_um: FloatArray | None = None
    stage_y_um: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.hole_id)
        if len(set(self.hole_id)) != n:
            twice = Counter(self.hole_id).most_common(1)[0][0]
            raise HolesError(f"hole_id '{twice}' stands twice in the table; each hole needs its own name")
        for name in ("grid", "atlas_tile", "square", "patch", "x_px", "y_px"):
            if len(getattr(self, name)) != n:
                raise HolesError(f"column {name} has {len(getattr(self, name))} values, hole_id has {n}")
        for name, values in self.features.items():
            if len(values) != n:
                raise HolesError(f"column {name} has {len(values)} values, hole_id has {n}")
        for name in ("x_px", "y_px"):
            if not np.all(np.isfinite(getattr(self, name))):
                bad = self.hole_id[int(np.argmin(np.isfinite(getattr(self, name))))]
                raise HolesError(f"column {name} of hole '{bad}' is not a number")

    def __len__(self) -> int:
        return len(self.hole_id)

    @classmethod
    def from_columns(cls, columns: Mapping[str, Sequence[object]]) -> "HoleTable":
        """Reads columns (a dict of lists, a pandas DataFrame). Columns beyond the known ones are features.

        Raises:
            HolesError: a required column is missing, or a value is no number; the message names column and hole.
        """
        names = list(columns.keys())
        missing = [name for name in REQUIRED_COLUMNS if name not in names]
        if missing:
            raise HolesError(f"the table of holes lacks {', '.join(missing)}; it has {', '.join(map(str, names))}")
        ids = tuple(str(value) for value in columns["hole_id"])

        def text(name: str) -> tuple[str, ...]:
            return tuple(str(value) for value in columns[name])

        def numbers(name: str) -> FloatArray:
            return np.array([_number(value, name, hole) for value, hole in zip(columns[name], ids, strict=True)])

        stage = {name: numbers(name) for name in STAGE_COLUMNS if name in names}
        if len(stage) == 1:
            raise HolesError(f"stage_x_um and stage_y_um belong together; only {next(iter(stage))} is there")
        known = {*REQUIRED_COLUMNS, *STAGE_COLUMNS, GRID_COLUMN}
        return cls(
            hole_id=ids,
            grid=text(GRID_COLUMN) if GRID_COLUMN in names else ("",) * len(ids),
            atlas_tile=text("atlas_tile"),
            square=text("square"),
            patch=text("patch"),
            x_px=numbers("x_px"),
            y_px=numbers("y_px"),
            features={name: numbers(name) for name in names if name not in known},
            **stage,
        )

    @classmethod
    def from_rows(cls, rows: Sequence[Mapping[str, object]]) -> "HoleTable":
        """Reads rows (dicts with the same keys, such as `csv.DictReader` gives); see `from_columns`.

        Raises:
            HolesError: there is no row, or one lacks a column.
        """
        if not rows:
            raise HolesError("the table of holes is empty")
        names = list(rows[0])
        for number, row in enumerate(rows):
            absent = [name for name in names if name not in row]
            if absent:
                raise HolesError(f"row {number + 1} of the table of holes lacks {', '.join(absent)}")
        return cls.from_columns({name: [row[name] for row in rows] for name in names})

    def select_features(self, names: Iterable[str]) -> "HoleTable":
        """The same holes with only the features of those names.

        Raises:
            HolesError: there is no such feature.
        """
        wanted = list(names)
        absent = [name for name in wanted if name not in self.features]
        if absent:
            raise HolesError(f"no feature {', '.join(absent)}; the table has {', '.join(self.features) or 'none'}")
        return self._replace(features={name: self.features[name] for name in wanted})

    def take(self, rows: Sequence[int] | IntArray) -> "HoleTable":
        """The holes of those rows, in that order."""
        index = np.asarray(rows, dtype=np.intp)

        def pick(values: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(values[i] for i in index)

        return HoleTable(
            hole_id=pick(self.hole_id),
            grid=pick(self.grid),
            atlas_tile=pick(self.atlas_tile),
            square=pick(self.square),
            patch=pick(self.patch),
            x_px=self.x_px[index],
            y_px=self.y_px[index],
            features={name: values[index] for name, values in self.features.items()},
            stage_x_um=None if self.stage_x_um is None else self.stage_x_um[index],
            stage_y_um=None if self.stage_y_um is None else self.stage_y_um[index],
        )

    def joined(self, other: "HoleTable") -> "HoleTable":
        """These holes, then those of `other`; a feature that one side lacks is missing there."""

        def side(table: HoleTable, name: str) -> FloatArray:
            return table.features.get(name, np.full(len(table), np.nan))

        def stage(name: str) -> FloatArray | None:
            mine, theirs = getattr(self, name), getattr(other, name)
            return None if mine is None or theirs is None else np.concatenate([mine, theirs])

        return HoleTable(
            hole_id=self.hole_id + other.hole_id,
            grid=self.grid + other.grid,
            atlas_tile=self.atlas_tile + other.atlas_tile,
            square=self.square + other.square,
            patch=self.patch + other.patch,
            x_px=np.concatenate([self.x_px, other.x_px]),
            y_px=np.concatenate([self.y_px, other.y_px]),
            features={
                name: np.concatenate([side(self, name), side(other, name)])
                for name in [*self.features, *(name for name in other.features if name not in self.features)]
            },
            stage_x_um=stage("stage_x_um"),
            stage_y_um=stage("stage_y_um"),
        )

    def columns(self) -> dict[str, list[str] | list[float | None]]:
        """The table as plain lists; missing numbers are None. `from_columns` reads it back."""
        out: dict[str, list[str] | list[float | None]] = {
            "hole_id": list(self.hole_id),
            "grid": list(self.grid),
            "atlas_tile": list(self.atlas_tile),
            "square": list(self.square),
            "patch": list(self.patch),
            "x_px": _plain(self.x_px),
            "y_px": _plain(self.y_px),
        }
        if self.stage_x_um is not None and self.stage_y_um is not None:
            out |= {"stage_x_um": _plain(self.stage_x_um), "stage_y_um": _plain(self.stage_y_um)}
        return out | {name: _plain(values) for name, values in self.features.items()}

    def _replace(self, *, features: Mapping[str, FloatArray]) -> "HoleTable":
        return HoleTable(
            self.hole_id,
            self.grid,
            self.atlas_tile,
            self.square,
            self.patch,
            self.x_px,
            self.y_px,
            features,
            self.stage_x_um,
            self.stage_y_um,
        )


def _plain(values: FloatArray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def _number(value: object, column: str, hole: str) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan", "na", "none")):
        return float("nan")
    try:
        number = float(value)  # type: ignore[arg-type]  # what cannot be converted is refused just below
    except (TypeError, ValueError) as error:
        raise HolesError(f"column {column} of hole '{hole}': '{value}' is not a number") from error
    return number if np.isfinite(number) else float("nan")


@dataclass(frozen=True)
class Groups:
    """The tree of tiles, squares and patches as indices, and an order of holes that depends on no name or row.

    Attributes:
        patch, square, tile: Group of each hole, shape (n_holes,).
        square_of_patch, tile_of_square, grid_of_tile: Parent of each group.
        tie: A number per hole, shape (n_holes,), that settles ties: made of positions and of the seed only, so that
            renaming or reordering holes changes no decision.
    """

    patch: IntArray
    square: IntArray
    tile: IntArray
    square_of_patch: IntArray
    tile_of_square: IntArray
    grid_of_tile: IntArray
    patch_names: tuple[str, ...]
    square_names: tuple[str, ...]
    tile_names: tuple[str, ...]
    grid_names: tuple[str, ...]
    tie: IntArray

    @property
    def tile_of_patch(self) -> IntArray:
        """Tile of each patch."""
        tiles: IntArray = self.tile_of_square[self.square_of_patch]
        return tiles

    @classmethod
    def of(cls, holes: HoleTable, seed: int) -> "Groups":
        """Builds the tree. A square's name counts within its tile, a patch's within its square.

        Memory is linear in the number of holes.
        """
        grids, grid_names = _enumerate([(name,) for name in holes.grid])
        tiles, tile_names = _enumerate(list(zip(holes.grid, holes.atlas_tile, strict=True)))
        squares, square_names = _enumerate(list(zip(holes.grid, holes.atlas_tile, holes.square, strict=True)))
        patches, patch_names = _enumerate(
            list(zip(holes.grid, holes.atlas_tile, holes.square, holes.patch, strict=True))
        )
        return cls(
            patch=patches,
            square=squares,
            tile=tiles,
            square_of_patch=_parents(patches, squares, len(patch_names)),
            tile_of_square=_parents(squares, tiles, len(square_names)),
            grid_of_tile=_parents(tiles, grids, len(tile_names)),
            patch_names=patch_names,
            square_names=square_names,
            tile_names=tile_names,
            grid_names=grid_names,
            tie=_tie_order(holes, [patches, squares, tiles], seed),
        )


def _enumerate(keys: list[tuple[str, ...]]) -> tuple[IntArray, tuple[str, ...]]:
    index: dict[tuple[str, ...], int] = {}
    numbers = np.array([index.setdefault(key, len(index)) for key in keys], dtype=np.intp)
    return numbers, tuple(key[-1] for key in index)


def _parents(child: IntArray, parent: IntArray, count: int) -> IntArray:
    out = np.zeros(count, dtype=np.intp)
    out[child] = parent
    return out


def _tie_order(holes: HoleTable, levels: list[IntArray], seed: int) -> IntArray:
    """Rank of each hole by digests of positions: its own, then those of all holes of its patch, square and tile."""
    own = np.array(
        [_digest(struct.pack("<qdd", seed, x, y)) for x, y in zip(holes.x_px, holes.y_px, strict=True)], dtype=np.uint64
    )
    keys = [own]
    for level in levels:
        # A wrapping sum does not depend on the order of the holes.
        sums = np.zeros(int(level.max(initial=-1)) + 1, dtype=np.uint64)
        with np.errstate(over="ignore"):
            np.add.at(sums, level, keys[-1])
        keys.append(np.array([_digest(struct.pack("<Q", int(value))) for value in sums], dtype=np.uint64)[level])
    rank = np.empty(len(own), dtype=np.intp)
    rank[np.lexsort(keys)] = np.arange(len(own))
    return rank


def _digest(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def standardise(values: FloatArray) -> FloatArray:
    """Normal scores of the ranks of `values`, shape (n,); NaN where missing.

    Any rescaling that keeps the order keeps the scores; flipping the sign flips theirs exactly.
    """
    out = np.full(len(values), np.nan)
    there = ~np.isnan(values)
    count = int(there.sum())
    if count == 1:
        out[there] = 0.0
    if count > 1:
        ranks = rankdata(values[there])
        # Centred ranks are exactly antisymmetric; the quantile function of their magnitude keeps that exact.
        centred = (ranks - (count + 1) / 2) / count
        out[there] = np.sign(centred) * -ndtri(0.5 - np.abs(centred))
    return out


def parse_holes(file: Iterable[str], name: str) -> HoleTable:
    """Reads the lines of a CSV of holes; every column beyond the known ones is a feature. `name` is for messages.

    Raises:
        HolesError: the file is empty, is no CSV, misses a column, or has a bad value; the message names the place.
    """
    try:
        rows = list(csv.DictReader(file))
    except csv.Error as error:
        raise HolesError(f"{name} is not a CSV file: {error}") from error
    if not rows:
        raise HolesError(f"{name} holds no holes; it needs the columns {', '.join(REQUIRED_COLUMNS)}")
    if any(None in row for row in rows):
        raise HolesError(f"{name} has rows with more values than its first line has names")
    try:
        return HoleTable.from_rows(rows)
    except HolesError as error:
        raise HolesError(f"{name}: {error}") from error


def read_holes(path: Path) -> tuple[HoleTable, dict[str, FloatArray]]:
    """Reads a CSV file of holes; see `parse_holes`.

    Returns:
        The table with all features, and the same features by name (so that a replay can take its outcome from one).
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = parse_holes(file, str(path))
    except UnicodeDecodeError as error:
        raise HolesError(f"{path} is not a text file in UTF-8; export the holes as CSV") from error
    return table, dict(table.features)


__all__ = [
    "KNOWN_FEATURE",
    "FloatArray",
    "Groups",
    "HoleTable",
    "IntArray",
    "parse_holes",
    "read_holes",
    "standardise",
]
