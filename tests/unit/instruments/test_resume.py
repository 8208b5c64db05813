import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.core.errors import (
    ActionSkippedError,
    InstrumentError,
    InstrumentFaultError,
    JournalError,
)
from structloop.instruments.journal import JOURNAL_NAME, Journal, read_journal
from structloop.instruments.microscope import TakenImage
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import (
    EXPOSING,
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    ApplyPreset,
    Autofocus,
    Fault,
    FindEucentricHeight,
    LoadGrid,
    MoveStage,
    SetAperture,
    SetBeam,
    SetDefocus,
    SetEnergyFilter,
    SetValves,
    ShiftImage,
    TiltStage,
    UnloadGrid,
)
from support.microscopes import Failure, MemoryMicroscope

PLAN: list[tuple[str, Action]] = [
    ("open", SetValves(open=True)),
    ("beam", SetBeam(on=True)),
    ("slot1/load", LoadGrid(slot=1)),
    ("slot1/height", FindEucentricHeight()),
    ("slot1/atlas", AcquireMontage(preset="atlas", columns=2, rows=1)),
    ("slot1/square", MoveStage(x_um=120.0, y_um=-40.0)),
    ("slot1/preset", ApplyPreset(preset="hole")),
    ("slot1/aside", MoveStage(x_um=2.0, relative=True)),
    ("slot1/hole", Acquire(preset="hole")),
    ("slot1/shift", ShiftImage(dx_um=0.4, dy_um=0.1)),
    ("slot1/centre", AlignTo(image="slot1/hole")),
    ("slot1/focus", Autofocus(target_um=1.5)),
    ("slot1/e1", Acquire(preset="record", save_frames=True)),
    ("slot2/load", LoadGrid(slot=2)),
    ("slot2/square", MoveStage(x_um=-10.0)),
    ("slot2/e1", Acquire(preset="record")),
]


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


async def carry_out(folder: Path, scope: MemoryMicroscope, plan: list[tuple[str, Action]] = PLAN) -> list[str]:
    """Run a plan; returns the keys that were skipped."""
    skipped = []
    with Journal.open(folder) as journal:
        async with Runner(scope, journal) as runner:
            for key, action in plan:
                try:
                    await runner.run(key, action)
                except ActionSkippedError:
                    skipped.append(key)
    return skipped


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that ran to its end."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(carry_out(folder, MemoryMicroscope()))
    return folder


def exposed_before(data: bytes, folder: Path) -> Counter[str]:
    """Keys whose exposure the microscope may have made before the journal was cut: all that were intended."""
    (folder / JOURNAL_NAME).write_bytes(data)
    entries = read_journal(folder).entries
    kinds = {entry.key: entry.action.kind for entry in entries if entry.entry == "intended"}
    return Counter(key for key, kind in kinds.items() if kind in EXPOSING)


