"""A folder of simulated movies: names and metadata that are read again, faults of files, going on where it stopped."""

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from structloop.core.errors import ExposureError, ImageTruncatedError, MovieError
from structloop.exposures.finding import Source
from structloop.exposures.metadata import gather
from structloop.exposures.options import ExposureOptions
from structloop.exposures.simulating import PLACES, TRUTH, Layout, SimulatedMovies, simulate_movies
from structloop.micrographs.movies import open_movie
from structloop.simulation.exposure_movies import FILES, GOOD

SMALL = SimulatedMovies(count=2, size_px=128, frames=2, pixel_size_angstrom=1.2)


def truth_of(folder: Path) -> list[dict[str, str]]:
    with (folder / TRUTH).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("layout", ["epu", "serialem"])
def test_our_readers_understand_names_and_metadata(tmp_path: Path, layout: Layout) -> None:
    out = tmp_path / "movies"
    made = simulate_movies(replace(SMALL, count=12, layout=layout), out)
    assert (made.written, sum(made.kinds.values())) == (12, 12)
    places = re.compile(PLACES) if layout == "serialem" else None
    truth = {out / row["movie"]: row for row in truth_of(out)}
    found = Source(str(out), recursive=True).look_once()
    assert {each.path for each in found} == truth.keys()
    squares = set()
    for movie in found:
        row = truth[movie.path]
        if row["kind"] in FILES:
            with pytest.raises((ImageTruncatedError, MovieError)):
                open_movie(movie.path)
            continue
        with open_movie(movie.path) as opened:
            told = gather(movie, opened.header, ExposureOptions(), places)
        assert told.remarks == ()
        assert [told.value(name) for name in ("pixel_size_angstrom", "voltage_kv")] == [1.2, 300.0]
        assert told.value("dose_per_frame") == pytest.approx(20.0)
        assert told.taken_at is not None
        assert told.taken_at.isoformat() == row["taken_at"]
        assert (told.target_defocus_um or 0) > 1
        assert None not in (told.grid, told.hole, told.stage_um)
        squares.add((row["square"], told.square))
    assert len(squares) == len({true for true, _ in squares}) == 2


def test_it_goes_on_where_it_was_stopped_and_leaves_other_folders_alone(tmp_path: Path) -> None:
    out, waited, whole = tmp_path / "movies", list[float](), list[bool]()

    def stop(seconds: float) -> None:
        waited.append(seconds)
        # What is there at any moment is whole, and has what tells of it beside it.
        found = Source(str(out), recursive=True).look()
        whole.extend(bool(each.beside) for each in found)
        for each in found:
            open_movie(each.path).close()
        if len(waited) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_movies(replace(SMALL, count=3), out, every_s=1000.0, pause=stop)
    assert waited[0] == 0
    assert waited[1] > 900
    assert whole == [True] * 3
    first = {row["movie"]: (out / row["movie"]).stat().st_mtime_ns for row in truth_of(out)}
    assert len(first) == 2
    told: list[tuple[int, int]] = []
    made = simulate_movies(replace(SMALL, count=3), out, on_progress=lambda done, total: told.append((done, total)))
    assert (made.written, told) == (1, [(0, 3), (1, 3), (2, 3), (3, 3)])
    assert {name: (out / name).stat().st_mtime_ns for name in first} == first
    assert [row["kind"] for row in truth_of(out)].count(GOOD) >= 1
    with pytest.raises(ExposureError, match=r"of another simulation \(seed 0\)"):
        simulate_movies(replace(SMALL, seed=1), out)
    with pytest.raises(ExposureError, match="is not empty"):
        simulate_movies(SMALL, tmp_path)
