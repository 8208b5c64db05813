"""Drivers that answer nonsense, raise what nobody should, do not end, or block: the session ends as documented."""

import asyncio
import math
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from structloop.core.errors import (
    ActionSkippedError,
    InstrumentError,
    InstrumentFaultError,
    NotCapableError,
    SafeStopError,
)
from structloop.instruments import blocking, calling
from structloop.instruments.answers import state_told
from structloop.instruments.clock import Clock, DeadlinePassed, VirtualClock, WallClock
from structloop.instruments.images import Keep
from structloop.instruments.interlocks import Interlocks
from structloop.instruments.journal import Journal, read_journal
from structloop.instruments.microscope import Parts, TakenImage
from structloop.instruments.recovery import Certainty, certainty_of
from structloop.instruments.runner import Runner
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import (
    EXPOSING,
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    Autofocus,
    Drifting,
    Fault,
    FindEucentricHeight,
    Focused,
    LoadGrid,
    MicroscopeDescription,
    MicroscopeState,
    MoveStage,
    SetBeam,
    SetValves,
    StagePosition,
    TiltStage,
    WaitDrift,
)
from support.microscopes import Failure, MemoryMicroscope


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(calling, "GRACE_S", 0.02)
    monkeypatch.setattr(calling, "PATIENCE_S", 0.1)
    with capture_logs():  # long tracebacks of what is meant to fail
        yield


async def opened(runner: Runner) -> None:
    await runner.run("load", LoadGrid(slot=1))
    await runner.run("open", SetValves(open=True))
    await runner.run("beam", SetBeam(on=True))
    await runner.run("template", Acquire(preset="hole"))


def tried(folder: Path, scope: MemoryMicroscope, action: Action, nasty: Callable[[], None], **options: Any) -> str:
    """How an action ends at a microscope that turns nasty before it."""

    async def scenario() -> str:
        with Journal.open(folder) as journal:
            async with Runner(scope, journal, **options) as runner:
                await opened(runner)
                nasty()
                try:
                    await runner.run("it", action)
                except ActionSkippedError as error:
                    return f"skipped: {error}"
                except SafeStopError as error:
                    return f"stopped: {error}"
                return "done"

    return asyncio.run(asyncio.wait_for(scenario(), 50))


def failures(folder: Path) -> list[tuple[str, bool]]:
    entries = read_journal(folder).entries
    return [(entry.message, entry.may_have_happened) for entry in entries if entry.entry == "failed"]


METHODS: dict[str, Action] = {
    "acquire": Acquire(preset="hole"),
    "montage": AcquireMontage(preset="atlas", columns=2, rows=1),
    "align_to": AlignTo(image="template"),
    "move": MoveStage(x_um=30),
    "tilt": TiltStage(tilt_deg=5),
    "autofocus": Autofocus(target_um=1),
    "eucentric_height": FindEucentricHeight(),
    "wait_drift": WaitDrift(rate_angstrom_per_s=2),
    "load": LoadGrid(slot=2),
    "set_valves": SetValves(open=False),
}
RESULTS = {"acquire", "montage", "align_to", "move", "tilt", "autofocus", "eucentric_height", "wait_drift"}


class Evil(BaseException):
    """Nothing that `except Exception` would catch."""


def broken(scope: MemoryMicroscope, method: str, how: str) -> None:
    """Let a method do something, and then what no driver should."""

    real = getattr(scope, method)

    async def does(*args: Any, **named: Any) -> Any:
        await real(*args, **named)
        return raises_or_answers(how)

    async def yields(*args: Any, **named: Any) -> AsyncIterator[Any]:
        async for _ in real(*args, **named):
            yield raises_or_answers(how)

    def at_once(*args: Any, **named: Any) -> Any:
        return raises_or_answers(how)

    does_what = yields if method == "montage" else does
    setattr(scope, method, at_once if how == "not awaitable" else does_what)


def raises_or_answers(how: str) -> Any:
    match how:
        case "none" | "not awaitable":
            return None
        case "text":
            return "ok"
        case "exit":
            raise SystemExit(3)
        case "evil":
            raise Evil("mwahaha")
        case "group":
            raise BaseExceptionGroup("many", [Evil("one"), ValueError("two")])
        case "runner's words":
            raise ActionSkippedError("says who?")
        case "stop word":
            raise SafeStopError("says who?")
        case _:
            raise asyncio.CancelledError


