"""Crystallization plates: plate type -> plate -> well -> drop (= experiment); inspection -> image."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from pathlib import Path

from structloop.schema.images import Focus, Modality

_WELL = re.compile(r"(?P<letters>[A-Za-z]{1,2})(?P<digits>\d{1,2})")


@dataclass(frozen=True, slots=True, order=True)
class Well:
    """A well by its zero-based row and column; `str(Well(0, 0))` is `A01`."""

    row: int
    column: int

    def __post_init__(self) -> None:
        if self.row < 0 or self.column < 0:
            raise ValueError(f"well row {self.row} and column {self.column} must not be negative")

    def __str__(self) -> str:
        high, low = divmod(self.row, 26)
        letters = (chr(ord("A") + high - 1) if high else "") + chr(ord("A") + low)
        return f"{letters}{self.column + 1:02d}"

    @classmethod
    def parse(cls, name: str) -> "Well":
        """Reads `A01`, `a1`, `H12`, `AF48`.

        Raises:
            ValueError: the name is no letter(s) followed by a column number from 1.
        """
        match = _WELL.fullmatch(name.strip())
        if match is None or int(match["digits"]) == 0:
            raise ValueError(f"'{name}' is no well name such as A01")
        row = 0
        for letter in match["letters"].upper():
            row = row * 26 + ord(letter) - ord("A") + 1
        return cls(row - 1, int(match["digits"]) - 1)

    @classmethod
    def from_number(cls, number: int, columns: int) -> "Well":
        """The well with a 1-based running number, counted along rows of `columns` wells (RockMaker's way)."""
        if number < 1:
            raise ValueError(f"well number {number} must be at least 1")
        row, column = divmod(number - 1, columns)
        return cls(row, column)


@dataclass(frozen=True, slots=True)
class PlateFormat:
    """How many wells a plate has and how its drops are numbered.

    Attributes:
        rows, columns: Wells down and across (8 x 12, 16 x 24, 32 x 48).
        drops: The numbers of the drops of a well as the file names write them, in order, such as (1, 3, 4).
    """

    rows: int = 8
    columns: int = 12
    drops: tuple[int, ...] = (1,)

    def wells(self) -> list[Well]:
        """All wells, along rows."""
        return [Well(row, column) for row in range(self.rows) for column in range(self.columns)]

    def holds(self, well: Well) -> bool:
        """Whether the plate has such a well."""
        return well.row < self.rows and well.column < self.columns


SBS_FORMATS = ((8, 12), (16, 24), (32, 48))


@dataclass(frozen=True, slots=True)
class DropImage:
    """What a layout reads from the name of one image file (and from a side file, where the imager writes one).

    Attributes:
        path: Absolute path of the image.
        barcode: The plate.
        well, drop: The experiment; `drop` is the sub-well's number as the file name writes it.
        inspection: Number of the inspection, from 1; None where the imager only gives it an identifier.
        inspection_key: That identifier (a batch, a date); the inspections of a plate are then numbered as they come.
        modality, profile, focus: How it was taken; `profile` is the imager's own name for it.
        imager: Name or serial number of the imager, where known.
        taken_at: When it was taken, UTC where the file says so, else as written and taken for UTC.
        um_per_pixel: Size of a pixel in the plane of the drop, where known.
        plate_rows, plate_columns: The plate's size where the layout knows it.
    """

    path: Path
    barcode: str
    well: Well
    drop: int
    inspection: int | None
    inspection_key: str = ""
    modality: Modality = Modality.VISIBLE
    profile: str = ""
    focus: Focus = Focus.SINGLE
    imager: str | None = None
    taken_at: datetime | None = None
    um_per_pixel: float | None = None
    plate_rows: int | None = None
    plate_columns: int | None = None


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that was left out, why, and what to do about it."""

    path: Path
    reason: str


class CombinationRule(StrEnum):
    """How the calibrated visible and UV probabilities of a drop become one."""

    MAX = "max"
    MEAN = "mean"
    PRODUCT = "product"
    NOISY_OR = "noisy-or"


class Grade(IntEnum):
    """The standard grades of a drop (ISPyB)."""

    CLEAR = 0
    CONTAMINATED = 1
    LIGHT_PRECIPITATE = 2
    HEAVY_PRECIPITATE = 3
    PHASE_SEPARATION = 4
    SPHERULITES = 5
    MICROCRYSTALS = 6
    CRYSTALS_1D = 7
    CRYSTALS_2D = 8
    CRYSTALS_3D = 9

    @property
    def is_crystal(self) -> bool:
        """Whether the grade counts as crystal in the two-class scheme (microcrystals and up)."""
        return self >= Grade.MICROCRYSTALS


__all__ = ["SBS_FORMATS", "CombinationRule", "DropImage", "FileProblem", "Grade", "PlateFormat", "Well"]
