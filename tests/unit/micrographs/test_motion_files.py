"""Motion that other programs wrote becomes one table, and what we write is what RELION reads."""

import os
import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from structloop.core.errors import ImageError, MotionFileError
from structloop.imaging.mrc_writing import write_mrc
from structloop.micrographs.motion.motioncor2 import read_motioncor2_log
from structloop.micrographs.motion.relion import (
    read_corrected_micrographs,
    read_relion_motion,
    write_corrected_micrographs,
)
from structloop.schema.motion import CorrectedMicrograph, MotionSummary
from support.movies import write_mrc_movie

LOGS = Path(os.environ.get("STRUCTLOOP_TEST_DATA", "/nowhere")) / "grids" / "logs"
real = pytest.mark.skipif(not LOGS.is_dir(), reason=f"no real data at {LOGS}")

LOG = """Sum Frame #000 - #003 (Reference Frame #002):
......Add Frame #000 with xy shift: -1.16500 1.19500
......Add Frame #001 with xy shift: -0.75000 1.51000
......Add Frame #002 with xy shift: -0.00000 -0.00000
......Add Frame #003 with xy shift:  0.25000 -0.10000
"""

STAR = """
# version 30001

data_general

_rlnImageSizeX                                     4096
_rlnImageSizeY                                     4000
_rlnImageSizeZ                                        3
_rlnMicrographMovieName                movies/one.mrcs
_rlnMicrographBinning                          1.000000


# version 30001

data_global_shift

loop_
_rlnMicrographFrameNumber #1
_rlnMicrographShiftX #2
_rlnMicrographShiftY #3
           1     0.000000     0.000000
           2    -1.500000     0.250000
           3    -2.000000     0.750000


# version 30001

data_local_motion_model

loop_
_rlnMotionModelCoeffsIdx #1
_rlnMotionModelCoeff #2
"""