EXPECTED = dict.fromkeys(METHODS, "skipped") | {"set_valves": "stopped", "load": "done"}


WAYS = ["not awaitable", "exit", "evil", "group", "runner's words", "cancel"]
"""Of misbehaving; `none` and `text` are answers of the wrong kind, where anybody looks at the answer."""


@pytest.mark.parametrize(
    ("method", "how"),
    [(method, how) for method in METHODS for how in (["none", "text", *WAYS] if method in RESULTS else WAYS)],
)
def test_whatever_a_method_answers_or_raises_the_action_ends_as_the_table_says(
    tmp_path: Path, method: str, how: str
) -> None:
    scope = MemoryMicroscope()
    ended = tried(tmp_path, scope, METHODS[method], lambda: broken(scope, method, how))
    expected = "stopped" if (method, how) == ("load", "not awaitable") else EXPECTED[method]
    assert ended.startswith(expected), ended
    assert all(may for _, may in failures(tmp_path))
    stopped = [entry for entry in read_journal(tmp_path).entries if entry.entry == "stopped"]
    assert stopped[-1].early is (expected == "stopped")
    assert not scope.beam_on
    assert len(scope.exposed) <= (2 if METHODS[method].kind in EXPOSING else 1), "exposed again"


@pytest.mark.parametrize("how", ["none", "text", "not awaitable", "exit", "evil", "cancel", "stop word"])
@pytest.mark.parametrize("method", ["state", "abort", "close", "connect", "set_beam"])
def test_a_microscope_that_fails_at_the_runners_own_calls_ends_too(tmp_path: Path, method: str, how: str) -> None:
    scope = MemoryMicroscope(failures=[])

    async def scenario() -> str:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await opened(runner)
                broken(scope, method, how)
                scope.failures = [Failure("autofocus", "hang", times=9)]
                for number in range(3):
                    try:
                        await runner.run(f"focus{number}", Autofocus(target_um=1.0))
                    except ActionSkippedError:
                        continue
                    except SafeStopError:
                        return "stopped"
        return "finished"

    if method == "set_beam" and how not in {"none", "text"}:
        with pytest.raises(InstrumentFaultError, match="the beam could not be turned off"):
            asyncio.run(asyncio.wait_for(scenario(), 50))
    else:
        asyncio.run(asyncio.wait_for(scenario(), 50))
    last = [entry for entry in read_journal(tmp_path).entries if entry.entry == "stopped"][-1]
    really = scope.beam_on is False
    assert really or not last.safe, "the journal says that it is safe, and the beam is on"
    if method == "set_beam" and how not in {"none", "text"}:
        assert scope.valves_open is False


class Sleepless(MemoryMicroscope):
    """Does not let itself be cancelled, for ever."""

    async def autofocus(self, target_um: float) -> Focused:
        while True:
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue


class Waiting(MemoryMicroscope):
    """Waits for something of the world, on a clock that stands still meanwhile."""

    async def autofocus(self, target_um: float) -> Focused:
        await asyncio.Event().wait()
        raise AssertionError


class Busy(MemoryMicroscope):
    """Swallows everything, time limits of a virtual clock too."""

    async def autofocus(self, target_um: float) -> Focused:
        while True:
            try:
                await self.clock.sleep(1.0)
            except (asyncio.CancelledError, DeadlinePassed):
                continue


# On the clock of the wall the busy one would be as the sleepless.
@pytest.mark.parametrize(
    ("clock", "kind"),
    [
        (WallClock, Sleepless),
        (WallClock, Waiting),
        (VirtualClock, Sleepless),
        (VirtualClock, Waiting),
        (VirtualClock, Busy),
    ],
)
def test_a_call_that_never_ends_is_given_up_and_the_loop_ends(
    tmp_path: Path, kind: type[MemoryMicroscope], clock: Callable[[], Clock]
) -> None:
    scope = kind(clock())
    began = time.monotonic()
    limits = Timeouts({"autofocus": 0.2})
    ended = tried(tmp_path, scope, Autofocus(target_um=1.0), lambda: None, timeouts=limits)
    assert ended.startswith("skipped")
    assert "took longer than" in ended
    assert time.monotonic() - began < 40
    assert scope.aborts == 2
    assert not scope.beam_on


