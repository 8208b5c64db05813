import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from structloop.core.errors import (
    ActionSkippedError,
    ImageMissingError,
    InstrumentConnectionError,
    InterlockError,
    JournalError,
    NotCapableError,
    SafeStopError,
    SessionFolderError,
)
from structloop.instruments import keeping
from structloop.instruments.clock import WallClock
from structloop.instruments.images import Keep, keep_image
from structloop.instruments.interlocks import Interlocks
from structloop.instruments.journal import Journal
from structloop.instruments.microscope import TakenImage
from structloop.instruments.runner import Runner
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    AlignTo,
    ApplyPreset,
    Autofocus,
    KeptImage,
    LoadGrid,
    Maintain,
    MoveStage,
    Range,
    SetAperture,
    SetBeam,
    SetDefocus,
    SetEnergyFilter,
    SetValves,
    ShiftImage,
    StageLimits,
    TiltStage,
    WaitDrift,
)
from support.microscopes import Failure, MemoryMicroscope


async def opened(runner: Runner) -> None:
    await runner.run("open", SetValves(open=True))
    await runner.run("beam", SetBeam(on=True))


def kinds(journal: Journal) -> list[str]:
    return [entry.entry for entry in journal.entries]


def play(folder: Path, scope: MemoryMicroscope, body: Callable[[Runner], Awaitable[object]], **options: object) -> None:
    """Run a scenario in a runner on a journal of the folder."""

    async def scenario() -> None:
        with Journal.open(folder) as journal:
            async with Runner(scope, journal, **options) as runner:  # type: ignore[arg-type]  # whatever a test gives
                await body(runner)

    asyncio.run(scenario())


