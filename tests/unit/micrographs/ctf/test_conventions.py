"""Signs, angles and pixel sizes: against the paper's formula written out again, and against RELION's own program."""

import math
import shutil
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import CtfError
from structloop.micrographs.ctf import Defocus, Lens
from structloop.micrographs.ctf.transfer import phase
from structloop.simulation.optics import Optics
from support.thon_rings import chi

LENSES = (Lens(300, 2.7, 0.1), Lens(200, 2.0, 0.07), Lens(120, 6.3, 0.0), Lens(300, 0.01, 0.15))


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize(("u", "v", "angle", "shift"), [(1.5, 1.5, 0, 0), (2.4, 2.1, 35, 0), (0.8, 0.5, 120, 75)])
def test_the_phase_is_that_of_the_paper(lens: Lens, u: float, v: float, angle: float, shift: float) -> None:
    ky, kx = np.meshgrid(np.linspace(-0.3, 0.3, 31), np.linspace(0, 0.3, 16), indexing="ij")
    defocus = Defocus.of(u, v, angle, shift)
    turn = 2 * np.arctan2(ky, kx)
    ours = phase(lens, kx**2 + ky**2, defocus.at_um(np.cos(turn), np.sin(turn)), defocus.phase_shift_rad)
    paper = chi(
        kx, ky, u, v, angle, kv=lens.voltage_kv, cs_mm=lens.cs_mm, contrast=lens.amplitude_contrast, shift_deg=shift
    )
    # Phases of some hundred radians; the constants of the wavelength are rounded to six digits in the test.
    np.testing.assert_allclose(ours, paper, atol=5e-3)
    optics = Optics(lens.voltage_kv, lens.cs_mm, lens.amplitude_contrast, u, v, angle, shift)
    simulated = optics.phase(kx.astype(np.float32), ky.astype(np.float32))
    np.testing.assert_allclose(ours, simulated, atol=5e-3)


@given(u=st.floats(0.1, 5), astigmatism=st.floats(0.001, 0.5), angle=st.floats(0, 179.999), shift=st.floats(0, 179.999))
def test_a_defocus_keeps_what_it_was_made_of(u: float, astigmatism: float, angle: float, shift: float) -> None:
    made = Defocus.of(u, u - astigmatism, angle, shift)
    assert made.u_um == pytest.approx(u, abs=1e-9)
    assert made.v_um == pytest.approx(u - astigmatism, abs=1e-9)
    assert abs((made.angle_deg - angle + 90) % 180 - 90) < 1e-6
    assert math.degrees(made.phase_shift_rad) == pytest.approx(shift)


def test_underfocus_is_positive_and_its_first_ring_is_where_the_textbook_has_it() -> None:
    # Without Cs and amplitude contrast the CTF is 0 where lambda df k^2 = 1.
    lens = Lens(300, 0, 0)
    k = 1 / math.sqrt(lens.wavelength_angstrom * 1.5e4)
    assert math.sin(float(phase(lens, np.array(k**2), 1.5))) == pytest.approx(0, abs=1e-9)
    # Below it the CTF, -sin(chi), is negative in underfocus: dense matter is dark.
    assert -math.sin(float(phase(lens, np.array(k**2 / 2), 1.5))) == pytest.approx(-1)
    assert lens.wavelength_angstrom == pytest.approx(0.0196875, abs=1e-6)


@pytest.mark.parametrize("name", ["voltage_kv", "cs_mm", "amplitude_contrast"])
def test_a_lens_that_cannot_be_is_refused_by_name(name: str) -> None:
    with pytest.raises(CtfError, match=name):
        Lens(**{name: math.nan})
    with pytest.raises(CtfError, match=name):
        Lens(**{name: -1.0})


@pytest.mark.skipif(
    shutil.which("relion_preprocess") is None, reason="relion_preprocess is not there (apt-get install relion)"
)
@pytest.mark.parametrize(("u", "v", "angle"), [(20000, 20000, 0), (20000, 15000, 30), (9000, 7500, 145)])
def test_relion_means_the_same_by_the_same_numbers(tmp_path: Path, u: int, v: int, angle: int) -> None:
    """RELION's program draws its CTF: the same rings, the same way up, from U, V and the angle as they are."""
    picture = tmp_path / "relion_ctf.mrc"
    command = ["relion_ctf_toolbox", "--simulate", str(picture), "--angpix", "2", "--box", "128", "--kV", "300"]
    command += ["--Q0", "0.1", "--Cs", "2.7", "--defU", str(u), "--defV", str(v), "--defAng", str(angle)]
    subprocess.run(command, check=True, capture_output=True, timeout=150)
    theirs = mrcfile.read(picture).astype(np.float64)
    ky, kx = np.meshgrid(np.arange(-64, 64) / 256, np.arange(-64, 64) / 256, indexing="ij")
    turn = 2 * np.arctan2(ky, kx)
    defocus = Defocus.of(u / 1e4, v / 1e4, angle)
    ours = np.sin(phase(Lens(300, 2.7, 0.1), kx**2 + ky**2, defocus.at_um(np.cos(turn), np.sin(turn))))
    # RELION writes sin(chi), the CTF of a picture whose particles were made bright.
    np.testing.assert_allclose(theirs, ours, atol=2e-3)
    if u != v:
        mirrored = np.sin(phase(Lens(300, 2.7, 0.1), kx**2 + ky**2, defocus.at_um(np.cos(turn), -np.sin(turn))))
        assert np.abs(theirs - mirrored).max() > 0.5
