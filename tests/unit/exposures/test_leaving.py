"""Squares and grids are left by how far their exposures are beyond the limit, where the session tells enough for it."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from structloop.exposures.leaving import leave_places, margin_of, patch_of
from structloop.micrographs.judging import Leaving, Limits

LIMITS = Limits(most_ctf_resolution_angstrom=6.0)


def exposure(resolution: float | None = 4.0, **others: Any) -> SimpleNamespace:
    """An exposure as the store has it, judged by its resolution alone."""
    values = {
        "problematic": 0.02 if resolution is not None and resolution <= 6 else 0.98,
        "hole": "H1",
        "stage_x_um": None,
        "stage_y_um": None,
        "rings_seen": resolution is not None,
        "ctf_resolution_angstrom": resolution,
    }
    return SimpleNamespace(**(values | others))


def square(draw: np.random.Generator, level: float, count: int = 24) -> list[SimpleNamespace]:
    """Exposures around a level of resolution, four of each patch of 8 micrometres."""
    near = np.repeat(draw.normal(0, 0.17, -(-count // 4)), 4)[:count]
    values = 6.0 * np.exp(level + near + draw.normal(0, 0.34, count))
    return [
        exposure(float(value), stage_x_um=number // 4 * 9.0 + number % 4, stage_y_um=3.0)
        for number, value in enumerate(values)
    ]


def left(squares: list[list[SimpleNamespace]], limits: Limits = LIMITS) -> list[Leaving]:
    """What is said of squares, in the order given."""
    return leave_places(squares, limits, [[patch_of(each) for each in one] for one in squares])


def test_neighbours_are_told_by_the_stage_else_by_the_hole() -> None:
    assert patch_of(exposure(stage_x_um=-3.0, stage_y_um=17.0)) == patch_of(exposure(stage_x_um=-7.9, stage_y_um=23.9))
    assert patch_of(exposure(stage_x_um=-3.0, stage_y_um=17.0)) != patch_of(exposure(stage_x_um=3.0, stage_y_um=17.0))
    assert patch_of(exposure(hole="H7")) == "H7"
    assert patch_of(exposure(hole=None)) is None


def test_an_exposure_stands_to_the_limit_by_its_resolution() -> None:
    for found, beyond in (
        (exposure(12.0), math.log(2)),
        (exposure(3.0), -math.log(2)),
        (exposure(None, rings_seen=False), None),
        # Fine by its rings, problematic for another reason.
        (exposure(3.0, problematic=0.9), None),
    ):
        margin = margin_of(found, LIMITS, "p")
        assert margin is not None
        assert margin.beyond == (None if beyond is None else pytest.approx(beyond))
    assert margin_of(exposure(4.0), LIMITS, None) is None
    assert margin_of(exposure(None, rings_seen=None), LIMITS, "p") is None
    assert margin_of(exposure(4.0), Limits(most_ctf_resolution_angstrom=None), "p") is None


def test_margins_tell_a_poor_square_sooner_than_counting() -> None:
    draw = np.random.default_rng(3)
    squares = [square(draw, level) for level in (-0.2, -0.1, 0.0, -0.3, -0.2, -0.1)] + [
        square(draw, 0.55) for _ in range(6)
    ]
    found = left(squares)
    counted = left(squares, Limits(most_ctf_resolution_angstrom=None))
    assert [each.leave for each in found] == [False] * 6 + [True] * 6
    assert all("of the first" in each.reason and "beyond the limit" in each.reason for each in found[6:])
    assert sum(each.exposures for each in found[6:]) < 0.8 * sum(each.exposures for each in counted[6:])


def test_where_too_little_is_known_exposures_are_counted() -> None:
    draw = np.random.default_rng(4)
    poor = square(draw, 0.8)
    assert "beyond the limit" in left([poor])[0].reason
    # One exposure without a fit, or without a place, and its square is counted.
    for odd in (
        exposure(None, rings_seen=None, stage_x_um=0.0, stage_y_um=0.0),
        exposure(9.0, hole=None),
    ):
        [found, other] = left([[*poor[:3], odd, *poor[3:]], poor])
        assert found.leave
        assert "are problematic" in found.reason
        assert "beyond the limit" in other.reason


def test_a_square_of_thick_ice_is_left_however_well_a_few_of_its_rings_fit() -> None:
    thick = [exposure(3.0, problematic=0.9, stage_x_um=9.0 * (n % 4), stage_y_um=0.0) for n in range(14)]
    [found] = left([[*thick[:5], exposure(3.0, stage_x_um=0.0, stage_y_um=0.0), *thick[5:]]])
    assert found.leave
    assert "are problematic" in found.reason