def with_pixels(scope: MemoryMicroscope, read: Callable[[int], Any]) -> Callable[[], None]:
    real = scope._image

    def nasty() -> None:
        scope._image = lambda *args, **named: TakenImage(real(*args, **named).facts, read)  # type: ignore[method-assign]  # as a driver may

    return nasty


@pytest.mark.parametrize("action", [Acquire(preset="hole"), AcquireMontage(preset="atlas", columns=2, rows=1)])
def test_pixels_that_never_come_are_not_waited_for(tmp_path: Path, action: Action) -> None:
    scope, forever = MemoryMicroscope(), threading.Event()

    def read(binning: int) -> Any:
        forever.wait(30)
        return np.zeros((80, 96), np.float32)

    ended = tried(tmp_path, scope, action, with_pixels(scope, read), timeouts=Timeouts(pixels_s=0.1))
    forever.set()
    assert ended.startswith("skipped")
    assert "reading the pixels of images/it" in ended
    assert failures(tmp_path)[0][1]
    assert not (tmp_path / "images" / "it.mrc").exists()
    assert len(scope.exposed) == 2


BLOCKED_FOR_EVER = """
    import asyncio, sys, threading
    from pathlib import Path
    from structloop.core.errors import ActionSkippedError
    from structloop.instruments.journal import Journal
    from structloop.instruments.microscope import TakenImage
    from structloop.instruments.runner import Runner
    from structloop.instruments.timeouts import Timeouts
    from structloop.schema.acquisition import Acquire, SetBeam, SetValves
    from support.microscopes import MemoryMicroscope

    class Blocks(MemoryMicroscope):
        def _image(self, *args, **named):
            return TakenImage(super()._image(*args, **named).facts, lambda binning: threading.Event().wait())

    async def session():
        with Journal.open(Path(sys.argv[1])) as journal:
            async with Runner(Blocks(), journal, timeouts=Timeouts(pixels_s=0.1)) as runner:
                await runner.run("open", SetValves(open=True))
                await runner.run("beam", SetBeam(on=True))
                try:
                    await runner.run("image", Acquire(preset="hole"))
                except ActionSkippedError:
                    print("skipped")

    asyncio.run(session())
"""


def test_pixels_that_never_come_do_not_keep_the_process_alive(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(BLOCKED_FOR_EVER), str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=40, check=False, text=True)
    assert (ended.returncode, ended.stdout) == (0, "skipped\n"), ended.stderr


BLOCKING = """
    import asyncio, sys, time
    from pathlib import Path
    from structloop.core.errors import ActionSkippedError
    from structloop.instruments import blocking, calling
    from structloop.instruments.clock import VirtualClock, WallClock
    from structloop.instruments.journal import Journal
    from structloop.instruments.runner import Runner
    from structloop.instruments.timeouts import Timeouts
    from structloop.schema.acquisition import Autofocus, MoveStage, SetBeam, SetValves
    from support.microscopes import MemoryMicroscope

    blocking.PERIOD_S, calling.PATIENCE_S, calling.GRACE_S = 0.05, 0.2, 0.2

    class Blocks(MemoryMicroscope):
        async def autofocus(self, target_um):
            if sys.argv[2] == "sleep":
                time.sleep(3600)
            while True:
                try:
                    pass
                except Exception:
                    pass

    async def session():
        scope = Blocks(WallClock() if sys.argv[3] == "wall" else VirtualClock())
        with Journal.open(Path(sys.argv[1])) as journal:
            async with Runner(scope, journal, timeouts=Timeouts({"autofocus": 0.1})) as runner:
                await runner.run("open", SetValves(open=True))
                await runner.run("beam", SetBeam(on=True))
                try:
                    await runner.run("focus", Autofocus(target_um=1.0))
                except ActionSkippedError as error:
                    print(error)
                await runner.run("move", MoveStage(x_um=3))
        print(scope.stage.x_um, scope.beam_on)

    asyncio.run(session())
"""


