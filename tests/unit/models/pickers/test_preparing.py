"""Micrographs come to pickers at one sampling, contrast and spread, whatever the camera and the file."""

import numpy as np
import pytest

from structloop.core.errors import ImageError, ParticlesError
from structloop.models.pickers.preparing import prepare


def picture(shape: tuple[int, int] = (520, 780), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(1000, 50, shape).astype(np.float32)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float32, np.float64])
def test_any_number_type_gives_the_same(kind: type) -> None:
    whole = np.clip(picture() / 10, 0, 255).round()
    expected = prepare(whole, diameter_px=52)
    found = prepare(whole.astype(kind), diameter_px=52)
    assert found.pixels == pytest.approx(expected.pixels, abs=1e-4)
    assert found.scale == 4.0
    assert found.native_shape == (520, 780)


def test_levels_spread_and_gradients_do_not_matter() -> None:
    y, x = np.mgrid[:520, :780]
    stored = picture()
    plain = prepare(stored, diameter_px=52)
    tilted = prepare(stored * 3 + 0.5 * x + 0.3 * y - 7000, diameter_px=52)
    inner = np.s_[16:110, 16:170]
    assert np.corrcoef(plain.pixels[inner].ravel(), tilted.pixels[inner].ravel())[0, 1] > 0.99
    assert np.median(plain.pixels) == pytest.approx(0, abs=0.02)
    assert plain.pixels.std() == pytest.approx(1, abs=0.1)


def test_bright_particles_become_dark() -> None:
    stored = picture()
    dark = prepare(stored, diameter_px=52)
    bright = prepare(-stored, diameter_px=52, contrast="bright")
    assert bright.pixels == pytest.approx(dark.pixels, abs=1e-3)


def test_a_mask_of_any_sampling_lands_where_it_belongs_and_padding_is_masked() -> None:
    mask = np.zeros((2, 3), np.bool_)
    mask[1, 2] = True
    seen = prepare(picture((520, 780)), diameter_px=52, mask=mask)
    assert not seen.mask[60, 60]
    assert seen.mask[100, 170]
    assert not seen.mask[60, 170]
    assert seen.mask[:, 195:].all()
    assert seen.mask[130:].all()


def test_what_is_masked_does_not_shine_into_the_background_beside_it() -> None:
    stored = picture()
    spoilt = stored.copy()
    spoilt[:, :200] += 5000
    mask = np.zeros(stored.shape, np.bool_)
    mask[:, :204] = True
    seen = prepare(spoilt, diameter_px=52, mask=mask)
    plain = prepare(stored, diameter_px=52, mask=mask)
    assert np.abs(seen.pixels[:130, 60:190] - plain.pixels[:130, 60:190]).mean() < 0.2


@pytest.mark.parametrize("diameter", [0.0, -3.0, float("nan"), float("inf")])
def test_an_impossible_diameter_is_refused(diameter: float) -> None:
    with pytest.raises(ParticlesError, match="diameter"):
        prepare(picture(), diameter_px=diameter)


def test_what_cannot_be_picked_in_is_refused() -> None:
    with pytest.raises(ParticlesError, match="narrower than two particles"):
        prepare(picture(), diameter_px=400)
    with pytest.raises(ImageError, match="not a finite number"):
        prepare(np.where(picture() > 1100, np.nan, 1.0), diameter_px=52)
    with pytest.raises(ImageError, match="the same"):
        prepare(np.full((520, 780), 3.0), diameter_px=52)
    with pytest.raises(ImageError, match="two dimensions"):
        prepare(np.zeros((4, 520, 780)), diameter_px=52)
    with pytest.raises(ParticlesError, match="'dark' or 'bright'"):
        prepare(picture(), diameter_px=52, contrast="grey")
