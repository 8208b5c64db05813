"""Views: what an image's pixels show, as `schema.acquisition.ImageFacts` says it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import SimulationError
from structloop.simulation.grids import View
from structloop.simulation.grids.view import enlarge

views = st.builds(
    View,
    x_um=st.floats(-1000, 1000),
    y_um=st.floats(-1000, 1000),
    width_px=st.integers(1, 400),
    height_px=st.integers(1, 400),
    pixel_size_angstrom=st.floats(1, 5000),
    rotation_deg=st.floats(-180, 180),
    tilt_deg=st.floats(-60, 60),
)


def test_without_rotation_columns_go_along_stage_x_and_rows_against_stage_y() -> None:
    view = View(10.0, 20.0, 101, 101, 10_000.0)

    assert view.to_stage(50, 50) == (10.0, 20.0)
    assert view.to_stage(60, 50) == pytest.approx((20.0, 20.0))
    assert view.to_stage(50, 60) == pytest.approx((10.0, 10.0))


def test_a_positive_rotation_turns_the_image_axes_counter_clockwise_on_the_stage() -> None:
    view = View(0.0, 0.0, 101, 101, 10_000.0, rotation_deg=90.0)

    assert view.to_stage(60, 50) == pytest.approx((0.0, 10.0))


def test_tilt_shows_more_of_the_specimen_across_the_axis_and_the_same_along_it() -> None:
    flat, tilted = View(0.0, 0.0, 101, 101, 10_000.0), View(0.0, 0.0, 101, 101, 10_000.0, tilt_deg=60.0)

    assert tilted.to_stage(60, 50) == pytest.approx(flat.to_stage(60, 50))
    assert tilted.to_stage(50, 60)[1] == pytest.approx(2 * flat.to_stage(50, 60)[1])


@given(views, st.floats(-500, 500), st.floats(-500, 500))
def test_pixel_to_stage_and_back(view: View, x_px: float, y_px: float) -> None:
    assert view.to_image(*view.to_stage(x_px, y_px)) == pytest.approx((x_px, y_px), abs=1e-3)


@given(views)
def test_the_matrix_is_that_of_image_facts(view: View) -> None:
    (a, b), (c, d) = view.image_to_stage_um
    dx, dy = 7.0 - (view.width_px - 1) / 2, 11.0 - (view.height_px - 1) / 2

    expected = (view.x_um + a * dx + b * dy, view.y_um + c * dx + d * dy)

    assert view.to_stage(7.0, 11.0) == pytest.approx(expected)


@given(views, st.integers(0, 399), st.integers(0, 399))
def test_a_frame_has_each_pixel_where_the_view_says(view: View, column: int, row: int) -> None:
    column, row = column % view.width_px, row % view.height_px
    frame = view.frame().band(row, row + 1)

    assert (frame.xs[0, column], frame.ys[0, column]) == pytest.approx(view.to_stage(column, row), abs=2e-3)


def test_what_lies_above_the_eucentric_plane_moves_across_the_tilt_axis() -> None:
    view = View(0.0, 0.0, 11, 11, 1000.0, tilt_deg=45.0)

    low, high = view.frame(0.0), view.frame(3.0)

    assert high.x0 == low.x0
    assert high.y0 == pytest.approx(low.y0 - 3.0)


@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 40))
def test_enlarging_gives_back_a_plane_whatever_rows_are_asked_for(step: int, columns: int, rows: int) -> None:
    view = View(3.0, 4.0, columns, rows, 10_000.0, rotation_deg=20.0)
    frame = view.frame()

    grown = enlarge(frame.nodes(step).xs, step, rows // 2, rows, columns)

    np.testing.assert_allclose(grown, frame.xs[rows // 2 :], atol=1e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width_px": 0},
        {"pixel_size_angstrom": 0.0},
        {"pixel_size_angstrom": math.nan},
        {"tilt_deg": 89.0},
        {"dose_e_per_px": -1.0},
    ],
)
def test_a_view_that_cannot_be_names_the_field(wrong: dict[str, float]) -> None:
    right: dict[str, float] = {"x_um": 0, "y_um": 0, "width_px": 8, "height_px": 8, "pixel_size_angstrom": 10}

    with pytest.raises(SimulationError, match=next(iter(wrong))):
        View(**(right | wrong))  # type: ignore[arg-type]  # widths are made of floats here
