"""What fails in a screening takes only itself along: an exposure, a hole, a square, a grid; or ends it safely.

What is seen in images is given, so that nothing is rendered; time is virtual.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from structloop.core.errors import JournalError, NotCapableError
from structloop.grids.finding import FoundSquares
from structloop.grids.screening import ScreeningEvent, ScreeningPlan, ScreeningReport, noted_plan, running, screen
from structloop.grids.screening.choosing import Chosen
from structloop.instruments.images import Keep
from structloop.instruments.journal import Journal, read_journal
from structloop.instruments.microscope import TakenImage
from structloop.instruments.runner import Runner
from structloop.instruments.simulated import PlannedFault, SimulatedMicroscope, When
from structloop.instruments.simulated.truth import Truth
from structloop.schema.acquisition import Fault, MicroscopeState
from support.processes import WITHIN_S
from support.screening import open_simulated

PLAN = ScreeningPlan(
    slots=(1, 2), squares_per_grid=2, holes_per_square=2, exposures_per_hole=2, atlas_columns=2, atlas_rows=2
)
ALL = 2 * 2 * 2 * 2


@pytest.fixture(autouse=True)
def _blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares and holes stand where they are said to stand."""

    def squares(*_: object) -> tuple[Chosen, ...]:
        return Chosen(100.0, 100.0, 25.0, 1.0), Chosen(-150.0, 50.0, 25.0, 0.9)

    def holes(image: TakenImage, *_: object) -> dict[str, object]:
        stage = image.facts.stage
        places = [(stage.x_um + 5, stage.y_um), (stage.x_um - 5, stage.y_um + 5)]
        chosen = [{"x_um": x, "y_um": y, "radius_um": 0.6, "score": 1.0} for x, y in places]
        return {"found": 2, "chosen": chosen, "steps_um": []}

    def centre(image: TakenImage, *_: object) -> tuple[float, float]:
        stage, shift = image.facts.stage, image.facts.image_shift_um
        return stage.x_um + shift[0], stage.y_um + shift[1]

    monkeypatch.setattr(running, "squares_in", lambda tiles: FoundSquares((), None))
    monkeypatch.setattr(running, "choose_squares", squares)
    monkeypatch.setattr(running, "holes_in", holes)
    monkeypatch.setattr(running, "centre_of", centre)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def run(folder: Path, *faults: PlannedFault) -> tuple[ScreeningReport, SimulatedMicroscope]:
    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    for fault in faults:
        microscope.inject(fault)
    report = asyncio.run(asyncio.wait_for(_screen(microscope, folder), timeout=WITHIN_S))
    assert Truth(microscope).exposed_twice() == []
    return report, microscope


async def _screen(
    microscope: SimulatedMicroscope,
    folder: Path,
    plan: ScreeningPlan = PLAN,
    progress: Callable[[ScreeningEvent], object] | None = None,
) -> ScreeningReport:
    with Journal.open(folder) as journal:
        async with Runner(microscope, journal, keep=Keep(default=None)) as runner:
            return await screen(runner, plan, progress=progress)


async def _state(microscope: SimulatedMicroscope) -> MicroscopeState:
    await microscope.connect()
    return await microscope.state()


def safe(microscope: SimulatedMicroscope) -> bool:
    state = asyncio.run(_state(microscope))
    return state.valves_open is False and state.beam_on is False


def test_without_faults_everything_is_exposed(tmp_path: Path) -> None:
    report, microscope = run(tmp_path)
    assert (len(report.exposures), report.skipped, report.stopped) == (ALL, (), None)
    assert safe(microscope)


def test_an_exposure_whose_answer_is_lost_is_skipped_alone(tmp_path: Path) -> None:
    # Each grid: an atlas (another kind), then square, hole, exposure, exposure, hole, ...: the third image exposes.
    lost = PlannedFault(Fault.CAMERA_TIMEOUT, "acquire", nth=3, when=When.MIDDLE, carried_out=True)
    report, _ = run(tmp_path, lost)
    assert len(report.exposures) == ALL - 1
    assert [skipped.key for skipped in report.skipped] == ["slot1/square01/hole01/exposure1"]
    assert "slot1/square01/hole01/exposure2" in report.exposures


