"""An unattended screening of four grids: the same code on the simulated microscope and on SerialEM over TCP."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from structloop.grids.screening import ScreeningEvent, ScreeningPlan, ScreeningReport
from structloop.instruments.drivers import open_microscope
from structloop.instruments.images import read_kept
from structloop.instruments.journal import read_journal
from structloop.instruments.simulated import SimulatedMicroscope
from structloop.instruments.simulated.truth import SELF_MADE, Truth
from structloop.schema.acquisition import Imaged, MontageImaged
from structloop.simulation.grids import truth as scene
from support.screening import open_simulated, over_serialem, screened

# Four whole screenings: longer than other tests where the machine is busy.
pytestmark = pytest.mark.timeout(400)

PLAN = ScreeningPlan(slots=(1, 2, 3, 4), atlas_columns=3, atlas_rows=3)


@dataclass(frozen=True)
class Session:
    folder: Path
    report: ScreeningReport
    events: tuple[ScreeningEvent, ...]
    microscope: SimulatedMicroscope


@pytest.fixture(scope="module", params=["simulated", "serialem"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp(request.param)
    behind = open_simulated()
    events: list[ScreeningEvent] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        if request.param == "simulated":
            report = asyncio.run(screened(behind, folder, PLAN, events.append))
        else:
            with over_serialem(behind) as (microscope, _):
                report = asyncio.run(screened(microscope, folder, PLAN, events.append))
    return Session(folder, report, tuple(events), behind)


def test_every_grid_is_screened_to_its_exposures(session: Session) -> None:
    report = session.report
    assert report.stopped is None
    assert [grid.slot for grid in report.grids] == [1, 2, 3, 4]
    for grid in report.grids:
        assert grid.squares_found is not None
        assert grid.squares_found > 20
        assert len(grid.squares) == 3
        assert grid.seconds > 0
        for square in grid.squares:
            assert len(square.holes) <= 3
    whole = [square for grid in report.grids for square in grid.squares if len(square.holes) == 3]
    assert len(whole) >= 9, "squares with three holes to expose, of 12"
    planned = sum(2 * len(square.holes) for grid in report.grids for square in grid.squares)
    assert len(report.exposures) >= 0.9 * planned
    assert len(set(report.exposures)) == len(report.exposures)
    assert "slot1/square01/hole01/exposure1" in report.exposures


def test_exposures_show_holes_and_no_place_is_exposed_twice(session: Session) -> None:
    truth = Truth(session.microscope)
    exposed = [one for one in truth.exposures if one.preset == "record" and one.purpose not in SELF_MADE]
    assert len(exposed) == len(session.report.exposures)
    inside = []
    for one in exposed:
        assert one.slot is not None
        inside.append(scene.at(truth.cassette.grid(one.slot), one.x_um, one.y_um).hole is not None)
    assert np.mean(inside) >= 0.85
    assert truth.exposed_twice() == []


def test_it_ends_safely_and_tells_what_it_did(session: Session) -> None:
    state = asyncio.run(_state(session.microscope))
    assert state == (False, False, None)
    entries = read_journal(session.folder).entries
    assert entries[-1].entry == "stopped"
    assert not entries[-1].early
    assert entries[-1].safe
    told = [event for event in session.events if event.what == "imaged" and "exposure" in event.key]
    assert [event.key for event in told] == list(session.report.exposures)
    assert [event.exposures for event in told] == list(range(1, len(told) + 1))
    assert session.events[-1].what == "done"


async def _state(microscope: SimulatedMicroscope) -> tuple[bool | None, bool | None, int | None]:
    await microscope.connect()
    state = await microscope.state()
    return state.valves_open, state.beam_on, state.slot


def test_its_journal_replays_to_the_same_images_byte_for_byte(session: Session) -> None:
    taken: dict[str, Imaged] = {}
    for entry in read_journal(session.folder).entries:
        if entry.entry == "done" and isinstance(entry.result, Imaged):
            taken[entry.result.image.image_id] = entry.result
        elif entry.entry == "done" and isinstance(entry.result, MontageImaged):
            taken |= {tile.image.image_id: tile for tile in entry.result.tiles}
    seen = asyncio.run(_replayed(session.folder))
    assert list(seen) == list(taken)
    for image_id, imaged in taken.items():
        assert imaged.kept is not None
        kept = read_kept(session.folder, imaged.kept)
        assert seen[image_id] == (kept.dtype.name, kept.tobytes())


async def _replayed(folder: Path) -> dict[str, tuple[str, bytes]]:
    microscope = open_microscope(f"replay://{folder}?speed=1000&clock=virtual")
    await microscope.connect()
    seen: dict[str, tuple[str, bytes]] = {}
    try:
        assert microscope.parts.observation is not None
        async for observed in microscope.parts.observation.images():
            if observed.image is not None:
                pixels = observed.image.pixels()
                seen[observed.image.facts.image_id] = (pixels.dtype.name, pixels.tobytes())
    finally:
        await microscope.close()
    return seen
