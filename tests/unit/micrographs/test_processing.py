"""A folder of movies with mixed faults is processed to its end, and a run that was killed goes on where it was."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner

from structloop.cli.main import app
from structloop.core.errors import ImageMissingError, MotionError
from structloop.micrographs.motion import CorrectedMovie, Dose, MotionOptions
from structloop.micrographs.motion.relion import read_corrected_micrographs
from structloop.micrographs.processing import JOURNAL, STAR, ProcessingOptions, find_movies, process_movies
from support.movies import write_mrc_movie


def frames(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    draw = np.random.default_rng(seed)
    picture = np.kron(draw.uniform(1, 7, (48, 48)), np.ones((6, 6)))
    return draw.poisson(np.stack([np.roll(picture, (n, -n), (0, 1)) for n in range(4)])).astype(np.int16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    movies = tmp_path / "movies"
    movies.mkdir()
    for name, seed in (("a", 1), ("b", 2)):
        write_mrc_movie(movies / f"{name}.mrcs", frames(seed), 1.5)
    (movies / "cut.mrcs").write_bytes((movies / "a.mrcs").read_bytes()[:300_000])
    write_mrc_movie(movies / "small.mrcs", frames(3)[:, :200], 1.5)
    return movies


def test_the_rest_goes_on_and_nothing_is_done_twice(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    gain = write_mrc_movie(tmp_path / "gain.mrc", np.ones((288, 288), np.float32))
    options = ProcessingOptions(motion=MotionOptions(dose=Dose(1.0, 300.0)), gain=gain)
    seen: list[str] = []

    def stage(corrected: CorrectedMovie, micrograph: Path) -> dict[str, float]:
        seen.append(micrograph.name)
        return {"mean": float(corrected.micrograph.mean())}

    first = {Path(one.movie).stem: one for one in process_movies(find_movies(str(folder)), out, options, [stage])}
    assert {name: one.state for name, one in first.items()} == {
        "a": "done",
        "b": "done",
        "cut": "failed",
        "small": "failed",
    }
    assert "is cut off" in first["cut"].reason
    assert "gain reference is 288 x 288, the frames" in first["small"].reason
    assert seen == ["a.mrc", "b.mrc"]
    assert first["a"].values["mean"] == pytest.approx(16, abs=1)
    listed = read_corrected_micrographs(out / STAR)
    assert [one.name for one in listed] == ["a_DW.mrc", "b_DW.mrc"]
    # 3 steps along both axes, 1.5 Angstrom each.
    assert listed[0].total_angstrom == pytest.approx(3 * 2**0.5 * 1.5, rel=0.05)
    with mrcfile.open(out / "a_DW.mrc") as file:
        assert float(file.voxel_size.x) == pytest.approx(1.5)

    # A kill in the middle of a line, and a movie that has arrived whole meanwhile.
    journal = out / JOURNAL
    journal.write_text(journal.read_text() + '{"movie": "half a li')
    write_mrc_movie(folder / "cut.mrcs", frames(1), 1.5)
    again = {Path(one.movie).stem: one for one in process_movies(find_movies(str(folder)), out, options, [stage])}
    assert {name: (one.state, one.known) for name, one in again.items()} == {
        "a": ("done", True),
        "b": ("done", True),
        "cut": ("done", False),
        "small": ("failed", True),
    }
    assert seen == ["a.mrc", "b.mrc", "cut.mrc"]
    assert all(one.known for one in process_movies(find_movies(str(folder)), out, options, [stage]))


def test_other_options_are_other_results(folder: Path, tmp_path: Path) -> None:
    movies = [folder / "a.mrcs"]
    assert [one.known for one in process_movies(movies, tmp_path / "out", ProcessingOptions())] == [False]
    other = ProcessingOptions(motion=MotionOptions(skip_first=1))
    assert [one.known for one in process_movies(movies, tmp_path / "out", other)] == [False]
    threads = ProcessingOptions(motion=MotionOptions(skip_first=1, threads=1))
    assert [one.known for one in process_movies(movies, tmp_path / "out", threads)] == [True]


def test_which_movies_are_meant(folder: Path) -> None:
    assert [path.name for path in find_movies(str(folder / "*a*.mrcs"))] == ["a.mrcs", "small.mrcs"]
    with pytest.raises(ImageMissingError, match="is no movie, no folder of movies, and no pattern"):
        find_movies(str(folder / "none*"))
    (folder / "a.tif").write_bytes(b"II*\x00")
    with pytest.raises(MotionError, match=r"would have the same result a\.mrc"):
        find_movies(str(folder))


def test_the_command(folder: Path, tmp_path: Path) -> None:
    command = ["micrographs", "process", str(folder), "--out", str(tmp_path / "out"), "--threads", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "3 of 4 movies are done" in result.output
    assert "[3/4] cut.mrcs: failed:" in result.output
    again = CliRunner().invoke(app, command)
    assert "a.mrcs: done before, moved 6." in again.output
