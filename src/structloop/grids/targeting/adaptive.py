"""The adaptive policy: the most expected good exposures per minute, learned within the session."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from structloop.grids.targeting.holes import KNOWN_FEATURE, FloatArray, HoleTable, IntArray, standardise
from structloop.grids.targeting.imputing import impute
from structloop.grids.targeting.lookahead import Option, options
from structloop.grids.targeting.model import ModelAverage, Prior
from structloop.grids.targeting.policy import Choice, Explanation, Policy
from structloop.grids.targeting.reward import Reward
from structloop.grids.targeting.travel import Move

# Fitted by logistic regression to a recorded session (1,197 exposures, good = 6 angstrom or better): the logit against
# -log(predicted / limit), clipped where the prediction saturates. Slopes fitted without one atlas tile at a time agree
# within the standard deviations below (docs/explanations/targeting.md).
KNOWN_SLOPE = 6.5
KNOWN_SLOPE_SD = 1.0
KNOWN_LEVEL = 0.5
KNOWN_LEVEL_SD = 0.6
KNOWN_CLIP = (-0.3, 0.9)
# A good prediction explains much of how regions differ: what it leaves to tile and square is less than without it.
KNOWN_TILE_SD = 0.6
KNOWN_SQUARE_SD = 0.5
UNKNOWN_SLOPE_SD = 1.0
# Prior weight of the model that ignores the features, and of the one in which they mean something else in each square.
DISTRUST_KNOWN = 0.05
DISTRUST_UNKNOWN = 0.3
# How much the slope of a feature that means something else in every square may differ, relative to its scale.
LOCAL_SLOPE_SD = 1.0


def known_priors(level: float = KNOWN_LEVEL, slope: float = KNOWN_SLOPE) -> tuple[Prior, ...]:
    """Priors of the models that are averaged where the one feature is `KNOWN_FEATURE`.

    Args:
        level, slope: Of a logistic regression of good on the feature, as `_standardised` scales it.
    """
    return _priors((slope,), (KNOWN_SLOPE_SD,), known=True, level=level)


def _priors(
    slopes: tuple[float, ...], slope_sds: tuple[float, ...], *, known: bool, level: float = KNOWN_LEVEL
) -> tuple[Prior, ...]:
    ignoring = Prior(weight=DISTRUST_KNOWN if known else DISTRUST_UNKNOWN)
    using = replace(ignoring, slopes=slopes, slope_sds=slope_sds, weight=1 - 2 * ignoring.weight)
    if known:
        using = replace(using, level=level, level_sd=KNOWN_LEVEL_SD, tile_sd=KNOWN_TILE_SD, square_sd=KNOWN_SQUARE_SD)
    local_sd = LOCAL_SLOPE_SD * (KNOWN_SLOPE if known else 1.0)
    return using, replace(using, square_slope_sd=local_sd, weight=ignoring.weight), ignoring


class Learning(Policy):
    """A policy with the hierarchical model. `posterior()` of one session can be the prior of the next."""

    def __init__(
        self,
        holes: HoleTable,
        move_minutes: Sequence[float],
        budget_minutes: float,
        seed: int,
        reward: Reward,
        priors: Sequence[Prior] | None = None,
    ) -> None:
        super().__init__(holes, move_minutes, budget_minutes, seed, reward)
        self._feature_names = tuple(holes.features)
        self._priors = tuple(priors) if priors is not None else self._default_priors()
        self._model = ModelAverage(self._groups, self._designs(), self._priors)

    def posterior(self) -> tuple[Prior, ...]:
        """What this session learned, for `make_policy(..., priors=...)` of the next with the same features."""
        return tuple(member.posterior() for member in self._model.members)

    def chances(self) -> dict[str, float]:
        """Expected reward of every hole, by name."""
        return dict(zip(self._holes.hole_id, (float(value) for value in self._model.chances()), strict=True))

    def _learn(self, row: int, reward: float) -> None:
        self._model.observe(row, reward)

    def _holes_changed(self) -> None:
        self._model.replace_holes(self._groups, self._designs())

    def _own_state(self) -> dict[str, Any]:
        return {
            "priors": [prior.state() for prior in self._priors],
            "model": self._model.state(),
        }

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        self._model.restore(state["model"])

    def _designs(self) -> list[FloatArray]:
        columns = [self._standardised(name) for name in self._feature_names]
        full = np.column_stack(columns) if columns else np.zeros((len(self._holes), 0))
        # A model uses the features if its prior has slopes for them.
        none = np.zeros((len(self._holes), 0))
        return [full if prior.slopes else none for prior in self._priors]

    def _standardised(self, name: str) -> FloatArray:
        values = self._holes.features.get(name, np.full(len(self._holes), np.nan))
        limit = self.reward.ctf_limit_angstrom
        if name != KNOWN_FEATURE or limit is None:
            return impute(standardise(values), self._groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = -np.clip(np.log(np.where(values > 0, values, np.nan) / limit), *KNOWN_CLIP)
        return impute(scaled, self._groups)

    def _default_priors(self) -> tuple[Prior, ...]:
        if not self._feature_names:
            return (Prior(),)
        known = KNOWN_FEATURE in self._feature_names and self.reward.ctf_limit_angstrom is not None
        slopes = [KNOWN_SLOPE if known and name == KNOWN_FEATURE else 0.0 for name in self._feature_names]
        sds = [KNOWN_SLOPE_SD if known and name == KNOWN_FEATURE else UNKNOWN_SLOPE_SD for name in self._feature_names]
        return _priors(tuple(slopes), tuple(sds), known=known)


class Adaptive(Learning):
    """The most expected good exposures per minute, looking ahead. See `make_policy`."""

    name = "adaptive"

    def __init__(
        self,
        holes: HoleTable,
        move_minutes: Sequence[float],
        budget_minutes: float,
        seed: int,
        reward: Reward,
        priors: Sequence[Prior] | None = None,
    ) -> None:
        super().__init__(holes, move_minutes, budget_minutes, seed, reward, priors)
        self._ranking: list[Option] | None = None

    def explain(self) -> Explanation:
        """What is expected here and elsewhere, in one sentence with the numbers of the table behind it."""
        if self._forced_row() is not None or self.next_hole() is None:
            return super().explain()
        table = tuple(self._as_choice(option) for option in self._ranked())
        if not table:
            return super().explain()
        best = table[0]
        return Explanation(_sentence(best, table), table)

    def _choose(self, rows: IntArray) -> int | None:
        ranked = self._ranked()
        return ranked[0].hole if ranked else None

    def _ranked(self) -> list[Option]:
        if self._ranking is None:
            chances = self._model.chances()
            rows = self._candidates()
            self._ranking = options(
                self._groups,
                self._values(chances * self._priority, rows),
                chances,
                rows,
                self._here,
                self.move_minutes,
                self.minutes_left if self._here is not None else self.minutes_left + self.move_minutes[3],
            )
        return self._ranking

    def _values(self, values: FloatArray, rows: IntArray) -> FloatArray:
        """What each hole counts for in plans: in shift groups, the mean of the group, which is taken as a whole."""
        if self._shift is None:
            return values
        size = int(self._shift.max()) + 1
        count = np.bincount(self._shift[rows], minlength=size)
        total = np.bincount(self._shift[rows], weights=values[rows], minlength=size)
        means: FloatArray = (total / np.maximum(count, 1))[self._shift]
        return means

    def _learn(self, row: int, reward: float) -> None:
        super()._learn(row, reward)
        self._ranking = None

    def _holes_changed(self) -> None:
        super()._holes_changed()
        self._ranking = None

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        super()._restore_own(state)
        self._ranking = None

    def forbid(self, hole_ids: Iterable[str]) -> None:
        """See `Policy.forbid`."""
        super().forbid(hole_ids)
        self._ranking = None

    def allow(self, hole_ids: Iterable[str]) -> None:
        """See `Policy.allow`."""
        super().allow(hole_ids)
        self._ranking = None

    def prioritise(self, hole_ids: Iterable[str], weight: float) -> None:
        """See `Policy.prioritise`."""
        super().prioritise(hole_ids, weight)
        self._ranking = None

    def group_by_shift(self, radius: float) -> None:
        """See `Policy.group_by_shift`."""
        super().group_by_shift(radius)
        self._ranking = None

    def _as_choice(self, option: Option) -> Choice:
        groups = self._groups
        return Choice(
            hole_id=self._holes.hole_id[option.hole],
            patch=groups.patch_names[option.patch],
            square=groups.square_names[option.square],
            atlas_tile=groups.tile_names[option.tile],
            move=option.move,
            chance=option.chance,
            good=option.good,
            exposures=option.exposures,
            minutes=option.minutes,
            good_per_minute=option.rate,
        )


def _sentence(best: Choice, table: Sequence[Choice]) -> str:
    where = {
        Move.SAME_PATCH: f"Stay in patch {best.patch}",
        Move.SAME_SQUARE: f"Move to patch {best.patch} of this square",
        Move.SAME_TILE: f"Move to square {best.square} of this tile",
        Move.ELSEWHERE: f"Move to square {best.square} of tile {best.atlas_tile}",
    }[best.move]
    text = (
        f"{where}, hole {best.hole_id}: {best.good_per_minute:.2f} good per minute expected "
        f"({best.good:.1f} good in {best.exposures} exposures and {best.minutes:.0f} min)"
    )
    other = next((row for row in table if (row.move == Move.SAME_PATCH) != (best.move == Move.SAME_PATCH)), None)
    if other is None:
        return f"{text}; nothing else fits the time left."
    if best.move == Move.SAME_PATCH:
        return f"{text}, against {other.good_per_minute:.2f} {other.move.words} (patch {other.patch})."
    return f"{text}, against {other.good_per_minute:.2f} for staying here."


__all__ = ["Adaptive", "Learning"]
