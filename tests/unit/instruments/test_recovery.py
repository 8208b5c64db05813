import asyncio
import os
from pathlib import Path

import pytest

from structloop.core.errors import (
    ActionSkippedError,
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    InterlockError,
    SafeStopError,
    StoppedByUserError,
)
from structloop.instruments.entries import Entry
from structloop.instruments.journal import Journal, read_journal
from structloop.instruments.recovery import (
    CELLS,
    DEFAULT_RECOVERY,
    KINDS_BY_CLASS,
    ActionClass,
    Certainty,
    First,
    Recovery,
    Then,
    Way,
    class_of,
    fault_of,
)
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import (
    CAPABILITY_OF,
    EXPOSING,
    Acquire,
    AcquireMontage,
    Action,
    AlignTo,
    Autofocus,
    Fault,
    LoadGrid,
    MoveStage,
    SetBeam,
    SetValves,
    UnloadGrid,
)
from support.microscopes import Failure, MemoryMicroscope

ONE_OF: dict[ActionClass, Action] = {
    ActionClass.EXPOSING: Acquire(preset="hole"),
    ActionClass.MOVING: MoveStage(x_um=3.0, relative=True),
    ActionClass.LOADING: LoadGrid(slot=2),
    ActionClass.GATING: SetBeam(on=True),
    ActionClass.OTHER: Autofocus(target_um=1.0),
}
ERRORS: dict[Fault, type[InstrumentError]] = {
    Fault.CONNECTION_LOST: InstrumentConnectionError,
    Fault.TIMEOUT: InstrumentTimeoutError,
    Fault.USER_STOP: StoppedByUserError,
    Fault.LIMIT: InterlockError,
}


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def failure(fault: Fault, kind: str, certainty: Certainty, times: int) -> Failure:
    def error(may: bool) -> BaseException:
        return ERRORS.get(fault, InstrumentFaultError)(f"{fault} as told", fault=fault.value, may_have_happened=may)

    return Failure(kind, "before" if certainty is Certainty.NOT_DONE else "middle", error, times)


def session(folder: Path, scope: MemoryMicroscope, action: Action) -> str:
    """Run one action; says how it ended."""

    due, scope.failures = scope.failures, []

    async def scenario() -> str:
        with Journal.open(folder) as journal:
            async with Runner(scope, journal) as runner:
                await runner.run("load", LoadGrid(slot=1))
                await runner.run("open", SetValves(open=True))
                await runner.run("beam", SetBeam(on=True))
                await runner.run("template", Acquire(preset="hole"))
                scope.failures = due
                scope.exposed.clear()
                scope.calls.clear()
                try:
                    await runner.run("it", action)
                except ActionSkippedError:
                    return "skipped"
                except SafeStopError:
                    return "stopped"
                return "done"

    return asyncio.run(scenario())


def told(folder: Path) -> list[Entry]:
    return list(read_journal(folder).entries)


def test_the_table_says_something_for_every_fault_action_and_certainty() -> None:
    assert len(CELLS) == len(Fault) * len(ActionClass) * len(Certainty)
    assert set(DEFAULT_RECOVERY.ways) == set(CELLS)
    assert sorted(kind for kinds in KINDS_BY_CLASS.values() for kind in kinds) == sorted(CAPABILITY_OF)
    ways = dict(DEFAULT_RECOVERY.ways)
    del ways[CELLS[5]]
    with pytest.raises(ValueError, match="says nothing of"):
        Recovery(ways)


def test_no_table_may_repeat_an_exposure_that_may_have_happened() -> None:
    cell = (Fault.OTHER, ActionClass.EXPOSING, Certainty.MAYBE)
    with pytest.raises(ValueError, match="never repeated"):
        Recovery({**DEFAULT_RECOVERY.ways, cell: Way(Then.SKIP, retries=1)})
    assert {kind for kind in CAPABILITY_OF if class_of(kind) is ActionClass.EXPOSING} == EXPOSING


