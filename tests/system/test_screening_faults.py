"""Every fault at every kind of action, before, in the middle and after: each ends in the documented state.

The documented states are those of `docs/reference/recovery.md`; what is expected here is written down by hand. Nothing
is rendered, and time is virtual.
"""

import asyncio
import os
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from structloop.core.errors import ActionSkippedError, SafeStopError
from structloop.instruments.clock import VirtualClock
from structloop.instruments.images import Keep
from structloop.instruments.journal import Journal, read_journal
from structloop.instruments.recovery import ActionClass, class_of
from structloop.instruments.runner import Runner
from structloop.instruments.simulated import (
    FaultPlan,
    PlannedFault,
    SimulatedMicroscope,
    SimulatedOptions,
    When,
)
from structloop.instruments.simulated.truth import Truth
from structloop.schema.acquisition import (
    CAPABILITY_OF,
    EXPOSING,
    Acquire,
    AcquireMontage,
    Action,
    AlignTo,
    AlignZeroLoss,
    ApplyPreset,
    Autofocus,
    Fault,
    FindEucentricHeight,
    LoadGrid,
    Maintain,
    MicroscopeState,
    MoveStage,
    SetAperture,
    SetBeam,
    SetDefocus,
    SetEnergyFilter,
    SetValves,
    ShiftImage,
    TiltStage,
    UnloadGrid,
    WaitDrift,
    WaitReady,
)
from structloop.simulation.grids import Cassette
from support.processes import WITHIN_S

ACTIONS: tuple[Action, ...] = (
    LoadGrid(slot=2),
    UnloadGrid(),
    SetValves(open=True),
    SetBeam(on=True),
    WaitReady(),
    ApplyPreset(preset="square"),
    MoveStage(x_um=40.0, y_um=-25.0),
    TiltStage(tilt_deg=10.0),
    ShiftImage(dx_um=1.0, dy_um=0.5),
    SetDefocus(defocus_um=1.5),
    Autofocus(target_um=1.5),
    FindEucentricHeight(),
    WaitDrift(rate_angstrom_per_s=20.0),
    Acquire(preset="record", save_frames=True),
    AcquireMontage(preset="atlas", columns=2, rows=2),
    AlignTo(image="template"),
    SetAperture(aperture="objective", size_um=100.0),
    SetEnergyFilter(slit_width_ev=20.0),
    AlignZeroLoss(),
    Maintain(task="flash-gun"),
)
FAULTS = (
    Fault.STAGE_JAM,
    Fault.AUTOLOADER,
    Fault.CONNECTION_LOST,
    Fault.CAMERA_TIMEOUT,
    Fault.TIMEOUT,
    Fault.VACUUM,
    Fault.DEWAR_FILLING,
    Fault.USER_STOP,
)


@dataclass(frozen=True)
class Moment:
    """When in an action: before it, in the middle (done behind our back, or not), after it."""

    name: str
    when: When
    carried_out: bool | None = None


MOMENTS = (
    Moment("before", When.BEFORE),
    Moment("middle-not-done", When.MIDDLE, carried_out=False),
    Moment("middle-done", When.MIDDLE, carried_out=True),
    Moment("after", When.AFTER),
)


def test_the_actions_tried_are_all_there_are() -> None:
    assert {action.kind for action in ACTIONS} == set(CAPABILITY_OF)


def documented(fault: Fault, kind: str, may_have_happened: bool) -> set[str]:
    """How it may end: done (at once found to be done, or after a retry), skipped with a reason, or stopped safely."""
    if fault in {Fault.VACUUM, Fault.USER_STOP}:
        return {"stopped"}
    if class_of(kind) is ActionClass.EXPOSING:
        return {"skipped"} if may_have_happened else {"done"}
    if class_of(kind) is ActionClass.LOADING and may_have_happened:
        # The microscope is asked where the cartridge is; where it cannot tell, a person must look.
        return {"done", "stopped"}
    return {"done"}


@dataclass(frozen=True)
class Outcome:
    ended: str
    reason: str
    state: MicroscopeState
    goes_on: bool
    exposures: int