def test_a_hole_that_cannot_be_focused_is_skipped(tmp_path: Path) -> None:
    report, _ = run(tmp_path, PlannedFault(Fault.CAMERA_TIMEOUT, "autofocus", times=3))
    assert len(report.exposures) == ALL - 2
    assert [skipped.key for skipped in report.skipped] == ["slot1/square01/hole01"]


def test_a_square_whose_image_is_lost_is_skipped(tmp_path: Path) -> None:
    report, _ = run(tmp_path, PlannedFault(Fault.CONNECTION_LOST, "acquire", when=When.AFTER))
    assert len(report.exposures) == ALL - 4
    assert [skipped.key for skipped in report.skipped] == ["slot1/square01"]


def test_a_square_that_the_stage_does_not_reach_is_skipped(tmp_path: Path) -> None:
    # The first move is to the middle of the grid.
    report, _ = run(tmp_path, PlannedFault(Fault.STAGE_JAM, "move-stage", nth=2, times=3))
    assert len(report.exposures) == ALL - 4
    assert [skipped.key for skipped in report.skipped] == ["slot1/square01"]
    assert "stuck" in report.skipped[0].reason


def test_a_grid_that_cannot_be_loaded_is_skipped(tmp_path: Path) -> None:
    report, _ = run(tmp_path, PlannedFault(Fault.AUTOLOADER, "load-grid", times=2))
    assert len(report.exposures) == ALL // 2
    assert [skipped.key for skipped in report.skipped] == ["slot1"]
    assert [grid.atlas for grid in report.grids] == [None, "slot2/atlas"]


def test_a_height_that_is_not_found_is_done_without(tmp_path: Path) -> None:
    report, _ = run(tmp_path, PlannedFault(Fault.STAGE_JAM, "find-eucentric-height", times=2))
    assert len(report.exposures) == ALL
    assert [skipped.key for skipped in report.skipped] == ["slot1/height"]


def test_dewars_that_fill_are_waited_for(tmp_path: Path) -> None:
    report, _ = run(tmp_path, PlannedFault(Fault.DEWAR_FILLING, "acquire", nth=2))
    assert (len(report.exposures), report.skipped) == (ALL, ())


@pytest.mark.parametrize("fault", [Fault.VACUUM, Fault.USER_STOP])
@pytest.mark.parametrize("kind", ["load-grid", "acquire-montage", "move-stage", "acquire", "autofocus"])
@pytest.mark.parametrize("when", list(When))
def test_what_ends_the_session_ends_it_safely_with_a_report(
    fault: Fault, kind: str, when: When, tmp_path: Path
) -> None:
    report, microscope = run(tmp_path, PlannedFault(fault, kind, nth=2, when=when))
    assert report.stopped is not None
    assert len(report.exposures) < ALL
    assert safe(microscope)


def test_it_goes_on_after_a_stop_where_it_stood(tmp_path: Path) -> None:
    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    microscope.inject(PlannedFault(Fault.USER_STOP, "acquire", nth=5))
    stopped = asyncio.run(_screen(microscope, tmp_path))
    assert stopped.stopped is not None
    finished = asyncio.run(_screen(microscope, tmp_path))
    assert finished.stopped is None
    assert finished.exposures[: len(stopped.exposures)] == stopped.exposures
    assert len(finished.exposures) == ALL
    assert Truth(microscope).exposed_twice() == []


def test_a_plan_beyond_the_microscope_fails_before_anything_moves(tmp_path: Path) -> None:
    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    plan = PLAN.model_copy(update={"exposure_preset": "K4", "square_preset": "medium"})
    with pytest.raises(NotCapableError, match=r"medium(.|\n)*K4"):
        asyncio.run(_screen(microscope, tmp_path, plan))
    assert Truth(microscope).exposures == ()


