"""Looking ahead: the most good exposures per minute that each next hole can lead to.

The value of going to a patch is the best ratio of expected good exposures to minutes over its holes in falling order of
chance (leave when the rest would lower the ratio). A square's patches are then taken in falling order of their
ratios, and a tile's squares likewise, again for as long as the ratio rises; a patch is worth the best of the plans
that start with it. That is the index rule of foraging (stay while the yield here beats the yield elsewhere, travel
included) on three levels.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.grids.targeting.holes import FloatArray, Groups, IntArray
from structloop.grids.targeting.travel import Move


@dataclass(frozen=True)
class Option:
    """A patch that could be visited next, and what that is expected to bring.

    Attributes:
        hole: Row of the hole that would be exposed first.
        patch, square, tile: Where it lies.
        move: How far it is.
        chance: Chance of that hole of being good (its expected reward), without operator's weights.
        good: Good exposures expected of the best plan that starts there.
        exposures: Exposures of that plan.
        minutes: Minutes of that plan, travel included.
        rate: `good / minutes`: what options are ranked by.
    """

    hole: int
    patch: int
    square: int
    tile: int
    move: Move
    chance: float
    good: float
    exposures: int
    minutes: float
    rate: float


@dataclass(frozen=True)
class Plans:
    """Plans per group, as columns: good exposures, minutes and exposures of the best prefix, and the first patch."""

    group: IntArray
    first: IntArray
    good: FloatArray
    minutes: FloatArray
    exposures: FloatArray

    @property
    def rate(self) -> FloatArray:
        """Good exposures per minute; -1 where nothing fits the time left."""
        rate: FloatArray = np.where(self.exposures > 0, self.good / np.maximum(self.minutes, 1e-9), -1.0)
        return rate


def options(
    groups: Groups,
    value: FloatArray,
    chance: FloatArray,
    rows: IntArray,
    here: int | None,
    move_minutes: tuple[float, float, float, float],
    minutes_left: float,
) -> list[Option]:
    """All patches that can still be visited, best first.

    Args:
        groups: The tree of the holes.
        value: Expected reward of each hole times the operator's weight, shape (n_holes,).
        chance: Expected reward of each hole, shape (n_holes,).
        rows: Rows of the holes that may be exposed.
        here: Row of the hole exposed last; None before the first.
        move_minutes: Same patch, same square, same tile, elsewhere; must not fall.
        minutes_left: Plans that end later are not considered.
    """
    if len(rows) == 0:
        return []
    near, square_move, tile_move, far = move_minutes
    order = rows[np.lexsort((groups.tie[rows], -value[rows], groups.patch[rows]))]
    starts, counts = _runs(groups.patch[order])
    patch = groups.patch[order][starts]
    square, tile = groups.square_of_patch[patch], groups.tile_of_patch[patch]
    if here is None:
        move = np.full(len(patch), int(Move.ELSEWHERE))
    else:
        move = np.where(
            patch == groups.patch[here],
            Move.SAME_PATCH,
            np.where(
                square == groups.square[here],
                Move.SAME_SQUARE,
                np.where(tile == groups.tile[here], Move.SAME_TILE, Move.ELSEWHERE),
            ),
        )
    step = np.array(move_minutes)

    first_rows = order[starts]
    within = value[order]
    step_minutes = np.full(len(order), near)

    def visit(entry: FloatArray) -> Plans:
        """The best prefix of each patch's holes when getting there takes `entry` minutes."""
        return _best_prefixes(
            np.arange(len(patch)), starts, counts, within, step_minutes, np.ones(len(order)), entry - near, minutes_left
        )

    direct = visit(step[move])
    best = [direct.good.copy(), direct.minutes.copy(), direct.exposures.copy(), direct.rate.copy()]

    # Squares: each patch costs a move within the square, the first one the way to the square instead.
    each = visit(np.full(len(patch), square_move))
    into_square = np.where(move <= Move.SAME_SQUARE, square_move, step[move])
    tie = groups.tie[first_rows]
    by_square = np.lexsort((tie, -each.rate, square))
    _keep_better(best, _chain(by_square, square, each, into_square - square_move, minutes_left))

    # Tiles: each square costs a move within the tile, the first one the way to the tile instead.
    squares = _chain(by_square, square, each, np.full(len(patch), tile_move - square_move), minutes_left)
    square_tile = groups.tile_of_square[squares.group]
    by_tile = np.lexsort((tie[squares.first], -squares.rate, square_tile))
    into_tile = np.where(move[squares.first] <= Move.SAME_TILE, tile_move, far)
    tiles = _chain(by_tile, square_tile, squares, into_tile - tile_move, minutes_left)
    _keep_better(best, tiles)

    good, minutes, exposures, rate = best
    possible = np.flatnonzero(rate >= 0)
    ranked = possible[np.lexsort((tie[possible], -rate[possible]))]
    return [
        Option(
            hole=int(first_rows[i]),
            patch=int(patch[i]),
            square=int(square[i]),
            tile=int(tile[i]),
            move=Move(int(move[i])),
            chance=float(chance[first_rows[i]]),
            good=float(good[i]),
            exposures=int(exposures[i]),
            minutes=float(minutes[i]),
            rate=float(rate[i]),
        )
        for i in ranked
    ]


