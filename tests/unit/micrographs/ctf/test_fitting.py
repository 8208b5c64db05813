"""Fits of exposures that the paper's formula made: see `support.thon_rings`."""

import math
from dataclasses import replace

import numpy as np
import pytest

from structloop.core.errors import CtfError
from structloop.micrographs.ctf import CtfFit, CtfOptions, Lens, fit_ctf
from support.thon_rings import exposure

LENS = Lens(300, 2.7, 0.1)
OPTIONS = CtfOptions(locally=False, threads=1)


def off_deg(fit: CtfFit, angle_deg: float) -> float:
    """By how much the angle is off, -90 to 90."""
    return (fit.defocus.angle_deg - angle_deg + 90) % 180 - 90


@pytest.mark.parametrize(
    ("u", "v", "angle"), [(0.62, 0.5, 80.0), (1.0, 1.0, 0.0), (1.6, 1.35, 12.0), (2.2, 1.9, 150.0), (3.05, 2.95, 60.0)]
)
def test_defocus_astigmatism_and_angle_are_found(u: float, v: float, angle: float) -> None:
    fit = fit_ctf(exposure(int(100 * u), u, v, angle), 1.2, LENS, OPTIONS)
    assert fit.good
    assert fit.evidence.confidence > 0.95
    assert fit.defocus.mean_um == pytest.approx((u + v) / 2, abs=0.01)
    assert fit.defocus.u_um - fit.defocus.v_um == pytest.approx(u - v, abs=0.02)
    if u > v:
        assert abs(off_deg(fit, angle)) < 6


@pytest.mark.parametrize("lens", [Lens(200, 2.0, 0.07), Lens(120, 6.3, 0.1), Lens(300, 0.01, 0.1)])
def test_other_microscopes(lens: Lens) -> None:
    pixels = exposure(
        8, 1.3, 1.2, 70.0, kv=lens.voltage_kv, cs_mm=lens.cs_mm, contrast=lens.amplitude_contrast, pixel=1.0
    )
    fit = fit_ctf(pixels, 1.0, lens, OPTIONS)
    assert fit.good
    assert fit.defocus.mean_um == pytest.approx(1.25, abs=0.01)


def test_a_wrong_pixel_size_scales_the_defocus_with_its_square() -> None:
    # Without Cs only lambda df k^2 counts: 5 % larger pixels are 10.25 % more defocus.
    pixels = exposure(9, 1.5, 1.5, 0.0, cs_mm=0.0)
    lens = Lens(300, 0, 0.1)
    fit = fit_ctf(pixels, 1.2 * 1.05, lens, OPTIONS)
    assert fit.defocus.mean_um == pytest.approx(1.5 * 1.05**2, abs=0.01)


def test_a_picture_on_its_side_or_mirrored_has_its_angle_turned_or_mirrored() -> None:
    pixels = exposure(10, 1.7, 1.4, 25.0)
    on_its_side = fit_ctf(np.ascontiguousarray(pixels.T), 1.2, LENS, OPTIONS)
    upside_down = fit_ctf(np.ascontiguousarray(pixels[::-1]), 1.2, LENS, OPTIONS)
    assert abs(off_deg(on_its_side, 65.0)) < 3
    assert abs(off_deg(upside_down, -25.0)) < 3


@pytest.mark.parametrize("shift", [40.0, 95.0, 150.0])
def test_a_phase_plate_is_fitted_when_asked_for(shift: float) -> None:
    pixels = exposure(11, 1.25, 1.15, 100.0, shift_deg=shift)
    fit = fit_ctf(pixels, 1.2, LENS, replace(OPTIONS, phase_shift_deg=None))
    assert fit.good
    assert fit.defocus.mean_um == pytest.approx(1.2, abs=0.015)
    found = math.degrees(fit.defocus.phase_shift_rad)
    assert abs((found - shift + 90) % 180 - 90) < 8
    known = fit_ctf(pixels, 1.2, LENS, replace(OPTIONS, phase_shift_deg=shift))
    assert known.defocus.mean_um == pytest.approx(1.2, abs=0.01)


