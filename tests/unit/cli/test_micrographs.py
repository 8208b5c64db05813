"""`structloop micrographs`: process, watch and show, with their options, summaries and errors."""

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from structloop.cli.main import app
from structloop.cli.micrographs_options import limits_of, places_of, range_of, workers_of
from structloop.core.errors import ExposureError, JudgingError, StructloopError
from structloop.micrographs.judging import Limits
from support.exposures import write_cut_off, write_exposure


@pytest.fixture
def movies(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "G1"
    folder.mkdir(parents=True)
    for number in range(2):
        write_exposure(folder / f"S1_h{number}.mrcs", number, defocus_um=0.8, side=256, frames=3)
    write_cut_off(folder / "S2_cut.mrcs")
    return folder


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), "micrographs", *arguments])


def test_from_a_folder_of_movies_to_what_is_to_be_left(movies: Path, tmp_path: Path, home: Path) -> None:
    out = tmp_path / "out"
    places = r"(?P<grid>G\d)/(?P<square>S\d)_"
    command = ("process", str(movies), "--out", str(out), "--threads", "1", "--workers", "2", "--places", places)
    first = run(home, *command, "--limit", "most-total-motion=0.5", "--name", "night 3")
    assert first.exit_code == 1, first.output
    assert "S1_h1: moved" in first.output
    assert "problematic (moved" in first.output
    assert "S2_cut: failed: " in first.output
    assert "night 3: 2 exposures processed, 0 fine, 2 problematic, 1 failed" in first.output
    assert "total_motion_angstrom" not in first.output
    (row,) = [line for line in first.output.splitlines() if line.startswith("motion ")]
    assert row.split()[1] == "2"
    assert "more than 0.5" in row
    shown = run(home, "show", "night 3").stdout
    assert row in shown
    again = run(home, *command, "--json", "--limit", "most-total-motion=none", "--name", "night 3")
    told = json.loads(again.stdout)
    assert (told["known"], told["processed_now"], told["done"], told["failed"]) == (3, 0, 2, 1)
    # Known ones are judged by the new limits, too.
    assert "total_motion_angstrom" not in [each["indicator"] for each in told["reasons"]]
    assert told["failures"][0]["name"] == "S2_cut"
    listed = json.loads(run(home, "show", "--json").stdout)
    assert [(each["name"], each["state"], each["done"]) for each in listed] == [("night 3", "finished", 2)]
    # One rate, wherever it is told: at the end of the run, in lists, in the browser.
    assert listed[0]["done_per_hour"] == told["done_per_hour"]
    assert f"1 failed; {told['done_per_hour']:.0f} an hour; results in" in first.output.replace("\n", " ")
    with (out / "exposures.csv").open(newline="") as file:
        conditions = {row["name"]: row["condition_model"].partition("@")[0] for row in csv.DictReader(file)}
    assert conditions == {"S1_h0": "exposures-condition", "S1_h1": "exposures-condition", "S2_cut": ""}
    shown = json.loads(run(home, "show", "night 3", "--json").stdout)
    assert [(each["kind"], each["grid"], each["name"], each["pooled"]["exposures"]) for each in shown["places"]] == [
        ("grid", "G1", "G1", 2),
        ("square", "G1", "S1", 2),
    ]
    assert "square S1" in run(home, "show", str(out)).stdout
    watched = run(home, "watch", str(movies), *command[2:], "--until-idle", "0", "--name", "night 3")
    assert watched.exit_code == 0, watched.output
    assert "night 3: 2 exposures processed" in watched.output


def test_simulated_movies_say_what_to_do_next(tmp_path: Path, home: Path) -> None:
    out = tmp_path / "made"
    small = ("simulate", "--out", str(out), "--count", "8", "--size", "128", "--frames", "2", "--layout", "serialem")
    made = run(home, *small)
    assert made.exit_code == 0, made.output
    assert re.search(r"8 movies \(\d good, ", made.output)
    assert "8 of them new" in made.output
    assert f"Next: structloop micrographs process {out} --recursive" in made.output
    again = json.loads(run(home, *small, "--json").stdout)
    assert (again["written"], sum(again["kinds"].values())) == (0, 8)
    refused = run(home, *small, "--seed", "2")
    assert "movies of another simulation (seed 0)" in str(refused.exception)


def test_what_cannot_be_done_is_told_before_anything_is(movies: Path, tmp_path: Path, home: Path) -> None:
    out = str(tmp_path / "out")
    for arguments, words in (
        (("process", str(tmp_path / "none"), "--out", out), "is no movie, no folder of movies"),
        (("process", str(movies), "--out", str(movies)), "give another --out"),
        (("process", str(movies), "--out", out, "--limit", "motion=3"), "there is no limit 'motion'"),
        (("process", str(movies), "--out", out, "--picker", "log"), "give --diameter-angstrom"),
        (("process", str(movies), "--out", out, "--gain", str(tmp_path / "no.mrc")), "is not there"),
        (("watch", str(tmp_path / "none"), "--out", out), "is no folder"),
        (("show", "nothing"), "there is no session of exposures 'nothing'"),
    ):
        result = run(home, *arguments)
        assert isinstance(result.exception, StructloopError), result.output
        assert words in str(result.exception)
    assert not (tmp_path / "out").exists()
    assert "No session of exposures yet" in run(home, "show").output


def test_limits_and_patterns_as_people_write_them(tmp_path: Path) -> None:
    assert limits_of(None, None) is None
    given = ["most-ctf-res=5", "defocus=0.5:", "ice_nm=:90", "most-early=none", "film-posing=yes"]
    assert limits_of(None, given) == Limits(
        most_ctf_resolution_angstrom=5.0,
        defocus_um=(0.5, None),
        ice_nm=(None, 90.0),
        most_early_motion_angstrom=None,
        film_posing_allowed=True,
    )
    toml, as_json = tmp_path / "limits.toml", tmp_path / "limits.json"
    toml.write_text("most_tilt_deg = 5\n")
    as_json.write_text('{"most_tilt_deg": 5, "defocus_um": [0.4, null]}')
    assert limits_of(toml, ["most-tilt=7"]) == Limits(most_tilt_deg=7.0)
    assert limits_of(as_json, None) == Limits(most_tilt_deg=5.0, defocus_um=(0.4, None))
    as_json.write_text("[1]")
    for file, single, words in (
        (as_json, None, "holds no table"),
        (None, ["most=3"], "there is no limit 'most'"),
        (None, ["most-tilt"], "has no value"),
        (None, ["most-tilt=flat"], "give a number"),
        (None, ["defocus=3:1"], "lower one first"),
    ):
        with pytest.raises(JudgingError, match=words):
            limits_of(file, single)
    assert range_of("0.3:4", "--defocus-um") == (0.3, 4.0)
    for bad in ("3", "a:b"):
        with pytest.raises(ExposureError, match="give LOW:HIGH"):
            range_of(bad, "--defocus-um")
    for pattern in ("(", "plain", "(?P<lamella>x)"):
        with pytest.raises(ExposureError, match="--places"):
            places_of(pattern)
    assert (workers_of(3, 2), workers_of(None, 10_000)) == (3, 1)
