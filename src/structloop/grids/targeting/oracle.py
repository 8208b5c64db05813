"""The exact best that could have been done, knowing every outcome: what shares are measured against."""

from collections.abc import Sequence

import numpy as np

from structloop.grids.targeting.holes import FloatArray, Groups, IntArray
from structloop.grids.targeting.travel import MoveTimesError


def best_possible(
    groups: Groups, good: IntArray, start: int, move_minutes: Sequence[float], budget_minutes: float
) -> int:
    """The largest number of good holes that can be exposed within the budget, the start hole free and unscored.

    A route that visits each group once costs a near move per hole, and once per further patch, square and tile the
    extra of the longer move. So the least cost of k good holes is a knapsack over the tree, solved exactly.

    Args:
        groups: The tree of the holes.
        good: 1 for each good hole, else 0, shape (n_holes,).
        start: Row of the start hole.
        move_minutes: Same patch, same square, same tile, elsewhere; must not fall.
        budget_minutes: Time.

    Raises:
        MoveTimesError: the move times fall with distance.
    """
    near, square_move, tile_move, far = (float(value) for value in move_minutes)
    if not 0 < near <= square_move <= tile_move <= far:
        raise MoveTimesError(f"move_minutes {list(move_minutes)} must be positive and not fall with distance")
    left = np.array(good, dtype=np.intp)
    left[start] = 0
    per_patch = np.bincount(groups.patch, weights=left, minlength=len(groups.patch_names)).astype(np.intp)

    least = np.zeros(1)
    for tile in range(len(groups.tile_names)):
        of_tile = np.zeros(1)
        for square in np.flatnonzero(groups.tile_of_square == tile):
            of_square = np.zeros(1)
            for patch in np.flatnonzero(groups.square_of_patch == square):
                extra = 0.0 if patch == groups.patch[start] else square_move - near
                of_square = _join(of_square, _once(per_patch[patch], extra))
            of_tile = _join(
                of_tile, _plus(of_square, 0.0 if square == groups.square[start] else tile_move - square_move)
            )
        least = _join(least, _plus(of_tile, 0.0 if tile == groups.tile[start] else far - tile_move))
    count = np.arange(len(least))
    return int(count[least + count * near <= budget_minutes + 1e-9].max())


def _once(count: int, extra: float) -> FloatArray:
    """Least extra minutes for 0..count good holes of one patch."""
    costs = np.full(count + 1, extra)
    costs[0] = 0.0
    return costs


def _plus(costs: FloatArray, extra: float) -> FloatArray:
    """The same with `extra` minutes once, where there is anything at all."""
    out = costs + extra
    out[0] = 0.0
    return out


def _join(first: FloatArray, second: FloatArray) -> FloatArray:
    """Least costs of 0..n+m good holes from two groups: a min-plus convolution."""
    if len(second) > len(first):
        first, second = second, first
    out = np.full(len(first) + len(second) - 1, np.inf)
    for count, cost in enumerate(second):
        np.minimum(out[count : count + len(first)], first + cost, out=out[count : count + len(first)])
    return out


__all__ = ["best_possible"]
