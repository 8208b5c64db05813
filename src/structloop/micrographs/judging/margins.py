"""When a place may be left, told by how far beyond a limit its exposures lie: that says more than fine or not fine.

Margins (logarithm of a value over its limit: CTF resolution, above all) are taken as normal around a level of the
place, with a part that a patch's exposures share and a part of each alone. Whether the level is that of a place worth
staying or of a poor one is decided by a sequential likelihood ratio (Wald, Ann. Math. Stat. 16 (1945) 117), with his
bound lowered by how far evidence overshoots it on average (Siegmund, Sequential Analysis (1985), chapter 10). Two
exposures of one patch count less than two of different ones, by as much as they are alike: a rule that takes them as
independent leaves good places several times as often as it says.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Self

import numpy as np
from scipy import special

from structloop.core.errors import JudgingError
from structloop.micrographs.judging.leaving import Leaving

_OVERSHOOT = 0.583
_FARTHEST = 3.0
_PRIOR_WITHIN, _PRIOR_BETWEEN, _PRIOR_EXPOSURES, _PRIOR_PATCHES = 0.38, 0.19, 20, 5
"""What is taken for granted before a session teaches better: the spreads of log CTF resolution that were published for
a real session of 3,538 exposures (0.34 within patches, 0.17 between them), made larger to be on the safe side."""

_STANDARD_ERRORS = 0.5


@dataclass(frozen=True, slots=True)
class Margin:
    """How an exposure stands to the limit.

    Attributes:
        beyond: Natural logarithm of its value over the limit: above 0 it is problematic. None where it is problematic
            beyond measure (no rings are seen).
        patch: Of the exposure: a name.
    """

    beyond: float | None
    patch: str = ""

    def __post_init__(self) -> None:
        if self.beyond is not None and not math.isfinite(self.beyond):
            raise JudgingError(f"a margin is {self.beyond}; give a number, or None where nothing could be measured")


@dataclass(frozen=True, slots=True)
class MarginRule:
    """A sequential rule on margins.

    Attributes:
        within: Standard deviation of margins within a patch (`spreads` learns it from other places of the session).
        between: Standard deviation of the levels of patches of one place.
        worth: Share of fine exposures from which a place is worth staying.
        poor: Share of fine exposures of a place that is to be left.
        error: Most probability of leaving a place that is worth staying.
    """

    within: float
    between: float = 0.0
    worth: float = 0.5
    poor: float = 0.15
    error: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.poor < self.worth < 1:
            raise JudgingError(f"poor is {self.poor} and worth {self.worth}; give 0 < poor < worth < 1")
        if not (math.isfinite(self.within) and self.within > 0 and math.isfinite(self.between) and self.between >= 0):
            raise JudgingError(f"within is {self.within} and between {self.between}; give above 0, and 0 or more")
        if not 0 < self.error < 0.5:
            raise JudgingError(f"error is {self.error}; give above 0 and below 0.5")

    def needed(self, together: float = 1.0) -> float:
        """What the evidence must reach; exposures that are alike add to it in smaller steps, and overshoot it less.

        Args:
            together: How many exposures a patch has, on average.
        """
        single = float(special.ndtri(self.worth) - special.ndtri(self.poor))
        alike = (self.within**2 + self.between**2) / (self.within**2 + together * self.between**2)
        return max(-math.log(self.error) - _OVERSHOOT * single * math.sqrt(alike), 0.5)

    def after(self, margins: Iterable[Margin]) -> Leaving:
        """What it says after exposures of one place, in any order; it is asked after each of them."""
        spread = math.hypot(self.within, self.between)
        worth, poor = (-float(special.ndtri(share)) * spread for share in (self.worth, self.poor))
        # A margin beyond measure says of itself just that the exposure is problematic.
        beyond = (worth + poor) / 2 + math.log((1 - self.poor) / (1 - self.worth)) * spread**2 / (poor - worth)
        patches: dict[str, tuple[int, float]] = {}
        evidence, needed, count, bad = 0.0, self.needed(), 0, 0
        for margin in margins:
            count += 1
            bad += margin.beyond is None or margin.beyond > 0
            value = beyond if margin.beyond is None else margin.beyond
            value = min(max(value, worth - _FARTHEST * spread), poor + _FARTHEST * spread)
            known, total = patches.get(margin.patch, (0, 0.0))
            before = self._of_patch(known, total, worth, poor)
            patches[margin.patch] = known + 1, total + value
            evidence += self._of_patch(known + 1, total + value, worth, poor) - before
            needed = self.needed(count / len(patches))
            if evidence >= needed:
                return Leaving(True, count, evidence, needed, self._words(bad, count, len(patches)))
        return Leaving(False, count, evidence, needed, "")

    def _of_patch(self, count: int, total: float, worth: float, poor: float) -> float:
        """Log likelihood ratio of a patch's exposures, from their mean."""
        if count == 0:
            return 0.0
        mean, variance = total / count, self.between**2 + self.within**2 / count
        return ((mean - worth) ** 2 - (mean - poor) ** 2) / (2 * variance)

    def _words(self, bad: int, count: int, patches: int) -> str:
        where = f" in {patches} patches" if patches > 1 else ""
        return (
            f"{bad} of the first {count} exposures{where} are beyond the limit, and by how much: a place where "
            f"{self.worth:.0%} are fine shows so much evidence in at most {self.error:.0%} of cases"
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    """What places add to the spreads: of exposures around their patches, and of patches around their places."""

    squares: float = 0.0
    free: int = 0
    between: float = 0.0
    noise: float = 0.0
    parts: int = 0

    @classmethod
    def of(cls, place: Sequence[Margin]) -> Self:
        patches: dict[str, list[float]] = {}
        for margin, value in zip(place, _filled(place), strict=True):
            patches.setdefault(margin.patch, []).append(value)
        squares = sum(float(np.var(values)) * len(values) for values in patches.values())
        parts = max(len(patches) - 1, 0)
        if parts == 0:
            return cls(squares, len(place) - len(patches))
        between = float(np.var([np.mean(values) for values in patches.values()], ddof=1)) * parts
        noise = float(np.mean([1 / len(values) for values in patches.values()])) * parts
        return cls(squares, len(place) - len(patches), between, noise, parts)

    def plus(self, other: Self, sign: int = 1) -> Self:
        mine, theirs = astuple(self), astuple(other)
        return type(self)(*(a + sign * b for a, b in zip(mine, theirs, strict=True)))

    def spreads(self) -> tuple[float, float]:
        free, parts = self.free + _PRIOR_EXPOSURES, self.parts + _PRIOR_PATCHES
        known = (max(self.squares, 0.0) + _PRIOR_EXPOSURES * _PRIOR_WITHIN**2) / free
        within = known * (1 + _STANDARD_ERRORS * math.sqrt(2 / free))
        between = (self.between - within * self.noise + _PRIOR_PATCHES * _PRIOR_BETWEEN**2) / parts
        # The variance of patches' means has an error of its own, theirs and their exposures' together.
        between += _STANDARD_ERRORS * math.sqrt(2 / parts) * (max(between, 0.0) + within / (free / parts + 1))
        return math.sqrt(max(within, 1e-6)), math.sqrt(max(between, 0.0))


def spreads(places: Sequence[Sequence[Margin]]) -> tuple[float, float]:
    """Standard deviations of margins within patches, and between patches of a place, from what was seen of a session.

    Both are told half a standard error too large, since too small ones would claim too much, and begin from those of a
    published session, so that little evidence moves them little. Margins beyond measure are given values
    like those of the place's other exposures beyond the limit.
    """
    return _whole([_Sums.of(place) for place in places]).spreads()


def spreads_of_others(places: Sequence[Sequence[Margin]]) -> list[tuple[float, float]]:
    """For each place, the `spreads` of all the others: what its own exposures say must not choose their yardstick."""
    each = [_Sums.of(place) for place in places]
    whole = _whole(each)
    return [whole.plus(own, -1).spreads() for own in each]


def _whole(sums: Iterable[_Sums]) -> _Sums:
    whole = _Sums()
    for each in sums:
        whole = whole.plus(each)
    return whole


def _filled(place: Sequence[Margin]) -> list[float]:
    bad = sorted(margin.beyond for margin in place if margin.beyond is not None and margin.beyond > 0)
    lost = sum(margin.beyond is None for margin in place)
    levels = (np.arange(lost) + 0.5) / max(lost, 1)
    drawn = iter(np.quantile(bad, levels).tolist() if bad else [math.log(2)] * lost)
    return [next(drawn) if margin.beyond is None else margin.beyond for margin in place]


__all__ = ["Margin", "MarginRule", "spreads", "spreads_of_others"]
