"""Making a policy by name, and making it again from its saved state."""

from collections.abc import Mapping, Sequence
from typing import Any

from structloop.core.errors import TargetingError
from structloop.grids.targeting.adaptive import Adaptive, Learning
from structloop.grids.targeting.holes import HoleTable
from structloop.grids.targeting.model import Prior
from structloop.grids.targeting.policy import Policy
from structloop.grids.targeting.reward import Reward
from structloop.grids.targeting.screening import Screening
from structloop.grids.targeting.simple import Greedy, Random, Sweep, WinStay

POLICIES: Mapping[str, type[Policy]] = {
    policy.name: policy for policy in (Adaptive, WinStay, Sweep, Random, Greedy, Screening)
}


def make_policy(
    name: str,
    holes: HoleTable | Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]],
    move_minutes: Sequence[float],
    budget_minutes: float,
    seed: int,
    *,
    reward: Reward | None = None,
    shift_radius: float | None = None,
    exposures: int | None = None,
    priors: Sequence[Prior] | None = None,
) -> Policy:
    """A policy that chooses the next hole.

    Args:
        name: `adaptive`, `winstay`, `sweep`, `random`, `greedy`, or `screening` (learn most about squares and grids).
        holes: A table with hole_id, atlas_tile, square, patch, x_px, y_px, optionally grid, stage_x_um, stage_y_um,
            and any number of numeric features (missing values allowed): a `HoleTable`, a dict of columns or a
            DataFrame. The feature `predicted_ctf_resolution_A` is angstrom, lower is better; of any other the sign
            and scale are learned.
        move_minutes: Minutes from one exposure to the end of the next: same patch, same square, same atlas tile,
            elsewhere. A prior: the policy learns what moves really take.
        budget_minutes: Length of the session.
        seed: Settles ties and chance.
        reward: What makes an exposure good; a CTF resolution of 6 angstrom or better by default.
        shift_radius: Holes within this radius (pixels of the patch's image; micrometres where stage positions are
            given) are taken around one stage position, and the choice is of such groups.
        exposures: Largest number of exposures, the one at the start not counted.
        priors: What an earlier session learned (`Adaptive.posterior`), for the same features.

    Raises:
        TargetingError: an unknown policy, or priors for one that has none.
        HolesError: the table is faulty.
        MoveTimesError: the move times are not four positive numbers.
    """
    if isinstance(holes, HoleTable):
        table = holes
    elif isinstance(holes, Sequence):
        table = HoleTable.from_rows(holes)
    else:
        table = HoleTable.from_columns(holes)
    kind = POLICIES.get(name)
    if kind is None:
        raise TargetingError(f"no policy '{name}'; there are {', '.join(POLICIES)}")
    chosen_reward = reward or Reward()
    if issubclass(kind, Learning):
        policy: Policy = kind(table, move_minutes, budget_minutes, seed, chosen_reward, priors)
    elif priors is None:
        policy = kind(table, move_minutes, budget_minutes, seed, chosen_reward)
    else:
        raise TargetingError(f"policy '{name}' learns nothing and takes no priors")
    if exposures is not None:
        policy.limit_exposures(exposures)
    if shift_radius is not None:
        policy.group_by_shift(shift_radius)
    return policy


def restore_policy(state: Mapping[str, Any]) -> Policy:
    """The policy that `state()` was taken of; it goes on identically.

    Raises:
        TargetingError: the state lacks something or is of an unknown policy.
    """
    try:
        priors = state["own"].get("priors")
        policy = make_policy(
            state["policy"],
            HoleTable.from_columns(state["holes"]),
            state["move_minutes"],
            state["budget_minutes"],
            state["seed"],
            reward=Reward.from_state(state["reward"]),
            shift_radius=state["shift_radius"],
            priors=None if priors is None else [Prior.from_state(prior) for prior in priors],
        )
        policy.restore(state)
    except KeyError as error:
        raise TargetingError(f"the saved state lacks {error}; it is not one of a targeting policy") from error
    return policy


__all__ = ["POLICIES", "make_policy", "restore_policy"]