@pytest.mark.parametrize("ends", [4.0, 6.0, 9.0])
def test_the_fit_resolution_is_where_the_signal_ends(ends: float) -> None:
    fit = fit_ctf(exposure(12, 1.6, 1.5, 20.0, ends_angstrom=ends), 1.2, LENS, OPTIONS)
    assert fit.fit_resolution_angstrom == pytest.approx(ends, rel=0.12)


@pytest.mark.parametrize("kind", ["white", "clutter", "streaks", "halo"])
@pytest.mark.parametrize("seed", [1, 2])
def test_what_has_no_rings_is_not_called_good(kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    size = 1536
    pixels = random.standard_normal((size, size))
    k = np.hypot(np.fft.fftfreq(size, 1.2)[:, None], np.fft.rfftfreq(size, 1.2)[None, :])
    if kind == "clutter":
        pixels += np.fft.irfft2(np.fft.rfft2(random.standard_normal((size, size))) * 8 * np.exp(-((25 * k) ** 2)))
    elif kind == "streaks":
        pixels += 0.3 * random.standard_normal(size)
    elif kind == "halo":
        # The diffuse ring of vitreous ice.
        pixels = np.fft.irfft2(np.fft.rfft2(pixels) * (1 + 0.5 * np.exp(-(((k - 0.27) / 0.03) ** 2))))
    fit = fit_ctf(pixels.astype(np.float32), 1.2, LENS, OPTIONS)
    assert fit.evidence.confidence < 0.5
    assert not fit.good


def test_masked_places_do_not_count() -> None:
    pixels = exposure(13, 1.5, 1.5, 0.0, size=2048)
    other = exposure(14, 2.3, 2.3, 0.0, size=2048, snr=1.0)
    masked = np.zeros((64, 64), np.bool_)
    masked[:, :24] = True
    pixels[:, :768] = other[:, :768]
    assert fit_ctf(pixels, 1.2, LENS, OPTIONS, masked=masked).defocus.mean_um == pytest.approx(1.5, abs=0.01)
    assert fit_ctf(pixels, 1.2, LENS, OPTIONS, masked=~masked).defocus.mean_um == pytest.approx(2.3, abs=0.01)


def test_whole_numbers_and_other_units_are_the_same_to_a_fit() -> None:
    pixels = exposure(15, 1.5, 1.4, 45.0)
    counts = np.rint(pixels * 40 + 800).astype(np.int16)
    assert fit_ctf(counts, 1.2, LENS, OPTIONS).defocus.mean_um == pytest.approx(1.45, abs=0.01)


def test_what_cannot_be_fitted_is_said() -> None:
    pixels = exposure(16)
    with pytest.raises(CtfError, match="pixel size is nan"):
        fit_ctf(pixels, math.nan, LENS)
    with pytest.raises(CtfError, match="at least 256 pixels"):
        fit_ctf(pixels[:100], 1.2, LENS)
    with pytest.raises(CtfError, match="everything is masked"):
        fit_ctf(pixels, 1.2, LENS, masked=np.ones((4, 4), np.bool_))
    with pytest.raises(CtfError, match="rings between"):
        fit_ctf(pixels, 14.0, LENS)
    with pytest.raises(CtfError, match="defocus_um"):
        CtfOptions(defocus_um=(2.0, 1.0))
    with pytest.raises(CtfError, match="coarser one"):
        CtfOptions(coarsest_angstrom=3.0, finest_angstrom=4.0)
    with pytest.raises(CtfError, match="most_astigmatism_um"):
        CtfOptions(most_astigmatism_um=-1)


def test_the_row_of_a_table_says_what_was_given_and_found() -> None:
    row = fit_ctf(exposure(17), 1.2, LENS, OPTIONS).estimate("a.mrc")
    assert (row.micrograph, row.voltage_kv, row.cs_mm, row.amplitude_contrast) == ("a.mrc", 300, 2.7, 0.1)
    assert row.pixel_size_angstrom == 1.2
    assert row.defocus_um == pytest.approx(1.45, abs=0.01)
    assert row.astigmatism_um == pytest.approx(0.1, abs=0.02)
    assert 0 <= row.angle_deg < 180
