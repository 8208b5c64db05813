"""Where in a hole to expose, and which plans are none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from structloop.grids.screening import ScreeningPlan
from structloop.grids.screening.choosing import FURTHEST, exposure_offsets, exposures_that_fit


@given(count=st.integers(1, 20), radius=st.floats(0.1, 5.0), spacing=st.floats(0.05, 3.0), field=st.floats(0.01, 2.0))
def test_no_exposure_looks_at_what_another_has_seen(count: int, radius: float, spacing: float, field: float) -> None:
    fit = exposures_that_fit(count, radius, field)
    assert 1 <= fit <= count
    places = exposure_offsets(fit, radius, spacing, field)
    assert len(places) == fit
    assert all(math.hypot(*place) <= FURTHEST * radius + 1e-9 for place in places)
    pairs = [(a, b) for i, a in enumerate(places) for b in places[:i]]
    assert all(math.dist(a, b) >= field - 1e-9 for a, b in pairs)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"16 exposures of 0\.43 um do not fit"):
        exposure_offsets(16, 0.6, 0.5, 0.43)


def test_two_in_a_usual_hole_lie_as_far_apart_as_planned() -> None:
    first, second = exposure_offsets(2, 0.6, 0.5, 0.43)
    assert math.dist(first, second) == pytest.approx(0.5)


def test_a_plan_with_a_slot_twice_is_none() -> None:
    with pytest.raises(ValidationError, match="each slot once"):
        ScreeningPlan(slots=(1, 2, 1))