async def run(folder: Path, action: Action, planned: PlannedFault) -> Outcome:
    """A session in which the fault comes at one action; then one more action, to see whether it goes on."""
    clock = VirtualClock()
    microscope = SimulatedMicroscope(
        Cassette.from_seed(3, 2), clock, FaultPlan(), SimulatedOptions(seed=3, camera_px=128, measure="model")
    )
    truth = Truth(microscope)
    ended, reason, goes_on, before = "done", "", True, 0
    with Journal.open(folder) as journal:
        async with Runner(microscope, journal, keep=Keep(default=None)) as runner:
            await runner.run("load", LoadGrid(slot=1))
            await runner.run("valves", SetValves(open=True))
            await runner.run("beam", SetBeam(on=True))
            await runner.run("template", Acquire(preset="view"))
            before = _taken(truth, action)
            microscope.inject(planned)
            try:
                await runner.run("tried", action)
            except ActionSkippedError as error:
                ended, reason = "skipped", str(error)
            except SafeStopError as error:
                ended, reason = "stopped", str(error)
            exposures = _taken(truth, action) - before
            try:
                await runner.run("next", MoveStage(x_um=5.0, y_um=5.0))
            except ActionSkippedError:
                pass
            except SafeStopError:
                goes_on = False
        await microscope.connect()
        return Outcome(ended, reason, await microscope.state(), goes_on, exposures)


def _taken(truth: Truth, action: Action) -> int:
    return sum(capture.purpose == action.kind for capture in truth.exposures)


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.kind))
def test_each_fault_ends_in_its_documented_state(action: Action, fault: Fault, tmp_path: Path) -> None:
    for moment in MOMENTS:
        folder = tmp_path / moment.name
        planned = PlannedFault(fault, action.kind, when=moment.when, carried_out=moment.carried_out)
        outcome = asyncio.run(asyncio.wait_for(run(folder, action, planned), timeout=WITHIN_S))
        entries = read_journal(folder).entries
        failed = [entry for entry in entries if entry.entry == "failed" and entry.key == "tried"]
        assert failed, f"{moment.name}: the journal says nothing of the fault"
        # A camera that hangs where no image is taken is a microscope that does not answer.
        silent = fault is Fault.TIMEOUT or (fault is Fault.CAMERA_TIMEOUT and failed[0].fault is Fault.TIMEOUT)
        assert failed[0].fault == (Fault.TIMEOUT if silent else fault)
        assert outcome.ended in documented(fault, action.kind, failed[0].may_have_happened), (moment, outcome)
        if moment.when is When.BEFORE:
            assert failed[0].may_have_happened == silent, "silence does not say that nothing was done"
        if moment.when is When.AFTER:
            assert failed[0].may_have_happened
        told = {entry.entry for entry in entries if getattr(entry, "key", None) == "tried"}
        if outcome.ended == "done":
            assert "done" in told
            assert outcome.goes_on
        if outcome.ended == "skipped":
            assert "skipped" in told
            assert outcome.reason
            assert outcome.goes_on
        if outcome.ended == "stopped":
            stop = [entry for entry in entries if entry.entry == "stopped"]
            assert stop[0].early
            assert stop[0].safe
            assert stop[0].reason
            assert not outcome.goes_on
            assert outcome.state.valves_open is False
            assert outcome.state.beam_on is False
        if action.kind in EXPOSING:
            images = 4 if action.kind == "acquire-montage" else 1
            assert outcome.exposures <= images, f"{moment.name}: exposed again"


LASTING = tuple(product((Fault.STAGE_JAM, Fault.CONNECTION_LOST, Fault.CAMERA_TIMEOUT, Fault.DEWAR_FILLING), (20, 100)))


@pytest.mark.parametrize(("fault", "times"), LASTING)
@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: str(action.kind))
def test_a_fault_that_stays_ends_too(action: Action, fault: Fault, times: int, tmp_path: Path) -> None:
    planned = PlannedFault(fault, action.kind, when=When.BEFORE, times=times)
    outcome = asyncio.run(asyncio.wait_for(run(tmp_path, action, planned), timeout=WITHIN_S))
    assert outcome.ended in {"done", "skipped", "stopped"}
    if outcome.ended == "done":
        assert fault is Fault.DEWAR_FILLING, "only dewars become full by waiting"
    if fault is Fault.CONNECTION_LOST:
        assert outcome.ended == "stopped"
        stop = next(entry for entry in read_journal(tmp_path).entries if entry.entry == "stopped")
        # Where the very command that makes it safe cannot be sent, the journal says so.
        assert stop.safe == (action.kind not in {"set-valves", "set-beam"})
        assert outcome.state.valves_open == (action.kind == "set-valves")
