"""Simulated experts: people who miss crystals, see some that are not there, tire, and disagree with each other.

What is published, and what follows from it here (figures in `PUBLISHED`):

* Experts disagree on up to 30 % of images, and seven of them agreed on half of 1,200 images. Those images were graded
  in more than two classes and chosen for being worth grading, so the figures are applied to drops with crystals, where
  two classes are in question too: with the default rates two experts disagree on a fifth of them, and seven agree on
  about half.
* In the first cycle of the AXIS loop 75 of 14,400 images were disagreements that nobody explained and 428 could not be
  settled: people called between 0.5 and 3.5 % of the images crystal that were none, or could not tell. The default is
  the middle, 2 %.
* Microcrystals are missed more often: AXIS's own recall is 92 % for them and 98 % for two- and three-dimensional
  crystals. People are given a larger gap of the same sign.
* An expert who scores by keyboard answers 30 images a minute.

Assumed, because nothing was found published: that errors grow by half from the first to the last minute of a session of
an hour, that people's own rates scatter by a quarter, that curators, who take their time and see both images large,
err half as often as at a first look, and that what is hard for one is hard for all to the degree of `shared`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

PUBLISHED = {
    "largest share of images on which two experts disagree": 0.30,
    "share of images on which seven experts agree": 0.50,
    "least share of false alarms, AXIS cycle 1": 75 / 14_400,
    "largest share of false alarms, AXIS cycle 1": (75 + 428) / 14_400,
    "images a minute": 30.0,
}
"""Figures that the rates are held against by the tests; sources: the explanation "The problem and the loop"."""

SESSION_S = 3600.0
"""After so long an expert rests and starts afresh."""

POSITIVE, NEGATIVE, UNCERTAIN = 1, 0, -1
"""What an expert answers: crystal, other, or that it cannot be told."""

_MOST = 0.95


@dataclass(frozen=True, slots=True)
class ExpertRates:
    """How often an expert errs, averaged over a session and over items of all hardness.

    Attributes:
        miss: Share of drops with crystals that are called other.
        miss_micro: The same, where all crystals are microcrystals.
        false_alarm: Share of drops without crystals that are called crystal.
        uncertain: Share of the items of which the expert says that it cannot be told; 0 where that is no answer.
        fatigue: Growth of errors from the first to the last minute of a session.
        shared: How far the same items are hard for all experts; 0: everybody errs on others.
        scatter: Spread of the logarithm of people's own rates.
        seconds: Median time of an answer.
    """

    miss: float = 0.11
    miss_micro: float = 0.26
    false_alarm: float = 0.02
    uncertain: float = 0.0
    fatigue: float = 0.5
    shared: float = 0.8
    scatter: float = 0.25
    seconds: float = 2.0

    def __post_init__(self) -> None:
        for name in ("miss", "miss_micro", "false_alarm", "uncertain"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; a rate must be at least 0 and below 1")
        if not 0.0 <= self.fatigue <= 2.0:
            raise ValueError(f"fatigue is {self.fatigue}; it must lie between 0 and 2")
        if self.shared < 0 or self.scatter < 0 or not self.seconds > 0:
            raise ValueError("shared and scatter must not be negative, and seconds must be above 0")

    def times(self, factor: float) -> "ExpertRates":
        """The same with `factor` times the errors."""
        return replace(
            self, miss=self.miss * factor, miss_micro=self.miss_micro * factor, false_alarm=self.false_alarm * factor
        )


SCORER = ExpertRates()
"""Somebody who goes through plates, one look per drop."""

CURATOR = replace(SCORER.times(0.5), uncertain=0.1, seconds=4.0)
"""Somebody who settles what is in doubt."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What an expert answered, in the order of the items.

    Attributes:
        labels: `(n,)` int8, `POSITIVE`, `NEGATIVE` or `UNCERTAIN`.
        seconds: `(n,)` how long each took.
    """

    labels: NDArray[np.int8]
    seconds: Floats


class Expert:
    """One person, with rates of their own around those given.

    Args:
        rates: Of people like this one.
        seed: The same seed gives the same person and the same answers to the same questions in the same order.
    """

    def __init__(self, rates: ExpertRates, seed: int) -> None:
        self._rng = np.random.default_rng([seed, 808])
        own = float(np.exp(self._rng.normal(0, rates.scatter) - rates.scatter**2 / 2))
        self.rates = ExpertRates(
            miss=min(rates.miss * own, _MOST),
            miss_micro=min(rates.miss_micro * own, _MOST),
            # Who sees more finds more that is not there: misses and false alarms scatter against each other.
            false_alarm=min(rates.false_alarm / own, _MOST),
            uncertain=rates.uncertain,
            fatigue=rates.fatigue,
            shared=rates.shared,
            scatter=rates.scatter,
            seconds=rates.seconds,
        )
        self._worked_s = 0.0

    def answer(self, is_positive: ArrayLike, is_micro: ArrayLike, hardness: ArrayLike) -> Answers:
        """Looks through items in their order, after those of earlier calls in the same session.

        Args:
            is_positive: `(n,)` what is true.
            is_micro: `(n,)` whether the crystals are microcrystals.
            hardness: `(n,)` standard normal over all items like these; the larger, the likelier is an error.

        Raises:
            ValueError: the arrays differ in length.
        """
        truth, micro = np.asarray(is_positive, np.bool_), np.asarray(is_micro, np.bool_)
        hard = np.asarray(hardness, np.float64)
        if not truth.shape == micro.shape == hard.shape or truth.ndim != 1:
            raise ValueError(f"items differ in number: {truth.shape}, {micro.shape}, {hard.shape}")
        rates, count = self.rates, len(truth)
        seconds = rates.seconds * np.exp(self._rng.normal(0, 0.4, count))
        elapsed = np.mod(self._worked_s + np.cumsum(seconds), SESSION_S) / SESSION_S
        self._worked_s = float((self._worked_s + seconds.sum()) % SESSION_S)
        rate = np.where(truth, np.where(micro, rates.miss_micro, rates.miss), rates.false_alarm)
        # From 1 - f/(2 + f) at the start to 1 + f/(2 + f) at the end: the ratio is 1 + f, the mean is the rate.
        slope = rates.fatigue / (2 + rates.fatigue)
        tired = np.clip(rate * (1 + slope * (2 * elapsed - 1)), 0.0, _MOST)
        errs = self._rng.random(count) < _at_hardness(tired, hard, rates.shared)
        labels = np.where(truth ^ errs, POSITIVE, NEGATIVE).astype(np.int8)
        unsure = self._rng.random(count) < _at_hardness(np.full(count, rates.uncertain), hard, rates.shared)
        labels[unsure] = UNCERTAIN
        return Answers(labels, seconds)


def _at_hardness(rate: Floats, hardness: Floats, shared: float) -> Floats:
    """The chance of an error at a hardness, whose mean over a standard normal hardness is `rate` (probit model)."""
    found: Floats = ndtr(np.sqrt(1 + shared**2) * ndtri(rate) + shared * hardness)
    return found


__all__ = [
    "CURATOR",
    "NEGATIVE",
    "POSITIVE",
    "PUBLISHED",
    "SCORER",
    "SESSION_S",
    "UNCERTAIN",
    "Answers",
    "Expert",
    "ExpertRates",
]
