"""Sessions of simulated movies: what is planned, and that a fault is in what is rendered."""

from dataclasses import replace

import numpy as np
import pytest

from structloop.core.errors import SimulationError
from structloop.simulation.exposure_movies import (
    FILES,
    GOOD,
    PER_SQUARE,
    POOR,
    SEEN,
    PlannedMovie,
    plan_movies,
    render_planned,
)


def of_kind(kind: str) -> PlannedMovie:
    return next(each for each in plan_movies(200) if each.kind == kind)


def test_a_longer_session_begins_with_a_shorter_one() -> None:
    long = plan_movies(45, seed=3)
    assert plan_movies(13, seed=3) == long[:13]
    assert plan_movies(13, seed=4) != long[:13]
    assert [each.number for each in long] == list(range(45))
    assert np.all(np.diff([each.taken_s for each in long]) > 0)
    with pytest.raises(SimulationError, match="count is 0"):
        plan_movies(0)


def test_squares_are_mixed_and_one_in_four_is_poor() -> None:
    plans = plan_movies(8 * PER_SQUARE)
    assert {each.kind for each in plans} == {GOOD, *SEEN, *FILES}
    bad = [sum(each.kind != GOOD for each in plans if each.square == square) for square in range(1, 9)]
    assert bad == [3, 9, 3, 3, 3, 9, 3, 3]
    assert {each.kind for each in plans if each.square == 2} == {GOOD, POOR}
    assert [each.grid for each in plans[::PER_SQUARE]] == [1, 1, 1, 2, 2, 2, 3, 3]


def test_what_is_planned_is_rendered() -> None:
    good = render_planned(of_kind(GOOD), 160, 4, 1.5)
    assert good.frames.shape == (4, 160, 160)
    assert good.frames.mean() == pytest.approx(40 / 4 * 1.5**2 * 0.8, rel=0.15)
    assert 5 <= good.motion_angstrom <= 10
    np.testing.assert_array_equal(good.frames, render_planned(of_kind(GOOD), 160, 4, 1.5).frames)
    hole = render_planned(of_kind("empty-hole"), 160, 4, 1.5)
    assert (hole.ice_nm, hole.particles) == (0.0, 0)
    thick = render_planned(of_kind(POOR), 160, 4, 1.5)
    assert thick.ice_nm > 150
    assert thick.frames.mean() < 0.8 * hole.frames.mean()
    assert of_kind("astigmatic").optics.defocus_u_um - of_kind("astigmatic").optics.defocus_v_um == pytest.approx(0.5)
    assert of_kind("far-from-focus").optics.defocus_u_um > 4
    # The same noise and specimen, but for the motion.
    drifting = render_planned(replace(of_kind(GOOD), drift_angstrom=90.0), 160, 4, 1.5)
    assert drifting.motion_angstrom == 90.0
    assert np.abs(drifting.frames.astype(float) - good.frames).mean() > 0.1
    with pytest.raises(SimulationError, match="are not rendered"):
        render_planned(of_kind(GOOD), 64, 4, 1.5)