def test_an_action_is_written_down_as_intended_before_and_as_done_after_with_its_duration(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        moved = await runner.run("move", MoveStage(x_um=3.0))
        assert moved.position.x_um == 3.0
        assert kinds(runner.journal) == ["session", "intended", "done"]
        done = runner.journal.entries[2]
        assert done.entry == "done"
        assert done.duration_s == pytest.approx(1.5)

    play(tmp_path, MemoryMicroscope(), body)


def test_an_image_is_kept_and_can_be_read_back_as_it_was(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        await opened(runner)
        result = await runner.run("slot1/hole", Acquire(preset="hole"))
        assert result.kept is not None
        assert (tmp_path / result.kept.path).is_file()
        live = await runner.image("slot1/hole")
        again = await Runner(MemoryMicroscope(), runner.journal).image("slot1/hole")
        assert again.facts == result.image
        assert (again.pixels() == live.pixels()).all()

    play(tmp_path, MemoryMicroscope(), body)


def test_a_montage_keeps_every_tile_and_each_can_be_had(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        await opened(runner)
        result = await runner.run("atlas", AcquireMontage(preset="atlas", columns=3, rows=2))
        assert [(tile.image.column, tile.image.row) for tile in result.tiles] == [
            (0, 0),
            (1, 0),
            (2, 0),
            (0, 1),
            (1, 1),
            (2, 1),
        ]
        assert len({tile.kept.sha256 for tile in result.tiles if tile.kept}) == 6
        assert (await runner.image("atlas", tile=4)).facts == result.tiles[4].image
        with pytest.raises(JournalError, match="atlas, tile 6"):
            await runner.image("atlas", tile=6)

    play(tmp_path, MemoryMicroscope(), body)


def test_a_key_that_is_done_returns_its_result_without_the_microscope(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        first = await runner.run("image", Acquire(preset="hole"))
        before = scope.calls.total()
        assert await runner.run("image", Acquire(preset="hole")) == first
        assert scope.calls.total() == before

    play(tmp_path, scope, body)
    play(tmp_path, scope, body)
    assert len(scope.exposed) == 1


def test_a_key_belongs_to_one_action(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        await runner.run("move", MoveStage(x_um=3.0))
        with pytest.raises(JournalError, match=r"'move' is .*3\.0.* in this plan; begin a new folder"):
            await runner.run("move", MoveStage(x_um=4.0))

    play(tmp_path, MemoryMicroscope(), body)


@pytest.mark.parametrize("key", ["", "../up", "/root", "a//b", "a/", "a b", "a/.hidden", "ä", "x" * 201, "a\n"])
def test_a_key_that_could_not_name_a_file_is_refused(tmp_path: Path, key: str) -> None:
    async def body(runner: Runner) -> None:
        with pytest.raises(JournalError, match="is no key"):
            await runner.run(key, MoveStage(x_um=3.0))

    play(tmp_path, MemoryMicroscope(), body)


def test_what_a_microscope_lacks_is_told_all_at_once_before_anything_moves(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    scope.operations = frozenset({"move-stage", "acquire", "set-beam", "maintain"})

    async def body(runner: Runner) -> None:
        before = scope.calls.total()
        with pytest.raises(NotCapableError) as caught:
            runner.require(
                [MoveStage, LoadGrid, "tilt-stage", Acquire(preset="search"), Maintain(task="bake")], ["map"]
            )
        for part in ("load-grid", "tilt-stage", "'search'", "atlas, square, hole, record", "'bake'"):
            assert part in str(caught.value)
        with pytest.raises(NotCapableError, match="no load-grid"):
            await runner.run("load", LoadGrid(slot=1))
        assert scope.calls.total() == before
        runner.require([MoveStage, Acquire(preset="hole")])

    play(tmp_path, scope, body)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (MoveStage(x_um=1001), "stage x 1001 um"),
        (MoveStage(y_um=-60), "stage y -60 um"),
        (MoveStage(z_um=400), "stage z 400 um"),
        (MoveStage(x_um=990, relative=True), "stage x 1010 um"),
        (TiltStage(tilt_deg=71), "stage tilt 71 deg"),
        (ShiftImage(dx_um=9, dy_um=9), r"12\.728 um is longer than the limit, 12 um"),
    ],
)
def test_moves_beyond_the_limits_are_refused_before_anything_moves(
    tmp_path: Path, action: Action, message: str
) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await runner.run("start", MoveStage(x_um=20))
        before = list(scope.done)
        with pytest.raises(InterlockError, match=message):
            await runner.run("far", action)
        assert [each for each in scope.done[len(before) :] if each not in {"position", "state"}] == []

    limits = StageLimits(y_um=Range(low=-50, high=50))
    play(tmp_path, scope, body, interlocks=Interlocks(stage=limits))


def test_a_refused_key_may_be_used_again_once_it_is_safe(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        with pytest.raises(InterlockError, match="valves are closed"):
            await runner.run("image", Acquire(preset="hole"))
        await runner.run("open", SetValves(open=True))
        with pytest.raises(InterlockError, match="beam is off"):
            await runner.run("image", Acquire(preset="hole"))
        await runner.run("beam", SetBeam(on=True))
        assert scope.exposed == []
        await runner.run("image", Acquire(preset="hole"))
        assert len(scope.exposed) == 1

    play(tmp_path, scope, body)


def test_the_beam_is_off_after_the_session_and_the_valves_stay(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    play(tmp_path, scope, opened)
    assert (scope.beam_on, scope.valves_open, scope.connected) == (False, True, False)


def test_an_error_of_the_caller_stops_safely_and_the_journal_says_why(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        raise KeyError("a bug above")

    with pytest.raises(KeyError):
        play(tmp_path, scope, body)
    assert (scope.beam_on, scope.valves_open, scope.connected) == (False, False, False)
    with Journal.open(tmp_path) as journal:
        last = journal.entries[-1]
    assert last.entry == "stopped"
    assert last.early
    assert last.safe
    assert "a bug above" in last.reason


def test_stop_ends_the_action_that_is_going_on_and_everything_after(tmp_path: Path) -> None:
    scope = MemoryMicroscope(WallClock(), [Failure("tilt-stage", "hang")])

    async def body(runner: Runner) -> None:
        await opened(runner)
        tilting = asyncio.create_task(runner.run("tilt", TiltStage(tilt_deg=10)))
        while "tilt-stage" not in scope.done:
            await asyncio.sleep(0)
        await runner.stop("somebody asked")
        with pytest.raises(SafeStopError, match="somebody asked"):
            await tilting
        assert (scope.beam_on, scope.valves_open) == (False, False)
        assert scope.aborts == 1
        with pytest.raises(SafeStopError):
            await runner.run("move", MoveStage(x_um=1))
        assert kinds(runner.journal).count("stopped") == 1

    play(tmp_path, scope, body)


def test_cancelling_the_task_aborts_and_stops_safely(tmp_path: Path) -> None:
    scope = MemoryMicroscope(WallClock(), [Failure("apply-preset", "hang")])

    async def session() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                await runner.run("preset", ApplyPreset(preset="hole"))

    async def scenario() -> None:
        task = asyncio.create_task(session())
        while "apply-preset" not in scope.done:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert (scope.beam_on, scope.valves_open, scope.connected, scope.aborts > 0) == (False, False, False, True)


def test_an_image_that_was_exposed_is_kept_although_the_task_is_cancelled(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def session() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                await runner.run("image", Acquire(preset="hole"))

    async def scenario() -> None:
        task = asyncio.create_task(session())
        while not scope.exposed:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    with Journal.open(tmp_path) as journal:
        image = asyncio.run(Runner(scope, journal).image("image"))
    assert image.pixels().shape == (80, 96)


def test_pausing_blanks_the_beam_and_resuming_goes_on(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        runner.pause()
        runner.pause()
        taking = asyncio.create_task(runner.run("image", Acquire(preset="hole")))
        for _ in range(50):
            await asyncio.sleep(0)
        assert scope.exposed == []
        assert scope.beam_on is False
        runner.resume()
        await taking
        assert scope.beam_on is True
        assert [kind for kind in kinds(runner.journal) if kind in {"paused", "resumed"}] == ["paused", "resumed"]

    play(tmp_path, scope, body)


def test_stop_ends_a_pause(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        runner.pause()
        moving = asyncio.create_task(runner.run("move", MoveStage(x_um=1)))
        for _ in range(10):
            await asyncio.sleep(0)
        await runner.stop("enough")
        with pytest.raises(SafeStopError):
            await moving

    play(tmp_path, MemoryMicroscope(), body)


def test_waiting_long_blanks_the_beam_and_the_next_image_lets_it_through_again(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        await runner.wait(30)
        assert scope.beam_on
        began = scope.clock.elapsed_s()
        await runner.wait(1000)
        assert scope.clock.elapsed_s() - began == pytest.approx(1000, abs=1)
        assert not scope.beam_on
        await runner.run("image", Acquire(preset="hole"))
        assert scope.beam_on

    play(tmp_path, scope, body)


def test_a_beam_that_the_caller_turned_off_stays_off(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        await runner.run("dark", SetBeam(on=False))
        with pytest.raises(InterlockError, match="beam is off"):
            await runner.run("image", Acquire(preset="hole"))

    play(tmp_path, scope, body)


def test_the_beam_goes_off_by_itself_when_nothing_is_asked(tmp_path: Path) -> None:
    scope = MemoryMicroscope(WallClock())

    async def body(runner: Runner) -> None:
        await runner.run("beam", SetBeam(on=True))
        async with asyncio.timeout(10):
            while scope.beam_on:
                await asyncio.sleep(0.01)
        upkeep = runner.journal.entries[-1]
        while upkeep.entry != "upkeep":
            await asyncio.sleep(0.01)
            upkeep = runner.journal.entries[-1]
        assert upkeep.why == "idle"

    play(tmp_path, scope, body, interlocks=Interlocks(idle_s=0.05))


def test_actions_asked_for_at_once_are_done_one_after_the_other(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        moves = [runner.run(f"move{number}", MoveStage(x_um=number)) for number in range(5)]
        await asyncio.gather(*moves, runner.run("move0", MoveStage(x_um=0)))
        names = [entry.key for entry in runner.journal.entries if entry.entry in {"intended", "done"}]
        assert names == [f"move{number}" for number in range(5) for _ in range(2)]

    play(tmp_path, MemoryMicroscope(), body)


def test_what_takes_too_long_is_aborted(tmp_path: Path) -> None:
    scope = MemoryMicroscope(failures=[Failure("find-eucentric-height", "hang", times=9), Failure("autofocus", "hang")])

    async def body(runner: Runner) -> None:
        await opened(runner)
        began = scope.clock.elapsed_s()
        await runner.run("focus", Autofocus(target_um=1.0))
        assert scope.clock.elapsed_s() - began < 150
        assert scope.aborts == 1
        failed = next(entry for entry in runner.journal.entries if entry.entry == "failed")
        assert failed.fault == "timeout"
        assert failed.may_have_happened
        assert "longer than 100 s" in failed.message

    play(tmp_path, scope, body, timeouts=Timeouts({"autofocus": 100.0}))


def test_timeouts_of_nonsense_are_refused() -> None:
    with pytest.raises(ValueError, match="acquire"):
        Timeouts({"aquire": 3.0})
    with pytest.raises(ValueError, match="more than 0"):
        Timeouts({"acquire": 0.0})


def test_presets_may_be_kept_binned_or_not_at_all(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        hole = await runner.run("hole", Acquire(preset="hole"))
        record = await runner.run("record", Acquire(preset="record"))
        square = await runner.run("square", Acquire(preset="square"))
        assert hole.kept is not None
        assert hole.kept.binning == 4
        assert record.kept is None
        assert square.kept is not None
        assert square.kept.binning == 1
        assert (await runner.image("record")).pixels().shape == (80, 96), "held as long as it is new"
        later = Runner(scope, runner.journal)
        assert ((await later.image("hole")).pixels(4) == (await runner.image("hole")).pixels(4)).all()
        assert (await later.image("hole")).pixels().shape == (80, 96)
        with pytest.raises(ImageMissingError, match="not kept"):
            await later.image("record")

    play(tmp_path, scope, body, keep=Keep({"hole": 4, "record": None}))


def test_a_microscope_that_is_reached_late_is_reached(tmp_path: Path) -> None:
    def lost(may: bool) -> BaseException:
        return InstrumentConnectionError("nobody there", may_have_happened=may)

    async def body(runner: Runner) -> None:
        await runner.run("move", MoveStage(x_um=1))

    play(tmp_path / "a", MemoryMicroscope(failures=[Failure("connect", error=lost, times=3)]), body)
    with pytest.raises(InstrumentConnectionError, match="nobody there"):
        play(tmp_path / "b", MemoryMicroscope(failures=[Failure("connect", error=lost, times=30)]), body)


def test_the_other_operations_reach_their_parts(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def body(runner: Runner) -> None:
        await opened(runner)
        await runner.run("preset", ApplyPreset(preset="hole"))
        await runner.run("aperture", SetAperture(aperture="objective", size_um=100))
        await runner.run("slit", SetEnergyFilter(slit_width_ev=20))
        await runner.run("flash", Maintain(task="flash"))
        await runner.run("defocus", SetDefocus(defocus_um=2.5))
        await runner.run("template", Acquire(preset="hole", save_frames=True))
        await runner.run("shift", ShiftImage(dx_um=0.3, dy_um=-0.2))
        aligned = await runner.run("align", AlignTo(image="template"))
        assert [aligned.dx_um, aligned.dy_um] == pytest.approx([0.3, -0.2])
        drift = await runner.run("drift", WaitDrift(rate_angstrom_per_s=2))
        assert drift.waited_s == 5
        with pytest.raises(JournalError, match="no image under nowhere"):
            await runner.run("align2", AlignTo(image="nowhere"))

    play(tmp_path, scope, body)
    assert scope.slit == 20
    assert scope.image_shift == pytest.approx((0, 0))


def test_after_many_failures_in_a_row_the_session_stops(tmp_path: Path) -> None:
    scope = MemoryMicroscope(failures=[Failure("acquire", times=1000)])

    async def body(runner: Runner) -> None:
        await opened(runner)
        for number in range(100):
            try:
                await runner.run(f"image{number}", Acquire(preset="hole"))
            except ActionSkippedError:
                continue

    with pytest.raises(SafeStopError, match="20 actions in a row"):
        play(tmp_path, scope, body)
    assert not scope.valves_open


def test_whoever_is_still_at_the_microscope_when_the_session_is_left_is_stopped(tmp_path: Path) -> None:
    scope = MemoryMicroscope(WallClock(), [Failure("tilt-stage", "hang")])

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                tilting = asyncio.create_task(runner.run("tilt", TiltStage(tilt_deg=10)))
                waiting = asyncio.create_task(runner.run("move", MoveStage(x_um=10)))
                while "tilt-stage" not in scope.done:
                    await asyncio.sleep(0)
            for task in (tilting, waiting):
                with pytest.raises(SafeStopError):
                    await task

    asyncio.run(scenario())
    assert (scope.beam_on, scope.valves_open, scope.connected) == (False, False, False)
    assert scope.stage.x_um == 0


def test_a_disk_that_is_full_stops_safely_before_the_specimen_is_exposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = MemoryMicroscope()
    usage = shutil.disk_usage(tmp_path)

    async def body(runner: Runner) -> None:
        await opened(runner)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        await runner.run("image", Acquire(preset="hole"))

    with pytest.raises(SafeStopError, match="free some space, then run the same session again"):
        play(tmp_path, scope, body)
    assert scope.exposed == []
    assert not scope.valves_open
    monkeypatch.undo()
    play(tmp_path, scope, lambda runner: runner.run("image", Acquire(preset="hole")))
    assert len(scope.exposed) == 1


def test_a_disk_that_fills_up_after_the_exposure_loses_no_fact_and_exposes_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = MemoryMicroscope()

    def full(*_: object) -> None:
        raise SessionFolderError("the disk is full")

    async def body(runner: Runner) -> None:
        await opened(runner)
        monkeypatch.setattr(keeping, "keep_image", full)
        await runner.run("image", Acquire(preset="hole"))

    with pytest.raises(SafeStopError, match="disk is full"):
        play(tmp_path, scope, body)
    monkeypatch.undo()

    async def later(runner: Runner) -> None:
        result = await runner.run("image", Acquire(preset="hole"))
        assert result.kept is None
        assert result.image.preset == "hole"

    play(tmp_path, scope, later)
    assert len(scope.exposed) == 1


def test_a_montage_on_a_disk_that_fills_up_keeps_the_tiles_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = MemoryMicroscope()
    room = iter([True, True])

    def nearly_full(folder: Path, name: str, taken: TakenImage, binning: int) -> KeptImage:
        if next(room, False):
            return keep_image(folder, name, taken, binning)
        raise SessionFolderError("the disk is full")

    async def body(runner: Runner) -> None:
        await opened(runner)
        monkeypatch.setattr(keeping, "keep_image", nearly_full)
        await runner.run("atlas", AcquireMontage(preset="atlas", columns=2, rows=2))

    with pytest.raises(SafeStopError, match="disk is full"):
        play(tmp_path, scope, body)
    with Journal.open(tmp_path) as journal:
        tiles = [entry.imaged for entry in journal.entries if entry.entry == "tile"]
    assert [tile.kept is not None for tile in tiles] == [True, True, False]