@pytest.mark.parametrize("clock", ["wall", "virtual"])
@pytest.mark.parametrize("how", ["sleep", "spin"])
def test_a_driver_that_blocks_the_program_is_interrupted_and_the_session_goes_on(
    tmp_path: Path, how: str, clock: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", textwrap.dedent(BLOCKING), str(tmp_path), how, clock]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=50, check=False, text=True)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()[-2:]
    assert said[0].startswith("focus (autofocus) was skipped: autofocus (focus)")
    assert said[1] == "3.0 False", "where the stage is, and the beam"
    entries = read_journal(tmp_path).entries
    notes = [entry.text for entry in entries if entry.entry == "note"]
    assert notes == ["autofocus (focus): the driver blocks the program; it is interrupted"] * 2
    failed = [entry for entry in entries if entry.entry == "failed"]
    assert [(entry.fault, entry.may_have_happened) for entry in failed] == [(Fault.TIMEOUT, True)] * 2


def test_a_plan_that_holds_up_the_program_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "PERIOD_S", 0.02)
    scope = MemoryMicroscope(WallClock())

    async def slowly(tilt_deg: float) -> StagePosition:
        await asyncio.sleep(0.05)
        return StagePosition(x_um=0, y_um=0, tilt_deg=tilt_deg)

    async def scenario() -> None:
        scope.tilt = slowly  # type: ignore[method-assign]  # as a driver may
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal, timeouts=Timeouts({"tilt-stage": 0.1})) as runner:
                tilting = asyncio.create_task(runner.run("tilt", TiltStage(tilt_deg=1)))
                while "tilt" not in runner.record.keys:
                    await asyncio.sleep(0)
                await asyncio.sleep(0.01)
                time.sleep(1.0)  # that is the point
                await tilting

    asyncio.run(scenario())
    assert not [entry for entry in read_journal(tmp_path).entries if entry.entry == "note"]


WRONG_PIXELS: dict[str, Callable[[int], Any]] = {
    "none": lambda binning: None,
    "a list": lambda binning: [[1, 2], [3, 4]],
    "transposed": lambda binning: np.zeros((96, 80), np.float32),
    "another size": lambda binning: np.zeros((7, 5), np.uint16),
    "colours": lambda binning: np.zeros((80, 96, 3), np.uint8),
    "complex": lambda binning: np.zeros((80, 96), np.complex64),
    "objects": lambda binning: np.full((80, 96), None),
}


@pytest.mark.parametrize("which", WRONG_PIXELS)
def test_pixels_that_are_none_are_a_lost_image_that_is_not_taken_again(tmp_path: Path, which: str) -> None:
    scope = MemoryMicroscope()
    ended = tried(tmp_path, scope, Acquire(preset="hole"), with_pixels(scope, WRONG_PIXELS[which]))
    assert ended.startswith("skipped")
    assert "the image cannot be read: ImageFormatError" in ended
    assert len(scope.exposed) == 2


@pytest.mark.parametrize("raised", [Evil("x"), SystemExit(1), MemoryError(), ZeroDivisionError()])
def test_whatever_reading_pixels_raises_is_a_lost_image(tmp_path: Path, raised: BaseException) -> None:
    def read(binning: int) -> Any:
        raise raised

    scope = MemoryMicroscope()
    ended = tried(tmp_path, scope, Acquire(preset="hole"), with_pixels(scope, read))
    assert ended.startswith("skipped")
    assert type(raised).__name__ in ended
    assert len(scope.exposed) == 2


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("float64", "float32"),
        ("int32", "float32"),
        ("uint32", "float32"),
        ("bool", "int16"),
        (">f4", None),
        (">u2", None),
    ],
)
def test_pixels_of_another_type_are_kept_as_the_nearest_and_the_journal_says_so(
    tmp_path: Path, given: str, kept: str | None
) -> None:
    scope = MemoryMicroscope()
    values = np.arange(80 * 96).reshape(80, 96) % 2
    nasty = with_pixels(scope, lambda binning: values.astype(given))
    assert tried(tmp_path, scope, Acquire(preset="hole"), nasty) == "done"
    with Journal.open(tmp_path) as journal:
        pixels = asyncio.run(Runner(scope, journal).image("it")).pixels()
        notes = [entry.text for entry in journal.entries if entry.entry == "note"]
    assert np.array_equal(pixels, values)
    if kept is None:
        assert notes == []
    else:
        assert pixels.dtype == kept
        name = np.dtype(given).name
        assert notes == [
            f"images/it.mrc: the driver gives pixels of {name}, which are kept as {kept}; give uint8, uint16, int16, "
            "float32"
        ]