def test_a_user_who_stops_and_a_bad_vacuum_always_end_the_session_with_closed_valves() -> None:
    for fault, action, certainty in CELLS:
        way = DEFAULT_RECOVERY.way(fault, action, certainty)
        if fault in {Fault.USER_STOP, Fault.VACUUM}:
            assert (way.then, way.retries) == (Then.STOP, 0)
        assert (way.first[:1] == (First.CLOSE_VALVES,)) == (fault is Fault.VACUUM)


def test_a_fault_that_nobody_knows_is_any_other() -> None:
    assert fault_of(InstrumentFaultError("x", fault="gremlins")) is Fault.OTHER


@pytest.mark.parametrize(("fault", "group", "certainty"), CELLS, ids=lambda value: str(value).replace(" ", "-"))
def test_each_cell_ends_as_the_table_says_however_long_the_fault_lasts(
    tmp_path: Path, fault: Fault, group: ActionClass, certainty: Certainty
) -> None:
    action = ONE_OF[group]
    way = DEFAULT_RECOVERY.way(fault, group, certainty)
    scope = MemoryMicroscope()
    scope.knows_slot = False
    # Beam and valves work again once the session is given up, so that the safe stop can use them.
    times = way.retries + 1 if group is ActionClass.GATING else 1000
    scope.failures = [failure(fault, action.kind, certainty, times)]
    ended = session(tmp_path, scope, action)
    entries = told(tmp_path)
    of_it = [entry for entry in entries if getattr(entry, "key", "") == "it"]
    assert ended == {Then.SKIP: "skipped", Then.STOP: "stopped"}[way.then]
    assert [entry.entry for entry in of_it].count("intended") == way.retries + 1
    assert [entry.entry for entry in of_it].count("failed") == way.retries + 1
    retried = [entry for entry in of_it if entry.entry == "retried"]
    assert [entry.wait_s for entry in retried] == [way.wait_s] * way.retries
    failed = [entry for entry in of_it if entry.entry == "failed"]
    assert {(entry.fault, entry.may_have_happened) for entry in failed} == {(fault, certainty is Certainty.MAYBE)}
    stopped = [entry for entry in entries if entry.entry == "stopped"]
    if way.then is Then.STOP:
        assert (scope.valves_open, scope.beam_on) == (False, False)
        assert [(entry.early, entry.safe) for entry in stopped] == [(True, True)]
        assert str(fault) in stopped[0].reason
    else:
        assert of_it[-1].entry == "skipped"
        assert [entry.early for entry in stopped] == [False]
    if group is ActionClass.EXPOSING:
        assert len(scope.exposed) == (1 if certainty is Certainty.MAYBE else 0)
    if fault is Fault.VACUUM:
        upkeep = [entry.action for entry in entries if entry.entry == "upkeep"]
        assert upkeep[0] == SetValves(open=False), "the valves come first"
    waits = [entry for entry in entries if entry.entry == "upkeep" and entry.why == "waiting"]
    long = way.retries > 0 and way.wait_s >= 30 and group is not ActionClass.GATING
    assert bool(waits) == long, "the beam does not wait on the specimen"
    assert scope.aborts >= (First.ABORT in way.first)


@pytest.mark.parametrize(("fault", "group", "certainty"), CELLS, ids=lambda value: str(value).replace(" ", "-"))
def test_each_cell_goes_on_where_the_fault_passes(
    tmp_path: Path, fault: Fault, group: ActionClass, certainty: Certainty
) -> None:
    action = ONE_OF[group]
    way = DEFAULT_RECOVERY.way(fault, group, certainty)
    scope = MemoryMicroscope(failures=[failure(fault, action.kind, certainty, times=1)])
    ended = session(tmp_path, scope, action)
    if way.retries or First.LOOK in way.first:
        assert ended == "done"
    else:
        assert ended == ("skipped" if way.then is Then.SKIP else "stopped")
    if ended == "done" and isinstance(action, MoveStage):
        assert scope.stage.x_um == pytest.approx(3.0), "a relative move that is repeated leads to the same place"
    if ended == "done" and isinstance(action, LoadGrid):
        assert scope.slot == 2
    if group is ActionClass.EXPOSING:
        assert len(scope.exposed) <= 1


