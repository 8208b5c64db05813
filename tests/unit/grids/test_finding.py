"""Squares and holes are found whatever their size, pitch, lattice and rotation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from structloop.core.errors import ImageError
from structloop.grids.finding import Frame, find_hole_near_middle, find_holes, find_squares, stitch
from structloop.simulation.grids import Cassette, SceneGrid, View, render_view
from structloop.simulation.grids import truth as scene


def lattice_points(side: int, pitch: float, degrees: float, hexagonal: bool) -> NDArray[np.float64]:
    """Places within an image of that side."""
    turn = np.radians(degrees)
    first = pitch * np.array([np.cos(turn), np.sin(turn)])
    angle = turn + np.radians(60 if hexagonal else 90)
    second = pitch * np.array([np.cos(angle), np.sin(angle)])
    reach = int(2 * side / pitch) + 2
    i, j = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    points = side / 2 + i.reshape(-1, 1) * first + j.reshape(-1, 1) * second + 0.3
    inside = np.all((points > 0) & (points < side - 1), axis=1)
    return np.asarray(points[inside])


def film(
    side: int, points: NDArray[np.float64], radius: float, seed: int, noise: float, contrast: float = 0.3
) -> NDArray[np.float32]:
    """A film with soft-edged holes on an uneven background, with shot noise."""
    y, x = np.mgrid[:side, :side]
    distance = cdist(np.stack([x.ravel(), y.ravel()], axis=1), points).min(axis=1).reshape(side, side)
    image = 1.0 + contrast * np.clip(radius - distance + 0.5, 0, 1)
    image *= 1 + 0.2 * (x + y) / (2 * side)
    return np.asarray(image + noise * np.random.default_rng(seed).standard_normal(image.shape), dtype=np.float32)


def recall_and_precision(truth: NDArray[np.float64], found: NDArray[np.float64], reach: float) -> tuple[float, float]:
    distances = cdist(truth, found)
    return float(np.mean(distances.min(axis=1) < reach)), float(np.mean(distances.min(axis=0) < reach))


@given(
    st.floats(14, 60),
    st.floats(0.2, 0.34),
    st.floats(0, 90),
    st.booleans(),
    st.floats(0, 0.3),
    st.integers(0, 1000),
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_any_lattice_is_found(
    pitch: float, share: float, degrees: float, hexagonal: bool, missing: float, seed: int
) -> None:
    side = 320
    radius = share * pitch
    points = lattice_points(side, pitch, degrees, hexagonal)
    kept = points[np.random.default_rng(seed).random(len(points)) >= missing]
    found = find_holes(film(side, kept, radius, seed, noise=0.1))
    assert found.lattice is not None
    assert found.lattice.pitch_px == pytest.approx(pitch, rel=0.03)
    assert found.lattice.hexagonal == hexagonal
    well_inside = kept[np.all((kept > radius) & (kept < side - 1 - radius), axis=1)]
    places = np.array([(hole.x_px, hole.y_px) for hole in found.holes])
    recall, _ = recall_and_precision(well_inside, places, 0.3 * pitch)
    _, precision = recall_and_precision(kept, places, 0.3 * pitch)
    assert recall > 0.95
    assert precision > 0.9
    assert found.holes[0].radius_px == pytest.approx(radius, rel=0.25)


def test_the_stage_position_of_what_is_found_follows_the_frame() -> None:
    points = lattice_points(320, 40, 20, hexagonal=False)
    frame = Frame(((0.0, 0.05), (0.05, 0.0)), (159.5, 159.5), (100.0, -50.0))
    for hole in find_holes(film(320, points, 10, 1, noise=0.1), frame).holes:
        assert frame.to_pixel(hole.x_um, hole.y_um) == pytest.approx((hole.x_px, hole.y_px))
        assert hole.radius_um == pytest.approx(0.05 * hole.radius_px)


def test_few_holes_are_found_without_a_lattice() -> None:
    points = np.array([(100.0, 120.0), (260.0, 210.0)])
    found = find_holes(film(360, points, 45, 2, noise=0.1))
    places = np.array([(hole.x_px, hole.y_px) for hole in found.holes])
    assert len(places) == 2
    assert cdist(points, places).min(axis=1).max() < 3
    assert found.holes[0].radius_px == pytest.approx(45, rel=0.1)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_where_there_is_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal((300, 300)).astype(np.float32)
    assert find_holes(noise).holes == ()
    assert find_squares(noise).squares == ()
    assert find_hole_near_middle(np.ones((64, 64), np.float32), 10) is None


def test_the_hole_nearest_to_the_middle_is_centred() -> None:
    points = np.array([(150.0, 143.0), (40.0, 40.0), (250.0, 230.0)])
    hole = find_hole_near_middle(film(300, points, 30, 3, noise=0.2), 28)
    assert hole is not None
    assert (hole.x_px, hole.y_px) == pytest.approx((150, 143), abs=1.5)


# --- Simulated grids -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["holey-carbon", "holey-gold"])
def test_holes_of_simulated_squares_are_found(kind: str) -> None:
    recalls, precisions = [], []
    grid = Cassette.from_seed(2, 1, [kind]).grid(1)
    intact = [
        one for one in grid.squares() if one.state.name == "INTACT" and 2 < max(abs(one.column), abs(one.row)) < 8
    ]
    for square in intact[:: max(1, len(intact) // 4)][:4]:
        view = View(
            square.x_um, square.y_um, 640, 640, square.size_um * 1.2e4 / 640, 12.0, dose_e_per_px=100, defocus_um=50
        )
        found = find_holes(render_view(grid, view))
        holes = scene.holes(square)
        every = np.array([view.to_image(hole.x_um, hole.y_um) for hole in holes])
        whole = np.array([hole.seen > 0.95 and hole.ice_nm < 150 for hole in holes])
        places = np.array([(hole.x_px, hole.y_px) for hole in found.holes]).reshape(-1, 2)
        reach = 0.3 * grid.recipe.film.pitch_um / view.pixel_um
        if len(places):
            recalls.append(recall_and_precision(every[whole], places, reach)[0])
            precisions.append(recall_and_precision(every, places, reach)[1])
    assert len(recalls) >= 3
    assert np.median(recalls) > 0.9
    assert np.median(precisions) > 0.9


@pytest.mark.parametrize("kind", ["holey-carbon", "holey-gold", "negative-stain"])
def test_squares_of_a_simulated_atlas_are_found(kind: str) -> None:
    grid = Cassette.from_seed(4, 1, [kind]).grid(1)
    mosaic = stitch([tile(grid, 400.0 * i, 400.0 * j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    found = find_squares(mosaic.image, mosaic.frame, mosaic.known)
    pitch = grid.recipe.mesh.pitch_um
    truth = np.array([(one.x_um, one.y_um) for one in scene.squares(grid)])
    centre = grid.centre_um
    well_inside = truth[np.max(np.abs(truth - centre), axis=1) < 600 - 1.2 * pitch]
    places = np.array([(one.x_um, one.y_um) for one in found.squares])
    recall, _ = recall_and_precision(well_inside, places, 0.15 * pitch)
    _, precision = recall_and_precision(truth, places, 0.15 * pitch)
    assert recall > 0.95
    assert precision > 0.97
    assert found.squares[0].side_um == pytest.approx(pitch - grid.recipe.mesh.bar_um, rel=0.15)


def tile(grid: SceneGrid, dx: float, dy: float) -> tuple[NDArray[np.float32], Frame]:
    x, y = grid.centre_um[0] + dx, grid.centre_um[1] + dy
    view = View(x, y, 220, 220, 20000, rotation_deg=8.0, dose_e_per_px=80)
    return render_view(grid, view), Frame(view.image_to_stage_um, (109.5, 109.5), (x, y))


def test_a_montage_is_put_together_by_its_stage_positions() -> None:
    y, x = np.mgrid[:120, :120]
    whole = np.sin(x / 7.0) + np.cos(y / 11.0) + 5
    tiles = [
        (whole[top : top + 70, left : left + 70], Frame(((1, 0), (0, 1)), (0, 0), (float(left), float(top))))
        for top in (0, 50)
        for left in (0, 50)
    ]
    mosaic = stitch(tiles)
    assert mosaic.image.shape == (120, 120)
    assert mosaic.known.all()
    assert np.abs(mosaic.image - whole).max() < 0.01
    assert mosaic.frame.to_stage(30, 40) == pytest.approx((30, 40))
    with pytest.raises(ImageError, match="without any tile"):
        stitch([])
