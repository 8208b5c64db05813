"""Exposures of the same place, and the molecules in them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.simulation.grids import (
    Cassette,
    GridKind,
    HoleState,
    SceneGrid,
    SceneHole,
    SquareState,
    View,
    specimen_at,
    truth,
)
from structloop.simulation.grids.materials import Ground
from structloop.simulation.grids.particles import number_per_um2
from structloop.simulation.grids.recipes import Sample

SAMPLE = Sample(("shell-480",), (1.0,), 13.0, 400.0, 0.6, 4.0, 0.7, 0.0)


def grid_with(
    ice_nm: float, kind: GridKind = GridKind.HOLEY_CARBON, sample: Sample = SAMPLE, seed: int = 40
) -> SceneGrid:
    """A grid whose ice is equally thick everywhere."""
    recipe = Cassette.from_seed(seed, 1, [kind]).grid(1).recipe
    even = replace(
        recipe.ice, median_nm=ice_nm, wedge=0.0, grid_sd=0.0, square_sd=0.0, patch_sd=0.0, hole_sd=0.0, at_bars=0.0,
        rupture_nm=2.0, on_film=1.0, meniscus_nm=0.0, collar_nm=0.0, crystalline=0.0, leopard=0.0, ethane=0.0, dirt=0.0,
        smudges=0.0,
    )  # fmt: skip
    film = replace(recipe.film, hole_um=2.0, pitch_um=4.0, thickness_nm=12.0)
    return SceneGrid(
        replace(recipe, ice=even, film=film, sample=sample, torn=0.0, cracked=0.0, contaminated=0.0, dry=0.0)
    )


def hole_of(grid: SceneGrid) -> SceneHole:
    squares = [square for square in grid.squares() if square.state in (SquareState.INTACT, SquareState.THICK)]
    return next(
        hole for square in squares for hole in square.holes() if hole.seen == 1 and hole.state is HoleState.INTACT
    )


def exposure_of(grid: SceneGrid, pixels: int = 4096) -> View:
    hole = hole_of(grid)
    return View(hole.x_um, hole.y_um, pixels, pixels, 1.2)


def counted(grid: SceneGrid) -> int:
    particles = specimen_at(grid, exposure_of(grid)).particles
    inside = (particles.x_px >= 0) & (particles.x_px < 4096) & (particles.y_px >= 0) & (particles.y_px < 4096)
    return int(inside.sum())


def test_an_exposure_shows_the_ice_and_film_that_the_hole_image_shows() -> None:
    grid = Cassette.from_seed(12, 1).grid(1)
    hole = hole_of(grid)
    edge = View(hole.x_um + hole.diameter_um / 2, hole.y_um, 3000, 2000, 2.0, rotation_deg=30.0)
    specimen = specimen_at(grid, edge)
    maps = Ground(grid, edge.frame(float(grid.height_um(edge.x_um, edge.y_um)))).band(0, 2000)
    rows, columns = specimen.ice_nm.shape
    high, wide = 2000 // rows + 1, 3000 // columns + 1
    across = ((np.arange(columns) + 0.5) * 3000 / columns).astype(int)
    down = ((np.arange(rows) + 0.5) * 2000 / rows).astype(int)

    assert 0.1 < specimen.film.mean() < 0.9
    assert np.mean(np.abs(maps.film[np.ix_(down, across)] - specimen.film)) < 0.02
    assert np.median(np.abs(maps.ice_nm[np.ix_(down, across)] - specimen.ice_nm)) < 2.0
    assert max(high, wide) < 20


def test_the_number_of_molecules_does_not_depend_on_how_the_place_is_cut_out() -> None:
    grid = grid_with(40.0)
    view = exposure_of(grid)
    part = replace(view, width_px=2048, height_px=2048, rotation_deg=25.0)

    whole, some = specimen_at(grid, view).particles, specimen_at(grid, part).particles
    all_at = np.array([view.to_stage(float(x), float(y)) for x, y in zip(whole.x_px, whole.y_px, strict=True)])
    inner = [
        (x, y)
        for x, y in (part.to_stage(float(x), float(y)) for x, y in zip(some.x_px, some.y_px, strict=True))
        if math.hypot(x - view.x_um, y - view.y_um) < 0.1
    ]

    assert len(inner) > 5
    for x, y in inner:
        assert np.hypot(all_at[:, 0] - x, all_at[:, 1] - y).min() < 2e-4


@given(st.floats(1, 300), st.floats(1.01, 3))
def test_more_ice_never_holds_fewer_molecules(ice: float, factor: float) -> None:
    thin, thick = number_per_um2(SAMPLE, np.array([ice, ice * factor], np.float32))

    assert thick >= thin - 1e-3
    if ice < 0.95 * SAMPLE.diameter_nm:
        assert thin == 0


def test_molecules_vanish_where_the_ice_is_thinner_than_they_are_and_grow_in_number_with_it() -> None:
    numbers = [counted(grid_with(ice)) for ice in (8.0, 14.5, 30.0, 60.0)]

    assert numbers[0] == 0
    assert 0 < numbers[1] < numbers[2] < numbers[3]
    area = (4096 * 1.2e-4) ** 2
    assert numbers[2] <= 2.5 * SAMPLE.per_um2 * area


def test_molecules_keep_out_of_the_thin_middle_of_a_hole() -> None:
    grid = grid_with(12.0)
    thick_rim = replace(grid.recipe, ice=replace(grid.recipe.ice, on_film=3.0, hole_sd=0.0))
    grid = SceneGrid(thick_rim)
    hole = hole_of(grid)
    view = View(hole.x_um, hole.y_um, 4096, 4096, 5.0)
    particles = specimen_at(grid, view).particles
    away = np.hypot(particles.x_px - 2047.5, particles.y_px - 2047.5) * view.pixel_um / (hole.diameter_um / 2)

    within = away < 0.95
    assert within.sum() > 50
    assert (away[within] < 0.4).mean() < 0.02


def test_molecules_do_not_overlap_in_thin_ice() -> None:
    particles = specimen_at(grid_with(20.0), exposure_of(grid_with(20.0))).particles
    place = np.stack([particles.x_px, particles.y_px], axis=1) * 0.12

    distances = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    distances[np.diag_indices(len(place))] = np.inf

    assert len(place) > 30
    assert distances.min() > 0.9 * SAMPLE.diameter_nm


def test_molecules_at_the_interface_are_oriented_alike_and_some_come_apart() -> None:
    thin = specimen_at(grid_with(16.0), exposure_of(grid_with(16.0))).particles
    free = grid_with(60.0, sample=replace(SAMPLE, at_interface=0.0))
    bulk = specimen_at(free, exposure_of(free)).particles

    def along_beam(rotation: np.ndarray) -> np.ndarray:
        _, x, y, _ = rotation.T
        return np.asarray(1 - 2 * (x * x + y * y))

    assert np.abs(along_beam(thin.rotation)).mean() > 0.7
    assert np.abs(along_beam(bulk.rotation)).mean() == pytest.approx(0.5, abs=0.08)
    assert 0.1 < (thin.intact < 1).mean() < 0.6
    assert (bulk.intact == 1).all()
    np.testing.assert_allclose(np.linalg.norm(thin.rotation, axis=1), 1, atol=1e-5)


def test_molecules_stay_within_the_ice() -> None:
    particles = specimen_at(grid_with(50.0), exposure_of(grid_with(50.0))).particles

    assert np.abs(particles.z_nm).max() <= (62.0 - SAMPLE.diameter_nm) / 2 + 1
    assert np.abs(particles.z_nm).max() > 10


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 500), st.sampled_from(list(GridKind)))
def test_a_specimen_is_the_same_again_and_its_maps_are_thicknesses(seed: int, kind: GridKind) -> None:
    view = View(float(seed), 37.0, 1000, 700, 4.0, tilt_deg=10.0)
    grid = Cassette.from_seed(seed, 1, [kind]).grid(1)
    first, again = specimen_at(grid, view), specimen_at(Cassette.from_seed(seed, 1, [kind]).grid(1), view)

    np.testing.assert_array_equal(first.ice_nm, again.ice_nm)
    np.testing.assert_array_equal(first.particles.x_px, again.particles.x_px)
    assert first.seed == again.seed
    assert first.ice_nm.min() >= 0
    assert 0 <= first.film.min() <= first.film.max() <= 1
    assert first.tilt_deg == 10.0
    assert first.blobs == again.blobs


def test_stain_has_no_ice_and_cells_hold_ribosomes() -> None:
    stain = Cassette.from_seed(3, 1, [GridKind.NEGATIVE_STAIN]).grid(1)
    square = next(square for square in stain.squares() if square.state is SquareState.INTACT)
    stained = specimen_at(stain, View(square.x_um, square.y_um, 2048, 2048, 2.0))

    assert stained.ice_nm.max() < 20
    assert stained.stain_nm.min() > 0
    assert len(stained.particles.x_px) > 10
    cells = Cassette.from_seed(3, 1, [GridKind.CELLS]).grid(1)
    frame = View(square.x_um, square.y_um, 100, 100, 20_000.0).frame()
    ice = Ground(cells, frame, step=1).band(0, 100)
    row, column = np.unravel_index(
        np.argmax(np.where((ice.open > 0.99) & (ice.crystalline < 0.1), ice.ice_nm, 0)), ice.ice_nm.shape
    )
    inside = specimen_at(cells, View(float(frame.xs[row, column]), float(frame.ys[row, column]), 2048, 2048, 2.0))
    assert inside.particles.kinds == ("ribosome-2500",)
    assert len(inside.particles.x_px) > 10


def test_lumps_of_an_exposure_are_those_of_the_hole_image() -> None:
    recipe = grid_with(30.0).recipe
    grid = SceneGrid(replace(recipe, ice=replace(recipe.ice, dirt=60.0)))
    hole = hole_of(grid)
    wide = specimen_at(grid, View(hole.x_um, hole.y_um, 2000, 2000, 20.0))
    close = View(hole.x_um, hole.y_um, 4096, 4096, 4.0)
    near = {blob.seed for blob in specimen_at(grid, close).blobs}

    assert len(wide.blobs) > len(near) > 0
    assert near <= {blob.seed for blob in wide.blobs}


def test_truth_of_a_view_has_its_true_defocus() -> None:
    grid = Cassette.from_seed(2, 1).grid(1)
    view = View(50.0, 60.0, 256, 256, 8.0, defocus_um=1.5, z_um=-3.0)

    told = truth.of_view(grid, view)

    assert told.height_um == pytest.approx(grid.height_um(50.0, 60.0) - 3.0)
    assert told.defocus_um == pytest.approx(1.5 + told.height_um)
    assert told.ice_nm.shape == told.film.shape


@pytest.mark.parametrize("step", [1, 4])
def test_looking_at_a_place_twice_finds_the_same_there(step: int) -> None:
    grid = grid_with(60.0)
    grid = SceneGrid(replace(grid.recipe, ice=replace(grid.recipe.ice, collar_nm=30.0)))
    hole = hole_of(grid)
    ground = Ground(grid, View(hole.x_um, hole.y_um, 60, 60, 600.0).frame(), step=step, lumps=False)

    first, again = ground.band(0, 60), ground.band(0, 60)

    np.testing.assert_array_equal(again.ice_nm, first.ice_nm)
    assert first.ice_nm.max() - first.ice_nm.min() > 20
