"""Signs, axes and pixel sizes of motion mean what RELION's own program means by them, binned or not."""

import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from structloop.micrographs.motion import Dose, MotionOptions, correct_motion
from structloop.micrographs.motion.relion import read_corrected_micrographs, read_relion_motion
from structloop.micrographs.movies import Correction, open_movie
from support.movies import write_mrc_movie

SIZE, FRAMES, PIXEL = 384, 6, 1.2
STEP = np.array([2.0, -1.0])
"""Every frame shows the specimen so many pixels farther along x (columns) and y (rows)."""


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    draw = np.random.default_rng(3)
    field = ndimage.gaussian_filter(draw.standard_normal((SIZE + 32, SIZE + 32)), 2.0)
    scene = np.clip(3 + 2 * field / field.std(), 0.2, None)
    frames = []
    for frame in range(FRAMES):
        x, y = (16 - frame * STEP).astype(int)
        frames.append(draw.poisson(scene[y : y + SIZE, x : x + SIZE]))
    write_mrc_movie(tmp_path / "movie.mrcs", np.array(frames).astype(np.int8), PIXEL)
    return tmp_path / "movie.mrcs"


@pytest.mark.skipif(
    shutil.which("relion_run_motioncorr") is None, reason="relion is not there (apt-get install relion)"
)
@pytest.mark.parametrize("binning", [1, 2])
def test_relion_and_we_say_where_things_went(movie: Path, binning: int) -> None:
    command = ["relion_run_motioncorr", "--i", "movie.mrcs", "--o", "out/", "--use_own", "--j", "1"]
    command += ["--angpix", str(PIXEL), "--voltage", "300", "--bin_factor", str(binning)]
    command += ["--dose_weighting", "--dose_per_frame", "1"]
    subprocess.run(command, cwd=movie.parent, check=True, capture_output=True, timeout=150)
    theirs = read_relion_motion(movie.parent / "out" / "movie.star")
    with open_movie(movie) as opened:
        options = MotionOptions(pixel_size_angstrom=PIXEL, dose=Dose(1.0, 300.0))
        ours = correct_motion(opened, Correction.of(opened.header), options)

    truth = np.arange(FRAMES)[:, None] * STEP
    # Their shifts are pixels of the stored frame, whatever the micrograph is binned to.
    np.testing.assert_allclose(theirs.track.shifts_px, truth, atol=0.35)
    np.testing.assert_allclose(ours.field.track(SIZE / 2, SIZE / 2), truth, atol=0.1)
    assert (theirs.width_px, theirs.height_px) == (SIZE, SIZE)

    # A binned micrograph has the binned pixel size.
    with mrcfile.open(movie.parent / "out" / "movie.mrc") as written:
        assert written.data.shape == (SIZE // binning, SIZE // binning)
        assert float(written.voxel_size.x) == pytest.approx(PIXEL * binning, rel=1e-3)
    listed = read_corrected_micrographs(movie.parent / "out" / "corrected_micrographs.star")
    assert listed[0].pixel_size_angstrom == pytest.approx(PIXEL * binning)

    # Ours is in angstrom. RELION 3.1.3 calls its sums angstrom, too, and adds up pixels of the stored frame.
    length_px = (FRAMES - 1) * float(np.hypot(*STEP))
    assert ours.summary is not None
    assert ours.summary.total_angstrom == pytest.approx(length_px * PIXEL, rel=0.05)
    assert listed[0].total_angstrom == pytest.approx(length_px, rel=0.05)
