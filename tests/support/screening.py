"""Screenings for tests: small plans, microscopes that differ only in how they are reached, processes to be killed."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from structloop.grids.screening import ScreeningEvent, ScreeningPlan, ScreeningReport, screen
from structloop.instruments.drivers import ScopeAddress, open_microscope
from structloop.instruments.entries import Entry
from structloop.instruments.journal import Journal
from structloop.instruments.microscope import Microscope
from structloop.instruments.runner import Runner
from structloop.instruments.simulated import SimulatedMicroscope
from structloop.testing.serialem_program import FakeSerialEM
from structloop.testing.serialem_server import SerialEMServer, serving

SMALL = ScreeningPlan(
    slots=(1,), squares_per_grid=1, holes_per_square=1, exposures_per_hole=2, atlas_columns=2, atlas_rows=2
)
"""One of everything, and two exposures."""

QUICK = "simulated://?seed=3&grids=4&camera=256&measure=model"
"""A microscope whose images are small and whose own measurements are drawn, not rendered."""


def open_simulated(url: str = QUICK) -> SimulatedMicroscope:
    """A simulated microscope."""
    microscope = open_microscope(url)
    assert isinstance(microscope, SimulatedMicroscope)
    return microscope


@contextmanager
def over_serialem(behind: SimulatedMicroscope) -> Iterator[tuple[Microscope, SerialEMServer]]:
    """The same microscope behind a fake SerialEM, reached over TCP; and that fake."""
    with serving(FakeSerialEM(behind), header_pause_s=0.0) as server:
        yield open_microscope(ScopeAddress("serialem", "127.0.0.1", server.port)), server


async def screened(
    microscope: Microscope,
    folder: Path,
    plan: ScreeningPlan = SMALL,
    progress: Callable[[ScreeningEvent], object] | None = None,
    watch: Callable[[Entry], None] | None = None,
) -> ScreeningReport:
    """Screen, in a session of its own or in one that was interrupted."""
    with Journal.open(folder) as journal:
        journal.watch = watch
        async with Runner(microscope, journal) as runner:
            return await screen(runner, plan, progress=progress)


Moment = Literal["intended", "done", "note", "tile"]


def screen_until(folder: str, url: str, moment: Moment | None, spared: tuple[str, ...], killed_at: str) -> None:
    """A process: screens, and is killed (SIGKILL) right after the first entry of a kind whose key is not spared.

    Args:
        folder: Of the session.
        url: Of the microscope.
        moment: Kind of entry; None lets it finish.
        spared: Keys at which it is not killed.
        killed_at: File that the key is written to before.
    """

    def watch(entry: Entry) -> None:
        key = getattr(entry, "key", "note" if entry.entry == "note" else None)
        if entry.entry == moment and key is not None and key not in spared:
            Path(killed_at).write_text(key)
            os.kill(os.getpid(), signal.SIGKILL)

    report = asyncio.run(screened(open_microscope(url), Path(folder), watch=watch))
    Path(folder, "report.json").write_text(report.model_dump_json())


__all__ = ["QUICK", "SMALL", "Moment", "open_simulated", "over_serialem", "screen_until", "screened"]
