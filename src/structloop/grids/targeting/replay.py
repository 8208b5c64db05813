"""Replaying a recorded session: what would each policy have done with the same holes and the same time?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from structloop.core.errors import TargetingError
from structloop.grids.targeting.factory import make_policy
from structloop.grids.targeting.holes import FloatArray, Groups, HoleTable, IntArray
from structloop.grids.targeting.oracle import best_possible
from structloop.grids.targeting.policy import Policy
from structloop.grids.targeting.reward import Reward
from structloop.grids.targeting.travel import Move

OUTCOME_COLUMN = "ctf_max_resolution_A"
# What is measured on the exposure itself, and so unknown before it.
MEASURED_COLUMNS = frozenset({OUTCOME_COLUMN, "ctf_fit_confidence"})
COMPARED = ("adaptive", "winstay", "sweep", "greedy", "random")


class ReplayError(TargetingError):
    """A recorded session cannot be replayed: no outcomes, too few holes, bad budgets."""


@dataclass(frozen=True)
class Step:
    """One exposure of a replay.

    Attributes:
        hole_id: Which hole.
        good: Whether it was good; the start hole's is not counted.
        minutes: Time from the start of the session to the end of this exposure.
        move: How far it was from the one before.
    """

    hole_id: str
    good: bool
    minutes: float
    move: Move


@dataclass(frozen=True)
class Share:
    """How one policy did within one budget, over all starts.

    Attributes:
        policy, budget_minutes: Which, and how long.
        good: Good exposures of each start, shape (n_starts,).
        oracle: The most that was possible from each start, shape (n_starts,).
    """

    policy: str
    budget_minutes: float
    good: IntArray
    oracle: IntArray

    @property
    def shares(self) -> FloatArray:
        """Share of the oracle for each start, shape (n_starts,); starts from where nothing was possible are left
        out.
        """
        possible = self.oracle > 0
        shares: FloatArray = self.good[possible] / self.oracle[possible]
        return shares

    @property
    def share(self) -> float:
        """Mean share of the oracle."""
        return float(self.shares.mean()) if len(self.shares) else float("nan")

    def interval(self, *, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
        """95 % interval of the mean share: bootstrap over starts."""
        shares = self.shares
        if len(shares) < 2:
            return float("nan"), float("nan")
        picks = np.random.default_rng(seed).integers(0, len(shares), size=(draws, len(shares)))
        low, high = np.quantile(shares[picks].mean(axis=1), [0.025, 0.975])
        return float(low), float(high)


class Replay:
    """A recorded session as a world to act in.

    Args:
        holes: The holes, with the features that policies may see.
        outcome_angstrom: To where the CTF of each hole fitted, shape (n_holes,).
        move_minutes: What moves take in this world: same patch, same square, same atlas tile, elsewhere.
        threshold_angstrom: Good is this resolution or better.

    Raises:
        ReplayError: fewer than two holes, or an outcome is missing.
        MoveTimesError: the move times are not positive, or fall with distance.
    """

    def __init__(
        self,
        holes: HoleTable,
        outcome_angstrom: FloatArray,
        move_minutes: Sequence[float],
        threshold_angstrom: float = 6.0,
    ) -> None:
        if len(holes) < 2:
            raise ReplayError(f"a replay needs at least two holes, the table has {len(holes)}")
        if len(outcome_angstrom) != len(holes):
            raise ReplayError(f"{len(outcome_angstrom)} outcomes for {len(holes)} holes")
        if np.isnan(outcome_angstrom).any():
            bad = holes.hole_id[int(np.argmax(np.isnan(outcome_angstrom)))]
            raise ReplayError(f"hole '{bad}' has no outcome; give a bad one (such as 20) where no CTF fitted")
        self.holes = holes
        self.outcome = outcome_angstrom
        self.good: IntArray = (outcome_angstrom <= threshold_angstrom).astype(np.intp)
        self.move_minutes = tuple(float(value) for value in move_minutes)
        self.reward = Reward.ctf(threshold_angstrom)
        self.groups = Groups.of(holes, seed=0)
        self._row = {name: row for row, name in enumerate(holes.hole_id)}
        best_possible(self.groups, self.good, 0, self.move_minutes, 0.0)  # refuses bad move times at once

    def starts(self, count: int, seed: int = 0) -> list[int]:
        """Rows of so many start holes, drawn without repetition (all of them where there are fewer)."""
        rng = np.random.default_rng(seed)
        return [int(row) for row in rng.choice(len(self.holes), min(count, len(self.holes)), replace=False)]

    def oracle(self, start: int, budget_minutes: float) -> int:
        """The most good exposures possible from that start."""
        return best_possible(self.groups, self.good, start, self.move_minutes, budget_minutes)

    def minutes_between(self, here: int, there: int) -> tuple[Move, float]:
        """How far one row is from another, and what the move takes."""
        groups = self.groups
        for move, level in zip(Move, (groups.patch, groups.square, groups.tile), strict=False):
            if level[here] == level[there]:
                return move, self.move_minutes[move]
        return Move.ELSEWHERE, self.move_minutes[Move.ELSEWHERE]

    def run(
        self,
        policy: Policy,
        start: int,
        budget_minutes: float,
        on_step: Callable[[Policy, Step], None] | None = None,
    ) -> list[Step]:
        """Plays one session: the start hole is free and unscored; an exposure that would end too late is refused.

        Args:
            policy: Fresh, over these holes.
            start: Row of the first hole.
            budget_minutes: Time.
            on_step: Told after every exposure.
        """
        steps = [Step(self.holes.hole_id[start], bool(self.good[start]), 0.0, Move.ELSEWHERE)]
        policy.observe(self.holes.hole_id[start], float(self.outcome[start]), minutes_taken=0.0)
        if on_step:
            on_step(policy, steps[0])
        here, spent = start, 0.0
        while (hole_id := policy.next_hole()) is not None:
            row = self._row[hole_id]
            move, minutes = self.minutes_between(here, row)
            if spent + minutes > budget_minutes + 1e-9:
                break
            here, spent = row, spent + minutes
            policy.observe(hole_id, float(self.outcome[row]), minutes_taken=minutes)
            steps.append(Step(hole_id, bool(self.good[row]), spent, move))
            if on_step:
                on_step(policy, steps[-1])
        return steps

    def compare(
        self,
        policies: Sequence[str],
        starts: Sequence[int],
        budgets: Sequence[float],
        *,
        told_move_minutes: Sequence[float] | None = None,
        seed: int = 0,
        on_done: Callable[[], None] | None = None,
    ) -> list[Share]:
        """Every policy from every start within every budget.

        Args:
            policies: Names.
            starts: Rows of start holes.
            budgets: Minutes.
            told_move_minutes: What the policies are told that moves take, where it differs from what they take.
            seed: Given to each policy, plus the number of the start.
            on_done: Called after each session (for a progress bar).

        Raises:
            ReplayError: a budget is not a positive number.
        """
        out = []
        for budget in budgets:
            if not 0 < budget < float("inf"):
                raise ReplayError(f"the budget {budget} must be a positive number of minutes")
            oracle = np.array([self.oracle(start, budget) for start in starts], dtype=np.intp)
            for name in policies:
                good = []
                for number, start in enumerate(starts):
                    told = told_move_minutes or self.move_minutes
                    policy = make_policy(name, self.holes, told, budget, seed + number, reward=self.reward)
                    good.append(sum(step.good for step in self.run(policy, start, budget)[1:]))
                    if on_done:
                        on_done()
                out.append(Share(name, budget, np.array(good, dtype=np.intp), oracle))
        return out


def replay_of(
    table: HoleTable,
    features: Mapping[str, FloatArray],
    use: Sequence[str],
    move_minutes: Sequence[float],
    threshold_angstrom: float = 6.0,
    outcome: str = OUTCOME_COLUMN,
) -> Replay:
    """A replay of a table read by `read_holes`, of which policies see only the features in `use`.

    Raises:
        ReplayError: there is no column of outcomes, or a policy would see it.
        HolesError: there is no such feature.
    """
    if outcome not in features:
        raise ReplayError(
            f"no column '{outcome}' with the measured resolution; there are {', '.join(features) or 'none'}"
        )
    leaks = sorted((MEASURED_COLUMNS | {outcome}) & set(use))
    if leaks:
        raise ReplayError(
            f"{', '.join(leaks)} is measured on the exposure; a policy cannot be shown it beforehand: leave it out"
        )
    return Replay(table.select_features(use), features[outcome], move_minutes, threshold_angstrom)


__all__ = ["COMPARED", "MEASURED_COLUMNS", "OUTCOME_COLUMN", "Replay", "ReplayError", "Share", "Step", "replay_of"]