def test_pixels_that_are_no_numbers_are_kept_and_the_journal_says_so(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    nasty = with_pixels(scope, lambda binning: np.full((80, 96), np.nan, np.float32))
    assert tried(tmp_path, scope, Acquire(preset="hole"), nasty) == "done"
    notes = [entry.text for entry in read_journal(tmp_path).entries if entry.entry == "note"]
    assert notes == ["images/it.mrc: the driver gives pixels that are no finite numbers, which are kept as 0"]


@pytest.mark.parametrize("action", [Acquire(preset="record"), AcquireMontage(preset="record", columns=1, rows=1)])
def test_an_image_that_could_not_be_kept_so_coarsely_is_refused_before_it_is_exposed(
    tmp_path: Path, action: Action
) -> None:
    scope = MemoryMicroscope()
    with pytest.raises(NotCapableError, match=r"'record' are 96 x 80 pixels .* binning 81; keep them at 80 or less"):
        tried(tmp_path, scope, action, lambda: None, keep=Keep({"record": 81}))
    assert len(scope.exposed) == 1


def test_an_alignment_to_an_image_that_is_gone_exposes_nothing(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    assert tried(tmp_path, scope, MoveStage(x_um=1), lambda: None) == "done"
    file = tmp_path / "images" / "template.mrc"
    file.write_bytes(file.read_bytes()[:-10])

    async def again() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                with pytest.raises(ActionSkippedError, match="is not the file that the session wrote"):
                    await runner.run("align", AlignTo(image="template"))

    asyncio.run(again())
    assert len(scope.exposed) == 1


NAN = math.nan
WRONG_RESULTS: list[tuple[str, object, str]] = [
    ("move", StagePosition.model_construct(x_um=NAN, y_um=0.0, z_um=0.0, tilt_deg=0.0), "x_um is float nan"),
    ("move", StagePosition(x_um=30e9, y_um=0), "x_um 3e+10 um: more than 3000 um; is the unit right?"),
    ("move", StagePosition(x_um=30e-6 * 0, y_um=0), "x_um 0 um: the stage was sent to 30 um"),
    ("tilt", StagePosition(x_um=0, y_um=0, tilt_deg=-5), "tilt_deg -5 deg: the stage was tilted to 5 deg"),
    ("tilt", (1.0, 2.0), "with tuple (1.0, 2.0), not with StagePosition"),
    ("autofocus", Focused.model_construct(measured_um=math.inf, defocus_um=1.0, z_um=None), "measured_um is float inf"),
    ("autofocus", Focused(defocus_um=-1.5e6), "defocus_um -1.5e+06 um"),
    ("eucentric_height", Focused(z_um=1e5), "z_um 100000 um"),
    ("wait_drift", Drifting(rate_angstrom_per_s=-1, waited_s=1), "rate_angstrom_per_s -1.0: a rate is not negative"),
    ("align_to", Aligned.model_construct(dx_um=-math.inf, dy_um=0.0), "dx_um is float -inf"),
    ("align_to", Aligned(dx_um=1e7, dy_um=0), "dx_um 1e+07 um"),
]


@pytest.mark.parametrize(("method", "answer", "said"), WRONG_RESULTS)
def test_a_result_that_cannot_be_is_a_failed_reading_that_names_driver_and_field(
    tmp_path: Path, method: str, answer: object, said: str
) -> None:
    scope = MemoryMicroscope()

    async def answers(*args: object, **named: object) -> object:
        return answer

    kind = METHODS[method].kind
    ended = tried(tmp_path, scope, METHODS[method], lambda: setattr(scope, method, answers))
    assert ended.startswith("skipped")
    message, may = failures(tmp_path)[0]
    assert f"driver 'memory' answered {kind} with" in message
    assert said in message
    assert may


WRONG_FACTS: list[tuple[dict[str, object], str]] = [
    ({"preset": "atlas"}, "preset 'atlas': 'hole' was asked for"),
    ({"pixel_size_angstrom": 10.0}, "pixel_size_angstrom 10 A: the preset has 100 A; is the unit right?"),
    ({"pixel_size_angstrom": -1.0}, "pixel_size_angstrom is float -1.0"),
    ({"width_px": 0}, "width_px is int 0"),
    ({"image_to_stage_um": ((1.0, 0.0), (0.0, 1.0))}, "image_to_stage_um"),
    ({"image_to_stage_um": ((0.0, 0.0), (0.0, 0.0))}, "image_to_stage_um"),
    ({"stage": None}, "stage is NoneType None"),
    ({"stage": StagePosition(x_um=0, y_um=1e6)}, "stage.y_um 1e+06 um"),
    ({"exposure_s": NAN}, "exposure_s is float nan"),
    ({"taken_at": datetime(2026, 1, 1)}, "taken_at 2026-01-01 00:00:00: a time must say its zone"),  # noqa: DTZ001  # that is the point
]


@pytest.mark.parametrize(("wrong", "said"), WRONG_FACTS)
def test_facts_of_an_image_that_cannot_be_are_a_lost_image_that_is_not_taken_again(
    tmp_path: Path, wrong: dict[str, object], said: str
) -> None:
    scope = MemoryMicroscope()
    real = scope._image

    def nasty() -> None:
        def image(*args: Any, **named: Any) -> TakenImage:
            taken = real(*args, **named)
            return TakenImage(taken.facts.model_copy(update=wrong), taken.read)

        scope._image = image  # type: ignore[method-assign]  # as a driver may

    ended = tried(tmp_path, scope, Acquire(preset="hole"), nasty)
    assert ended.startswith("skipped")
    message, may = failures(tmp_path)[0]
    assert "driver 'memory' answered acquire with" in message
    assert said in message
    assert may
    assert len(scope.exposed) == 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"stage": StagePosition.model_construct(x_um=NAN, y_um=0.0, z_um=0.0, tilt_deg=0.0)},
            "stage.x_um is float nan",
        ),
        ({"slot": -1}, "slot -1: slots count from 1"),
        ({"slit_width_ev": -20.0}, "slit_width_ev -20.0"),
        ({"valves_open": "perhaps"}, "valves_open is str 'perhaps'"),
        ({"image_shift_um": (1e9, 0.0)}, "image_shift_um 1e+09 um"),
        ({"image_shift_um": (1.0,)}, "image_shift_um.1 is"),
        ({"at": datetime(2026, 1, 1)}, "at 2026-01-01 00:00:00: a time must say its zone"),  # noqa: DTZ001  # likewise
    ],
)
def test_a_look_that_cannot_be_is_a_failed_reading_and_nothing_is_exposed_on_it(
    tmp_path: Path, wrong: dict[str, object], said: str
) -> None:
    scope = MemoryMicroscope()
    real = scope.state

    def nasty() -> None:
        async def state() -> MicroscopeState:
            return (await real()).model_copy(update=wrong)

        scope.state = state  # type: ignore[method-assign]  # as a driver may

    ended = tried(tmp_path, scope, Acquire(preset="hole"), nasty)
    assert ended.startswith("skipped")
    message, may = failures(tmp_path)[0]
    assert "driver 'memory' answered a look at the microscope with" in message
    assert said in message
    assert not may
    assert len(scope.exposed) == 1