def _runs(sorted_values: IntArray) -> tuple[IntArray, IntArray]:
    """Starts and lengths of the runs of equal values."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(sorted_values)) + 1]).astype(np.intp)
    counts = np.diff(np.concatenate([starts, [len(sorted_values)]])).astype(np.intp)
    return starts, counts


def _best_prefixes(
    label: IntArray,
    starts: IntArray,
    counts: IntArray,
    good: FloatArray,
    minutes: FloatArray,
    exposures: FloatArray,
    extra: FloatArray,
    minutes_left: float,
) -> Plans:
    """For each run, the prefix with the best ratio of good to minutes; `extra` minutes are added to each run once."""
    run = np.repeat(np.arange(len(starts)), counts)

    def running(values: FloatArray) -> FloatArray:
        total = np.cumsum(values)
        return total - (total[starts] - values[starts])[run]

    total_good, total_exposures = running(good), running(exposures)
    total_minutes = running(minutes) + extra[run]
    fits = total_minutes <= minutes_left + 1e-9
    ratio = np.where(fits, total_good / total_minutes, -1.0)
    best = np.maximum.reduceat(ratio, starts)
    # The longest prefix that reaches the best ratio.
    at = np.where(ratio >= best[run], np.arange(len(ratio)), -1)
    last = np.maximum.reduceat(at, starts)
    some = best >= 0
    return Plans(
        group=label,
        first=label,
        good=np.where(some, total_good[last], 0.0),
        minutes=np.where(some, total_minutes[last], 0.0),
        exposures=np.where(some, total_exposures[last], 0.0),
    )


def _chain(order: NDArray[np.intp], group: IntArray, parts: Plans, extra: FloatArray, minutes_left: float) -> Plans:
    """Takes the parts of each group in `order` for as long as the ratio rises; `extra` is that of a group's first
    part.
    """
    usable = order[parts.exposures[order] > 0]
    if len(usable) == 0:
        empty = np.zeros(0, dtype=np.intp)
        return Plans(empty, empty, np.zeros(0), np.zeros(0), np.zeros(0))
    starts, counts = _runs(group[usable])
    plans = _best_prefixes(
        group[usable][starts],
        starts,
        counts,
        parts.good[usable],
        parts.minutes[usable],
        parts.exposures[usable],
        extra[usable][starts],
        minutes_left,
    )
    return Plans(plans.group, parts.first[usable][starts], plans.good, plans.minutes, plans.exposures)


def _keep_better(best: list[FloatArray], plans: Plans) -> None:
    """Overwrites the plan of a patch where a longer plan that starts with it has the better ratio."""
    rate = plans.rate
    better = rate > best[3][plans.first] + 1e-12
    at = plans.first[better]
    for column, values in zip(best, (plans.good, plans.minutes, plans.exposures, rate), strict=True):
        column[at] = values[better]


__all__ = ["Option", "options"]
