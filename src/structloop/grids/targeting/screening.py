"""Screening: a few exposures that tell most about which squares and grids are good, and the ranking they give."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.grids.targeting.adaptive import Learning
from structloop.grids.targeting.holes import FloatArray, IntArray

DRAWS = 400


@dataclass(frozen=True)
class Ranked:
    """A square or a grid, and the share of its holes that would be good.

    Attributes:
        kind: `square` or `grid`.
        name, atlas_tile, grid: Which; a grid has no tile.
        good_share: Expected share of good holes (mean reward).
        low, high: 90 % interval.
        holes, exposures: How many holes it has, and how many of them were exposed.
    """

    kind: str
    name: str
    atlas_tile: str
    grid: str
    good_share: float
    low: float
    high: float
    holes: int
    exposures: int


class Screening(Learning):
    """Exposes where most is learned about a square: per exposure where their number is limited, else per minute.

    A hole tells most about a square that is unknown, in a patch not seen yet; once exposed, its neighbours tell less.
    """

    name = "screening"

    def _choose(self, rows: IntArray) -> int | None:
        if len(rows) == 0:
            return None
        information = sum(
            (
                weight * member.square_information(rows)
                for weight, member in zip(self._model.weights, self._model.members, strict=True)
            ),
            start=np.zeros(len(rows)),
        )
        value = information * self._priority[rows]
        if self._exposure_limit is None:
            # Time is what is short, not exposures.
            value = value / np.array(self.move_minutes)[self._moves_to(rows)]
        return int(rows[np.lexsort((self._groups.tie[rows], -value))[0]])

    def ranking(self) -> tuple[list[Ranked], list[Ranked]]:
        """Squares and grids, best first, with intervals from the posterior of the model that predicted best."""
        groups = self._groups
        member = self._model.members[int(np.argmax(self._model.weights))]
        chances = member.sample_chances(DRAWS, np.random.default_rng(self.seed))
        for row, reward, _ in self._history:
            chances[:, row] = reward
        grid = groups.grid_of_tile[groups.tile]
        squares = [
            self._ranked("square", groups.square == i, chances, name, tile=groups.tile_names[groups.tile_of_square[i]])
            for i, name in enumerate(groups.square_names)
        ]
        grids = [self._ranked("grid", grid == i, chances, name, tile="") for i, name in enumerate(groups.grid_names)]
        return _best_first(squares), _best_first(grids)

    def _ranked(
        self,
        kind: str,
        inside: NDArray[np.bool_],
        chances: FloatArray,
        name: str,
        *,
        tile: str,
    ) -> Ranked:
        share = chances[:, inside].mean(axis=1)
        low, high = np.quantile(share, [0.05, 0.95])
        return Ranked(
            kind=kind,
            name=name,
            atlas_tile=tile,
            grid=self._holes.grid[int(np.argmax(inside))],
            good_share=float(share.mean()),
            low=float(low),
            high=float(high),
            holes=int(inside.sum()),
            exposures=int(self._exposed[inside].sum()),
        )


def _best_first(rows: list[Ranked]) -> list[Ranked]:
    return sorted(rows, key=lambda row: -row.good_share)


__all__ = ["Ranked", "Screening"]
