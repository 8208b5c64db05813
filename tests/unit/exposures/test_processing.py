"""Movies to rows, files and a journal: faults are told one by one, nothing is done twice, nothing is lost."""

import csv
import errno
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from structloop.core.errors import ExposureError, ExposuresBusyError, NoSpaceError, StoreUnavailableError
from structloop.exposures import running
from structloop.exposures.finding import FoundMovie, Source
from structloop.exposures.journal import JOURNAL
from structloop.exposures.options import ExposureOptions
from structloop.exposures.pipeline import process_exposure
from structloop.exposures.processing import Job, Processing, check_out
from structloop.exposures.records import record_exposures
from structloop.exposures.running import Event, RunResult, run
from structloop.exposures.tools import load_tools
from structloop.exposures.watching import Once
from structloop.imaging.mrc import read_mrc_header
from structloop.imaging.mrc_writing import write_mrc
from structloop.micrographs.ctf.files import read_ctf_table
from structloop.micrographs.motion.relion import read_corrected_micrographs
from structloop.particles.classical import default_picker
from structloop.store import Database
from structloop.store.tables import ProcessedExposure, ProcessingSession
from support.exposures import (
    PIXEL_ANGSTROM,
    SIDE_PX,
    frames_of,
    write_cut_off,
    write_exposure,
    write_no_frames,
    write_not_numbers,
)
from support.movies import write_mrc_movie

QUICK = ExposureOptions(threads=1)


def go(
    store: Database,
    movies: Path,
    out: Path,
    options: ExposureOptions = QUICK,
    events: list[Event] | None = None,
    stop: threading.Event | None = None,
    **tools: Any,
) -> RunResult:
    job = Job(out, options, load_tools(options, **tools), str(movies))
    with Processing(store, job) as opened:
        return run(
            opened,
            Once(Source(str(movies), leave_out=(out,)).look_once()),
            workers=1,
            stop=stop or threading.Event(),
            on_event=(events if events is not None else []).append,
        )


def rows_of(store: Database, out: Path) -> dict[str, ProcessedExposure]:
    with store.reading() as session:
        found = session.query(ProcessedExposure).join(ProcessingSession).filter_by(results=str(out.absolute())).all()
        return {row.name: row for row in found}


