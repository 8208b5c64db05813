import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.core.errors import SimulationError
from structloop.simulation.molecules import (
    MOLECULES,
    PROTEIN_OVER_ICE_VOLTS,
    diameter_angstrom,
    molecule,
    project,
    random_rotations,
    rotation_matrix,
    symmetry_matrices,
)

_GRID = (np.arange(220, dtype=np.float32) - 110) * np.float32(2)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("globular-100", 70, 100),
        ("tetramer-465", 155, 185),
        ("barrel-700", 140, 170),
        ("shell-480", 120, 140),
        ("ribosome-2500", 220, 260),
        ("membrane-300", 100, 140),
        ("rod-220", 250, 310),
        ("ring-420", 130, 170),
        ("capsid-3700", 230, 270),
    ],
)
def test_sizes_are_those_of_the_table(name: str, low: float, high: float) -> None:
    assert low < diameter_angstrom(name) < high


def test_the_table_is_covered() -> None:
    assert len(MOLECULES) == 9


@pytest.mark.parametrize("name", MOLECULES)
def test_a_projection_holds_the_whole_potential_and_is_centred(name: str) -> None:
    kind = molecule(name)
    for rotation in random_rotations(3, 5):
        patch = project(kind, kind.placed(rotation), _GRID - np.float32(7.3), _GRID + np.float32(4.1)).astype(
            np.float64
        )
        total = patch.sum() * 4
        assert total == pytest.approx(float(kind.weight.sum()), rel=2e-3)
        rows, columns = np.indices(patch.shape)
        centre = (patch * columns).sum() / patch.sum(), (patch * rows).sum() / patch.sum()
        assert centre == pytest.approx((110 + 7.3 / 2, 110 - 4.1 / 2), abs=0.02)


def test_the_contrast_is_that_of_protein_in_ice() -> None:
    kind = molecule("tetramer-465")
    assert kind.weight.sum() == pytest.approx(465e3 * 1.21 * PROTEIN_OVER_ICE_VOLTS, rel=1e-3)


@pytest.mark.parametrize(("group", "order"), [("C1", 1), ("C12", 12), ("D2", 4), ("D7", 14), ("O", 24), ("I", 60)])
def test_point_groups_have_as_many_rotations_as_they_should(group: str, order: int) -> None:
    matrices = symmetry_matrices(group)
    assert len(matrices) == order
    for matrix in matrices:
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-4)
        assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-4)


def test_a_symmetric_molecule_looks_the_same_turned_by_its_symmetry() -> None:
    kind = molecule("barrel-700")
    half = np.pi / 7
    turned = np.array([np.cos(half), 0, 0, np.sin(half)], np.float32)
    other = np.array([np.cos(half / 2), 0, 0, np.sin(half / 2)], np.float32)
    still = np.array([1, 0, 0, 0], np.float32)
    first = project(kind, kind.placed(still), _GRID, _GRID)
    assert np.abs(project(kind, kind.placed(turned), _GRID, _GRID) - first).max() < 0.02 * first.max()
    assert np.abs(project(kind, kind.placed(other), _GRID, _GRID) - first).max() > 0.2 * first.max()


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: sum(x * x for x in q) > 0.01))
def test_quaternions_make_rotations(quaternion: list[float]) -> None:
    matrix = rotation_matrix(np.array(quaternion, np.float32)).astype(np.float64)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-5)
    assert np.linalg.det(matrix) == pytest.approx(1, abs=1e-5)


def test_a_quarter_turn_about_z_takes_x_to_y() -> None:
    quarter = rotation_matrix(np.array([0.5**0.5, 0, 0, 0.5**0.5], np.float32))
    np.testing.assert_allclose(quarter @ np.array([1, 0, 0]), [0, 1, 0], atol=1e-6)


@settings(max_examples=20)
@given(st.floats(0, 0.9), st.integers(0, 1000))
def test_a_torn_molecule_keeps_its_centre_and_spreads(intact: float, seed: int) -> None:
    kind = molecule("globular-100")
    whole = kind.placed(np.array([1, 0, 0, 0], np.float32))
    torn = kind.placed(np.array([1, 0, 0, 0], np.float32), intact, seed)
    np.testing.assert_allclose(np.average(torn, axis=0, weights=kind.weight), 0, atol=0.05)
    assert np.abs(torn - whole).max() > 3 * (1 - intact)


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(SimulationError, match="globular-100"):
        molecule("haemoglobin")
    with pytest.raises(SimulationError, match="symmetry"):
        symmetry_matrices("T9")
