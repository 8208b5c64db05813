"""How long it takes to the next hole: a prior by how far it is, learned from what moves really take."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any

from structloop.core.errors import TargetingError


class MoveTimesError(TargetingError):
    """Move times are not four positive numbers."""


class Move(IntEnum):
    """How far the next hole is."""

    SAME_PATCH = 0
    SAME_SQUARE = 1
    SAME_TILE = 2
    ELSEWHERE = 3

    @property
    def words(self) -> str:
        """For people."""
        return ("in this patch", "in this square", "in this atlas tile", "elsewhere on the grid")[self]


class MoveTimes:
    """Minutes from one exposure to the end of the next, by how far the next hole is.

    The estimate of each kind of move is an average in which the prior counts as `prior_moves` moves and older moves
    fade (`memory` per move), so that drifting times are followed. A kind not made yet is scaled by what the kinds
    already made say about the prior as a whole, and longer moves never count as shorter than near ones.

    Args:
        minutes: Prior for same patch, same square, same atlas tile, elsewhere.
        prior_moves: How many moves the prior counts for.
        memory: Weight that a move keeps when the next one of its kind is made.

    Raises:
        MoveTimesError: not four positive numbers.
    """

    def __init__(self, minutes: Sequence[float], *, prior_moves: float = 1.0, memory: float = 0.95) -> None:
        values = tuple(float(value) for value in minutes)
        if len(values) != 4 or not all(0 < value < float("inf") for value in values):
            raise MoveTimesError(
                f"move_minutes is {list(minutes)}; it needs four positive numbers: same patch, same square, "
                "same atlas tile, elsewhere"
            )
        self.prior = values
        self._prior_moves = prior_moves
        self._memory = memory
        self._weight = [0.0] * 4
        self._total = [0.0] * 4

    def observe(self, move: Move, minutes: float) -> None:
        """Learns that such a move, exposure included, took so many minutes."""
        self._weight[move] = self._weight[move] * self._memory + 1
        self._total[move] = self._total[move] * self._memory + minutes

    @property
    def minutes(self) -> tuple[float, float, float, float]:
        """The current estimate for each kind of move, never falling with distance."""
        seen = sum(self._weight)
        expected = sum(weight * prior for weight, prior in zip(self._weight, self.prior, strict=True))
        # How the moves made compare with their prior, itself drawn towards 1 while few were made.
        scale = (sum(self._total) + 5 * self.prior[0]) / (expected + 5 * self.prior[0]) if seen else 1.0
        out: list[float] = []
        for weight, total, prior in zip(self._weight, self._total, self.prior, strict=True):
            value = (self._prior_moves * prior * scale + total) / (self._prior_moves + weight)
            out.append(max([value, *out[-1:]]))
        return out[0], out[1], out[2], out[3]

    def state(self) -> dict[str, Any]:
        """Plain numbers from which `restore` continues."""
        return {"weight": list(self._weight), "total": list(self._total)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over a saved state exactly."""
        self._weight = [float(value) for value in state["weight"]]
        self._total = [float(value) for value in state["total"]]


__all__ = ["Move", "MoveTimes", "MoveTimesError"]
