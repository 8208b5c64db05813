"""`grids import` and `show`: copies, single files, and lists of squares, holes, exposures and images."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from structloop.cli.grids import app
from structloop.cli.grids_tables import count_of
from support import epu_trees
from support.epu_trees import HOLES, SQUARE


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def run(*arguments: str | Path) -> str:
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """An EPU session with a long name that was imported."""
    root = epu_trees.write_session(tmp_path / "disk" / "grid")
    name = "Supervisor_20260105_093012_0_" + "a_name_as_long_as_people_give_them_" * 3
    epu_trees.write_text(root / "EpuSession.dm", epu_trees.session_xml(name=name))
    run("import", root)
    return root


def rows(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run("show", "1", *arguments, "--csv"))))


def test_holes_are_listed_one_a_line_with_their_numbers(session: Path) -> None:
    shown = run("show", "1", "--level", "holes")
    lines = shown.splitlines()
    assert lines[0].split()[:3] == ["grid", "square", "hole"]
    assert [line.split()[3] for line in lines[1:-1]] == list(HOLES), "the grid is called slot 2"
    assert lines[-1] == "2 holes"
    first, second = rows("--level", "holes")
    assert (first["square"], first["hole"], first["exposures"], second["exposures"]) == (SQUARE, HOLES[0], "1", "0")
    assert (float(first["x_um"]), float(first["y_um"])) == pytest.approx((5, -7))
    assert (first["center_x_px"], first["near_bar"], first["state"]) == ("400.0", "True", "Completed")


def test_each_level_can_be_listed_as_table_csv_and_json(session: Path) -> None:
    counts = {"atlases": 1, "squares": 1, "holes": 2, "exposures": 1, "images": 12}
    for level, count in counts.items():
        listed = json.loads(run("show", "1", "--level", level, "--json"))[level]
        assert len(listed) == count
        assert [{name: str(value) for name, value in row.items() if value is not None} for row in listed] == [
            {name: value for name, value in row.items() if value} | _spelled(row) for row in rows("--level", level)
        ]
        one = {"atlases": "atlas"}.get(level, level.removesuffix("s"))
        assert run("show", "1", "--level", level).splitlines()[-1] == count_of(count, one, level)
    [exposure] = rows("--level", "exposures")
    assert (exposure["square"], exposure["hole"], exposure["area"]) == (SQUARE, HOLES[0], "77")
    assert Path(exposure["path"]).is_file()
    assert float(exposure["pixel_size_angstrom"]) == pytest.approx(0.8)
    assert exposure["taken_at"] == "2023-01-02T11:24:00+00:00"


def _spelled(row: dict[str, str]) -> dict[str, str]:
    """Times as JSON has them."""
    return {"taken_at": row["taken_at"].replace("+00:00", "Z")} if row.get("taken_at") else {}


def test_nothing_is_cut_where_it_is_piped(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = re.findall(r"<Name>(.*?)</Name>", (session / "EpuSession.dm").read_text(encoding="utf-8"))[0]
    assert name in run("sessions")
    assert f"{epu_trees.exposure_stem()} " in run("show", "1", "--level", "exposures")
    assert "x, um" in run("show", "1").splitlines()[5]
    assert max(len(line) for line in run("show", "1", "--level", "images").splitlines()) > 200


def test_a_list_needs_a_level_and_one_form(session: Path) -> None:
    for wrong, said in ((("--csv",), "--level"), (("--level", "holes", "--csv", "--json"), "not both")):
        result = invoke("show", "1", *wrong)
        assert result.exit_code == 2
        assert said in result.output


def test_a_copy_is_known_or_refused_until_told(session: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(session, tmp_path / "copy")
    assert f"was imported already (no. 1) from {session}; {copy} is a copy that says nothing new" in run("import", copy)
    assert json.loads(run("import", copy, "--json"))["known"][0]["earlier"] == str(session)
    data = copy / "Images-Disc1" / f"GridSquare_{SQUARE}" / "Data"
    epu_trees.write_image(data, "FoilHole_902_Data_77_4_20230102_120000", epu_trees.image_xml())
    refused = invoke("import", copy)
    assert refused.exit_code == 1
    assert "not imported" in refused.stdout
    assert "--replace" in refused.stdout
    assert "second disk" in run("import", copy, "--as", "second disk") + run("sessions")
    assert f"it was imported from {session} before" in run("import", copy, "--replace")
    for wrong in (("--as", "x", "--replace"), ("--as", " ")):
        assert invoke("import", copy, *wrong).exit_code == 2


def test_a_file_says_what_it_stands_for(session: Path, tmp_path: Path) -> None:
    told = run("import", session / "EpuSession.dm")
    assert f"EpuSession.dm stands for its session: all of {session} was imported" in told
    folder = tmp_path / "sem"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"shot{number}.tif.mdoc").write_text(
            "T = SerialEM: Our Krios   01-Feb-26  10:00:00\n\n[FrameSet = 0]\nTiltAngle = 0\n"
            f"StagePosition = {number} -3\nPixelSpacing = 0.8\nDateTime = 01-Feb-26  10:02:0{number}\n"
        )
    told = run("import", folder / "shot2.tif.mdoc")
    assert f"shot2.tif.mdoc was imported alone; name the folder {folder} to import all of it" in told
    [exposure] = json.loads(run("show", "shot2.tif.mdoc", "--level", "exposures", "--json"))["exposures"]
    assert exposure["x_um"] == 2


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (1, ("hole",), "1 hole"),
        (0, ("hole",), "0 holes"),
        (1, ("atlas", "atlases"), "1 atlas"),
        (2, ("atlas", "atlases"), "2 atlases"),
    ],
)
def test_nouns_agree_with_their_numbers(number: int, words: tuple[str, ...], told: str) -> None:
    assert count_of(number, *words) == told
