"""RELION itself takes the table of CTF fits: it selects by it, and its particles get the right defocus."""

import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from structloop.imaging.star_syntax import parse_star
from structloop.micrographs.ctf.files import read_ctf_table, write_micrographs_ctf
from structloop.schema.ctf import CtfEstimate, CtfTable
from support.processes import WITHIN_S

pytestmark = pytest.mark.skipif(
    shutil.which("relion_preprocess") is None, reason="relion_preprocess is not there (apt-get install relion)"
)
SIZE = 200


def estimate(name: str, u: float, v: float, angle: float, resolution: float | None) -> CtfEstimate:
    return CtfEstimate(name, u, v, angle, 0.0, 300.0, 2.7, 0.1, 2.0, resolution, 0.9)


TABLE = CtfTable(
    (
        estimate("Micrographs/good.mrc", 1.52, 1.41, 33.0, 3.6),
        estimate("Micrographs/coarse.mrc", 2.22, 2.02, 150.0, 7.5),
        estimate("Micrographs/none.mrc", 0.9, 0.8, 80.0, None),
    )
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three micrographs, the table, and a pick in each."""
    (tmp_path / "Micrographs").mkdir()
    (tmp_path / "Picks/Micrographs").mkdir(parents=True)
    random = np.random.default_rng(1)
    for each in TABLE:
        with mrcfile.new(tmp_path / each.micrograph) as file:
            file.set_data(random.normal(0, 1, (SIZE, SIZE)).astype(np.float32))
            file.voxel_size = 2.0
        picks = "data_\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n100 100\n"
        (tmp_path / "Picks" / each.micrograph).with_name(Path(each.micrograph).stem + "_picks.star").write_text(picks)
    write_micrographs_ctf(TABLE, tmp_path / "micrographs_ctf.star")
    return tmp_path


def run(project: Path, *command: str) -> str:
    result = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    assert result.returncode == 0, result.stdout[-500:] + result.stderr[-1500:]
    return result.stdout


def test_relion_selects_micrographs_by_resolution(project: Path) -> None:
    run(
        project, "relion_star_handler", "--i", "micrographs_ctf.star", "--o", "selected.star",
        "--select", "rlnCtfMaxResolution", "--maxval", "6",
    )  # fmt: skip
    (kept,) = read_ctf_table(project / "selected.star")
    assert kept.micrograph == "Micrographs/good.mrc"
    assert (kept.defocus_u_um, kept.defocus_v_um, kept.angle_deg) == pytest.approx((1.52, 1.41, 33.0))


def test_particles_that_relion_extracts_have_the_fits_of_their_micrographs(project: Path) -> None:
    run(
        project, "relion_preprocess", "--i", "micrographs_ctf.star", "--coord_dir", "Picks/", "--coord_suffix",
        "_picks.star", "--part_star", "particles.star", "--part_dir", "Particles/", "--extract", "--extract_size", "40",
    )  # fmt: skip
    blocks = {block.name: block for block in parse_star((project / "particles.star").read_text(), project)}
    particles, optics = blocks["particles"], blocks["optics"]
    names = particles.column("rlnMicrographName")
    assert names is not None
    assert set(names) == {each.micrograph for each in TABLE}
    for each in TABLE:
        row = dict(zip(particles.columns, particles.rows[names.index(each.micrograph)], strict=True))
        assert float(row["rlnDefocusU"]) == pytest.approx(each.defocus_u_um * 1e4)
        assert float(row["rlnDefocusV"]) == pytest.approx(each.defocus_v_um * 1e4)
        assert float(row["rlnDefocusAngle"]) == pytest.approx(each.angle_deg)
    (voltage,) = optics.column("rlnVoltage") or [""]
    assert float(voltage) == 300
