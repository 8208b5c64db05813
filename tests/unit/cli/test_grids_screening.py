"""`grids screen` and `record`: folders that may be written to, what a run did not do, and how long it will take."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from structloop.cli.grids import app
from structloop.cli.grids_folders import check_session_folder
from structloop.cli.grids_remaining import Remaining, duration
from structloop.core.errors import NotCapableError, SessionFolderError
from structloop.instruments.simulated.parts import SimulatedAutoloader
from structloop.schema.acquisition import Slot

SMALL = "simulated://?seed=3&grids=1&camera=512&measure=model"
FEW = ("--atlas", "2,2", "--squares", "1", "--holes", "1", "--exposures", "1")


def screen(*arguments: str | Path) -> Result:
    options = ("screen", "--scope", SMALL, *FEW, *(str(argument) for argument in arguments))
    return CliRunner().invoke(app, options, catch_exceptions=False)


def test_a_screening_that_exposed_nothing_says_so_and_fails(tmp_path: Path) -> None:
    result = screen("--slots", "7", "--out", tmp_path / "night")
    assert result.exit_code == 1
    assert "slot 7 is empty" in result.stdout
    assert "Nothing was exposed" in result.stderr
    again = screen("--slots", "7", "--out", tmp_path / "night", "--json")
    assert again.exit_code == 1
    assert "Nothing was exposed" in again.stderr


def test_a_screening_that_was_finished_before_says_so_and_one_folder_is_for_one_thing(tmp_path: Path) -> None:
    night = tmp_path / "night"
    first = screen("--out", night)
    assert first.exit_code == 0
    assert "1 square of" in first.stdout
    assert "1 hole, 1 exposure in" in first.stdout
    assert "Nothing was" not in first.stderr
    again = screen("--out", night)
    assert again.exit_code == 0
    assert "Nothing was left to do" in again.stderr

    def record(out: Path) -> Result:
        scope = f"replay://{night}?clock=virtual"
        options = ("record", "--scope", scope, "--out", str(out))
        return CliRunner().invoke(app, options, catch_exceptions=False)

    with pytest.raises(SessionFolderError, match="that structloop ran; record into another"):
        record(night)
    assert record(tmp_path / "copy").exit_code == 0
    with pytest.raises(SessionFolderError, match="holds a recording"):
        screen("--out", tmp_path / "copy")


@pytest.mark.parametrize("command", [("screen",), ("record", "--scope", "nobody://")])
def test_a_folder_with_other_things_is_refused_before_anything_is_opened(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    for name in ("thesis.docx", "b", "c", "d"):
        (tmp_path / name).touch()
    scope = ("--scope", "nobody://") if command == ("screen",) else ()
    with pytest.raises(SessionFolderError, match=r"holds no session but other things \(b, c, d and 1 more\)"):
        CliRunner().invoke(app, [*command, *scope, "--out", str(tmp_path)], catch_exceptions=False)
    assert len(list(tmp_path.iterdir())) == 4


def test_what_a_session_left_before_its_first_entry_is_nothing_foreign(tmp_path: Path) -> None:
    for name in ("journal.lock", "journal.reserve"):
        (tmp_path / name).touch()
    check_session_folder(tmp_path, "running")
    check_session_folder(tmp_path / "new", "recording")


def test_a_cassette_without_grids_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(_: SimulatedAutoloader) -> tuple[Slot, ...]:
        return (Slot(number=1, occupied=False),)

    monkeypatch.setattr(SimulatedAutoloader, "slots", none)
    with pytest.raises(NotCapableError, match="no grid in any slot"):
        screen("--out", tmp_path / "night")


def test_the_time_left_follows_from_the_exposures_so_far_on_both_clocks() -> None:
    here = [0.0]
    remaining = Remaining(lambda: here[0])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert remaining.told(at, 0, 10) == ""
    here[0] = 600
    assert remaining.told(at + timedelta(minutes=10), 1, 10) == "about 1 h 30 min left"
    here[0] = 610
    assert remaining.told(at + timedelta(minutes=40), 2, 10) == (
        "about 2 h 40 min left on the microscope's clock, 41 min here"
    )
    assert remaining.told(at + timedelta(minutes=30), 10, 10) == ""


def test_exposures_of_an_earlier_run_do_not_make_the_rest_look_fast() -> None:
    here = [0.0]
    remaining = Remaining(lambda: here[0])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    remaining.told(at, 0, 20)
    for number in range(1, 11):
        here[0] += 0.01
        assert remaining.told(at + timedelta(milliseconds=10 * number), number, 20) == ""
    here[0] = 120
    assert remaining.told(at + timedelta(minutes=2), 11, 20) == "about 18 min left"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (42.4, "42 s"), (59.9, "60 s"), (60, "1 min"), (3599, "1 h 00 min"), (7800, "2 h 10 min")],
)
def test_durations_are_for_people(seconds: float, told: str) -> None:
    assert duration(seconds) == told