def lines_of(out: Path) -> list[str]:
    return [json.loads(line)["record"]["name"] for line in (out / JOURNAL).read_text().splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    movies = tmp_path / "movies"
    movies.mkdir()
    return movies


def test_each_fault_has_its_own_words_and_the_rest_goes_on(store: Database, folder: Path, tmp_path: Path) -> None:
    write_exposure(folder / "fine.mrcs", 1, defocus_um=0.8)
    write_cut_off(folder / "cut.mrcs")
    (folder / "zero.mrcs").touch()
    write_no_frames(folder / "none.mrcs")
    write_not_numbers(folder / "nan.mrcs")
    write_exposure(folder / "unknown.mrcs", 2, angstrom=None)
    write_mrc_movie(folder / "small.mrcs", frames_of(3)[:, :256], PIXEL_ANGSTROM)
    (folder / "text.tiff").write_text("no movie at all")
    gain = write_mrc_movie(tmp_path / "gain.mrc", np.ones((SIDE_PX, SIDE_PX), np.float32))
    out = tmp_path / "out"
    result = go(store, folder, out, replace(QUICK, gain=gain))
    expected = {
        "cut": "is cut off",
        "zero": "is empty (0 bytes)",
        "none": "holds no frames",
        "nan": "pixels of frame 3 are no numbers",
        "unknown": "its pixel size is not known",
        "small": "the gain reference is 384 x 384, the frames",
        "text": "is no movie that is read",
    }
    assert result.failed.keys() == expected.keys()
    for name, words in expected.items():
        assert words in result.failed[name]
        assert f"{name}." in result.failed[name]
    assert (result.processed, result.known, result.left, result.stopped) == (8, 0, 0, False)
    rows = rows_of(store, out)
    assert {name for name, row in rows.items() if row.state == "done"} == {"fine"}
    assert rows["cut"].reason == result.failed["cut"]
    fine = rows["fine"]
    # Five steps of a pixel.
    assert fine.total_motion_angstrom == pytest.approx(5 * PIXEL_ANGSTROM, rel=0.05)
    assert fine.defocus_v_um == pytest.approx(0.8, abs=0.03)
    assert fine.rings_seen is True
    assert fine.problematic is not None
    assert fine.problematic < 0.2
    assert fine.intensity == pytest.approx(48, rel=0.05)
    for written in (fine.micrograph_file, fine.picture_file, fine.power_file):
        assert written is not None
        assert (out / written).stat().st_size > 1000
    assert read_mrc_header(out / "fine.mrc").pixel_size_angstrom == pytest.approx((1.5, 1.5))
    assert fine.details["metadata"]["pixel_size_angstrom"] == {"value": 1.5, "origin": "header"}
    assert len(fine.details["tracks"]["whole_angstrom"]) == 6
    assert [path.name for path in out.rglob("*.part")] == []


def test_an_empty_hole_is_judged_and_not_failed(store: Database, folder: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(3).poisson(20, (4, SIDE_PX, SIDE_PX)).astype(np.int16)
    write_mrc_movie(folder / "empty.mrcs", noise, PIXEL_ANGSTROM)
    out = tmp_path / "out"
    assert go(store, folder, out, replace(QUICK, dose_per_frame=2.0)).failed == {}
    row = rows_of(store, out)["empty"]
    assert "frames were added up unaligned: the frames have nothing in common" in row.details["remarks"][0]
    assert (row.total_motion_angstrom, row.dose_weighted_file, row.rings_seen) == (None, None, False)
    assert row.intensity == pytest.approx(80, rel=0.01)
    assert (row.problematic or 0) > 0.9


def test_tables_say_what_the_store_says(store: Database, folder: Path, tmp_path: Path) -> None:
    for seed in range(2):
        write_exposure(folder / f"m{seed}.mrcs", seed, defocus_um=0.7 + 0.2 * seed)
    write_exposure(folder / "has blank.mrcs", 5, defocus_um=0.8)
    write_cut_off(folder / "cut.mrcs")
    out = tmp_path / "out"
    go(store, folder, out, replace(QUICK, dose_per_frame=3.0, voltage_kv=200.0, cs_mm=2.0))
    rows = rows_of(store, out)
    with (out / "exposures.csv").open(newline="") as file:
        told = {line["name"]: line for line in csv.DictReader(file)}
    assert told.keys() == rows.keys()
    assert float(told["m0"]["defocus_u_um"]) == pytest.approx(rows["m0"].defocus_u_um)
    assert (told["cut"]["state"], told["cut"]["problematic"]) == ("failed", "")
    assert "is cut off" in told["cut"]["reason"]
    # The second frame ends beyond the first 4 e/A^2: what moved within them is not known.
    assert (rows["m0"].early_motion_angstrom, told["m0"]["early_motion_angstrom"]) == (None, "")
    assert told["m0"]["pixel_size_angstrom"] == "1.5"
    table = parquet.read_table(out / "exposures.parquet").to_pylist()
    assert {each["early_motion_angstrom"] for each in table} == {None}
    assert {each["name"]: each["ctf_resolution_angstrom"] for each in table} == {
        name: row.ctf_resolution_angstrom for name, row in rows.items()
    }
    corrected = {one.name: one for one in read_corrected_micrographs(out / "corrected_micrographs.star")}
    # RELION cannot read blanks.
    assert corrected.keys() == {"m0_DW.mrc", "m1_DW.mrc"}
    assert corrected["m0_DW.mrc"].total_angstrom == pytest.approx(rows["m0"].total_motion_angstrom, abs=1e-4)
    assert corrected["m0_DW.mrc"].late_angstrom == corrected["m0_DW.mrc"].total_angstrom
    fits = {one.micrograph: one for one in read_ctf_table(out / "micrographs_ctf.star")}
    assert fits.keys() == corrected.keys()
    assert fits["m1_DW.mrc"].defocus_u_um == pytest.approx(rows["m1"].defocus_u_um, abs=1e-5)
    assert (fits["m1_DW.mrc"].voltage_kv, fits["m1_DW.mrc"].cs_mm) == (200.0, 2.0)
    with store.reading() as session:
        owner = session.query(ProcessingSession).filter_by(results=str(out)).one()
        assert owner.state == "finished"
        assert [each.partition(",")[0] for each in owner.remarks] == []


def test_nothing_is_done_twice_and_what_changed_is_done_again(
    store: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exposure(folder / "a.mrcs", 1)
    write_exposure(folder / "b.mrcs", 2)
    write_cut_off(folder / "c.mrcs", 3)
    out = tmp_path / "out"
    assert go(store, folder, out).processed == 3
    # A kill in the middle of a line.
    with (out / JOURNAL).open("a") as file:
        file.write('{"format": 1, "stamp": [1')
    assert (go(store, folder, out).processed, lines_of(out)) == (0, ["a", "b", "c"])
    write_exposure(folder / "c.mrcs", 3)
    (out / "pictures" / "b.jpg").unlink()
    again = go(store, folder, out)
    assert (again.processed, again.known, again.failed, lines_of(out)[3:]) == (2, 1, {}, ["b", "c"])
    (remark,) = rows_of(store, out)["c"].details["remarks"]
    assert "the file changed after it failed first" in remark
    # Other options are other results; a file that tells more is not.
    assert go(store, folder, out, replace(QUICK, skip_first=1)).processed == 3
    # Limits judge anew without processing anything: they are no part of how movies are processed.
    assert go(store, folder, out, replace(QUICK, skip_first=1, threads=2)).processed == 0
    # The store is lost: the journal has all of it.
    kept = rows_of(store, out)["a"].details
    with store.session() as session:
        session.query(ProcessedExposure).delete()
    assert (go(store, folder, out, replace(QUICK, skip_first=1)).processed, len(rows_of(store, out))) == (0, 3)
    assert rows_of(store, out)["a"].details == kept
    assert len(kept["tracks"]["local"]) == 16


def test_files_beside_a_movie_that_come_later(store: Database, folder: Path, tmp_path: Path) -> None:
    from support.exposures import epu_xml

    movie = write_exposure(folder / "FoilHole_11_Data_22_33_20261121_100000_Fractions.mrc", 1)
    out = tmp_path / "out"
    options = replace(QUICK, voltage_kv=300.0, dose_per_frame=2.0)
    go(store, folder, out, options)
    before = rows_of(store, out)[movie.stem]
    assert (before.hole, before.square, before.pixel_size_angstrom) == ("11", None, 1.5)
    xml = folder / "FoilHole_11_Data_22_33_20261121_100000.xml"
    xml.write_text(epu_xml(dose=12.0, taken="2026-11-21T10:00:07Z"))
    micrograph = (out / f"{movie.stem}.mrc").stat().st_mtime_ns
    go(store, folder, out, options)
    # It says nothing that changes the result: only the row does.
    told = rows_of(store, out)[movie.stem]
    assert told.taken_at is not None
    assert told.taken_at.isoformat() == "2026-11-21T10:00:07+00:00"
    assert before.stage_x_um is None
    assert told.stage_x_um == pytest.approx(10.0)
    assert told.stage_y_um == pytest.approx(-20.0)
    assert told.details["tracks"] == before.details["tracks"]
    assert (out / f"{movie.stem}.mrc").stat().st_mtime_ns == micrograph
    xml.write_text(epu_xml(dose=12.0, pixel_angstrom=1.8))
    go(store, folder, out, options)
    assert rows_of(store, out)[movie.stem].pixel_size_angstrom == pytest.approx(1.8)
    assert (out / f"{movie.stem}.mrc").stat().st_mtime_ns > micrograph


def test_one_process_at_a_time(store: Database, folder: Path, tmp_path: Path) -> None:
    write_exposure(folder / "a.mrcs", 1)
    job = Job(tmp_path / "out", QUICK, load_tools(QUICK), str(folder))
    with Processing(store, job), pytest.raises(ExposuresBusyError, match="is being filled by another process"):
        Processing(store, job)
    with pytest.raises(ExposureError, match="give another --out"):
        check_out(folder, str(folder))
    assert check_out(folder / "below", str(folder)) is None  # type: ignore[func-returns-value]
    (tmp_path / "out" / JOURNAL).write_text('{"movie": "of another program"}\n')
    with pytest.raises(ExposureError, match="line 1 is no line of a journal"):
        Processing(store, job)


def test_a_full_disk_stops_and_loses_nothing(
    store: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write_exposure(folder / f"{name}.mrcs", ord(name))
    out = tmp_path / "out"
    full = [False]

    def write_or_not(path: Path, *rest: Any) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_mrc(path, *rest)
        full[0] = True

    monkeypatch.setattr("structloop.exposures.pipeline.write_mrc", write_or_not)
    with pytest.raises(NoSpaceError, match=r"the disk of .*out is full; free some space"):
        go(store, folder, out)
    with store.reading() as session:
        assert session.query(ProcessingSession).filter_by(results=str(out)).one().state == "stopped"
    monkeypatch.undo()
    result = go(store, folder, out)
    assert (result.known, result.processed, sorted(lines_of(out))) == (1, 2, ["a", "b", "c"])


def test_what_nobody_thought_of_fails_one_movie_and_is_tried_again(
    store: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_exposure(folder / "a.mrcs", 1)
    write_exposure(folder / "b.mrcs", 2)
    out = tmp_path / "out"

    def fail_at_a(movie: FoundMovie, *rest: Any) -> Any:
        if movie.name == "a":
            raise ZeroDivisionError("by zero")
        return process_exposure(movie, *rest)

    monkeypatch.setattr("structloop.exposures.processing.process_exposure", fail_at_a)
    result = go(store, folder, out)
    assert result.failed.keys() == {"a"}
    assert "unexpected ZeroDivisionError: by zero" in result.failed["a"]
    monkeypatch.undo()
    assert go(store, folder, out).failed == {}


def test_a_database_out_of_reach_is_caught_up_with(
    store: Database, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        write_exposure(folder / f"{name}.mrcs", ord(name))
    out = tmp_path / "out"
    calls = [0]
    said: list[str] = []

    def sometimes(*arguments: Any) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise StoreUnavailableError("the database cannot be used")
        record_exposures(*arguments)

    monkeypatch.setattr("structloop.exposures.processing.record_exposures", sometimes)
    monkeypatch.setattr(running, "_BEAT_S", 0.0)
    job = Job(out, QUICK, load_tools(QUICK), str(folder))
    with Processing(store, job, said.append) as opened:
        run(opened, Once(Source(str(folder)).look()), workers=1, stop=threading.Event())
    assert sorted(rows_of(store, out)) == ["a", "b", "c"]
    assert [each.partition(";")[0] for each in said] == [
        "the database cannot be used",
        "the database can be used again, and all results are entered",
    ]


def test_ice_particles_and_sizes_of_a_session(store: Database, folder: Path, tmp_path: Path) -> None:
    thin = {f"m{number}": 1 - 0.1 * number for number in range(5)}
    for number, (name, brightness) in enumerate(thin.items()):
        write_exposure(folder / f"{name}.mrcs", number, brightness=brightness, side=256, frames=3)
    write_exposure(folder / "other.mrcs", 9, angstrom=2.0, side=256, frames=3)
    out = tmp_path / "out"
    options = replace(QUICK, mean_free_path_nm=300.0, diameter_angstrom=80.0, picker="log 1")
    events: list[Event] = []
    go(store, folder, out, options, events, picker=default_picker("log"))
    rows = rows_of(store, out)
    for name, brightness in thin.items():
        assert rows[name].ice_nm == pytest.approx(-300 * np.log(brightness), abs=6)
        assert "against the thinnest place" in (rows[name].ice_method or "")
        assert rows[name].particles is not None
        assert 0 <= (rows[name].empty_fraction or 0) <= 1
    assert rows["other"].ice_nm is None
    assert len(rows["m0"].details["particles"]["xyp"]) == rows["m0"].particles
    with store.reading() as session:
        (remark,) = session.query(ProcessingSession).filter_by(results=str(out)).one().remarks
    assert remark.startswith("pixel sizes differ within the session: 1.5 Å (5 exposures), 2 Å (1 exposure)")
    # With vacuum, each exposure is told for itself.
    vacuum = write_mrc_movie(tmp_path / "vacuum.mrcs", np.full((3, 256, 256), 10, np.int16), 1.5)
    go(store, folder, tmp_path / "absolute", replace(QUICK, mean_free_path_nm=300.0, vacuum=vacuum))
    told = rows_of(store, tmp_path / "absolute")["m2"]
    assert told.ice_nm == pytest.approx(300 * np.log(10 / 6.4), abs=6)
    assert "against vacuum" in (told.ice_method or "")


def test_two_movies_of_one_name(store: Database, folder: Path, tmp_path: Path) -> None:
    (folder / "one").mkdir()
    (folder / "two").mkdir()
    write_exposure(folder / "one" / "a.mrcs", 1, side=256, frames=3)
    write_exposure(folder / "two" / "a.mrcs", 2, side=256, frames=3)
    job = Job(tmp_path / "out", QUICK, load_tools(QUICK), str(folder))
    for processed in (1, 0):
        with Processing(store, job) as opened:
            feed = Once(Source(str(folder), recursive=True).look())
            result = run(opened, feed, workers=1, stop=threading.Event())
        assert result.processed == processed
        (reason,) = result.failed.values()
        assert "would have the same results" in reason
