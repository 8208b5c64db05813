import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import SimulationError
from structloop.simulation.optics import (
    Envelope,
    Optics,
    electron_wavelength_angstrom,
    interaction_rad_per_volt_angstrom,
)


def _at(optics: Optics, kx: float, ky: float) -> float:
    return float(optics.ctf(np.array([[kx]], np.float32), np.array([[ky]], np.float32))[0, 0])


@pytest.mark.parametrize(("kilovolt", "angstrom"), [(100, 0.037014), (200, 0.025079), (300, 0.019687)])
def test_wavelengths_are_those_of_the_textbooks(kilovolt: float, angstrom: float) -> None:
    assert electron_wavelength_angstrom(kilovolt) == pytest.approx(angstrom, abs=2e-6)


def test_the_interaction_constants_are_those_of_the_textbooks() -> None:
    assert interaction_rad_per_volt_angstrom(200) == pytest.approx(7.288e-4, rel=1e-3)
    assert interaction_rad_per_volt_angstrom(300) == pytest.approx(6.526e-4, rel=1e-3)


def test_the_ctf_is_what_a_calculator_says() -> None:
    # 300 kV, Cs 2.7 mm, 1.5 um under, k = 0.1 per Angstrom, amplitude contrast 0.07, by hand:
    # pi 0.0196875 15000 0.01 = 9.27751; pi/2 2.7e7 0.0196875^3 1e-4 = 0.032363; asin 0.07 = 0.070057
    # chi = 9.31520 = 3 pi - 0.10957; -sin(chi) = -0.10936
    optics = Optics(defocus_u_um=1.5, defocus_v_um=1.5)
    assert _at(optics, 0.1, 0.0) == pytest.approx(-0.10936, abs=3e-5)
    assert _at(optics, 0.0, 0.0) == pytest.approx(-0.07, abs=1e-6)


def test_underfocus_makes_dense_matter_dark_and_overfocus_bright_at_low_resolution() -> None:
    assert _at(Optics(defocus_u_um=2, defocus_v_um=2), 0.03, 0) < -0.5
    assert _at(Optics(defocus_u_um=-2, defocus_v_um=-2), 0.03, 0) > 0.5


def test_the_angle_of_astigmatism_turns_from_x_towards_y() -> None:
    optics = Optics(defocus_u_um=2.0, defocus_v_um=1.0, angle_deg=30)
    along = Optics(defocus_u_um=2.0, defocus_v_um=2.0)
    across = Optics(defocus_u_um=1.0, defocus_v_um=1.0)
    k = 0.08
    turn = np.deg2rad(30)
    assert _at(optics, k * np.cos(turn), k * np.sin(turn)) == pytest.approx(_at(along, k, 0), abs=1e-4)
    assert _at(optics, -k * np.sin(turn), k * np.cos(turn)) == pytest.approx(_at(across, k, 0), abs=1e-4)
    assert optics.defocus_um_at(30) == pytest.approx(2.0)
    assert optics.defocus_um_at(120) == pytest.approx(1.0)


def _independent(optics: Optics, k: float, direction_deg: float) -> float:
    """The CTF through the angle, as the papers write it, in double precision."""
    wavelength = electron_wavelength_angstrom(optics.voltage_kv)
    turn = np.deg2rad(direction_deg - optics.angle_deg)
    defocus = 1e4 * (optics.defocus_u_um * np.cos(turn) ** 2 + optics.defocus_v_um * np.sin(turn) ** 2)
    chi = np.pi * wavelength * k**2 * (defocus - 0.5 * wavelength**2 * k**2 * optics.cs_mm * 1e7)
    chi += np.deg2rad(optics.phase_shift_deg)
    weight = optics.amplitude_contrast
    return float(-np.sqrt(1 - weight**2) * np.sin(chi) - weight * np.cos(chi))


@given(
    k=st.floats(0.005, 0.25),
    direction=st.floats(0, 360),
    u=st.floats(0.3, 3.5),
    astigmatism=st.floats(0, 0.4),
    angle=st.floats(-180, 180),
    plate=st.floats(0, 120),
    kilovolt=st.sampled_from([120.0, 200.0, 300.0]),
)
def test_it_agrees_with_the_papers_formula(
    k: float, direction: float, u: float, astigmatism: float, angle: float, plate: float, kilovolt: float
) -> None:
    optics = Optics(kilovolt, 2.7, 0.1, u, u - astigmatism, angle, plate)
    turn = np.deg2rad(direction)
    got = _at(optics, k * np.cos(turn), k * np.sin(turn))
    assert got == pytest.approx(_independent(optics, k, direction), abs=2e-3)


def test_zeros_are_zeros_and_none_is_left_out() -> None:
    optics = Optics(200, 2.0, 0.1, 1.8, 1.6, 25, 30)
    zeros = optics.ctf_zeros(70, 8)
    values = [_independent(optics, float(k), 70) for k in zeros]
    np.testing.assert_allclose(values, 0, atol=1e-6)
    fine = np.linspace(0.001, zeros[-1] + 1e-4, 20000)
    signs = np.sign([_independent(optics, float(k), 70) for k in fine])
    assert np.count_nonzero(np.diff(signs)) == 8


def test_more_zeros_than_there_are_is_refused() -> None:
    with pytest.raises(SimulationError, match="fewer than"):
        Optics(defocus_u_um=-1, defocus_v_um=-1).ctf_zeros(0, 1)


def test_envelopes_are_what_a_calculator_says() -> None:
    k = np.array([0.0, 0.25], np.float32)
    temporal = Optics(envelope=Envelope(5.0, 0.0)).damping(k)
    # (pi 0.019687 50)^2 / 2 * 0.25^4 = 0.018680
    np.testing.assert_allclose(temporal, [1, np.exp(-0.018680)], rtol=1e-4)
    debye = Optics(envelope=Envelope(0.0, 0.0, 100.0)).damping(k)
    np.testing.assert_allclose(debye, [1, np.exp(-100 * 0.0625 / 4)], rtol=1e-5)
    # Cs lambda^3 k^3 - df lambda k = 2.7e7 7.6306e-6 0.015625 - 15000 0.019687 0.25 = 3.2192 - 73.828 = -70.609
    # (pi 1e-5 / 0.019687)^2 70.609^2 = 0.012696
    spatial = Optics(envelope=Envelope(0.0, 0.01)).damping(k)
    np.testing.assert_allclose(spatial, [1, np.exp(-0.012696)], rtol=1e-4)
    assert (Optics(envelope=Envelope.none()).damping(k) == 1).all()


def test_beam_tilt_adds_an_odd_phase() -> None:
    optics = Optics(beam_tilt_mrad=(0.5, -0.2))
    kx, ky = np.array([[0.2, -0.2]], np.float32), np.array([[0.1, -0.1]], np.float32)
    phase = optics.coma_phase(kx, ky)[0]
    wanted = 2 * np.pi * 2.7e7 * 0.0196875**2 * 0.05 * (0.2 * 0.5e-3 - 0.1 * 0.2e-3)
    np.testing.assert_allclose(phase, [wanted, -wanted], rtol=1e-4)


def test_impossible_values_are_refused() -> None:
    with pytest.raises(SimulationError, match="voltage_kv"):
        Optics(voltage_kv=0)
    with pytest.raises(SimulationError, match="amplitude_contrast"):
        Optics(amplitude_contrast=1.2)
