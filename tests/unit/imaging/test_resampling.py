"""Pictures resampled in Fourier space keep their places, levels and waves, whatever the factor and shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.imaging.resampling import plan_resampling, resample


def blob(shape: tuple[int, int], x: float, y: float, sigma: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    image: np.ndarray = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2)).astype(np.float32)
    return image


def centre(image: np.ndarray) -> tuple[float, float]:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    return float((image * columns).sum() / image.sum()), float((image * rows).sum() / image.sum())


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(90, 230),
    width=st.integers(90, 230),
    scale=st.floats(0.4, 9.0),
    at=st.tuples(st.floats(0.4, 0.6), st.floats(0.4, 0.6)),
)
def test_a_place_is_found_where_the_plan_says(height: int, width: int, scale: float, at: tuple[float, float]) -> None:
    plan = plan_resampling((height, width), scale)
    assert plan.scale == pytest.approx(scale, abs=1 / 32 + 1e-9)
    x, y = at[0] * width, at[1] * height
    # Wide enough for the coarse pixels, narrow enough not to reach the edge.
    sigma = max(6.0, 1.5 * plan.scale)
    small = resample(blob((height, width), x, y, sigma), plan)
    assert small.shape == plan.shape
    assert all(side % 16 == 0 for side in plan.shape)
    inner = small[: plan.inside[0], : plan.inside[1]].astype(np.float64)
    inner[inner < 0.02 * inner.max()] = 0
    found = centre(inner)
    expected = (x + 0.5) / plan.scale - 0.5, (y + 0.5) / plan.scale - 0.5
    assert found == pytest.approx(expected, abs=0.12)
    # The top may lie between pixels.
    assert inner.max() == pytest.approx(blob(inner.shape, *expected, sigma / plan.scale).max(), abs=0.03)


def test_levels_are_kept_and_fine_waves_are_not_folded_back() -> None:
    columns = np.arange(256)
    slow = np.cos(2 * np.pi * 8 * columns / 256)
    fast = np.cos(2 * np.pi * 100 * columns / 256)
    plan = plan_resampling((256, 256), 4.0)
    small = resample(np.tile(5 + slow + 3 * fast, (256, 1)), plan)
    assert small.shape == (64, 64)
    places = (np.arange(64) + 0.5) * 4 - 0.5
    assert small[10] == pytest.approx(5 + np.cos(2 * np.pi * 8 * places / 256), abs=1e-3)


def test_sides_need_not_be_alike_and_are_padded_by_mirroring() -> None:
    plan = plan_resampling((300, 500), 8.3)
    assert plan.scale == 8.3125
    assert plan.shape == (48, 64)
    assert plan.padded_shape == (399, 532)
    assert plan.inside == (36, 60)
    flat = resample(np.full((300, 500), 7.0), plan)
    assert flat == pytest.approx(7.0, abs=1e-4)


@pytest.mark.parametrize("scale", [0.0, -1.0, 0.01, float("nan"), float("inf")])
def test_impossible_scales_are_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        plan_resampling((64, 64), scale)


def test_a_picture_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="larger than the plan"):
        resample(np.zeros((600, 600)), plan_resampling((300, 500), 8.0))
