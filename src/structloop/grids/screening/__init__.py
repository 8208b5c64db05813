"""Unattended screening: a few exposures of each grid of a cassette, on any microscope that takes commands.

runner = Runner(microscope, journal)
async with runner:
    report = await screen(runner, ScreeningPlan(slots=(1, 2, 3, 4)), progress=print)
"""

from structloop.grids.screening.notes import noted_plan
from structloop.grids.screening.plan import ScreeningPlan
from structloop.grids.screening.report import (
    GridReport,
    HoleReport,
    ScreeningEvent,
    ScreeningReport,
    Skipped,
    SquareReport,
)
from structloop.grids.screening.running import screen

__all__ = [
    "GridReport",
    "HoleReport",
    "ScreeningEvent",
    "ScreeningPlan",
    "ScreeningReport",
    "Skipped",
    "SquareReport",
    "noted_plan",
    "screen",
]
