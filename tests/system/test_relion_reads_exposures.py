"""RELION itself takes the STAR files that processing writes: it selects by motion, and extracts with the fits."""

import shutil
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from structloop.exposures.finding import Source
from structloop.exposures.options import ExposureOptions
from structloop.exposures.processing import Job, Processing
from structloop.exposures.running import run
from structloop.exposures.tools import Tools
from structloop.exposures.watching import Once
from structloop.imaging.star_syntax import parse_star
from structloop.micrographs.ctf.files import read_ctf_table
from structloop.micrographs.motion.relion import read_corrected_micrographs
from structloop.store import Database
from support.exposures import write_exposure
from support.processes import WITHIN_S

pytestmark = pytest.mark.skipif(
    shutil.which("relion_preprocess") is None, reason="relion_preprocess is not there (apt-get install relion)"
)


def relion(project: Path, *command: str) -> None:
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert result.returncode == 0, result.stdout[-500:] + result.stderr[-1500:]


def test_relion_goes_on_from_the_folder_of_results(tmp_path: Path) -> None:
    movies, out = tmp_path / "movies", tmp_path / "out"
    movies.mkdir()
    for number, defocus in enumerate((0.7, 1.0)):
        write_exposure(movies / f"m{number}.mrcs", number, defocus_um=defocus)
    write_exposure(movies / "wide.mrcs", 5, defocus_um=0.8, angstrom=1.9)
    with closing(Database(f"sqlite:///{tmp_path / 'store.db'}")) as database:
        options = ExposureOptions(dose_per_frame=2.0, threads=1)
        with Processing(database, Job(out, options, Tools(), str(movies))) as processing:
            run(processing, Once(Source(str(movies)).look()), workers=1, stop=threading.Event())

    relion(
        out, "relion_star_handler", "--i", "corrected_micrographs.star", "--o", "still.star",
        "--select", "rlnAccumMotionTotal", "--maxval", "8.5",
    )  # fmt: skip
    # Five steps of a pixel: 7.5 Angstrom, and 9.5 with wider pixels.
    assert {one.name for one in read_corrected_micrographs(out / "still.star")} == {"m0_DW.mrc", "m1_DW.mrc"}
    (out / "Picks").mkdir()
    for name in ("m0", "m1", "wide"):
        picks = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n190 190\n"
        (out / "Picks" / f"{name}_DW_picks.star").write_text(picks)
    relion(
        out, "relion_preprocess", "--i", "micrographs_ctf.star", "--coord_dir", "Picks/", "--coord_suffix",
        "_picks.star", "--part_star", "particles.star", "--part_dir", "Particles/", "--extract", "--extract_size", "64",
    )  # fmt: skip
    blocks = {block.name: block for block in parse_star((out / "particles.star").read_text(), out)}
    particles, optics = blocks["particles"], blocks["optics"]
    extracted = [dict(zip(particles.columns, row, strict=True)) for row in particles.rows]
    of = {row["rlnMicrographName"]: row for row in extracted}
    assert of.keys() == {"m0_DW.mrc", "m1_DW.mrc", "wide_DW.mrc"}
    for fit in read_ctf_table(out / "micrographs_ctf.star"):
        assert float(of[fit.micrograph]["rlnDefocusU"]) == pytest.approx(fit.defocus_u_um * 1e4)
    assert of["m0_DW.mrc"]["rlnOpticsGroup"] != of["wide_DW.mrc"]["rlnOpticsGroup"]
    assert len(optics.rows) == 2
