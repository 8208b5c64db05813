"""Each particle is picked once, touching ones apart, to a fraction of a pixel, never in a mask or off the picture."""

import numpy as np
import pytest

from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.protocol import ScoreMap, WorkingMicrograph


def micrograph(shape: tuple[int, int] = (64, 96), scale: float = 8.0) -> WorkingMicrograph:
    native = (round(shape[0] * scale), round(shape[1] * scale))
    return WorkingMicrograph(np.zeros(shape, np.float32), np.zeros(shape, np.bool_), scale, native)


def heat(shape: tuple[int, int], *places: tuple[float, float, float], sigma: float = 1.7) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    total = np.zeros(shape)
    for column, row, height in places:
        total = np.maximum(total, height * np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * sigma**2)))
    return total.astype(np.float32)


def test_centres_are_found_to_a_fraction_of_a_pixel_in_stored_pixels() -> None:
    seen = micrograph()
    found, raw = find_peaks(ScoreMap(heat(seen.pixels.shape, (20.3, 30.4, 0.9), (70.7, 11.2, 0.6))), seen)
    expected = seen.to_native(np.array([[20.3, 30.4], [70.7, 11.2]]))
    assert found == pytest.approx(expected, abs=0.25 * seen.scale)
    assert raw == pytest.approx([0.9, 0.6], abs=0.05)


def test_offsets_move_a_peak_to_where_the_network_says() -> None:
    seen = micrograph()
    y, x = np.mgrid[:64, :96].astype(np.float32)
    offsets = np.stack([31.4 - x, 20.8 - y])
    found, _ = find_peaks(ScoreMap(heat((64, 96), (31.0, 21.0, 0.8)), offsets), seen, floor=0.5)
    assert found == pytest.approx(seen.to_native(np.array([[31.4, 20.8]])), abs=1e-3)


def test_touching_particles_are_two_and_one_particle_is_one() -> None:
    seen = micrograph()
    two, _ = find_peaks(ScoreMap(heat((64, 96), (30, 30, 0.9), (38, 30, 0.8))), seen)
    assert len(two) == 2
    ragged = heat((64, 96), (30, 30, 0.9), (33, 31, 0.85), sigma=1.0)
    one, raw = find_peaks(ScoreMap(ragged), seen)
    assert len(one) == 1
    assert raw[0] == pytest.approx(0.9, abs=0.01)


def test_masked_places_the_padding_and_low_scores_are_left_out() -> None:
    seen = micrograph()
    mask = seen.mask.copy()
    mask[:20] = True
    narrower = WorkingMicrograph(seen.pixels, mask, seen.scale, (seen.native_shape[0], 80 * 8))
    scores = heat((64, 96), (30, 10, 0.9), (88, 40, 0.9), (40, 40, 0.7), (50, 55, 0.01))
    found, _ = find_peaks(ScoreMap(scores), narrower)
    assert found == pytest.approx(seen.to_native(np.array([[40.0, 40.0]])), abs=1.0)


def test_an_empty_map_has_no_peak_and_a_foreign_one_is_refused() -> None:
    seen = micrograph()
    found, raw = find_peaks(ScoreMap(np.zeros((64, 96), np.float32)), seen)
    assert found.shape == (0, 2)
    assert raw.shape == (0,)
    with pytest.raises(ValueError, match="not of the micrograph"):
        find_peaks(ScoreMap(np.zeros((64, 64), np.float32)), seen)