def test_an_unload_that_may_have_happened_is_looked_after(tmp_path: Path) -> None:
    scope = MemoryMicroscope(failures=[failure(Fault.AUTOLOADER, "unload-grid", Certainty.MAYBE, 1)])
    assert session(tmp_path, scope, UnloadGrid()) == "done"
    assert scope.calls["unload-grid"] == 1


def test_a_montage_that_breaks_in_the_middle_keeps_what_it_has_and_is_not_taken_again(tmp_path: Path) -> None:
    broken = failure(Fault.CAMERA_TIMEOUT, "acquire-montage", Certainty.NOT_DONE, times=1)
    broken.skip = 2
    scope = MemoryMicroscope(failures=[broken])
    assert session(tmp_path, scope, AcquireMontage(preset="atlas", columns=3, rows=2)) == "skipped"
    assert len(scope.exposed) == 2
    with Journal.open(tmp_path) as journal:
        runner = Runner(scope, journal)
        images = [asyncio.run(runner.image("it", tile=tile)) for tile in range(2)]
    assert [image.facts.column for image in images] == [0, 1]
    assert all(image.pixels().shape == (80, 96) for image in images)


def test_a_montage_that_fails_before_its_first_image_is_taken_again(tmp_path: Path) -> None:
    scope = MemoryMicroscope(failures=[failure(Fault.CAMERA_TIMEOUT, "acquire-montage", Certainty.NOT_DONE, times=1)])
    assert session(tmp_path, scope, AcquireMontage(preset="atlas", columns=2, rows=2)) == "done"
    assert len(scope.exposed) == 4


def test_an_alignment_that_may_have_exposed_is_not_repeated(tmp_path: Path) -> None:
    scope = MemoryMicroscope(failures=[failure(Fault.CONNECTION_LOST, "align-to", Certainty.MAYBE, times=1)])
    assert session(tmp_path, scope, AlignTo(image="template")) == "skipped"
    assert len(scope.exposed) == 1


def test_a_lost_connection_that_never_comes_back_ends_the_session_and_says_that_nothing_is_known(
    tmp_path: Path,
) -> None:
    scope = MemoryMicroscope(
        failures=[
            failure(Fault.CONNECTION_LOST, "autofocus", Certainty.NOT_DONE, times=1),
            *(
                failure(Fault.CONNECTION_LOST, kind, Certainty.NOT_DONE, times=1000)
                for kind in ("connect", "set-beam", "set-valves")
            ),
        ]
    )
    began = scope.clock.elapsed_s()
    assert session(tmp_path, scope, Autofocus(target_um=1.0)) == "stopped"
    assert scope.clock.elapsed_s() - began < 600
    stopped = told(tmp_path)[-1]
    assert stopped.entry in {"stopped", "note"}
    assert [entry.safe for entry in told(tmp_path) if entry.entry == "stopped"] == [False]


def test_a_microscope_that_does_not_even_abort_still_ends(tmp_path: Path) -> None:
    scope = MemoryMicroscope(failures=[Failure("autofocus", "hang", times=100), Failure("set-beam", "hang", times=100)])
    broken = InstrumentFaultError("cannot abort")

    async def abort() -> None:
        raise broken

    scope.abort = abort  # type: ignore[method-assign]  # a microscope that fails at that too
    with pytest.raises(InstrumentFaultError, match="the beam could not be turned off"):
        session(tmp_path, scope, Autofocus(target_um=1.0))
    assert any(entry.entry == "skipped" and entry.key == "it" for entry in told(tmp_path))
    notes = [entry.text for entry in told(tmp_path) if entry.entry == "note"]
    assert any("could not abort" in text for text in notes)
