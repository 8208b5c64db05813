"""Limits learned from exposures that a person marked good or bad.

An exposure is bad where at least one indicator is beyond its limit (as `judge` says), or where the person slipped. What
each limit may be is a distribution over a grid: a good part stays where it was, the rest is spread around it, tighter
limits more likely than looser ones. The limits are weighed in turn, each given what the others leave unexplained
(mean field; Jordan et al., Mach. Learn. 37 (1999) 183), so that a bad mark moves those limits that can explain it, and
a good one forbids those that it would have broken. A limit moves only where the marks make that likelier than not, and
where the verdicts then agree with more of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from structloop.micrographs.judging.candidates import Candidate, candidates_of, with_values
from structloop.micrographs.judging.indicators import Indicators, Limits, judge

Floats = NDArray[np.float64]

_SLIP = 0.05
"""Share of marks that are slips: what nothing measured can explain costs no more than this."""
_MOST_SWEEPS = 60
_SETTLED = 1e-5
_MOVES_FROM = 0.5
_FEW_CONTRADICT = 0.2


@dataclass(frozen=True, slots=True)
class MarkedExposure:
    """What is known of an exposure, and what a person said of it."""

    indicators: Indicators
    is_good: bool


@dataclass(frozen=True, slots=True)
class LearnedLimit:
    """What the marks say of one limit.

    Attributes:
        name: Field of `Limits`; of a range with `.low` or `.high`.
        before, after: The limit; None for no limit. A switch is 1 where allowed and 0 where not.
        low, high: Where it lies with 90 % probability, if it is not where it was; None where marks say nothing.
        moved: Probability that it is not where it was.
        words: For people.
    """

    name: str
    before: float | None
    after: float | None
    low: float | None
    high: float | None
    moved: float
    words: str

    @property
    def has_moved(self) -> bool:
        """Whether it changes."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class LearnedLimits:
    """Limits from marks.

    Attributes:
        limits: To judge by; those they began with where marks do not say otherwise.
        details: What marks say of every limit, the surest move first.
        marks, good: How many there were, and how many of them good.
        agreed_before, agreed_after: How many of them the limits agree with, as they were and as learned.
        remarks: What a person should know.
    """

    limits: Limits
    details: tuple[LearnedLimit, ...]
    marks: int
    good: int
    agreed_before: int
    agreed_after: int
    remarks: tuple[str, ...]

    @property
    def moved(self) -> tuple[LearnedLimit, ...]:
        """The limits that change, the surest first."""
        return tuple(each for each in self.details if each.has_moved)


def learn_limits(marked: Sequence[MarkedExposure], start: Limits | None = None) -> LearnedLimits:
    """Limits that fit what a person marked, near those to begin with.

    Args:
        marked: Any number; the order does not matter.
        start: The limits as they are; the defaults without.

    Raises:
        JudgingError: a limit to begin with is not above 0, or a range is upside down.
    """
    start = start or Limits()
    judged = [judge(each.indicators, start).problematic < 0.5 for each in marked]
    good = np.array([each.is_good for each in marked], dtype=np.bool_)
    before = int(np.sum(np.array(judged, dtype=np.bool_) == good)) if marked else 0
    candidates = candidates_of(start, [each.indicators for each in marked])
    beliefs = _beliefs(candidates, good)
    details = [_detail(each, belief) for each, belief in zip(candidates, beliefs, strict=True)]
    details, limits, after = _needed(details, start, marked)
    details.sort(key=lambda each: (-each.has_moved, -each.moved, each.name))
    remarks = _remarks(marked, before, after)
    return LearnedLimits(limits, tuple(details), len(marked), int(good.sum()), before, after, tuple(remarks))


