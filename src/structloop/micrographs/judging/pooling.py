"""Shares of problematic exposures over a patch, a square or a grid, with intervals that widen when data are few.

A place is drawn towards what holds around it, the more the fewer exposures it has (empirical Bayes; Casella, Am. Stat.
39 (1985) 83): its prior is a beta distribution around the share of the whole, as strong as some exposures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from structloop.core.errors import JudgingError

_PRIOR_EXPOSURES = 4.0


@dataclass(frozen=True, slots=True)
class Pooled:
    """A place.

    Attributes:
        exposures: How many were judged.
        share: Expected share of problematic exposures.
        low, high: Interval of it.
    """

    exposures: int
    share: float
    low: float
    high: float


def pooled(
    problematic: Sequence[float],
    *,
    around: float = 0.5,
    strength: float = _PRIOR_EXPOSURES,
    correlation: float = 0.0,
    certainty: float = 0.9,
) -> Pooled:
    """The share of problematic exposures at a place.

    Args:
        problematic: Probability of each exposure.
        around: What holds around the place: the share of its square or grid; 0.5 where nothing is known.
        strength: As how many exposures that counts.
        correlation: Between exposures of the place beyond its share: n of them are as good as n / (1 + (n - 1) c).
        certainty: Of the interval.

    Raises:
        JudgingError: a probability is not one, or an argument is out of range.
    """
    if any(not 0 <= each <= 1 for each in (*problematic, around, correlation)):
        raise JudgingError("a probability, the share around, or the correlation is not between 0 and 1; correct it")
    if not (strength > 0 and 0 < certainty < 1):
        raise JudgingError(f"strength is {strength} and certainty {certainty}; give above 0, and between 0 and 1")
    count = len(problematic)
    worth = 1 / (1 + max(count - 1, 0) * correlation)
    held = min(max(around, 0.01), 0.99)
    bad = strength * held + worth * math.fsum(problematic)
    fine = strength * (1 - held) + worth * (count - math.fsum(problematic))
    low, high = (float(special.betaincinv(bad, fine, each)) for each in ((1 - certainty) / 2, (1 + certainty) / 2))
    return Pooled(count, bad / (bad + fine), low, high)


__all__ = ["Pooled", "pooled"]
