"""A replay that an operator can interfere with: overrides at any moment, and what the policy expected at each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import TargetingError
from structloop.grids.targeting.adaptive import Learning
from structloop.grids.targeting.factory import make_policy
from structloop.grids.targeting.policy import Explanation, Policy
from structloop.grids.targeting.replay import Replay, Step


@dataclass(frozen=True)
class Override:
    """What the operator did.

    Attributes:
        after: After how many exposures, the start hole not counted.
        action: What.
        hole_ids: To which holes.
        weight: For `prioritise`: how many times a good exposure of these holes counts.
    """

    after: int
    action: Literal["forbid", "allow", "force", "prioritise"]
    hole_ids: tuple[str, ...]
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.after < 0:
            raise TargetingError(f"an override after {self.after} exposures lies before the session")

    def apply(self, policy: Policy) -> None:
        """Does it. Holes that were exposed by then are left alone: the past cannot be overridden."""
        exposed = set(policy.exposed)
        holes = [name for name in self.hole_ids if name not in exposed]
        match self.action:
            case "forbid":
                policy.forbid(holes)
            case "allow":
                policy.allow(holes)
            case "prioritise":
                policy.prioritise(holes, self.weight)
            case "force":
                for name in holes:
                    policy.force(name)


@dataclass(frozen=True)
class GuidedReplay:
    """A session as it went.

    Attributes:
        steps: Every exposure, the start first.
        reasons: Why the hole of step i was taken (none for the start), the table cut to its best rows.
        chances: What the policy expected of every hole before step i, in per cent, shape (n_steps, n_holes);
            empty for policies that expect nothing.
        good, possible: Good exposures, and the most that was possible without overrides.
    """

    steps: tuple[Step, ...]
    reasons: tuple[Explanation, ...]
    chances: NDArray[np.uint8]
    good: int
    possible: int


def guided_replay(
    replay: Replay,
    policy_name: str,
    start: int,
    budget_minutes: float,
    *,
    overrides: Sequence[Override] = (),
    seed: int = 0,
    rows_kept: int = 6,
) -> GuidedReplay:
    """Plays a session with the overrides applied at their moments.

    Raises:
        TargetingError: an unknown policy, start or hole, or a forced hole that is forbidden.
    """
    if not 0 <= start < len(replay.holes):
        raise TargetingError(f"no hole in row {start}; the session has {len(replay.holes)} holes")
    policy = make_policy(policy_name, replay.holes, replay.move_minutes, budget_minutes, seed, reward=replay.reward)
    reasons = [Explanation("The session starts here.", ())]
    chances: list[NDArray[np.uint8]] = []
    pending = sorted(overrides, key=lambda one: one.after)

    def expectation() -> None:
        if isinstance(policy, Learning):
            values = np.array(list(policy.chances().values()))
            chances.append(np.clip(np.round(100 * values), 0, 100).astype(np.uint8))

    expectation()

    def on_step(one: Policy, _step: Step) -> None:
        while pending and pending[0].after <= len(one.exposed) - 1:
            pending.pop(0).apply(one)
        told = one.explain()
        reasons.append(Explanation(told.sentence, told.table[:rows_kept]))
        expectation()

    steps = replay.run(policy, start, budget_minutes, on_step)
    shown = np.array(chances[: len(steps)], dtype=np.uint8).reshape(-1, len(replay.holes))
    return GuidedReplay(
        steps=tuple(steps),
        reasons=tuple(reasons[: len(steps)]),
        chances=shown,
        good=sum(step.good for step in steps[1:]),
        possible=replay.oracle(start, budget_minutes),
    )


__all__ = ["GuidedReplay", "Override", "guided_replay"]