def test_a_state_that_can_be_is_taken_as_it_is() -> None:
    scope = MemoryMicroscope()
    state = asyncio.run(scope.state())
    assert state_told(state, scope.description) == state


class NoParts(MemoryMicroscope):
    @property
    def parts(self) -> Parts:
        return {"stage": self}  # type: ignore[return-value]  # that is the point


class NoDescription(MemoryMicroscope):
    @property
    def description(self) -> MicroscopeDescription:
        return None  # type: ignore[return-value]  # that is the point


class BadPreset(MemoryMicroscope):
    @property
    def description(self) -> MicroscopeDescription:
        right = super().description
        preset = right.presets[0].model_copy(update={"pixel_size_angstrom": NAN})
        return right.model_copy(update={"presets": (preset,)})


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (NoParts, "NoParts answered its parts with dict"),
        (NoDescription, "driver 'NoDescription' answered its description with NoneType None"),
        (BadPreset, "presets.0.pixel_size_angstrom is float nan"),
    ],
)
def test_a_driver_that_says_nonsense_of_itself_is_refused_before_anything_moves(
    tmp_path: Path, kind: type[MemoryMicroscope], said: str
) -> None:
    scope = kind()
    with pytest.raises(InstrumentFaultError) as raised:
        tried(tmp_path, scope, MoveStage(x_um=1), lambda: None)
    assert said in str(raised.value)
    assert not scope.connected
    assert scope.calls.total() <= 1


