"""The scene: deterministic, whatever is asked for first; lattices, squares, holes and what became of them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.core.errors import SimulationError
from structloop.simulation.grids import Cassette, GridKind, HoleState, SceneGrid, SquareState
from structloop.simulation.grids.hashing import normal, uniform
from structloop.simulation.grids.lattices import hole_centre, lattice_vectors, nearest_hole
from structloop.simulation.grids.noise import fractal, smooth
from structloop.simulation.grids.recipes import Film
from structloop.simulation.molecules import diameter_angstrom

seeds = st.integers(0, 2**40)


def grid_of(seed: int, kind: GridKind = GridKind.HOLEY_CARBON) -> SceneGrid:
    return Cassette.from_seed(seed, 1, [kind]).grid(1)


def test_hashed_numbers_are_uniform_and_normal_and_independent_of_their_neighbours() -> None:
    rows, columns = np.meshgrid(np.arange(-150, 150), np.arange(-150, 150))

    even, bell = uniform(5, columns, rows), normal(5, columns, rows)

    assert abs(even.mean() - 0.5) < 0.005
    assert abs(even.std() - math.sqrt(1 / 12)) < 0.005
    assert abs(bell.mean()) < 0.015
    assert abs(bell.std() - 1) < 0.01
    assert abs(np.corrcoef(even[:, 1:].ravel(), even[:, :-1].ravel())[0, 1]) < 0.015
    assert abs(np.corrcoef(even[1:].ravel(), even[:-1].ravel())[0, 1]) < 0.015


@given(seeds, st.integers(-(2**31), 2**31), st.integers(-(2**31), 2**31))
def test_a_hashed_number_is_the_same_alone_and_among_others(seed: int, i: int, j: int) -> None:
    among = uniform(seed, np.arange(i - 2, i + 3)[:, None], np.arange(j - 2, j + 3)[None, :])

    assert uniform(seed, i, j) == among[2, 2]
    assert 0 <= among.min() < among.max() < 1


@given(seeds, st.floats(-1500, 1500), st.floats(-1500, 1500), st.floats(0.5, 300))
def test_a_field_has_one_value_at_a_place_whatever_else_is_asked_for(
    seed: int, x: float, y: float, cell: float
) -> None:
    alone = smooth(seed, np.array([x], np.float32), np.array([y], np.float32), cell)
    wide = smooth(seed, np.array([x - 900, x, x + 7], np.float32), np.array([y, y, y + 800], np.float32), cell)

    assert wide[1] == pytest.approx(float(alone[0]), abs=1e-5)


def test_fields_have_about_unit_variance_and_no_mean() -> None:
    x, y = np.meshgrid(np.arange(0, 400, dtype=np.float32), np.arange(0, 400, dtype=np.float32))

    for field in (smooth(3, x, y, 7.0), fractal(3, x, y, 20.0, 4)):
        assert abs(field.mean()) < 0.12
        assert 0.85 < field.std() < 1.15


@given(
    st.sampled_from(["square", "hexagonal"]),
    st.floats(0.5, 6),
    st.floats(-90, 90),
    st.floats(-300, 300),
    st.floats(-300, 300),
)
def test_the_nearest_hole_is_the_nearest(lattice: str, pitch: float, rotation: float, x: float, y: float) -> None:
    film = Film(lattice, pitch / 2, pitch, rotation, "carbon", 15.0, (0.3, 0.8))

    k, m, dx, dy = nearest_hole(film, np.float32(x), np.float32(y))
    others = [
        math.hypot(x - cx, y - cy)
        for cx, cy in (hole_centre(film, int(k) + i, int(m) + j) for i in (-2, -1, 0, 1, 2) for j in (-2, -1, 0, 1, 2))
    ]

    assert math.hypot(float(dx), float(dy)) == pytest.approx(min(others), abs=1e-3)


@pytest.mark.parametrize(("lattice", "angle"), [("square", 90.0), ("hexagonal", 60.0)])
def test_lattices_have_their_pitch_angle_and_rotation(lattice: str, angle: float) -> None:
    film = Film(lattice, 1.2, 2.5, 17.0, "carbon", 15.0, (0.0, 0.0))

    (ax, ay), (bx, by) = lattice_vectors(film)

    assert math.hypot(ax, ay) == pytest.approx(2.5)
    assert math.hypot(bx, by) == pytest.approx(2.5)
    assert math.degrees(math.atan2(ay, ax)) == pytest.approx(17.0)
    assert math.degrees(math.atan2(by, bx)) == pytest.approx(17.0 + angle)


def test_a_cassette_is_the_same_again_and_every_slot_differs() -> None:
    first, again = Cassette.from_seed(8, 3), Cassette.from_seed(8, 5)

    assert [first.grid(slot).recipe for slot in first.slots] == [again.grid(slot).recipe for slot in first.slots]
    assert len({first.grid(slot).seed for slot in first.slots}) == 3
    assert first.grid(1).recipe != Cassette.from_seed(9, 3).grid(1).recipe


def test_an_empty_slot_and_an_unknown_kind_say_what_there_is() -> None:
    with pytest.raises(KeyError, match="slot 9 is empty; there are grids in 1, 2"):
        Cassette.from_seed(1, 2).grid(9)
    with pytest.raises(SimulationError, match="'wood'; there are holey-carbon"):
        Cassette.from_seed(1, 2, ["wood"])
    with pytest.raises(SimulationError, match="grids 0"):
        Cassette.from_seed(1, 0)


def test_squares_and_holes_are_the_same_in_whatever_order_they_are_asked_for() -> None:
    grid, other = grid_of(4), grid_of(4)
    squares = grid.squares()
    late = [other.square(square.column, square.row) for square in reversed(squares[:40])]

    for square, same in zip(reversed(squares[:40]), late, strict=True):
        assert (square.x_um, square.y_um, square.state) == (same.x_um, same.y_um, same.state)
        assert square.ice_nm == pytest.approx(same.ice_nm, rel=1e-4)
    assert late[0].holes() == squares[39].holes()


def test_a_grid_has_hundreds_of_squares_apart_by_its_pitch_and_inside_its_rim() -> None:
    grid = grid_of(2)
    mesh = grid.recipe.mesh
    places = np.array([(square.x_um, square.y_um) for square in grid.squares()])

    assert len(places) > 200
    assert np.hypot(places[:, 0] - mesh.x_um, places[:, 1] - mesh.y_um).max() < mesh.rim_um
    distances = np.hypot(*(places[1:] - places[0]).T)
    assert distances.min() == pytest.approx(mesh.pitch_um, rel=1e-6)


def test_every_state_of_squares_and_holes_occurs_and_most_of_a_cassette_is_intact() -> None:
    grids = [Cassette.from_seed(6, 6).grid(slot) for slot in range(1, 7)]
    squares = [square for grid in grids for square in grid.squares()]
    holes = [hole for grid in grids for square in grid.squares()[::40] for hole in square.holes()]

    assert {square.state for square in squares} == set(SquareState)
    assert sum(square.state is SquareState.INTACT for square in squares) > 0.35 * len(squares)
    assert {hole.state for hole in holes} == set(HoleState)


def test_quality_is_alike_nearby_and_not_far_away() -> None:
    grid = grid_of(11)
    x = np.linspace(-1300, 1300, 400)
    near = np.corrcoef(grid.quality(x, 0 * x), grid.quality(x + 40, 0 * x))[0, 1]
    far = np.corrcoef(grid.quality(x, 0 * x), grid.quality(x, 0 * x + 5000))[0, 1]

    assert near > 0.9
    assert abs(far) < 0.6


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_holes_of_a_square_lie_in_it_and_on_the_lattice(seed: int) -> None:
    grid = grid_of(seed)
    square = grid.squares()[seed % 200]
    holes = square.holes()

    assert holes
    for hole in holes[::7]:
        assert math.hypot(hole.x_um - square.x_um, hole.y_um - square.y_um) < 0.71 * square.size_um
        x, y = hole_centre(grid.recipe.film, hole.k, hole.m)
        assert math.hypot(hole.x_um - x, hole.y_um - y) < 0.3 * grid.recipe.film.pitch_um
        assert (hole.ice_nm == 0) == (hole.state in (HoleState.EMPTY, HoleState.BROKEN))


def test_ice_in_holes_varies_by_square_patch_and_hole() -> None:
    grid = grid_of(3)
    by_square = [
        np.log([hole.ice_nm for hole in square.holes() if hole.ice_nm > 0 and hole.seen == 1.0] or [math.nan])
        for square in grid.squares()[::25]
    ]
    means = np.array([ice.mean() for ice in by_square if len(ice) > 20])

    assert np.nanstd(means) > 0.05
    assert np.nanmean([ice.std() for ice in by_square if len(ice) > 20]) > 0.05


def test_the_grid_is_bent_and_tilted_smoothly() -> None:
    grid = grid_of(5)

    steps = [grid.height_um(x + 1.0, 0.0) - grid.height_um(x, 0.0) for x in range(-1200, 1200, 100)]

    assert max(abs(step) for step in steps) < 0.15
    assert abs(grid.height_um(1200.0, 0.0) - grid.height_um(0.0, 0.0)) > 0.1


@pytest.mark.parametrize("seed", range(12))
def test_molecules_are_those_that_can_be_projected_and_as_large(seed: int) -> None:
    sample = grid_of(seed).recipe.sample

    for name in sample.molecules:
        assert sample.diameter_nm == pytest.approx(diameter_angstrom(name) / 10, rel=0.1)
