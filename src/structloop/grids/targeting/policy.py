"""What all policies share: which holes may be exposed, what was exposed, where we are, how much time is left."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from structloop.core.errors import TargetingError
from structloop.grids.targeting.holes import FloatArray, Groups, HoleTable, IntArray
from structloop.grids.targeting.reward import CTF_TERM, Reward
from structloop.grids.targeting.shift_groups import shift_groups
from structloop.grids.targeting.travel import Move, MoveTimes


@dataclass(frozen=True)
class Choice:
    """One row of the table behind a decision.

    Attributes:
        hole_id, patch, square, atlas_tile: The hole that would be exposed next, and where it lies.
        move: How far it is.
        chance: Expected reward of that hole.
        good, exposures, minutes: What the best plan that starts with it is expected to bring, and its cost.
        good_per_minute: What the rows are ranked by.
    """

    hole_id: str
    patch: str
    square: str
    atlas_tile: str
    move: Move
    chance: float
    good: float
    exposures: int
    minutes: float
    good_per_minute: float


@dataclass(frozen=True)
class Explanation:
    """Why a hole is next: a sentence for the operator, and the table that its numbers come from, best first."""

    sentence: str
    table: tuple[Choice, ...]


class Policy(ABC):
    """Chooses the next hole. See `make_policy`."""

    name: ClassVar[str]

    def __init__(
        self,
        holes: HoleTable,
        move_minutes: Sequence[float],
        budget_minutes: float,
        seed: int,
        reward: Reward,
    ) -> None:
        if not budget_minutes >= 0:
            raise TargetingError(f"budget_minutes is {budget_minutes}; it must not be negative")
        self.reward = reward
        self.budget_minutes = float(budget_minutes)
        self.seed = int(seed)
        self._move_times = MoveTimes(move_minutes)
        self._exposure_limit: int | None = None
        self._shift_radius: float | None = None
        self._shift: IntArray | None = None
        self._spent = 0.0
        self._here: int | None = None
        self._history: list[tuple[int, float, float]] = []
        self._forced: list[int] = []
        self._take_holes(holes)
        self._open = np.ones(len(holes), dtype=bool)
        self._exposed = np.zeros(len(holes), dtype=bool)
        self._priority: FloatArray = np.ones(len(holes))

    def limit_exposures(self, count: int) -> None:
        """Ends the session after so many exposures, the one at the start not counted.

        Raises:
            TargetingError: the count is negative.
        """
        if count < 0:
            raise TargetingError(f"the number of exposures {count} must not be negative")
        self._exposure_limit = count

    def group_by_shift(self, radius: float) -> None:
        """Takes holes in groups around one stage position: a group once begun is finished before another.

        Raises:
            ShiftGroupsError: the radius is not a positive number.
        """
        self._shift = shift_groups(self._holes, self._groups, radius)
        self._shift_radius = radius

    # --- what a session calls -------------------------------------------------------------------------------------

    @property
    def minutes_spent(self) -> float:
        """Minutes used so far."""
        return self._spent

    @property
    def minutes_left(self) -> float:
        """Minutes of the budget that are left."""
        return self.budget_minutes - self._spent

    @property
    def exposed(self) -> tuple[str, ...]:
        """Holes exposed so far, in order."""
        return tuple(self._holes.hole_id[row] for row, _, _ in self._history)

    @property
    def move_minutes(self) -> tuple[float, float, float, float]:
        """What the four kinds of moves are now believed to take."""
        return self._move_times.minutes

    def next_hole(self) -> str | None:
        """The hole to expose next; None when nothing is left or nothing can end within the budget.

        Asking again without an observation in between gives the same answer.
        """
        if self._exposure_limit is not None and len(self._history) - 1 >= self._exposure_limit:
            return None
        forced = self._forced_row()
        row = self._choose(self._candidates()) if forced is None else forced
        return None if row is None else self._holes.hole_id[row]

    def observe(
        self,
        hole_id: str,
        ctf_resolution_angstrom: float | None = None,
        minutes_taken: float | None = None,
        *,
        values: Mapping[str, float] | None = None,
        reward: float | None = None,
    ) -> float:
        """Learns how an exposure turned out.

        Args:
            hole_id: The hole that was exposed, whether it was proposed or not.
            ctf_resolution_angstrom: To where its CTF fits; NaN (no fit) counts as bad.
            minutes_taken: From the last exposure's end to this one's; 0 for the hole at the start. None: as expected.
            values: Further measured quantities, where the reward has other terms.
            reward: The reward itself, in [0, 1], instead of measured quantities.

        Returns:
            The reward that was learned.

        Raises:
            TargetingError: the hole is unknown or was exposed already, or the reward is outside [0, 1].
        """
        row = self._row(hole_id)
        if self._exposed[row]:
            raise TargetingError(f"hole '{hole_id}' was exposed already; each hole is observed once")
        if minutes_taken is not None and not 0 <= minutes_taken < float("inf"):
            raise TargetingError(f"minutes_taken is {minutes_taken}; it must be a number of minutes, not negative")
        if reward is None:
            measured = dict(values or {})
            if ctf_resolution_angstrom is not None:
                measured[CTF_TERM] = float(ctf_resolution_angstrom)
            reward = self.reward.of(measured)
        if not 0 <= reward <= 1:
            raise TargetingError(f"the reward {reward} of hole '{hole_id}' is outside 0 to 1")
        taken = minutes_taken
        if taken is None:
            taken = 0.0 if self._here is None else self.move_minutes[self._move_to(row)]
        elif self._here is not None:
            self._move_times.observe(self._move_to(row), taken)
        self._spent += taken
        self._exposed[row] = True
        self._history.append((row, float(reward), taken))
        self._here = row
        self._learn(row, float(reward))
        return float(reward)

    def forbid(self, hole_ids: Iterable[str]) -> None:
        """These holes are not to be exposed, until allowed again."""
        self._open[self._rows(hole_ids)] = False

    def allow(self, hole_ids: Iterable[str]) -> None:
        """Takes back `forbid`."""
        self._open[self._rows(hole_ids)] = True

    def force(self, hole_id: str) -> None:
        """This hole is next, whatever the policy thinks; several are taken in the order given.

        Raises:
            TargetingError: the hole is unknown, exposed already or forbidden.
        """
        row = self._row(hole_id)
        if self._exposed[row] or not self._open[row]:
            raise TargetingError(f"hole '{hole_id}' is {'exposed already' if self._exposed[row] else 'forbidden'}")
        if row not in self._forced:
            self._forced.append(row)

    def prioritise(self, hole_ids: Iterable[str], weight: float) -> None:
        """A good exposure of these holes counts `weight` times (1: as any other; 0: only when nothing else is left)."""
        if not 0 <= weight < float("inf"):
            raise TargetingError(f"the weight {weight} must be a number, not negative")
        self._priority[self._rows(hole_ids)] = weight

    def add(self, holes: HoleTable) -> None:
        """Further candidates, found since the session began.

        Raises:
            HolesError: a hole of that name is there already.
            TargetingError: they have a feature that the holes so far lack.
        """
        new = [name for name in holes.features if name not in self._holes.features]
        if new:
            raise TargetingError(f"the added holes have the feature {', '.join(new)}, which the first table lacks")
        joined = self._holes.joined(holes)
        extra = len(holes)
        self._take_holes(joined)
        self._open = np.concatenate([self._open, np.ones(extra, dtype=bool)])
        self._exposed = np.concatenate([self._exposed, np.zeros(extra, dtype=bool)])
        self._priority = np.concatenate([self._priority, np.ones(extra)])
        if self._shift_radius is not None:
            self.group_by_shift(self._shift_radius)
        self._holes_changed()

    def explain(self) -> Explanation:
        """Why the next hole is next."""
        chosen = self.next_hole()
        if chosen is None:
            return Explanation("No hole is left that can be exposed within the time left.", ())
        if self._forced_row() is not None:
            return Explanation(f"Expose hole {chosen} next: the operator asked for it.", ())
        return Explanation(f"Expose hole {chosen} next ({self.name}).", ())

    def state(self) -> dict[str, Any]:
        """Everything there is to go on from, as plain JSON values; see `restore_policy`."""
        return {
            "policy": self.name,
            "holes": self._holes.columns(),
            "move_minutes": list(self._move_times.prior),
            "budget_minutes": self.budget_minutes,
            "seed": self.seed,
            "reward": self.reward.state(),
            "shift_radius": self._shift_radius,
            "exposure_limit": self._exposure_limit,
            "spent": self._spent,
            "here": self._here,
            "history": [list(item) for item in self._history],
            "forced": list(self._forced),
            "open": [bool(value) for value in self._open],
            "priority": [float(value) for value in self._priority],
            "move_times": self._move_times.state(),
            "own": self._own_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes over a state of the same policy over the same holes."""
        self._exposure_limit = state["exposure_limit"]
        self._spent = float(state["spent"])
        self._here = None if state["here"] is None else int(state["here"])
        self._history = [(int(row), float(reward), float(minutes)) for row, reward, minutes in state["history"]]
        self._forced = [int(row) for row in state["forced"]]
        self._open = np.array(state["open"], dtype=bool)
        self._priority = np.array(state["priority"], dtype=np.float64)
        self._exposed[[row for row, _, _ in self._history]] = True
        self._move_times.restore(state["move_times"])
        self._restore_own(state["own"])

    # --- what a policy fills in -----------------------------------------------------------------------------------

    @abstractmethod
    def _choose(self, rows: IntArray) -> int | None:
        """The best of the candidate rows; None when there is none. Must not change any state."""

    def _learn(self, row: int, reward: float) -> None:
        """Takes in the reward of a row that has just been added to the history."""
        return  # nothing to learn unless a policy does

    def _holes_changed(self) -> None:
        """The table has grown."""
        return  # nothing depends on it unless a policy does

    def _own_state(self) -> dict[str, Any]:
        return {}

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        """Takes over what `_own_state` gave."""
        return  # nothing of its own unless a policy has some

    # --- helpers --------------------------------------------------------------------------------------------------

    def _take_holes(self, holes: HoleTable) -> None:
        self._holes = holes
        self._groups = Groups.of(holes, self.seed)
        self._index = {name: row for row, name in enumerate(holes.hole_id)}

    def _row(self, hole_id: str) -> int:
        try:
            return self._index[str(hole_id)]
        except KeyError:
            raise TargetingError(f"no hole '{hole_id}' in the table of {len(self._holes)} holes") from None

    def _rows(self, hole_ids: Iterable[str]) -> IntArray:
        names = [hole_ids] if isinstance(hole_ids, str) else list(hole_ids)
        return np.array([self._row(name) for name in names], dtype=np.intp)

    def _forced_row(self) -> int | None:
        """The next row that the operator asked for and that may still be exposed."""
        return next((row for row in self._forced if self._open[row] and not self._exposed[row]), None)

    def _candidates(self) -> IntArray:
        """Rows that may be exposed and whose exposure is expected to end within the budget."""
        rows = np.flatnonzero(self._open & ~self._exposed)
        if self._here is None:
            return rows
        minutes = np.array(self.move_minutes)[self._moves_to(rows)]
        fitting: IntArray = rows[minutes <= self.minutes_left + 1e-9]
        if self._shift is not None:
            begun = fitting[self._shift[fitting] == self._shift[self._here]]
            return begun if len(begun) else fitting
        return fitting

    def _moves_to(self, rows: IntArray) -> IntArray:
        groups, here = self._groups, self._here
        if here is None:
            return np.full(len(rows), int(Move.ELSEWHERE), dtype=np.intp)
        return np.where(
            groups.patch[rows] == groups.patch[here],
            int(Move.SAME_PATCH),
            np.where(
                groups.square[rows] == groups.square[here],
                int(Move.SAME_SQUARE),
                np.where(groups.tile[rows] == groups.tile[here], int(Move.SAME_TILE), int(Move.ELSEWHERE)),
            ),
        ).astype(np.intp)

    def _move_to(self, row: int) -> Move:
        return Move(int(self._moves_to(np.array([row], dtype=np.intp))[0]))


__all__ = ["Choice", "Explanation", "Policy"]
