"""Missing features are guessed from the patch, the square and the tile around."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from structloop.grids.targeting.holes import Groups, HoleTable
from structloop.grids.targeting.imputing import impute

TILES = ["t0"] * 8 + ["t1"] * 4
SQUARES = ["s0"] * 4 + ["s1"] * 4 + ["s0"] * 4
PATCHES = ["p0", "p0", "p1", "p1"] * 3


def groups() -> Groups:
    table = HoleTable.from_columns(
        {
            "hole_id": [f"h{i}" for i in range(12)],
            "atlas_tile": TILES,
            "square": SQUARES,
            "patch": PATCHES,
            "x_px": [float(i) for i in range(12)],
            "y_px": [0.0] * 12,
        }
    )
    return Groups.of(table, seed=0)


VALUES = arrays(np.float64, 12, elements=st.one_of(st.just(float("nan")), st.floats(-50, 50)))


@given(VALUES)
def test_what_is_there_stays_and_the_rest_lies_among_it(values: np.ndarray) -> None:
    filled = impute(values, groups())
    there = ~np.isnan(values)
    assert np.array_equal(filled[there], values[there])
    assert not np.isnan(filled).any()
    if there.any():
        assert filled.min() >= values[there].min() - 1e-9
        assert filled.max() <= values[there].max() + 1e-9
    else:
        assert not filled.any()


@given(VALUES)
def test_a_flipped_feature_is_guessed_flipped(values: np.ndarray) -> None:
    assert np.array_equal(impute(-values, groups()), -impute(values, groups()))


def test_the_nearer_neighbours_count_for_more() -> None:
    values = np.zeros(12)
    values[[0, 1]] = np.nan, 8.0  # the patch of hole 0
    values[2] = np.nan  # another patch of the same square
    values[4] = np.nan  # another square of the tile
    values[8] = np.nan  # another tile
    filled = impute(values, groups())
    assert filled[0] > filled[2] > filled[4] > filled[8] > 0


def test_a_patch_full_of_values_speaks_for_itself() -> None:
    count = 400
    table = HoleTable.from_columns(
        {
            "hole_id": [f"h{i}" for i in range(2 * count)],
            "atlas_tile": ["t"] * 2 * count,
            "square": ["s"] * 2 * count,
            "patch": ["a"] * count + ["b"] * count,
            "x_px": [float(i) for i in range(2 * count)],
            "y_px": [0.0] * 2 * count,
        }
    )
    values = np.repeat([1.0, 3.0], count)
    values[[0, count]] = np.nan
    filled = impute(values, Groups.of(table, seed=0))
    assert filled[0] == pytest.approx(1.0, abs=0.02)
    assert filled[count] == pytest.approx(3.0, abs=0.02)
