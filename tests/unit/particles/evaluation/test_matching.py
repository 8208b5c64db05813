"""Picks are matched to particles one to one: as many as can be, and of those the closest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from structloop.particles.evaluation import match_picks

# Few distinct places, so that ties and shared neighbours are common.
PLACES = st.integers(0, 12).map(float)


def points(most: int) -> st.SearchStrategy[NDArray[np.float64]]:
    return st.integers(0, most).flatmap(lambda n: of_numpy.arrays(np.float64, (n, 2), elements=PLACES))


@given(picks=points(9), truth=points(9), radius=st.sampled_from([0.5, 1.0, 2.0, 4.5, 30.0]))
@settings(max_examples=150, deadline=None)
def test_it_is_the_largest_matching_and_the_shortest_of_those(
    picks: NDArray[np.float64], truth: NDArray[np.float64], radius: float
) -> None:
    found = match_picks(picks, truth, radius)
    distances = np.linalg.norm(picks[:, None] - truth[None], axis=2)
    # A thousand for each pair that is possible outweighs all distances.
    rows, columns = linear_sum_assignment(np.where(distances <= radius, distances - 1000, 0))
    best = [
        distances[row, column] for row, column in zip(rows, columns, strict=True) if distances[row, column] <= radius
    ]
    assert len(found.picks) == len(best)
    assert found.distances_px.sum() == pytest.approx(sum(best))
    assert len(set(found.picks.tolist())) == len(set(found.truth.tolist())) == len(found.picks)
    assert (found.distances_px <= radius).all()


def test_a_greedy_matching_would_lose_a_particle() -> None:
    picks, truth = np.array([[0.0, 0.0], [3.0, 0.0]]), np.array([[2.0, 0.0], [6.0, 0.0]])
    found = match_picks(picks, truth, 3.0)
    assert found.picks.tolist() == [0, 1]
    assert found.truth.tolist() == [0, 1]


def test_the_radius_itself_counts() -> None:
    assert len(match_picks(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), 5.0).picks) == 1
    assert len(match_picks(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]]), 4.999).picks) == 0


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan, np.inf])
def test_a_radius_must_be_positive(radius: float) -> None:
    with pytest.raises(ValueError, match="must be a positive number"):
        match_picks(np.zeros((1, 2)), np.zeros((1, 2)), radius)
