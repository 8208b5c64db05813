"""Drivers, disks and onlookers that break their promises: the session ends with the beam off and the valves closed."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from structloop.core.errors import InstrumentConnectionError, InstrumentFaultError, SafeStopError, SessionFolderError
from structloop.instruments import calling
from structloop.instruments.clock import WallClock
from structloop.instruments.entries import Entry, Noted
from structloop.instruments.journal import JOURNAL_NAME, Journal, read_journal
from structloop.instruments.runner import Runner
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import MoveStage, SetBeam, SetValves, StagePosition
from support.microscopes import Failure, MemoryMicroscope


async def opened(runner: Runner) -> None:
    await runner.run("open", SetValves(open=True))
    await runner.run("beam", SetBeam(on=True))


class AbortRaises(MemoryMicroscope):
    async def abort(self) -> None:
        raise OSError("socket closed")


class BeamStuck(MemoryMicroscope):
    async def set_beam(self, on: bool) -> None:
        if not on:
            raise ValueError("a bug of the driver")
        await super().set_beam(on)


class CloseRaises(MemoryMicroscope):
    async def close(self) -> None:
        raise OSError("bad file descriptor")


class SwallowsCancel(MemoryMicroscope):
    def __init__(self) -> None:
        super().__init__(WallClock())
        self.go = asyncio.Event()

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                continue
        return self.stage


@pytest.mark.parametrize("scope", [AbortRaises(), BeamStuck(), CloseRaises()])
def test_whatever_a_driver_raises_the_valves_are_closed_and_the_error_is_the_callers(
    tmp_path: Path, scope: MemoryMicroscope
) -> None:
    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                raise KeyError("a bug above")

    with pytest.raises(KeyError, match="a bug above"):
        asyncio.run(scenario())
    stuck = isinstance(scope, BeamStuck)
    assert (scope.valves_open, scope.beam_on) == (False, stuck)
    last = [entry for entry in read_journal(tmp_path).entries if entry.entry == "stopped"][-1]
    assert last.safe is not stuck


def test_a_connection_that_cannot_be_closed_is_reached_again_all_the_same(tmp_path: Path) -> None:
    lost = Failure("move-stage", error=lambda may: InstrumentConnectionError("lost", may_have_happened=may))
    scope = CloseRaises(failures=[lost])

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                assert (await runner.run("move", MoveStage(x_um=4.0))).position.x_um == 4.0

    asyncio.run(scenario())


def test_a_journal_that_was_closed_too_early_does_not_keep_the_valves_open(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def scenario() -> None:
        journal = Journal.open(tmp_path)
        async with Runner(scope, journal) as runner:
            await opened(runner)
            journal.close()
            raise KeyError("a bug above")

    with pytest.raises(KeyError):
        asyncio.run(scenario())
    assert (scope.valves_open, scope.beam_on) == (False, False)


def test_what_is_no_text_is_written_down_all_the_same(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                raise OSError("file b\udcff")

    with pytest.raises(OSError, match="file b"):
        asyncio.run(scenario())
    last = read_journal(tmp_path).entries[-1]
    assert last.entry == "stopped"
    assert r"file b\udcff" in last.reason
    assert scope.valves_open is False


def test_an_onlooker_that_fails_changes_nothing(tmp_path: Path) -> None:
    def fails(entry: Entry) -> None:
        raise BrokenPipeError(f"nobody reads of {entry.entry}")

    scope = MemoryMicroscope()

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            journal.watch = fails
            async with Runner(scope, journal) as runner:
                await opened(runner)

    asyncio.run(scenario())
    assert read_journal(tmp_path).entries[-1].entry == "stopped"


def test_on_a_full_disk_a_valve_that_fails_once_is_closed_and_not_taken_for_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = MemoryMicroscope()

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                scope.failures.append(Failure("set-valves"))

                def full(entry: Entry, *, durable: bool = True) -> None:
                    raise SessionFolderError("the disk is full")

                monkeypatch.setattr(journal, "append", full)
                raise KeyError("a bug above")

    with pytest.raises(KeyError):
        asyncio.run(scenario())
    assert (scope.valves_open, scope.beam_on) == (False, False)


def test_a_driver_that_swallows_cancellations_is_left_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "GRACE_S", 0.01)

    async def scenario() -> None:
        scope = SwallowsCancel()
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal, timeouts=Timeouts(by_kind={"move-stage": 0.02})) as runner:
                await opened(runner)
                moving = asyncio.create_task(runner.run("move", MoveStage(x_um=1.0)))
                while "move" not in runner.record.keys:
                    await asyncio.sleep(0)
                await asyncio.sleep(0.05)
                async with asyncio.timeout(20):
                    await runner.stop("enough")
                with pytest.raises(SafeStopError):
                    await moving
                assert scope.valves_open is False
        scope.go.set()
        await asyncio.sleep(0)

    asyncio.run(scenario())


def test_a_beam_that_stays_on_at_the_end_is_told_and_the_valves_are_closed(tmp_path: Path) -> None:
    scope = BeamStuck()

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)

    with pytest.raises(InstrumentFaultError, match="the beam could not be turned off"):
        asyncio.run(scenario())
    assert scope.valves_open is False


def test_nothing_is_written_behind_half_a_line_that_cannot_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(tmp_path)
    note = Noted(at=WallClock().now(), text="one")
    journal.append(note)
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        write(descriptor, data[:10])
        raise OSError(errno.EIO, "gone")

    def fails(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "gone")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", half)
        broken.setattr(os, "ftruncate", fails)
        with pytest.raises(SessionFolderError):
            journal.append(note)
    with pytest.raises(SessionFolderError, match="half a line"):
        journal.append(note)
    journal.close()
    read = read_journal(tmp_path)
    assert (len(read.entries), read.unfinished) == (1, 10)
    assert (tmp_path / JOURNAL_NAME).stat().st_size == read.size + 10