def test_what_is_unsaid_may_have_exposed_and_did_nothing_else() -> None:
    unsaid, sure = InstrumentFaultError("it failed"), InstrumentFaultError("refused", may_have_happened=False)
    assert certainty_of(unsaid, "acquire") is Certainty.MAYBE
    assert certainty_of(unsaid, "align-to") is Certainty.MAYBE
    assert certainty_of(unsaid, "move-stage") is Certainty.NOT_DONE
    assert certainty_of(sure, "acquire") is Certainty.NOT_DONE
    assert certainty_of(NotCapableError("no such preset"), "acquire") is Certainty.NOT_DONE


def test_an_exposure_that_fails_without_a_word_is_not_repeated(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    scope_failures = [Failure("acquire", "middle", error=lambda may: InstrumentError("it failed"))]
    ended = tried(tmp_path, scope, Acquire(preset="hole"), lambda: scope.failures.extend(scope_failures))
    assert ended.startswith("skipped")
    assert len(scope.exposed) == 2


class TooMany(MemoryMicroscope):
    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        while True:
            async for image in super().montage(preset, columns, rows):
                yield image


def test_a_montage_without_end_ends(tmp_path: Path) -> None:
    ended = tried(tmp_path, TooMany(), AcquireMontage(preset="atlas", columns=2, rows=1), lambda: None)
    assert ended.startswith("skipped")


@pytest.mark.parametrize("wrong", ["journal", "beam", "clock"])
def test_what_goes_wrong_while_the_microscope_is_idle_ends_the_session_safely_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    scope = MemoryMicroscope(WallClock())

    async def scenario() -> None:
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal, interlocks=Interlocks(idle_s=0.05)) as runner:
                await runner.run("open", SetValves(open=True))
                await runner.run("beam", SetBeam(on=True))

                def breaks(*_: object) -> float:
                    raise ZeroDivisionError("a bug")

                async def stuck(on: bool) -> None:
                    raise ValueError("the shutter is stuck")

                async def no_blank(why: str) -> bool:
                    raise KeyError(why)

                if wrong == "beam":
                    scope.set_beam = stuck  # type: ignore[method-assign]  # as a driver may
                elif wrong == "clock":
                    runner.clock.elapsed_s = breaks  # type: ignore[method-assign]  # as a clock may
                else:
                    runner._attempts.blank = no_blank  # type: ignore[method-assign]  # whatever goes wrong there
                until = time.monotonic() + 15
                while scope.valves_open and time.monotonic() < until:
                    await asyncio.sleep(0.01)
                with pytest.raises(SafeStopError, match="idle"):
                    await runner.run("move", MoveStage(x_um=1))

    asyncio.run(scenario())
    assert scope.valves_open is False
    stopped = [entry for entry in read_journal(tmp_path).entries if entry.entry == "stopped"]
    assert len(stopped) == 1
    assert stopped[0].early
    assert stopped[0].safe is (wrong != "beam")
    assert {"journal": "KeyError", "beam": "could not be turned off", "clock": "a bug"}[wrong] in stopped[0].reason


def test_the_stage_of_a_faulty_reading_is_told_to_be_stuck(tmp_path: Path) -> None:
    scope = MemoryMicroscope()

    async def stays(*args: object, **named: object) -> StagePosition:
        return scope.stage

    assert tried(tmp_path, scope, MoveStage(x_um=300), lambda: setattr(scope, "move", stays)).startswith("skipped")
    faults = [entry.fault for entry in read_journal(tmp_path).entries if entry.entry == "failed"]
    assert faults == [Fault.STAGE_JAM] * 3
