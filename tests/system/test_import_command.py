"""`structloop crystals import` from the command line: dry run, import, import again, what went wrong, kill -9."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from support.crystals_on_disk import write_plate
from support.processes import WITHIN_S, started, until

MAIN = [sys.executable, "-m", "structloop"]


def structloop(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    result = subprocess.run([*MAIN, *arguments], capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if check:
        assert result.returncode == 0, result.stdout + result.stderr
    return result


def imported(home: Path) -> tuple[int, int]:
    """How many images are recorded, and at how many paths."""
    engine = create_engine(f"sqlite:///{home / 'structloop.db'}")
    with engine.connect() as connection:
        count, paths = connection.execute(text("SELECT count(*), count(DISTINCT path) FROM drop_image")).one()
    engine.dispose()
    return int(count), int(paths)


def test_a_dry_run_shows_the_plate_map_and_makes_no_home(tmp_path: Path) -> None:
    folder = write_plate(tmp_path / "store", wells=14, drops=2)[0].parent
    (folder / "97wo_03C_1.jpg").touch()
    result = structloop("crystals", "import", str(tmp_path / "store"), "--dry-run")
    for line in (
        "Layout xchem: 29 of 29 image names are like 97wo_2021-09-14_RI1000-0276-3drop/97wo_01A_1.jpg",
        "Plate 97wo (new): 8 x 12 wells, drops 1, 2, 28 images",
        "A  2  2  2  2  2  2  2  2  2  2  2  2",
        "B  2  2  .  .",
        "82 of 96 wells have no image: B03",
        "97wo_03C_1.jpg: is empty (0 bytes)",
        "nothing was written",
    ):
        assert line in result.stdout
    assert not (tmp_path / "home").exists()


def test_import_prints_what_it_did_and_what_it_left_out(tmp_path: Path) -> None:
    folder = write_plate(tmp_path / "store", wells=2, drops=1)[0].parent
    (folder / "97wo_03C_1.jpg").touch()
    result = structloop("crystals", "import", str(tmp_path / "store"), "--project", "Lysozyme")
    assert "2 images added, 1 left out." in result.stdout
    assert f"left out {folder / '97wo_03C_1.jpg'}: is empty (0 bytes)" in result.stdout
    assert result.stderr == ""
    again: dict[str, Any] = json.loads(structloop("crystals", "import", str(tmp_path / "store"), "--json").stdout)
    assert (again["added"], again["unchanged"], again["problems"]) == (0, 2, 1)
    assert imported(tmp_path / "home") == (2, 2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 1, "nowhere does not exist"),
        (["store", "--layout", "emble"], 1, "there is no layout 'emble'"),
        (["store", "--dry-run", "--watch"], 2, "neither watches nor scores"),
        (["store", "--poll"], 2, "add --watch"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    write_plate(tmp_path / "store", wells=1)
    monkeypatch.chdir(tmp_path)
    result = structloop("crystals", "import", *arguments, check=False)
    assert result.returncode == code
    assert message in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_where_every_file_is_bad_the_exit_code_says_so(tmp_path: Path) -> None:
    for path in write_plate(tmp_path / "store", wells=1):
        path.write_bytes(b"")
    result = structloop("crystals", "import", str(tmp_path / "store"), check=False)
    assert result.returncode == 1
    assert "0 images added, 2 left out." in result.stdout


def test_layouts_are_listed_the_facilitys_own_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "structloop.toml").write_text('[[crystal_layouts]]\nname = "ours"\npattern = "{barcode}/{well}.jpg"\n')
    listed = json.loads(structloop("crystals", "layouts", "--json").stdout)
    assert listed["layouts"][0]["name"] == "ours"
    assert "xchem" in [layout["name"] for layout in listed["layouts"]]
    assert listed["broken"] == []


@pytest.mark.slow
def test_a_killed_command_is_finished_by_the_next_one(tmp_path: Path) -> None:
    for day in range(1, 9):
        write_plate(tmp_path / "store", wells=96, drops=3, folder=f"97wo_2021-09-0{day}_RI1000-0276-3drop")
    command = ("crystals", "import", str(tmp_path / "store"))
    home = tmp_path / "home"
    output = tmp_path / "output.txt"
    with started(output, *command) as process:
        until(lambda: (home / "structloop.db").exists() and _some(home), process, output)
        process.kill()
    kept, _ = imported(home)
    assert 0 < kept < 8 * 288
    result = json.loads(structloop("crystals", "import", str(tmp_path / "store"), "--json").stdout)
    assert imported(home) == (8 * 288, 8 * 288)
    assert result["added"] + result["unchanged"] == 8 * 288


def _some(home: Path) -> bool:
    engine = create_engine(f"sqlite:///{home / 'structloop.db'}")
    try:
        with engine.connect() as connection:
            there = connection.execute(
                text("SELECT count(*) FROM sqlite_master WHERE name = 'drop_image'")
            ).scalar_one()
            return bool(there) and connection.execute(text("SELECT count(*) FROM drop_image")).scalar_one() > 0
    finally:
        engine.dispose()
