"""What a screening did, found and gave up, and what it tells while it runs."""

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


What: TypeAlias = Literal["started", "found", "imaged", "done", "skipped", "stopped"]
"""What kind of thing happened."""


class ScreeningEvent(_Frozen):
    """Something happened.

    Attributes:
        key: What it is about: `slot1`, `slot1/square02`, `slot1/square02/hole01`, ...
        message: A sentence for people.
        exposures, planned: Exposures taken so far, and at most to come altogether.
    """

    at: datetime
    key: str
    what: What
    message: str
    exposures: int = Field(ge=0)
    planned: int = Field(ge=0)


class Skipped(_Frozen):
    """What was given up (a grid, square, hole or a single step), and why."""

    key: str
    reason: str


class HoleReport(_Frozen):
    """A hole that was to be exposed; `exposures` are the keys of the images that were taken."""

    key: str
    x_um: float
    y_um: float
    score: float
    exposures: tuple[str, ...] = ()


class SquareReport(_Frozen):
    """A square that was to be imaged; `image` is the key of its image."""

    key: str
    x_um: float
    y_um: float
    score: float
    image: str | None = None
    holes_found: int | None = None
    holes: tuple[HoleReport, ...] = ()


class GridReport(_Frozen):
    """A grid of the plan; `atlas` is the key of its atlas."""

    key: str
    slot: int
    atlas: str | None = None
    squares_found: int | None = None
    squares: tuple[SquareReport, ...] = ()
    seconds: float = Field(ge=0)


class ScreeningReport(_Frozen):
    """The whole screening.

    Attributes:
        stopped: Why it ended early (somebody pressed STOP, the vacuum broke down, ...); None where it came to its end.
    """

    started: datetime
    ended: datetime
    grids: tuple[GridReport, ...]
    skipped: tuple[Skipped, ...] = ()
    stopped: str | None = None

    @property
    def exposures(self) -> tuple[str, ...]:
        """Keys of all exposures that were taken, in order."""
        return tuple(
            exposure
            for grid in self.grids
            for square in grid.squares
            for hole in square.holes
            for exposure in hole.exposures
        )


__all__ = ["GridReport", "HoleReport", "ScreeningEvent", "ScreeningReport", "Skipped", "SquareReport", "What"]
