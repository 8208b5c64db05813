"""What differs from place to place: tilt, film, crystalline ice."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.micrographs.ctf import CtfOptions, Lens, fit_ctf
from structloop.micrographs.ctf.regions import find_film, fit_regions
from structloop.simulation.amorphous import Amorphous
from structloop.simulation.optics import Optics
from support.thon_rings import exposure

LENS = Lens(300, 2.7, 0.1)
OPTIONS = CtfOptions(threads=1)


def optics(mean_um: float) -> Optics:
    return Optics(amplitude_contrast=0.1, defocus_u_um=mean_um + 0.05, defocus_v_um=mean_um - 0.05, angle_deg=30.0)


@pytest.mark.parametrize(("tilt", "axis"), [(20.0, 30.0), (35.0, 200.0), (30.0, 300.0)])
def test_a_tilt_is_found_with_its_axis(tilt: float, axis: float) -> None:
    made = Amorphous(2048, 2048, 1.3, snr=0.1, tilt_deg=tilt, tilt_axis_deg=axis)
    fit = fit_ctf(made.render(optics(1.8), 3), 1.3, LENS, OPTIONS)
    assert fit.good
    assert fit.local is not None
    found = fit.local.tilt
    assert found.believed
    assert found.tilt_deg == pytest.approx(tilt, abs=3)
    assert abs((found.axis_deg - axis + 180) % 360 - 180) < 6
    assert fit.defocus.mean_um + found.centre_um == pytest.approx(1.8, abs=0.02)


def test_an_even_specimen_has_no_tilt() -> None:
    fit = fit_ctf(exposure(20, size=2048), 1.2, LENS, OPTIONS)
    assert fit.local is not None
    assert not fit.local.tilt.believed
    assert fit.local.tilt.tilt_deg < 3
    np.testing.assert_allclose(fit.local.defocus_um, fit.defocus.mean_um, atol=0.03)
    np.testing.assert_allclose(fit.local.strength, 1, atol=0.3)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("share", "darker"), [(0.25, 1.0), (0.4, 0.2)])
def test_an_edge_of_film_does_not_pose_as_good_ice(seed: int, share: float, darker: float) -> None:
    made = Amorphous(3072, 3072, 1.0, snr=0.0, film=share, film_snr=0.1, film_darker=darker)
    found = fit_regions(made.render(optics(1.2 + 0.3 * seed), seed), 1.0, LENS, OPTIONS)
    assert not found.good
    assert found.reason or not found.fit.good


@pytest.mark.parametrize("seed", [1, 2])
def test_good_ice_beside_film_stays_good(seed: int) -> None:
    made = Amorphous(3072, 3072, 1.0, snr=0.05, film=0.3, film_snr=0.1, film_darker=1.0)
    found = fit_regions(made.render(optics(1.5), seed), 1.0, LENS, OPTIONS)
    assert found.good
    assert found.reason == ""
    assert found.fit.defocus.mean_um == pytest.approx(1.5, abs=0.015)


def test_film_is_found_where_it_is() -> None:
    made = Amorphous(2048, 2048, 1.0, snr=0.0, film=0.4, film_snr=0.3, film_darker=2.0, clutter=0.0)
    film = find_film(made.render(optics(1.5), 4), 1.0)
    assert film is not None
    assert film.mean() == pytest.approx(0.4, abs=0.08)
    assert film[:, : film.shape[1] // 6].all()


def spotted(pixels: NDArray[np.float32], pixel: float, spacing: float, count: int, height: float) -> None:
    """Adds plane waves of a lattice spacing, each in one corner of the picture."""
    random = np.random.default_rng(7)
    side = len(pixels) // 3
    y, x = np.mgrid[:side, :side] * pixel
    for _ in range(count):
        turn = random.uniform(0, math.pi)
        wave = np.cos(2 * math.pi / spacing * (math.cos(turn) * x + math.sin(turn) * y))
        pixels[:side, :side] += height * wave.astype(np.float32)


def test_spots_of_crystalline_ice_are_seen_and_left_out_of_the_fit() -> None:
    pixels = exposure(21, size=2048, pixel=1.2)
    spotted(pixels, 1.2, 3.67, 4, 0.25)
    fit = fit_ctf(pixels, 1.2, LENS, OPTIONS)
    assert fit.crystalline is not None
    assert fit.crystalline.present
    assert fit.crystalline.spotted_share > 0
    assert fit.defocus.mean_um == pytest.approx(1.45, abs=0.01)


def test_rings_of_crystalline_ice_are_named() -> None:
    random = np.random.default_rng(22)
    k = np.hypot(np.fft.fftfreq(2048, 1.2)[:, None], np.fft.rfftfreq(2048, 1.2)[None, :])
    ring = sum(np.exp(-(((k * spacing - 1) / 0.004) ** 2)) for spacing in (3.9, 3.67))
    pixels = np.fft.irfft2(np.fft.rfft2(random.standard_normal((2048, 2048))) * (1 + ring))
    fit = fit_ctf(pixels.astype(np.float32), 1.2, LENS, OPTIONS)
    assert fit.crystalline is not None
    assert {each.spacing_angstrom for each in fit.crystalline.rings} >= {3.9, 3.67}
    assert not fit.good


def test_vitreous_ice_is_not_crystalline_and_coarse_pixels_cannot_say() -> None:
    fit = fit_ctf(exposure(23, size=2048), 1.2, LENS, OPTIONS)
    assert fit.crystalline is not None
    assert not fit.crystalline.present
    assert fit_ctf(exposure(24, pixel=1.9), 1.9, LENS, OPTIONS).crystalline is None
