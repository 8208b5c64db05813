"""Where to look next: given candidate holes and limited time, the next hole that yields the most good exposures.

policy = make_policy("adaptive", holes, move_minutes=(1, 2, 6, 8), budget_minutes=480, seed=0)
policy.observe("h0001", 5.2, minutes_taken=0.0)       # the hole where the session starts
while (hole := policy.next_hole()) is not None:
    print(policy.explain().sentence)
    policy.observe(hole, expose(hole))
"""

from structloop.core.errors import HolesError, TargetingError
from structloop.grids.targeting.adaptive import Adaptive
from structloop.grids.targeting.factory import POLICIES, make_policy, restore_policy
from structloop.grids.targeting.holes import HoleTable, read_holes
from structloop.grids.targeting.model import Prior
from structloop.grids.targeting.policy import Choice, Explanation, Policy
from structloop.grids.targeting.replay import Replay, ReplayError, Share, Step, replay_of
from structloop.grids.targeting.reward import Reward, RewardError, Term
from structloop.grids.targeting.screening import Ranked, Screening
from structloop.grids.targeting.travel import Move, MoveTimesError

__all__ = [
    "POLICIES",
    "Adaptive",
    "Choice",
    "Explanation",
    "HoleTable",
    "HolesError",
    "Move",
    "MoveTimesError",
    "Policy",
    "Prior",
    "Ranked",
    "Replay",
    "ReplayError",
    "Reward",
    "RewardError",
    "Screening",
    "Share",
    "Step",
    "TargetingError",
    "Term",
    "make_policy",
    "read_holes",
    "replay_of",
    "restore_policy",
]
