"""Which pick is which particle: one to one, as many pairs as can be, and of those the closest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, min_weight_full_bipartite_matching
from scipy.spatial import cKDTree


@dataclass(frozen=True, slots=True)
class Matching:
    """Pairs of picks and particles.

    Attributes:
        picks, truth: `(k,)` each, the places of the two of every pair in what was matched.
        distances_px: `(k,)`, how far apart they are.
    """

    picks: NDArray[np.intp]
    truth: NDArray[np.intp]
    distances_px: NDArray[np.float64]


def match_picks(picks_px: NDArray[np.float64], truth_px: NDArray[np.float64], radius_px: float) -> Matching:
    """One-to-one pairs no farther apart than a radius: as many as possible, then with the least sum of distances.

    Args:
        picks_px: `(n, 2)`.
        truth_px: `(m, 2)`.
        radius_px: Farthest that a pair may be apart; this distance itself counts.

    Raises:
        ValueError: the radius is not a positive number.
    """
    if not 0 < radius_px < np.inf:
        raise ValueError(f"a radius of {radius_px} px cannot be; it must be a positive number")
    if not len(picks_px) or not len(truth_px):
        return Matching(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    near = cKDTree(picks_px).query_ball_tree(cKDTree(truth_px), radius_px * (1 + 1e-9))
    first = np.repeat(np.arange(len(near)), [len(each) for each in near])
    second = np.array([place for each in near for place in each], dtype=np.intp)
    distances = np.linalg.norm(picks_px[first] - truth_px[second], axis=1)
    # The tree's rounding and this one's may differ at the rim itself.
    inside = distances <= radius_px
    first, second, distances = first[inside], second[inside], distances[inside]
    if not len(first):
        return Matching(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    chosen = _choose(first, second, distances, radius_px)
    order = np.argsort(first[chosen], kind="stable")
    chosen = chosen[order]
    return Matching(first[chosen], second[chosen], distances[chosen])


def _choose(
    first: NDArray[np.intp], second: NDArray[np.intp], distances: NDArray[np.float64], radius_px: float
) -> NDArray[np.intp]:
    """Which of the possible pairs are taken.

    Every pick may also stay alone, at a price above all distances of its neighbourhood together, so that the cheapest
    choice has as many pairs as can be. The price follows each connected neighbourhood's size, not the micrograph's,
    which keeps the distances' digits.
    """
    picks, pick_places = np.unique(first, return_inverse=True)
    truth, truth_places = np.unique(second, return_inverse=True)
    count, columns = len(picks), len(truth)
    size = count + columns
    graph = csr_array((np.ones(len(first)), (pick_places, count + truth_places)), shape=(size, size))
    _, part = connected_components(graph, directed=False)
    members = np.bincount(part[:count], minlength=int(part.max()) + 1)
    # Every weight is raised by the radius: a weight of nothing would be taken for no pair at all.
    alone = radius_px * (2.0 + members[part[:count]])
    rows = np.concatenate([pick_places, np.arange(count)])
    places = np.concatenate([truth_places, columns + np.arange(count)])
    weights = np.concatenate([distances + radius_px, alone])
    matrix = csr_array((weights, (rows, places)), shape=(count, columns + count))
    taken_rows, taken_columns = min_weight_full_bipartite_matching(matrix)
    of_pick = np.full(count, -1)
    of_pick[taken_rows] = taken_columns
    return np.flatnonzero(of_pick[pick_places] == truth_places)


__all__ = ["Matching", "match_picks"]