def test_motioncor2_log(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_text(LOG)
    track = read_motioncor2_log(path)
    assert (track.program, track.reference_frame, track.frames.tolist()) == ("MotionCor2", 2, [0, 1, 2, 3])
    # The program says what it adds; we say where things went.
    np.testing.assert_allclose(track.shifts_px[0], [1.165, -1.195])
    assert track.steps_px()[2] == pytest.approx(np.hypot(0.25, 0.1))


def test_motioncor2_log_file(tmp_path: Path) -> None:
    path = tmp_path / "one-Full.log"
    path.write_text("# full frame alignment\n  1   0.00   0.00\n  2  -0.50   1.25\n")
    track = read_motioncor2_log(path)
    assert track.frames.tolist() == [0, 1]
    assert track.shifts_px[1].tolist() == [0.5, -1.25]


@pytest.mark.parametrize("text", ["", "no shift here\n", LOG + LOG, LOG.replace("0.25000", "nothing")])
def test_a_log_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.log"
    path.write_text(text)
    with pytest.raises(MotionFileError, match=r"bad\.log"):
        read_motioncor2_log(path)


def test_relion_motion(tmp_path: Path) -> None:
    coefficients = np.zeros(36)
    # x moves by 2 z x of the local model: twice the frames, times the place from -0.5 to 0.5.
    coefficients[3] = 2.0
    path = tmp_path / "one.star"
    path.write_text(STAR + "".join(f"{n} {value}\n" for n, value in enumerate(coefficients)))
    motion = read_relion_motion(path)
    assert (motion.width_px, motion.height_px) == (4096, 4000)
    assert motion.track.name == "movies/one.mrcs"
    np.testing.assert_allclose(motion.track.shifts_px, np.array([[0.0, 0.0], [1.5, -0.25], [2.0, -0.75]]))
    moved = motion.at(np.array([4096.0, 2048.0]), np.array([0.0, 2000.0]))
    np.testing.assert_allclose(moved[2, 0], [2 - 2 * 2 * 0.5, 2.0])
    np.testing.assert_allclose(moved[2, 1], [-0.75, -0.75])
    path.write_text(STAR.split("data_global_shift")[0])
    with pytest.raises(MotionFileError, match="no table data_global_shift"):
        read_relion_motion(path)


@real
def test_the_facilities_files_are_read() -> None:
    track = read_motioncor2_log(LOGS / "motioncor2_log.txt")
    assert track.reference_frame == 40
    assert len(track.frames) >= 79
    listed = read_corrected_micrographs(LOGS / "relion_motion_correction_output.star")
    assert len(listed) > 30
    assert listed[0].total_angstrom == pytest.approx(13.525084)
    assert all(one.early_angstrom + one.late_angstrom == pytest.approx(one.total_angstrom, abs=0.01) for one in listed)
    assert {one.pixel_size_angstrom for one in listed} == {1.35}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "corrected_micrographs.star"
    rows = [
        CorrectedMicrograph(Path("m/a.mrc"), MotionSummary("a", "structloop", 12.5, 4.5, 8.0), "m/a.star"),
        CorrectedMicrograph(Path("m/b.mrc"), MotionSummary("b", "structloop", 3.0), "m/b.star"),
    ]
    write_corrected_micrographs(path, rows, pixel_size_angstrom=1.06, voltage_kv=300, cs_mm=2.7)
    first, second = read_corrected_micrographs(path)
    assert (first.name, first.total_angstrom, first.early_angstrom, first.late_angstrom) == ("m/a.mrc", 12.5, 4.5, 8.0)
    assert (second.total_angstrom, second.pixel_size_angstrom) == (3.0, 1.06)
    with pytest.raises(MotionFileError, match="blanks"):
        write_corrected_micrographs(
            path,
            [CorrectedMicrograph(Path("a b.mrc"), MotionSummary("a", "structloop", 1.0))],
            pixel_size_angstrom=1.0,
            voltage_kv=300,
            cs_mm=2.7,
        )
    with pytest.raises(MotionFileError, match="no micrographs"):
        write_corrected_micrographs(path, [], pixel_size_angstrom=1.0, voltage_kv=300, cs_mm=2.7)


def test_a_micrograph_is_written_with_its_pixel_size(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).standard_normal((70, 90)).astype(np.float32)
    write_mrc(tmp_path / "a.mrc", picture, 1.31)
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as file:
        np.testing.assert_array_equal(file.data, picture)
        assert float(file.voxel_size.x) == pytest.approx(1.31)
        assert float(file.header.dmean) == pytest.approx(float(picture.mean()), abs=1e-6)
    with pytest.raises(ImageError, match="cannot be written"):
        write_mrc(tmp_path / "none" / "a.mrc", picture, 1.31)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mrc"]


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("relion_run_motioncorr") is None, reason="relion is not there (apt-get install relion)"
)
def test_relion_reads_what_is_written_and_we_what_relion_writes(tmp_path: Path) -> None:
    counts = np.random.default_rng(2).poisson(1.0, (4, 512, 512)).astype(np.int8)
    write_mrc_movie(tmp_path / "movie.mrcs", counts, 1.2)
    command = [
        "relion_run_motioncorr",
        "--i",
        "movie.mrcs",
        "--o",
        "out/",
        "--use_own",
        "--j",
        "1",
        "--angpix",
        "1.2",
        "--voltage",
        "300",
    ]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=150)
    motion = read_relion_motion(tmp_path / "out" / "movie.star")
    assert (motion.width_px, motion.height_px, len(motion.track.frames)) == (512, 512, 4)

    write_mrc(tmp_path / "a.mrc", counts.sum(axis=0, dtype=np.float32), 1.2)
    one = CorrectedMicrograph(Path("a.mrc"), MotionSummary("a", "structloop", 2.0, 0.5, 1.5))
    star = tmp_path / "corrected_micrographs.star"
    write_corrected_micrographs(star, [one], pixel_size_angstrom=1.2, voltage_kv=300, cs_mm=2.7)
    printed = subprocess.run(
        ["relion_star_printtable", "corrected_micrographs.star", "data_micrographs", "_rlnMicrographName"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert printed.stdout.split() == ["a.mrc"]
