"""`particles convert` and `particles evaluate` from the command line."""

import csv
import json
import re
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from structloop.cli.main import app
from structloop.core.errors import CoordinateFileError, EvaluationError, StructloopError
from structloop.particles.coordinates import read_coordinates, write_coordinates
from structloop.schema.particles import MicrographPicks, PickSet

WIDTH, HEIGHT = 300, 200
AGAINST = ("--truth", "truth.star", "--diameter-px")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["particles", *map(str, arguments)], catch_exceptions=False)


def done(*arguments: str | Path) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two micrographs in `Micrographs/`, labels in `truth.star` that name them otherwise, and two methods' picks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Micrographs").mkdir()
    random = np.random.default_rng(3)
    truth, good, poor = [], [], []
    for name in ("m_1", "m_2"):
        with mrcfile.new(tmp_path / f"Micrographs/{name}.mrc") as file:
            file.set_data(random.normal(size=(HEIGHT, WIDTH)).astype(np.float32))
            file.voxel_size = 2.5
        places = np.array([(30.0 + 40 * (n % 7), 30.0 + 45 * (n // 7)) for n in range(21)]) + random.uniform(
            -5, 5, (21, 2)
        )
        truth.append(MicrographPicks(f"raw/{name}.tif", places))
        good.append(MicrographPicks(name, places + random.normal(0, 1, places.shape), random.uniform(0.5, 1, 21)))
        poor.append(MicrographPicks(name, places[:9] + random.normal(0, 9, (9, 2)), random.uniform(0, 1, 9)))
    for file_name, made in (("truth.star", truth), ("good.star", good), ("poor.txt", poor)):
        write_coordinates(PickSet(tuple(made)), tmp_path / file_name)
    return tmp_path


def test_convert_writes_names_and_optics_for_relion(work: Path) -> None:
    result = done("convert", "poor.txt", "out.star", "--micrographs", "Micrographs/*.mrc", "--voltage-kv", "200",
                  "--spherical-aberration-mm", "2.7")  # fmt: skip
    assert "18 picks of 2 micrographs written to out.star (star)" in result.stdout
    picks = read_coordinates(work / "out.star")
    assert [each.micrograph for each in picks] == ["Micrographs/m_1.mrc", "Micrographs/m_2.mrc"]
    assert picks.optics[0].columns == {
        "rlnMicrographPixelSize": "2.5",
        "rlnVoltage": "200",
        "rlnSphericalAberration": "2.7",
    }
    assert "RELION" not in result.stderr


def test_convert_says_what_is_lost_and_what_relion_will_not_find(work: Path) -> None:
    result = done("convert", "good.star", "boxes", "--format", "box", "--box-size-px", "40")
    assert "left out, for box has no place for it: scores" in result.stderr
    result = done("convert", "poor.txt", "out.star")
    assert "note: 'm_1' is not the name of an image file" in result.stderr
    assert "note: RELION takes picks of many micrographs" in result.stderr


def test_convert_turns_y_by_the_height_of_the_images(work: Path) -> None:
    done("convert", "good.star", "up.csv", "--micrographs", "Micrographs", "--y-axis-out", "up")
    for mine, its in zip(read_coordinates(work / "good.star"), read_coordinates(work / "up.csv"), strict=True):
        np.testing.assert_allclose(its.xy_px[:, 1], HEIGHT - 1 - mine.xy_px[:, 1], atol=1e-9)
    done("convert", "up.csv", "back", "--format", "coord", "--y-axis-in", "up")
    back = read_coordinates(work / "back")
    np.testing.assert_allclose(back.micrographs[0].xy_px, read_coordinates(work / "good.star").micrographs[0].xy_px)


def test_convert_to_cryosparc_with_a_size_given(work: Path) -> None:
    with pytest.raises(CoordinateFileError, match="--micrograph-size"):
        run("convert", "good.star", "out.cs")
    done("convert", "good.star", "out.cs", "--micrograph-size", f"{WIDTH}x{HEIGHT}", "--pixel-size-angstrom", "2.5")
    first = read_coordinates(work / "out.cs").micrographs[0]
    assert (first.shape_px, first.pixel_size_angstrom) == ((HEIGHT, WIDTH), 2.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("convert", "none.star", "out.star"), "none.star is not there"),
        (("convert", "good.star", "out.xyz"), "of no coordinate format"),
        (("convert", "good.star", "out.star", "--format", "word"), "'word' is no coordinate format"),
        (("convert", "good.star", "out.star", "--micrographs", "none"), "no micrograph in 'none'"),
        (("convert", "good.star", "out.star", "--voltage-kv", "nan"), "a voltage of nan kV cannot be"),
        (("convert", "good.star", "out.csv", "--y-axis-in", "up"), "height of micrograph m_1 is not known"),
        (("evaluate", "--picks", "good.star", *AGAINST, "0"), "0 px diameter cannot be"),
        (("evaluate", "--picks", "good.star", *AGAINST, "9", "--border", "9"), "size of"),
        (("evaluate", "--picks", "good.star", "--picks", "good.star", *AGAINST, "9"), "twice"),
        (("evaluate", "--picks", "good.star", *AGAINST, "9", "--out", "a.txt"), ".json or .csv"),
    ],
)  # fmt: skip
def test_errors_name_the_file_or_option(work: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(StructloopError, match=re.escape(message)):
        run(*arguments)


@pytest.mark.parametrize("options", [("--micrograph-size", "12"), ("--y-axis-in", "left")])
def test_bad_options_are_refused(work: Path, options: tuple[str, str]) -> None:
    result = run("convert", "good.star", "out.csv", *options)
    assert result.exit_code == 2
    assert options[0] in result.stderr


def test_evaluate_compares_methods_and_writes_all_of_it(work: Path) -> None:
    result = done(
        "evaluate", "--picks", "good.star", "--picks", "poor.txt", "--truth", "truth.star", "--diameter-px", "30",
        "--border", "20", "--micrographs", "Micrographs", "--out", "report.csv", "--plots", "plots",
    )  # fmt: skip
    assert re.search(r"good +0.3 D +1.000", result.stdout)
    assert "good - poor" in result.stdout
    assert "note: with 2 micrographs no p-value can be below 0.5" in result.stdout
    with (work / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 2 * 3
    assert rows[0]["micrograph"] == "raw/m_1.tif"
    assert {path.name for path in (work / "plots").iterdir()} >= {"precision-recall.png", "reliability.svg"}


def test_evaluate_as_json(work: Path) -> None:
    command = ("evaluate", "--picks", "good.star", "--truth", "truth.star", "--diameter-px", "30", "--radius", "0.4")
    report = json.loads(done(*command, "--json").stdout)
    (method,) = report["methods"]
    assert [each["radius_diameters"] for each in method["particle_wise"]] == [0.4]
    assert method["particle_wise"][0]["f1"] == 1
    assert method["particle_wise"][0]["average_precision"] == 1
    assert 0.9 < method["pixel_wise"]["f1"] < 1
    done(*command, "--out", "report.json", "--threshold", "0.75")
    with_threshold = json.loads((work / "report.json").read_text())["methods"][0]
    assert with_threshold["particle_wise"][0]["recall"] < 1
    assert with_threshold["particle_wise"][0]["average_precision"] == 1


def test_evaluate_finds_the_images_beside_the_labels(work: Path) -> None:
    (work / "truth.star").rename(work / "Micrographs/truth.star")
    result = done(
        "evaluate", "--picks", "good.star", "--truth", "Micrographs/truth.star", "--diameter-px", "30", "--border", "60"
    )
    assert re.search(r"raw/m_1.tif +good +10 +10 ", result.stdout)


def test_evaluate_says_that_picks_are_upside_down(work: Path) -> None:
    done("convert", "good.star", "up.star", "--micrographs", "Micrographs", "--y-axis-out", "up")
    result = done("evaluate", "--picks", "up.star", *AGAINST, "30", "--micrograph-size", "300x200")
    assert "(--picks-y-axis up)?" in result.stdout
    right = done(
        "evaluate", "--picks", "up.star", *AGAINST, "30", "--micrograph-size", "300x200",
        "--picks-y-axis", "up",
    )  # fmt: skip
    assert re.search(r"up +0.3 D +1.000 +1.000 +1.000", right.stdout)


def test_evaluate_refuses_names_that_do_not_fit(work: Path) -> None:
    write_coordinates(PickSet((MicrographPicks("m", np.ones((1, 2))),)), work / "other.star")
    with pytest.raises(EvaluationError, match="none of its 1 micrographs is in the truth"):
        run("evaluate", "--picks", "other.star", "--truth", "truth.star", "--diameter-px", "30")