@given(st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_however_the_journal_is_cut_nothing_is_exposed_twice_and_the_plan_ends(whole: Path, share: float) -> None:
    data = (whole / JOURNAL_NAME).read_bytes()
    cut = round(share * len(data))
    folder = whole.with_name(f"cut{cut}")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    before = exposed_before(data[:cut], folder)
    scope = MemoryMicroscope()
    skipped = asyncio.run(carry_out(folder, scope))
    entries = read_journal(folder).entries
    kinds = dict(PLAN)
    now = Counter(entry.key for entry in entries if entry.entry == "intended" and kinds[entry.key].kind in EXPOSING)
    assert max(now.values()) == 1, "an exposure was begun twice"
    assert set(skipped) - {"slot1/centre"} <= set(before), "only what may have been taken before is skipped"
    assert len(skipped) <= 1 + ("slot1/hole" in skipped), "and what is aligned to it"
    done = {entry.key for entry in entries if entry.entry == "done"}
    assert done | set(skipped) == set(kinds)
    shutil.rmtree(folder)


STEPS: list[tuple[str, Action]] = [
    ("open", SetValves(open=True)),
    ("beam", SetBeam(on=True)),
    ("load", LoadGrid(slot=3)),
    ("aperture", SetAperture(aperture="objective", size_um=100)),
    ("slit", SetEnergyFilter(slit_width_ev=20)),
    ("preset", ApplyPreset(preset="hole")),
    ("move", MoveStage(x_um=55.0, y_um=-5.0)),
    ("aside", MoveStage(y_um=10.0, relative=True)),
    ("tilt", TiltStage(tilt_deg=15)),
    ("height", FindEucentricHeight()),
    ("defocus", SetDefocus(defocus_um=2.0)),
    ("shift", ShiftImage(dx_um=0.5, dy_um=0.25)),
    ("template", Acquire(preset="hole")),
    ("shift2", ShiftImage(dx_um=0.7, dy_um=0.25)),
    ("align", AlignTo(image="template")),
]


def test_the_microscope_is_brought_back_before_the_first_new_action(tmp_path: Path) -> None:
    first = MemoryMicroscope()
    asyncio.run(carry_out(tmp_path, first, STEPS))
    # In the meantime somebody else used the microscope, or it was restarted.
    second = MemoryMicroscope()
    asyncio.run(carry_out(tmp_path, second, [*STEPS, ("image", Acquire(preset="hole"))]))
    assert second.slot == 3
    assert second.stage == first.stage
    assert second.image_shift == pytest.approx(first.image_shift)
    assert (second.defocus, second.slit, second.preset) == (2.0, 20.0, "hole")
    assert second.exposed == ["hole@55.500,5.250"]
    upkeep = [
        entry.action.kind for entry in read_journal(tmp_path).entries if entry.entry == "upkeep" and not entry.error
    ]
    assert upkeep[1:] == [
        "load-grid",
        "set-aperture",
        "set-energy-filter",
        "apply-preset",
        "move-stage",
        "tilt-stage",
        "set-defocus",
        "shift-image",
        "set-valves",
        "set-beam",
        "set-beam",
    ]


def test_what_stands_as_it_was_left_is_not_done_again(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    asyncio.run(carry_out(tmp_path, scope, STEPS))
    scope.calls.clear()
    asyncio.run(carry_out(tmp_path, scope, [*STEPS, ("image", Acquire(preset="hole"))]))
    told = {kind: count for kind, count in scope.calls.items() if kind not in {"state", "connect"}}
    assert told == {"set-aperture": 1, "set-beam": 2, "acquire": 1}


def test_nothing_is_restored_that_the_next_action_makes_pointless(tmp_path: Path) -> None:
    asyncio.run(carry_out(tmp_path, MemoryMicroscope(), STEPS))
    scope = MemoryMicroscope()
    asyncio.run(carry_out(tmp_path, scope, [*STEPS, ("load4", LoadGrid(slot=4))]))
    assert scope.calls["load-grid"] == 1
    assert scope.slot == 4
    assert "move-stage" not in scope.calls


def test_an_unloaded_grid_is_not_unloaded_again(tmp_path: Path) -> None:
    plan: list[tuple[str, Action]] = [("load", LoadGrid(slot=1)), ("unload", UnloadGrid())]
    asyncio.run(carry_out(tmp_path, MemoryMicroscope(), plan))
    scope = MemoryMicroscope()
    asyncio.run(carry_out(tmp_path, scope, [*plan, ("move", MoveStage(x_um=1))]))
    assert scope.calls["unload-grid"] == 0


def test_after_a_safe_stop_valves_and_beam_are_opened_again_for_the_next_image(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    broken = Failure("move-stage", error=lambda may: InstrumentFaultError("leak", fault="vacuum"), times=1)
    scope.failures = [broken]
    plan: list[tuple[str, Action]] = [
        ("open", SetValves(open=True)),
        ("beam", SetBeam(on=True)),
        ("move", MoveStage(x_um=1)),
        ("image", Acquire(preset="hole")),
    ]
    with pytest.raises(Exception, match="leak"):
        asyncio.run(carry_out(tmp_path, scope, plan))
    assert (scope.valves_open, scope.beam_on) == (False, False)
    assert asyncio.run(carry_out(tmp_path, scope, plan)) == []
    assert len(scope.exposed) == 1


def test_a_repeated_move_leads_to_where_the_first_attempt_would_have(tmp_path: Path) -> None:
    async def scenario() -> None:
        scope = MemoryMicroscope()
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                await runner.run("aside", MoveStage(x_um=10, relative=True))
        path = tmp_path / JOURNAL_NAME
        lines = path.read_bytes().splitlines(keepends=True)
        assert b'"intended"' in lines[1]
        path.write_bytes(b"".join(lines[:2]))
        with Journal.open(tmp_path) as journal:
            async with Runner(scope, journal) as runner:
                moved = await runner.run("aside", MoveStage(x_um=10, relative=True))
        assert moved.position.x_um == 10

    asyncio.run(scenario())


def test_the_note_of_an_unfinished_line_is_written_once(tmp_path: Path) -> None:
    scope = MemoryMicroscope()
    asyncio.run(carry_out(tmp_path, scope, STEPS[:2]))
    with (tmp_path / JOURNAL_NAME).open("ab") as file:
        file.write(b'{"at":"2026-01-05T0')
    asyncio.run(carry_out(tmp_path, scope, STEPS[:3]))
    asyncio.run(carry_out(tmp_path, scope, STEPS[:4]))
    notes = [entry.text for entry in read_journal(tmp_path).entries if entry.entry == "note"]
    assert notes == ["the last 19 bytes of the journal, an unfinished line, were dropped"]


def test_a_journal_of_another_microscope_is_refused(tmp_path: Path) -> None:
    asyncio.run(carry_out(tmp_path, MemoryMicroscope(), STEPS[:2]))
    other = MemoryMicroscope()
    other.name = "another"
    with pytest.raises(JournalError, match=r"is of memory \(memory\), not of another"):
        asyncio.run(carry_out(tmp_path, other, STEPS[:2]))
    assert not other.connected


FAULTS = st.builds(
    lambda kind, when, fault, times, skip: Failure(
        kind,
        when,
        lambda may: InstrumentFaultError(f"{fault} as drawn", fault=fault, may_have_happened=may),
        times,
        skip,
    ),
    st.sampled_from(sorted({action.kind for _, action in PLAN} | {"state", "position", "connect"})),
    st.sampled_from(["before", "middle", "hang"]),
    st.sampled_from([fault.value for fault in Fault]),
    st.integers(1, 4),
    st.integers(0, 3),
)


class ToldApart(MemoryMicroscope):
    """Tells its images for alignments apart: where a shift was given up they show a place that was imaged before."""

    async def align_to(self, template: TakenImage) -> Aligned:
        before = len(self.exposed)
        try:
            return await super().align_to(template)
        finally:
            self.exposed[before:] = [f"align-to {place}" for place in self.exposed[before:]]


@given(st.lists(FAULTS, max_size=3))
@settings(max_examples=25, deadline=None)
def test_whatever_fails_the_plan_ends_and_no_place_is_exposed_twice(
    tmp_path_factory: pytest.TempPathFactory, failures: list[Failure]
) -> None:
    folder = tmp_path_factory.mktemp("faulty")
    scope = ToldApart(failures=failures)
    for _ in range(1 + sum(failure.times for failure in failures)):
        try:
            asyncio.run(carry_out(folder, scope))
        except InstrumentError:
            assert not scope.connected
        else:
            break
    else:
        pytest.fail("it does not end")
    entries = read_journal(folder).entries
    assert not scope.beam_on or not [entry.safe for entry in entries if entry.entry == "stopped"][-1]
    assert len(set(scope.exposed)) == len(scope.exposed), "the same place was exposed twice at one magnification"
    ended = [entry.key for entry in entries if entry.entry in {"done", "skipped"}]
    assert sorted(ended) == sorted(key for key, _ in PLAN)
    shutil.rmtree(folder)


KILLED = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from support.microscopes import MemoryMicroscope
    from unit_resume import PLAN, carry_out

    class Dying(MemoryMicroscope):
        async def _do(self, kind, seconds, effect):
            await super()._do(kind, seconds, effect)
            with open(sys.argv[2], "a") as file:
                file.writelines(line + "\\n" for line in self.exposed)
            self.exposed.clear()
            if len(self.done) == int(sys.argv[3]):
                os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(carry_out(Path(sys.argv[1]), Dying()))
"""


@pytest.mark.parametrize("after", [5, 11])
def test_a_process_that_is_killed_and_started_again_exposes_nothing_twice(tmp_path: Path, after: int) -> None:
    tests = Path(__file__).parents[2]
    (tmp_path / "unit_resume.py").write_text(Path(__file__).read_text())
    log = tmp_path / "exposed"
    code = textwrap.dedent(KILLED)
    folder = tmp_path / "session"
    environment = {**os.environ, "PYTHONPATH": f"{tests}:{tmp_path}"}
    command = [sys.executable, "-c", code, str(folder), str(log)]
    first = subprocess.run([*command, str(after)], env=environment, capture_output=True, timeout=50, check=False)
    assert first.returncode == -signal.SIGKILL, first.stderr.decode()
    again = subprocess.run([*command, "-1"], env=environment, capture_output=True, timeout=50, check=False)
    assert again.returncode == 0, again.stderr.decode()
    lines = log.read_text().splitlines() if log.exists() else []
    assert len(lines) == len(set(lines)), "the same place was exposed twice with the same preset"
    done = [entry.key for entry in read_journal(folder).entries if entry.entry in {"done", "skipped"}]
    assert sorted(done) == sorted(key for key, _ in PLAN)
