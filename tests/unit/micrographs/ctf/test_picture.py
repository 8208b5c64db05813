"""The picture of a fit: its halves go on in each other where the fit is right, and do not where it is wrong."""

from dataclasses import replace

import numpy as np
import pytest

from structloop.micrographs.ctf import CtfFit, CtfOptions, Defocus, Lens, fit_ctf
from structloop.micrographs.ctf.picture import thon_picture
from support.thon_rings import exposure


@pytest.fixture(scope="module")
def fit() -> CtfFit:
    return fit_ctf(exposure(30, 1.5, 1.2, 35.0, snr=0.5), 1.2, Lens(), CtfOptions(locally=False, threads=1))


def likeness(fit: CtfFit) -> float:
    """Correlation of the fit's half with the spectrum's, which belongs point by point to the opposite side."""
    picture = np.asarray(thon_picture(fit, 384), np.float64) - 127.5
    opposite = picture[::-1, ::-1]
    y, x = np.mgrid[:384, :384] - 191.5
    seen = (x < -2) & (np.hypot(x, y) > 30) & (np.hypot(x, y) < 120)
    return float(np.corrcoef(picture[seen], opposite[seen])[0, 1])


def test_the_halves_are_alike_where_the_fit_is_right(fit: CtfFit) -> None:
    assert likeness(fit) > 0.35


@pytest.mark.parametrize("wrong", [Defocus.of(1.7, 1.4, 35.0), Defocus.of(1.5, 1.2, 125.0), Defocus.of(1.5, 1.2, -35)])
def test_a_wrong_defocus_or_angle_is_seen(fit: CtfFit, wrong: Defocus) -> None:
    assert likeness(replace(fit, defocus=wrong)) < 0.5 * likeness(fit)


def test_size_and_kind(fit: CtfFit) -> None:
    picture = thon_picture(fit, 200)
    assert (picture.size, picture.mode) == ((200, 200), "L")
    assert thon_picture(replace(fit, fit_resolution_angstrom=None), 200).size == (200, 200)
