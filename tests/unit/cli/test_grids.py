import asyncio
import json
import os
import re
import signal
from datetime import UTC, datetime
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from structloop.cli.grids import app
from structloop.cli.grids_ending import ending_of, say
from structloop.cli.stopping import run_stoppable, terminating_as_interrupt
from structloop.core.errors import (
    InstrumentConnectionError,
    NotCapableError,
    PictureFileError,
    SessionFolderError,
    UnknownPluginError,
)
from structloop.instruments.calling import uninterrupted
from structloop.instruments.entries import SessionBegan, SessionStopped
from structloop.instruments.journal import Journal
from support.microscopes import MemoryMicroscope

SMALL = "simulated://?seed=3&camera=128"
COMMANDS = ["scopes", "snapshot", "screen", "record", "replay", "simulate", "import", "sessions", "show"]


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def plain(text: str) -> str:
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A recording by SerialEM: two movies."""
    folder = tmp_path / "sem night"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"shot{number}.tif.mdoc").write_text(
            "T = SerialEM: Our Krios   01-Feb-26  10:00:00\n\n[FrameSet = 0]\nTiltAngle = 0\n"
            f"StagePosition = {number} -3\nPixelSpacing = 0.8\nDateTime = 01-Feb-26  10:02:0{number}\n"
        )
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    assert f"structloop grids {command}" in plain(run(command, "--help"))


def test_drivers_are_listed_with_tiers_and_capabilities() -> None:
    listed = json.loads(run("scopes", "--json"))
    drivers = {driver["name"]: driver for driver in listed["drivers"]}
    assert {"simulated", "serialem", "epu", "replay", "leginon", "tem-scripting", "jadas", "latitude"} <= set(drivers)
    assert drivers["simulated"]["tier"] == "command"
    assert drivers["epu"]["tier"] == "advise"
    assert "seed" in drivers["simulated"]["options"]
    assert "observation" in drivers["replay"]["capabilities"]
    assert "simulated" in plain(run("scopes"))


def test_a_microscope_is_looked_at_without_moving_it() -> None:
    seen = json.loads(run("scopes", "--scope", "simulated://?seed=3&grids=2", "--json"))
    assert seen["microscope"]["driver"] == "simulated"
    assert [slot["occupied"] for slot in seen["slots"]][:3] == [True, True, False]
    assert seen["state"]["valves_open"] is False
    assert seen["state"]["slot"] is None
    told = plain(run("scopes", "--scope", "simulated://?seed=3&grids=2"))
    assert "answers (driver simulated, tier command, simulated)" in told
    assert "image shift: 0, 0 um defocus: 0 um valves open: no beam on: no" in told
    assert "record" in told


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("nobody://", UnknownPluginError),
        ("simulated://?sead=3", NotCapableError),
        ("serialem://127.0.0.1:9", InstrumentConnectionError),
        ("jadas://", InstrumentConnectionError),
    ],
)
def test_a_microscope_that_cannot_be_looked_at_is_an_error(scope: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run("scopes", "--scope", scope)


def test_a_snapshot_obeys_place_and_preset_and_has_its_numbers(tmp_path: Path) -> None:
    out = tmp_path / "square.mrc"
    arguments = ("--preset", "square", "--x-um", "0", "--y-um", "-131", "--binning", "2", "--out", out)
    told = json.loads(run("snapshot", "--scope", SMALL, *arguments, "--json"))
    assert told["image"]["preset"] == "square"
    assert (told["image"]["stage"]["x_um"], told["image"]["stage"]["y_um"]) == pytest.approx((0, -131), abs=0.5)
    with mrcfile.open(out) as file:
        assert file.data.shape == (64, 64)
        assert float(file.voxel_size.x) == pytest.approx(2 * told["image"]["pixel_size_angstrom"])


def test_a_snapshot_needs_no_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "atlas.png: preset atlas" in run("snapshot", "--scope", SMALL)
    with Image.open("atlas.png") as picture:
        grey = np.asarray(picture)
    assert grey.dtype == np.uint8
    assert (grey.min(), grey.max()) == (0, 255)


def test_a_snapshot_that_cannot_be_written_is_refused_before_anything_moves(tmp_path: Path) -> None:
    with pytest.raises(PictureFileError, match=r"\.mrc, \.png"):
        run("snapshot", "--scope", "nobody://", "--out", tmp_path / "picture.gif")
    with pytest.raises(PictureFileError, match="does not exist"):
        run("snapshot", "--scope", "nobody://", "--out", tmp_path / "missing" / "picture.png")
    with pytest.raises(NotCapableError, match=r"no preset 'huge'.*atlas"):
        run("snapshot", "--scope", SMALL, "--preset", "huge", "--out", tmp_path / "picture.png")
    assert list(tmp_path.glob("picture*")) == []


def test_an_import_tells_each_level_and_shows_it_again(session: Path) -> None:
    told = json.loads(run("import", session, "--json"))
    (imported,) = told["sessions"]
    assert imported["levels"]["exposures"] == {"total": 2, "added": 2, "changed": 0}
    again = json.loads(run("import", session, "--json"))
    assert again["sessions"][0]["levels"]["exposures"] == {"total": 2, "added": 0, "changed": 0}
    assert "exposures 2 0 0" in plain(run("import", session))
    (listed,) = json.loads(run("sessions", "--json"))["sessions"]
    assert (listed["name"], listed["exposures"]) == ("sem night", 2)
    assert "sem night" in run("sessions")
    numbers = json.loads(run("show", "sem night", "--json"))
    exposure = next(level for level in numbers["grids"][0]["levels"] if level["level"] == "exposure")
    assert (exposure["items"], exposure["pixel_sizes_angstrom"]) == (2, [0.8])
    assert exposure["x_um"] == {"low_um": 1.0, "high_um": 2.0}
    assert "exposure 2 2 0 0.8 2" in plain(run("show", "1"))


def test_an_import_with_an_unreadable_session_imports_the_rest_and_says_so_by_its_status(session: Path) -> None:
    (session.parent / "other").mkdir()
    (session.parent / "other" / "bad.nav").write_text("nothing")
    result = CliRunner().invoke(app, ["import", str(session.parent)])
    assert result.exit_code == 1
    assert "not imported" in result.stdout
    assert "sem night" in run("sessions")


def test_without_a_session_the_list_says_what_to_do() -> None:
    assert "structloop grids import PATH" in run("sessions")


def test_made_up_sessions_are_imported_like_real_ones(tmp_path: Path) -> None:
    few = ("--camera-px", "128", "--atlas", "1,1", "--squares", "1", "--holes", "1")
    told = json.loads(run("simulate", "--seed", "4", "--out", tmp_path / "made", *few, "--json"))
    assert (told["squares"], told["holes"], told["exposures"]) == (1, 1, 1)
    assert "exposures 1 1 0" in plain(run("import", told["sessions"]))
    with pytest.raises(SessionFolderError, match="is not empty"):
        run("simulate", "--out", tmp_path / "made")
    assert CliRunner().invoke(app, ["simulate", "--out", str(tmp_path / "x"), "--atlas", "big"]).exit_code == 2


def test_a_screening_is_recorded_replayed_and_imported(tmp_path: Path) -> None:
    night = tmp_path / "night"
    scope = "simulated://?seed=3&grids=1&camera=512&measure=model"
    few = ("--atlas", "2,2", "--squares", "1", "--holes", "1", "--exposures", "1")
    report = json.loads(run("screen", "--scope", scope, "--out", night, *few, "--json"))
    assert report["stopped"] is None
    assert [grid["slot"] for grid in report["grids"]] == [1]
    shown = [json.loads(line) for line in run("replay", night, "--speed", "1000", "--json").splitlines()]
    assert len([image for image in shown if image["level"] == "atlas"]) == 4
    told = json.loads(run("import", night, "--json"))
    assert told["sessions"][0]["levels"]["atlases"]["added"] == 1
    assert "journal:" in run("show", "night")
    recorded = json.loads(
        run("record", "--scope", f"replay://{night}?clock=virtual", "--out", tmp_path / "rec", "--json")
    )
    assert recorded["images"] == len(shown)


@pytest.mark.parametrize("in_background", [False, True])
def test_a_polite_kill_stops_what_runs_and_lets_it_end_safely(in_background: bool) -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            ended.append("safely")

    before = signal.getsignal(signal.SIGTERM)
    interrupting = signal.getsignal(signal.SIGINT)
    try:
        if in_background:
            # What a shell does to a command with &.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        with pytest.raises(KeyboardInterrupt):
            run_stoppable(work())
        assert ended == ["safely"]
        with pytest.raises(KeyboardInterrupt), terminating_as_interrupt():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, interrupting)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_cannot_be_observed_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(NotCapableError, match="cannot be observed"):
        run("record", "--scope", SMALL, "--out", tmp_path / "recording")
    assert not (tmp_path / "recording").exists()


def test_a_slot_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["screen", "--slots", "1,1", "--out", str(tmp_path / "night"), "--scope", SMALL])
    assert result.exit_code == 2
    assert not (tmp_path / "night").exists()


@pytest.mark.parametrize(
    ("first", "second"), [("SIGINT", "SIGINT"), ("SIGTERM", "SIGINT"), ("SIGHUP", "SIGHUP"), ("SIGHUP", "SIGINT")]
)
def test_a_second_signal_does_not_cut_the_end_short(first: str, second: str) -> None:
    ended: list[str] = []

    async def end() -> None:
        os.kill(os.getpid(), getattr(signal, second))
        for _ in range(20):
            await asyncio.sleep(0.001)
        ended.append("safely")

    async def work() -> None:
        try:
            os.kill(os.getpid(), getattr(signal, first))
            await asyncio.sleep(30)
        finally:
            await uninterrupted(end())

    numbers = (signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # As in a fresh process; where nothing handled it, this would be the end of these tests.
        signal.signal(signal.SIGHUP, signal.default_int_handler)
        with pytest.raises(KeyboardInterrupt):
            run_stoppable(work())
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert ended == ["safely"]


def test_what_is_ignored_from_outside_stays_ignored() -> None:
    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.01)
        return "went on"

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_stoppable(work()) == "went on"
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("entries", "said"),
    [((), "before anything"), (("began",), "NOT known"), ((True,), "Stopped safely"), ((False,), "NOT known")],
)
def test_a_session_ended_safely_only_if_its_journal_says_so(
    entries: tuple[str | bool, ...], said: str, tmp_path: Path
) -> None:
    at = datetime.now(UTC)
    with Journal.open(tmp_path / "night") as journal:
        for entry in entries:
            if isinstance(entry, bool):
                journal.append(SessionStopped(at=at, reason="interrupted", early=True, safe=entry))
            else:
                journal.append(SessionBegan(at=at, microscope=MemoryMicroscope().description))
    assert said in ending_of(tmp_path / "night")


def test_what_an_earlier_session_said_does_not_count(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    with Journal.open(tmp_path) as journal:
        journal.append(SessionStopped(at=at, reason="finished", early=False, safe=True))
        journal.append(SessionBegan(at=at, microscope=MemoryMicroscope().description))
    assert "NOT known" in ending_of(tmp_path)


def test_a_closed_terminal_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("typer.echo", closed)
    say("to nobody")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--x-um", "nan", "no finite number"),
        ("--y-um", "inf", "no finite number"),
        ("--defocus-um", "nan", "no finite number"),
        ("--defocus-um", "-99999", "beyond 100 um"),
    ],
)
def test_a_snapshot_refuses_numbers_that_are_none(option: str, value: str, said: str) -> None:
    result = CliRunner().invoke(app, ["snapshot", option, value])
    assert result.exit_code == 2
    assert said in plain(result.output)