def tilts(microscope: SimulatedMicroscope) -> set[int]:
    """At which an image was taken for the session."""
    return {round(c.tilt_deg) for c in Truth(microscope).exposures if c.purpose in ("acquire", "acquire-montage")}


@pytest.mark.parametrize("fault", [Fault.CAMERA_TIMEOUT, Fault.STAGE_JAM, Fault.DEWAR_FILLING])
def test_a_height_that_is_interrupted_leaves_no_grid_tilted(fault: Fault, tmp_path: Path) -> None:
    report, microscope = run(tmp_path, PlannedFault(fault, "find-eucentric-height", when=When.MIDDLE))
    assert len(report.exposures) == ALL
    assert tilts(microscope) == {0}


def test_a_session_that_is_cancelled_during_a_height_goes_on_flat(tmp_path: Path) -> None:
    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")

    async def cancelled() -> None:
        session = asyncio.create_task(_screen(microscope, tmp_path))
        while abs(Truth(microscope).stage().tilt_deg) < 2:
            assert not session.done()
            await asyncio.sleep(0)
        session.cancel()
        with pytest.raises(asyncio.CancelledError):
            await session

    asyncio.run(cancelled())
    report = asyncio.run(_screen(microscope, tmp_path))
    assert len(report.exposures) == ALL
    assert tilts(microscope) == {0}


def test_a_grid_that_was_changed_by_hand_is_given_up(tmp_path: Path) -> None:
    class Interrupted(Exception):  # noqa: N818  # no error: somebody ends it
        pass

    def interrupt(event: ScreeningEvent) -> None:
        if event.key == "slot1/square01/hole01/exposure1":
            raise Interrupted

    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    with pytest.raises(Interrupted):
        asyncio.run(_screen(microscope, tmp_path, progress=interrupt))

    async def by_hand(slot: int) -> None:
        await microscope.connect()
        assert microscope.parts.autoloader is not None
        await microscope.parts.autoloader.load(slot)
        await microscope.close()

    asyncio.run(by_hand(2))
    report = asyncio.run(_screen(microscope, tmp_path))
    assert len([key for key in report.exposures if key.startswith("slot1/")]) == 1, "what was taken before"
    assert len([key for key in report.exposures if key.startswith("slot2/")]) == ALL // 2
    assert any("taken off the stage" in skipped.reason for skipped in report.skipped)
    # Once it is said, it holds, even with that grid on the stage again.
    asyncio.run(by_hand(1))
    assert asyncio.run(_screen(microscope, tmp_path)).exposures == report.exposures


def test_another_plan_is_refused_and_nothing_moves(tmp_path: Path) -> None:
    run(tmp_path)
    assert noted_plan(read_journal(tmp_path).entries) == PLAN
    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    more = PLAN.model_copy(update={"squares_per_grid": 3})
    with pytest.raises(JournalError, match="squares_per_grid 2, now 3"):
        asyncio.run(_screen(microscope, tmp_path, more))
    assert Truth(microscope).exposures == ()


def test_a_listener_that_is_gone_ends_nothing(tmp_path: Path) -> None:
    def gone(_: ScreeningEvent) -> None:
        raise BrokenPipeError("nobody reads this")

    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    report = asyncio.run(_screen(microscope, tmp_path, progress=gone))
    assert (len(report.exposures), report.stopped) == (ALL, None)


def test_of_more_exposures_than_fit_the_rest_is_given_up(tmp_path: Path) -> None:
    microscope = open_simulated("simulated://?seed=1&grids=2&camera=128&measure=model")
    plan = PLAN.model_copy(update={"slots": (1,), "exposures_per_hole": 16})
    report = asyncio.run(_screen(microscope, tmp_path, plan))
    holes = [f"slot1/square{square:02d}/hole{hole:02d}" for square in (1, 2) for hole in (1, 2)]
    assert report.exposures == tuple(f"{hole}/exposure{number}" for hole in holes for number in (1, 2, 3, 4))
    assert [skipped.key for skipped in report.skipped] == [f"{hole}/exposures" for hole in holes]
    assert "do not fit" in report.skipped[0].reason
