"""Trouble on the wire to SerialEM at each kind of action: nothing hangs, nothing is exposed twice, the journal tells.

The commands go over TCP to the fake SerialEM, before a microscope without physics that counts its images. The clock is
the wall's, because sockets know no other; only the waits between attempts are hurried.
"""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from structloop.core.errors import ActionSkippedError, SafeStopError
from structloop.instruments.clock import WallClock
from structloop.instruments.drivers import open_microscope
from structloop.instruments.images import Keep
from structloop.instruments.journal import Journal, read_journal
from structloop.instruments.recovery import ActionClass, class_of
from structloop.instruments.runner import Runner
from structloop.instruments.timeouts import DEFAULT_TIMEOUTS_S, Timeouts
from structloop.schema.acquisition import (
    EXPOSING,
    Acquire,
    AcquireMontage,
    Action,
    ApplyPreset,
    Autofocus,
    FindEucentricHeight,
    LoadGrid,
    MoveStage,
    SetBeam,
    SetDefocus,
    SetValves,
    ShiftImage,
    TiltStage,
    UnloadGrid,
    WaitReady,
)
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_program import FakeSerialEM
from structloop.testing.serialem_server import Disturbance, Trouble, serving
from support.processes import WITHIN_S

ACTIONS: tuple[Action, ...] = (
    LoadGrid(slot=2),
    UnloadGrid(),
    SetValves(open=True),
    SetBeam(on=True),
    WaitReady(timeout_s=5),
    ApplyPreset(preset="square"),
    MoveStage(x_um=40.0, y_um=-25.0),
    TiltStage(tilt_deg=10.0),
    ShiftImage(dx_um=1.0, dy_um=0.5),
    SetDefocus(defocus_um=1.5),
    Autofocus(target_um=1.5),
    FindEucentricHeight(),
    Acquire(preset="record"),
    AcquireMontage(preset="view", columns=2, rows=1),
)
STOPS = frozenset({Trouble.STOP_BEFORE, Trouble.STOP_DURING})
SILENT = frozenset({Trouble.SILENT_BEFORE, Trouble.SILENT_AFTER})
SILENT_S, ANSWERING_S = 1.5, 20.0
"""How long an answer is waited for: short where none comes, long enough for a busy machine where one does."""


class HurriedClock(WallClock):
    """The wall clock, on which waits are short."""

    async def sleep(self, seconds: float) -> None:
        """Wait a hundredth of a second at most."""
        await super().sleep(min(seconds, 0.01))


@dataclass(frozen=True)
class Outcome:
    ended: str
    images: int
    bench: BenchMicroscope


async def run(folder: Path, action: Action, trouble: Trouble, skip: int) -> Outcome:
    bench = BenchMicroscope()
    answers_s = SILENT_S if trouble in SILENT else ANSWERING_S
    with serving(FakeSerialEM(bench), header_pause_s=0.0) as server:
        microscope = open_microscope(f"serialem://127.0.0.1:{server.port}?timeout={answers_s:g}")
        timeouts = Timeouts(
            dict.fromkeys(DEFAULT_TIMEOUTS_S, answers_s), connect_s=ANSWERING_S, state_s=answers_s, abort_s=answers_s
        )
        with Journal.open(folder) as journal:
            clock = HurriedClock()
            async with Runner(microscope, journal, clock=clock, timeouts=timeouts, keep=Keep(default=None)) as runner:
                await runner.run("load", LoadGrid(slot=1))
                await runner.run("valves", SetValves(open=True))
                await runner.run("beam", SetBeam(on=True))
                before = bench.images
                server.disturbances.append(Disturbance(trouble, skip=skip))
                ended = "done"
                try:
                    await runner.run("tried", action)
                except ActionSkippedError:
                    ended = "skipped"
                except SafeStopError:
                    ended = "stopped"
                images = bench.images - before
                server.disturbances.clear()
    return Outcome(ended, images, bench)


def documented(action: Action, trouble: Trouble) -> set[str]:
    """How it may end, by `docs/reference/recovery.md`; done also where the trouble came at no command of the action."""
    if trouble in STOPS:
        return {"done", "stopped"}
    if class_of(action.kind) is ActionClass.EXPOSING:
        return {"done", "skipped"}
    if class_of(action.kind) is ActionClass.LOADING:
        return {"done", "stopped"}
    return {"done", "skipped"} if trouble in SILENT else {"done"}


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize("trouble", [one for one in Trouble if one not in SILENT])
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.kind))
def test_trouble_at_the_first_commands_of_an_action(action: Action, trouble: Trouble, tmp_path: Path) -> None:
    for skip in (0, 1, 2):
        check(tmp_path / str(skip), action, trouble, skip)


@pytest.mark.parametrize("trouble", sorted(SILENT))
@pytest.mark.parametrize(
    "action", [LoadGrid(slot=2), MoveStage(x_um=40.0), SetValves(open=True), Acquire(preset="record")]
)
def test_silence(action: Action, trouble: Trouble, tmp_path: Path) -> None:
    check(tmp_path, action, trouble, 0)


def check(folder: Path, action: Action, trouble: Trouble, skip: int) -> None:
    outcome = asyncio.run(asyncio.wait_for(run(folder, action, trouble, skip), timeout=WITHIN_S))
    assert outcome.ended in documented(action, trouble), (skip, outcome.ended)
    entries = read_journal(folder).entries
    told = {entry.entry for entry in entries if getattr(entry, "key", None) == "tried"}
    assert outcome.ended in told or outcome.ended == "stopped"
    if outcome.ended == "stopped":
        stop = next(entry for entry in entries if entry.entry == "stopped")
        assert stop.early
        assert stop.safe
        assert not outcome.bench.valves_open
        assert not outcome.bench.beam_on
    if action.kind in EXPOSING:
        assert outcome.images <= (2 if action.kind == "acquire-montage" else 1), "exposed again"
