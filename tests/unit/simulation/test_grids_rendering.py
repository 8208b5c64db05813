"""Pictures of a grid: the same again, the same place at every magnification, and what is true is seen in them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from structloop.simulation.grids import (
    CAMERA,
    Cassette,
    GridKind,
    HoleState,
    SceneGrid,
    SceneSquare,
    SquareState,
    View,
    render_view,
    truth,
)
from structloop.simulation.grids.hashing import FloatArray
from structloop.simulation.grids.materials import Ground

# Enough electrons that shot noise does not matter, and nothing between them and the specimen.
QUIET = replace(
    CAMERA,
    gain_error=0.0,
    texture=0.0,
    low_texture=0.0,
    low_blur=0.0,
    vignette=0.0,
    blur=0.0,
    glare=0.0,
    counts_per_electron=1e-6,
)
MANY = 1e6


def grid_of(seed: int, kind: GridKind = GridKind.HOLEY_CARBON) -> SceneGrid:
    return Cassette.from_seed(seed, 1, [kind]).grid(1)


def good_square(grid: SceneGrid) -> SceneSquare:
    squares = grid.squares()
    return next(square for square in squares[len(squares) // 2 :] if square.state is SquareState.INTACT)


def quiet(grid: SceneGrid, view: View) -> FloatArray:
    return render_view(grid, replace(view, dose_e_per_px=MANY), QUIET)


def shrink(image: FloatArray, by: int) -> FloatArray:
    rows, columns = image.shape[0] // by, image.shape[1] // by
    return np.asarray(image[: rows * by, : columns * by].reshape(rows, by, columns, by).mean(axis=(1, 3)))


def test_the_same_view_gives_the_same_counts_whatever_was_seen_before() -> None:
    view = View(120.0, -60.0, 300, 200, 900.0, rotation_deg=20.0, tilt_deg=5.0, defocus_um=50.0, exposure_seed=4)
    fresh = render_view(grid_of(1), view)

    grid = grid_of(1)
    render_view(grid, replace(view, x_um=500.0))
    grid.squares()[3].holes()

    np.testing.assert_array_equal(render_view(grid, view), fresh)
    np.testing.assert_array_equal(render_view(grid, view, threads=1), fresh)


def test_two_exposures_of_a_place_differ_by_shot_noise_alone() -> None:
    grid = grid_of(1)
    square = good_square(grid)
    view = View(square.x_um, square.y_um, 128, 128, 100.0, dose_e_per_px=100.0)
    camera = replace(CAMERA, gain_error=0.0, blur=0.0, low_blur=0.0, counts_per_electron=1.0)

    first, second = (render_view(grid, replace(view, exposure_seed=seed), camera) for seed in (1, 2))

    assert not np.array_equal(first, second)
    assert np.var(first - second) / 2 == pytest.approx(first.mean(), rel=0.1)
    assert first.mean() == pytest.approx(second.mean(), rel=0.01)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 300), st.sampled_from(list(GridKind)))
def test_the_same_place_at_two_magnifications_agrees(seed: int, kind: GridKind) -> None:
    grid = grid_of(seed, kind)
    square = grid.squares()[seed]
    low = View(square.x_um, square.y_um, 32, 32, 8000.0, rotation_deg=seed)
    high = replace(low, width_px=512, height_px=512, pixel_size_angstrom=500.0)

    coarse, fine = quiet(grid, low), shrink(quiet(grid, high), 16)

    # Lumps smaller than a pixel are left out of the coarse one, and holes hardly larger than one are averaged.
    coarse, fine = gaussian_filter(coarse, 1.5), gaussian_filter(fine, 1.5)
    assert np.corrcoef(coarse.ravel(), fine.ravel())[0, 1] > 0.75 or fine.std() < 0.02
    assert np.median(np.abs(coarse - fine)) < 0.08
    assert abs(coarse.mean() - fine.mean()) < 0.05


def test_an_overview_and_a_square_image_agree_in_brightness_square_by_square() -> None:
    grid = grid_of(3)
    squares = [square for square in grid.squares() if square.state is SquareState.INTACT][::60][:8]
    overview = []
    close = []
    for square in squares:
        view = View(square.x_um, square.y_um, 10, 10, square.size_um * 500.0)
        overview.append(quiet(grid, view).mean())
        close.append(
            quiet(grid, replace(view, width_px=200, height_px=200, pixel_size_angstrom=square.size_um * 25)).mean()
        )

    np.testing.assert_allclose(overview, close, atol=0.02)


def test_a_turned_view_is_the_turned_picture() -> None:
    grid = grid_of(2)
    square = good_square(grid)
    view = View(square.x_um, square.y_um, 200, 200, square.size_um * 60.0)

    straight, turned = quiet(grid, view), quiet(grid, replace(view, rotation_deg=90.0))

    # Image axes turned counter-clockwise: what was seen turns clockwise.
    assert np.corrcoef(np.rot90(straight, -1).ravel(), turned.ravel())[0, 1] > 0.995
    assert np.corrcoef(np.rot90(straight, 1).ravel(), turned.ravel())[0, 1] < 0.99


def test_a_shifted_view_is_the_shifted_picture() -> None:
    grid = grid_of(2)
    square = good_square(grid)
    view = View(square.x_um, square.y_um, 200, 200, square.size_um * 60.0, rotation_deg=33.0)
    x, y = view.to_stage((view.width_px - 1) / 2 + 20, (view.height_px - 1) / 2 + 10)

    here, there = quiet(grid, view), quiet(grid, replace(view, x_um=x, y_um=y))

    difference = np.abs(there[:-10, :-20] - here[10:, 20:])
    assert difference.mean() < 5e-3
    assert np.quantile(difference, 0.99) < 0.05


@pytest.mark.parametrize("kind", [GridKind.HOLEY_CARBON, GridKind.HOLEY_GOLD])
def test_holes_are_seen_where_the_truth_has_them(kind: GridKind) -> None:
    grid = grid_of(21, kind)
    square = good_square(grid)
    view = View(square.x_um, square.y_um, 600, 600, square.size_um * 12.0, rotation_deg=12.0)
    image = gaussian_filter(quiet(grid, view), 1.0)
    contrasts = []
    for hole in truth.holes(square):
        x, y = view.to_image(hole.x_um, hole.y_um)
        radius = hole.diameter_um / 2 / view.pixel_um
        if hole.seen < 1 or not (2 * radius < x < 600 - 2 * radius and 2 * radius < y < 600 - 2 * radius):
            continue
        rows, columns = np.mgrid[:600, :600]
        away = np.hypot(columns - x, rows - y) / radius
        contrasts.append(np.median(image[away < 0.5]) / np.median(image[(away > 1.1) & (away < 1.3)]) - 1)

    assert len(contrasts) > 10
    assert np.mean(np.array(contrasts) > 0.005) > 0.9


def test_an_offset_of_a_hole_against_its_truth_would_be_seen() -> None:
    grid = grid_of(21, GridKind.HOLEY_GOLD)
    hole = next(hole for hole in good_square(grid).holes() if hole.seen == 1 and hole.state is HoleState.INTACT)
    size = hole.diameter_um * 2
    view = View(hole.x_um, hole.y_um, 201, 201, size * 1e4 / 201)
    image = quiet(grid, view)

    bright = image > (image.max() + image.min()) / 2
    rows, columns = np.mgrid[:201, :201] - 100
    bright &= np.hypot(rows, columns) < 80
    area = bright.sum() * view.pixel_um**2

    assert abs(columns[bright].mean()) < 3
    assert abs(rows[bright].mean()) < 3
    assert 2 * math.sqrt(area / math.pi) == pytest.approx(hole.diameter_um, rel=0.05)


def test_intensity_falls_with_the_thickness_of_ice() -> None:
    recipe = grid_of(13).recipe
    grid = SceneGrid(replace(recipe, ice=replace(recipe.ice, dirt=0.0, smudges=0.0)))
    holes = [hole for hole in good_square(grid).holes() if hole.seen == 1 and hole.state is HoleState.INTACT]
    seen = []
    for hole in holes[:25]:
        view = View(hole.x_um, hole.y_um, 9, 9, hole.diameter_um * 100.0)
        place = truth.at(grid, hole.x_um, hole.y_um)
        assert place.hole is not None
        assert (place.hole.k, place.hole.m) == (hole.k, hole.m)
        seen.append((place.ice_nm, float(np.median(quiet(grid, view)))))
    ice, bright = np.array(seen).T

    assert np.corrcoef(ice, np.log(bright))[0, 1] < -0.9


def test_bars_are_dark_tears_are_bright_and_both_are_where_the_truth_says() -> None:
    grid = grid_of(6)
    torn = [square for square in grid.squares() if square.state is SquareState.TORN]
    intact = [square for square in grid.squares() if square.state is SquareState.INTACT]

    def brightest(square: SceneSquare) -> float:
        view = View(square.x_um, square.y_um, 64, 64, square.size_um * 150.0)
        return float(np.percentile(quiet(grid, view), 98))

    mesh = grid.recipe.mesh
    angle = math.radians(mesh.rotation_deg)
    bar_x, bar_y = (
        intact[0].x_um + mesh.pitch_um / 2 * math.cos(angle),
        intact[0].y_um + mesh.pitch_um / 2 * math.sin(angle),
    )
    assert quiet(grid, View(bar_x, bar_y, 8, 8, 1000.0)).max() < 0.01
    assert not truth.at(grid, bar_x, bar_y).open
    assert np.mean([brightest(square) for square in torn[:12]]) > np.mean([brightest(square) for square in intact[:12]])


@pytest.mark.parametrize("kind", list(GridKind))
@pytest.mark.parametrize("pixel_size_angstrom", [3000.0, 240.0, 22.0])
def test_every_kind_of_grid_renders_at_every_magnification(kind: GridKind, pixel_size_angstrom: float) -> None:
    grid = grid_of(17, kind)
    square = good_square(grid)

    image = render_view(
        grid, View(square.x_um, square.y_um, 160, 120, pixel_size_angstrom, dose_e_per_px=50.0, defocus_um=50.0)
    )

    assert image.shape == (120, 160)
    assert image.dtype == np.float32
    assert np.isfinite(image).all()
    assert image.std() > 0
    assert image.mean() < 50 * CAMERA.counts_per_electron * 1.05


def test_cells_are_dark_and_stain_is_uneven() -> None:
    cells, stain = grid_of(9, GridKind.CELLS), grid_of(9, GridKind.NEGATIVE_STAIN)
    view = View(100.0, 100.0, 200, 200, 10_000.0)
    ground = Ground(cells, view.frame(), lumps=False)
    maps = ground.band(0, 200)
    image = quiet(cells, view)

    dark, light = maps.ice_nm > 1000, (maps.ice_nm < 300) & (maps.open > 0.99)
    assert dark.sum() > 100
    assert image[dark & (maps.open > 0.99)].mean() < 0.5 * image[light].mean()
    stained = Ground(stain, view.frame()).band(0, 200).stain_nm
    assert stained[stained > 0].std() > 2


def test_gold_is_darker_than_carbon() -> None:
    ratio = {}
    for kind in (GridKind.HOLEY_CARBON, GridKind.HOLEY_GOLD):
        grid = grid_of(30, kind)
        view = View(good_square(grid).x_um, good_square(grid).y_um, 300, 300, 400.0)
        image, film = quiet(grid, view), Ground(grid, view.frame()).band(0, 300).film
        ratio[kind] = np.median(image[film > 0.99]) / np.median(image[film < 0.01])

    assert ratio[GridKind.HOLEY_GOLD] < 0.7 < ratio[GridKind.HOLEY_CARBON] < 1


def test_defocus_draws_fringes_at_the_edges_of_holes_and_nowhere_else() -> None:
    grid = grid_of(21)
    hole = next(hole for hole in good_square(grid).holes() if hole.seen == 1 and hole.state is HoleState.INTACT)
    view = View(hole.x_um, hole.y_um, 300, 300, hole.diameter_um * 1e4 / 150)

    focused, defocused = quiet(grid, view), quiet(grid, replace(view, defocus_um=100.0))
    rows, columns = np.mgrid[:300, :300] - 149.5
    away = np.hypot(rows, columns)
    change = np.abs(defocused - focused)

    assert change[np.abs(away - 75) < 5].max() > 0.02
    assert change[away < 50].max() < 1e-3


def test_tilt_shortens_what_is_seen_across_its_axis() -> None:
    grid = grid_of(21, GridKind.HOLEY_GOLD)
    hole = next(hole for hole in good_square(grid).holes() if hole.seen == 1 and hole.state is HoleState.INTACT)
    level = -grid.height_um(hole.x_um, hole.y_um)
    view = View(hole.x_um, hole.y_um, 201, 201, hole.diameter_um * 2e4 / 201, tilt_deg=60.0, z_um=level)

    image = quiet(grid, view)
    bright = image > (image[100, 100] + np.percentile(image, 5)) / 2

    def run(line: FloatArray) -> int:
        return int(np.argmin(line[100:]) + np.argmin(line[100::-1]))

    assert run(bright[100]) == pytest.approx(100, abs=8)
    assert run(bright[:, 100]) == pytest.approx(50, abs=8)
