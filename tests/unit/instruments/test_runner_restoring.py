"""Where a microscope stands after something failed: the runner brings it back before it goes on."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from structloop.core.errors import (
    ActionSkippedError,
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    JournalError,
    SafeStopError,
)
from structloop.instruments.entries import ActionFailed, ActionIntended, Upkeep
from structloop.instruments.interlocks import Interlocks
from structloop.instruments.journal import JOURNAL_NAME, Journal, read_journal
from structloop.instruments.microscope import TakenImage
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    Fault,
    FindEucentricHeight,
    Focused,
    LoadGrid,
    MicroscopeState,
    MoveStage,
    SetAperture,
    SetBeam,
    SetValves,
    ShiftImage,
    Slot,
    StagePosition,
    TiltStage,
)
from support.microscopes import Failure, MemoryMicroscope


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def play(folder: Path, scope: MemoryMicroscope, body: Callable[[Runner], Awaitable[object]], **options: object) -> None:
    async def scenario() -> None:
        with Journal.open(folder) as journal:
            async with Runner(scope, journal, **options) as runner:  # type: ignore[arg-type]  # whatever a test gives
                await body(runner)

    asyncio.run(scenario())


async def opened(runner: Runner) -> None:
    await runner.run("load", LoadGrid(slot=1))
    await runner.run("open", SetValves(open=True))
    await runner.run("beam", SetBeam(on=True))


def upkeep(folder: Path) -> list[Upkeep]:
    return [entry for entry in read_journal(folder).entries if entry.entry == "upkeep"]


def failed(folder: Path) -> list[ActionFailed]:
    return [entry for entry in read_journal(folder).entries if entry.entry == "failed"]


class Restarted(MemoryMicroscope):
    """When the connection is lost its server is restarted: everything stands at its defaults, the grid stays."""

    async def close(self) -> None:
        if self.connected:
            self.stage, self.image_shift, self.defocus = StagePosition(x_um=0, y_um=0), (0.0, 0.0), 0.0
            self.preset, self.slit, self.beam_on, self.valves_open = None, None, False, False
        await super().close()


def lost(may: bool) -> BaseException:
    return InstrumentConnectionError("the connection was lost", may_have_happened=may)


@pytest.mark.parametrize("knows_slot", [True, False])
def test_an_instrument_that_was_restarted_is_brought_back_before_the_next_action(
    tmp_path: Path, knows_slot: bool
) -> None:
    scope = Restarted()
    scope.knows_slot = knows_slot

    async def body(runner: Runner) -> None:
        await opened(runner)
        await runner.run("aperture", SetAperture(aperture="objective", size_um=100))
        await runner.run("move", MoveStage(x_um=55, y_um=-5, z_um=3))
        await runner.run("tilt", TiltStage(tilt_deg=15))
        await runner.run("shift", ShiftImage(dx_um=0.5, dy_um=0.25))
        scope.failures = [Failure("acquire", error=lost)]
        await runner.run("image", Acquire(preset="hole"))
        assert scope.stage == StagePosition(x_um=55, y_um=-5, z_um=3, tilt_deg=15)

    play(tmp_path, scope, body)
    assert scope.exposed == ["hole@55.500,-4.750"]
    again = [entry.action.kind for entry in upkeep(tmp_path) if entry.why == "restored after the connection was lost"]
    assert again == ["set-aperture", "move-stage", "tilt-stage", "shift-image", "set-valves", "set-beam"]
    assert scope.calls["load-grid"] == 1, "a grid on the stage is not loaded again"


def test_a_grid_that_went_back_while_the_connection_was_lost_is_loaded_again(tmp_path: Path) -> None:
    class Unloads(Restarted):
        async def close(self) -> None:
            self.slot = None
            await super().close()

    scope = Unloads()
    scope.knows_slot = False

    async def body(runner: Runner) -> None:
        await opened(runner)
        scope.failures = [Failure("acquire", error=lost)]
        await runner.run("image", Acquire(preset="hole"))
        assert scope.slot == 1

    play(tmp_path, scope, body)


class HalfMontage(MemoryMicroscope):
    """Its montages move the stage and the image shift, and leave them where they fail."""

    async def _do(self, kind: str, seconds: float, effect: Callable[[], None]) -> None:
        await super()._do(kind, seconds, effect)
        if kind == "acquire-montage":
            self.image_shift = (self.image_shift[0] + 0.3, 0.0)


@pytest.mark.parametrize("moved", [True, False])
def test_after_a_montage_that_broke_off_the_next_image_is_taken_where_it_began(tmp_path: Path, moved: bool) -> None:
    broken = Failure("acquire-montage", skip=2)
    scope = HalfMontage(failures=[broken])
    where = (40.0, -30.0) if moved else (0.0, 0.0)

    async def body(runner: Runner) -> None:
        await opened(runner)
        if moved:
            await runner.run("move", MoveStage(x_um=40, y_um=-30))
        with pytest.raises(ActionSkippedError):
            await runner.run("atlas", AcquireMontage(preset="atlas", columns=3, rows=2))
        assert (scope.stage.x_um, scope.stage.y_um) != where
        await runner.run("image", Acquire(preset="hole"))

    play(tmp_path, scope, body)
    assert scope.exposed[-1] == f"hole@{where[0]:.3f},{where[1]:.3f}"
    assert "put back after a failure" in {entry.why for entry in upkeep(tmp_path)}


def test_a_process_that_died_in_a_montage_goes_on_where_that_began(tmp_path: Path) -> None:
    scope = HalfMontage()

    async def first(runner: Runner) -> None:
        await opened(runner)
        await runner.run("atlas", AcquireMontage(preset="atlas", columns=3, rows=2))

    play(tmp_path, scope, first)
    path = tmp_path / JOURNAL_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if b'"tile":2' in line)
    path.write_bytes(b"".join(lines[:cut]))
    scope.stage, scope.image_shift = StagePosition(x_um=77, y_um=7, tilt_deg=3), (0.6, 0.0)

    async def second(runner: Runner) -> None:
        with pytest.raises(ActionSkippedError):
            await runner.run("atlas", AcquireMontage(preset="atlas", columns=3, rows=2))
        await runner.run("image", Acquire(preset="hole"))

    play(tmp_path, scope, second)
    assert scope.exposed[-1] == "hole@0.000,0.000"
    assert scope.stage.tilt_deg == 0


class LeftTilted(MemoryMicroscope):
    """A search for the height that fails leaves the stage tilted."""

    async def eucentric_height(self, method: str) -> Focused:
        before, self.stage = self.stage, self.stage.model_copy(update={"tilt_deg": 12.0})
        found = await super().eucentric_height("rough")
        self.stage = self.stage.model_copy(update={"tilt_deg": before.tilt_deg})
        return found


@pytest.mark.parametrize("times", [1, 2])
def test_a_stage_that_a_failure_left_tilted_is_flat_for_the_retry_and_for_what_follows(
    tmp_path: Path, times: int
) -> None:
    scope = LeftTilted(failures=[Failure("find-eucentric-height", times=times)])

    async def body(runner: Runner) -> None:
        await opened(runner)
        try:
            await runner.run("height", FindEucentricHeight())
        except ActionSkippedError:
            assert times == 2
        await runner.run("image", Acquire(preset="hole"))
        assert scope.stage.tilt_deg == 0

    play(tmp_path, scope, body)
    tilts = [entry.action for entry in upkeep(tmp_path) if isinstance(entry.action, TiltStage)]
    assert tilts == [TiltStage(tilt_deg=0)] * times


def test_a_tilt_that_was_given_up_half_way_is_undone(tmp_path: Path) -> None:
    def jam(may: bool) -> BaseException:
        return InstrumentFaultError("stuck", fault="stage-jam", may_have_happened=may)

    scope = MemoryMicroscope(failures=[Failure("tilt-stage", "middle", error=jam, times=3)])

    async def body(runner: Runner) -> None:
        await opened(runner)
        with pytest.raises(ActionSkippedError):
            await runner.run("tilt", TiltStage(tilt_deg=40))
        assert scope.stage.tilt_deg == 40
        await runner.run("image", Acquire(preset="hole"))
        assert scope.stage.tilt_deg == 0

    play(tmp_path, scope, body)


RESTORING = [
    ("load-grid", Fault.AUTOLOADER, "stopped", "look whether it was done, then safe stop"),
    ("move-stage", Fault.STAGE_JAM, "skipped", "retry twice, then skip"),
    ("set-valves", Fault.OTHER, "stopped", "a gating step never ends in a skip"),
]


@pytest.mark.parametrize(("kind", "fault", "ends", "why"), RESTORING)
def test_what_the_runner_does_by_itself_fails_by_its_own_class(
    tmp_path: Path, kind: str, fault: Fault, ends: str, why: str
) -> None:
    """The action itself, an alignment, would be skipped after one retry in each of these cases."""
    plan: list[tuple[str, Action]] = [("move", MoveStage(x_um=20)), ("image", Acquire(preset="hole"))]

    async def first(runner: Runner) -> None:
        await opened(runner)
        for key, action in plan:
            await runner.run(key, action)

    play(tmp_path, MemoryMicroscope(), first)
    calls = {"load-grid": 1, "move-stage": 3, "set-valves": 2}[kind]
    times = 1000 if kind != "set-valves" else 2

    def error(may: bool) -> BaseException:
        return InstrumentFaultError(f"{fault} as told", fault=fault, may_have_happened=may)

    scope = MemoryMicroscope(failures=[Failure(kind, "before", error=lambda _: error(True), times=times)])
    ended = []

    async def second(runner: Runner) -> None:
        try:
            await runner.run("align", AlignTo(image="image"))
        except ActionSkippedError:
            ended.append("skipped")
        except SafeStopError:
            ended.append("stopped")

    play(tmp_path, scope, second)
    assert ended == [ends], why
    assert scope.calls[kind] == calls + (1 if kind == "set-valves" else 0), why
    assert scope.exposed == []
    assert {entry.attempt for entry in failed(tmp_path)} == {0}, "the alignment was never begun"
    reasons = [entry.reason for entry in read_journal(tmp_path).entries if entry.entry in {"skipped", "stopped"}]
    assert any(f"{kind}, which has to come before, failed" in reason for reason in reasons)


def test_a_load_that_is_restored_and_arrives_without_an_answer_is_not_repeated(tmp_path: Path) -> None:
    play(tmp_path, MemoryMicroscope(), opened)

    def error(may: bool) -> BaseException:
        return InstrumentFaultError("no answer", fault="autoloader", may_have_happened=may)

    scope = MemoryMicroscope(failures=[Failure("load-grid", "middle", error=error)])

    async def second(runner: Runner) -> None:
        await runner.run("image", Acquire(preset="hole"))

    play(tmp_path, scope, second)
    assert (scope.calls["load-grid"], scope.slot, len(scope.exposed)) == (1, 1, 1)


class FarAligned(MemoryMicroscope):
    """Its alignments end wherever they find something."""

    tells = True

    async def align_to(self, template: TakenImage) -> Aligned:
        await super().align_to(template)
        self.image_shift = (-14.0, 0.0)
        return Aligned(dx_um=14.0, dy_um=0.0)

    async def state(self) -> MicroscopeState:
        state = await super().state()
        aligned = self.calls["align-to"] and not self.tells
        return state.model_copy(update={"image_shift_um": None}) if aligned else state


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("narrow", [True, False])
def test_an_alignment_that_ends_out_of_reach_is_given_up_and_the_shift_put_back(
    tmp_path: Path, tells: bool, narrow: bool
) -> None:
    scope = FarAligned()
    scope.tells = tells

    async def body(runner: Runner) -> None:
        await opened(runner)
        await runner.run("shift", ShiftImage(dx_um=0.5, dy_um=0.0))
        await runner.run("template", Acquire(preset="hole"))
        with pytest.raises(ActionSkippedError, match="out of reach: an image shift of"):
            await runner.run("align", AlignTo(image="template"))
        await runner.run("image", Acquire(preset="hole"))

    play(tmp_path, scope, body, interlocks=Interlocks(largest_image_shift_um=2.0 if narrow else None))
    assert scope.exposed[-1] == "hole@0.500,0.000"
    assert [(entry.fault, entry.may_have_happened) for entry in failed(tmp_path)] == [(Fault.LIMIT, True)]


class Cassette(MemoryMicroscope):
    """Names its grids."""

    names = ("apo 1", "apo 2", "gold", "carbon")

    async def slots(self) -> tuple[Slot, ...]:
        return tuple(Slot(number=number, occupied=True, name=name) for number, name in enumerate(self.names, 1))


def test_a_cassette_that_was_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    play(tmp_path, Cassette(), opened)
    changed = Cassette()
    changed.names = ("rubbish", "apo 2", "gold", "carbon")
    with pytest.raises(JournalError, match=r"slot 1 held grid 'apo 1' .* and holds 'rubbish' now.* begin a new folder"):
        play(tmp_path, changed, opened)
    assert changed.calls["load-grid"] == 0
    assert not changed.connected
    elsewhere = Cassette()
    elsewhere.names = ("apo 1", "rubbish", "", "carbon")
    play(tmp_path, elsewhere, opened)


def test_slots_that_cannot_be_looked_at_are_noted_and_the_session_goes_on(tmp_path: Path) -> None:
    class NoSlots(MemoryMicroscope):
        async def slots(self) -> tuple[Slot, ...]:
            raise InstrumentError("no inventory")

    play(tmp_path, NoSlots(), opened)
    entries = read_journal(tmp_path).entries
    assert entries[0].entry == "session"
    assert any(entry.entry == "note" and "no inventory" in entry.text for entry in entries)


def test_keys_whose_images_would_share_a_file_are_refused(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        await runner.run("Move", MoveStage(x_um=1))
        with pytest.raises(JournalError, match="differs from the key 'Move' only in upper and lower case"):
            await runner.run("move", MoveStage(x_um=2))
        with pytest.raises(JournalError, match=r"only its last part may end in \.mrc"):
            await runner.run("a.mrc/b", MoveStage(x_um=2))

    play(tmp_path, MemoryMicroscope(), body)
    with pytest.raises(JournalError, match="upper and lower case"):
        play(tmp_path, MemoryMicroscope(), lambda runner: runner.run("MOVE", MoveStage(x_um=2)))


def test_what_a_cancelled_action_moved_is_put_back(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        await opened(runner)
        scope.failures = [Failure("find-eucentric-height", "hang")]
        running = asyncio.create_task(runner.run("height", FindEucentricHeight()))
        while scope.stage.tilt_deg == 0:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await runner.run("image", Acquire(preset="hole"))
        assert scope.stage.tilt_deg == 0

    scope = LeftTilted()
    play(tmp_path, scope, body)


def test_the_journal_says_how_the_microscope_stood_before_what_may_leave_it_elsewhere(tmp_path: Path) -> None:
    async def body(runner: Runner) -> None:
        await opened(runner)
        await runner.run("move", MoveStage(x_um=5))
        await runner.run("move2", MoveStage(x_um=6))
        await runner.run("atlas", AcquireMontage(preset="atlas", columns=2, rows=1))

    play(tmp_path, MemoryMicroscope(), body)
    intended = {entry.key: entry.state for entry in read_journal(tmp_path).entries if isinstance(entry, ActionIntended)}
    before = {key: state.stage.x_um for key, state in intended.items() if state is not None and state.stage is not None}
    assert before == {"move": 0, "atlas": 6}, "a second move is begun where the first one ended"