def _needed(
    details: Sequence[LearnedLimit], start: Limits, marked: Sequence[MarkedExposure]
) -> tuple[list[LearnedLimit], Limits, int]:
    """The details with only those limits moved without which the verdicts would agree with fewer marks.

    A limit right at exposures that were marked both ways explains them as well as chance does, and helps nobody.
    """
    kept = {each.name: each for each in details}
    limits = with_values(start, {name: each.after for name, each in kept.items() if each.has_moved})
    agreed = _agreed(marked, limits)
    for each in sorted((one for one in details if one.has_moved), key=lambda one: one.moved):
        others = {name: one.after for name, one in kept.items() if one.has_moved and name != each.name}
        without = with_values(start, others)
        count = _agreed(marked, without)
        if count >= agreed:
            kept[each.name], limits, agreed = _unmoved(each), without, count
    return list(kept.values()), limits, agreed


def _beliefs(candidates: Sequence[Candidate], good: NDArray[np.bool_]) -> list[Floats]:
    """Probability of every place of each limit's grid, given the marks."""
    beliefs = [each.prior.copy() for each in candidates]
    if not len(good):
        return beliefs
    fine = [each.fine @ belief for each, belief in zip(candidates, beliefs, strict=True)]
    for _ in range(_MOST_SWEEPS):
        change = 0.0
        for place, each in enumerate(candidates):
            if not each.is_told:
                continue
            others = np.prod([fine[other] for other in range(len(fine)) if other != place], axis=0)
            is_fine = each.fine * others[:, None]
            likely = np.where(good[:, None], is_fine, 1 - is_fine) * (1 - 2 * _SLIP) + _SLIP
            score = np.log(each.prior) + np.log(likely).sum(axis=0)
            belief = np.exp(score - score.max())
            belief /= belief.sum()
            change = max(change, float(np.abs(belief - beliefs[place]).max()))
            beliefs[place], fine[place] = belief, each.fine @ belief
        if change < _SETTLED:
            break
    return beliefs


def _detail(candidate: Candidate, belief: Floats) -> LearnedLimit:
    """The first place of a grid is where the limit was."""
    moved = float(1 - belief[0])
    before = candidate.before
    if not candidate.is_told or moved <= 0:
        return LearnedLimit(candidate.name, before, before, None, None, 0.0, candidate.say(before, before, None, 0.0))
    low, middle, high = _quantiles(candidate.values[1:], belief[1:], (0.05, 0.5, 0.95))
    after = middle if moved > _MOVES_FROM else before
    return LearnedLimit(
        candidate.name, before, after, low, high, moved, candidate.say(before, after, (low, high), moved)
    )


def _quantiles(places: Floats, weights: Floats, wanted: Sequence[float]) -> list[float]:
    """Quantiles of a distribution on a grid, each place standing for all halfway to its neighbours."""
    if len(places) == 1:
        return [float(places[0])] * len(wanted)
    reached = np.append(0.0, np.cumsum(weights) / weights.sum())
    at = np.interp(wanted, reached, np.arange(len(places) + 1) - 0.5)
    return [float(each) for each in np.exp(np.interp(at, np.arange(len(places)), np.log(places)))]


def _unmoved(detail: LearnedLimit) -> LearnedLimit:
    words = detail.words.partition(":")[0] + ": stays, the marks do not need another"
    return replace(detail, after=detail.before, words=words)


def _agreed(marked: Sequence[MarkedExposure], limits: Limits) -> int:
    return sum((judge(each.indicators, limits).problematic < 0.5) == each.is_good for each in marked)


def _remarks(marked: Sequence[MarkedExposure], before: int, after: int) -> list[str]:
    remarks = []
    count, good = len(marked), sum(each.is_good for each in marked)
    if not count:
        return ["There are no marks; the limits stay as they are."]
    if good in (0, count):
        what = "good" if good else "bad"
        remarks.append(f"All {count} marks are {what}: mark some of the other kind, too, to say where a limit lies.")
    wrong = count - max(before, after)
    if count >= 4 and wrong > _FEW_CONTRADICT * count:
        remarks.append(
            f"{wrong} of {count} marks go against any limits near these: what makes those exposures good or bad is not "
            "measured, or marks contradict each other. Look at them again."
        )
    return remarks


__all__ = ["LearnedLimit", "LearnedLimits", "MarkedExposure", "learn_limits"]
