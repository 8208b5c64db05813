"""Intervals of 95 %: what a number from so few images may be."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

# The 97.5th percentile of the normal distribution.
Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """As JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def wilson_interval(successes: int, trials: int) -> Estimate:
    """A proportion with Wilson's score interval (Wilson, J. Am. Stat. Assoc. 22, 1927).

    Raises:
        ValueError: there are no trials, or more successes than trials.
    """
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no proportion")
    share = successes / trials
    denominator = 1 + Z_95**2 / trials
    centre = (share + Z_95**2 / (2 * trials)) / denominator
    half = Z_95 / denominator * math.sqrt(share * (1 - share) / trials + Z_95**2 / (4 * trials**2))
    # At 0 and at 1 the interval ends there exactly; rounding must not move it across the value.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Estimate(share, low, high)


def percentile_interval(value: float, samples: ArrayLike) -> Estimate:
    """A number with the 2.5th and 97.5th percentile of its bootstrap samples (`NaN` samples are left out)."""
    drawn: NDArray[np.float64] = np.asarray(samples, dtype=np.float64)
    drawn = drawn[~np.isnan(drawn)]
    if drawn.size == 0:
        return Estimate(value, value, value)
    low, high = np.percentile(drawn, [2.5, 97.5])
    # A percentile interval need not hold the value itself where there are few images; a reader expects it to.
    return Estimate(value, min(float(low), value), max(float(high), value))


__all__ = ["Estimate", "percentile_interval", "wilson_interval"]
