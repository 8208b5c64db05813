"""The alarm threshold of a model, chosen on images that neither its weights nor its test has seen.

The rule weighs what people weigh: a missed crystal costs a structure and a false alarm a look. The threshold is where
``WORTH * recall - false alarms`` is greatest, so that one more point of recall is bought as long as it costs at most
`WORTH` points of false alarms. A model that tells crystals from other drops well is given nearly all of them so; one
that cannot tell the last of them does not alarm at half of the plate to find them. Both are shares of a class, so that
the rule does not depend on how rare crystals are.

A laboratory has labelled few crystals, some of them wrongly, and a share of so few jumps with each. So both classes are
smoothed on the scale of log-odds (Gaussian kernels by Silverman's rule, with the robust one of his two spreads, which a
few wrong labels do not move); where positives are very few, their spread leans on that of the negatives.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtr

WORTH = 1.5
"""Points of false alarms that one more point of recall may cost; at 1 the balanced accuracy would be greatest."""

MOST_FALSE_ALARMS = 0.5
"""Share of the negatives that may alarm: where no score tells anything, the rule does not alarm at everything."""

_LEAST_PROBABILITY = 1e-6
_BORROWED = 2.0
_STEPS = 512
Floats = NDArray[np.float64]


def choose_threshold(
    is_positive: ArrayLike,
    probabilities: ArrayLike,
    *,
    worth: float = WORTH,
    most_false_alarms: float = MOST_FALSE_ALARMS,
) -> float:
    """The probability at which recall, `worth` times, less the share of false alarms is greatest.

    Args:
        is_positive: `(n,)`.
        probabilities: `(n,)`, calibrated.
        worth: Above 0, see `WORTH`.
        most_false_alarms: Share of the negatives, 0 to 1.

    Returns:
        A probability; at or above it is an alarm.

    Raises:
        ValueError: a class is missing, or `worth` is not above 0.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    values = np.asarray(probabilities, dtype=np.float64)
    if truth.all() or not truth.any():
        raise ValueError("a threshold needs images of both classes")
    if not worth > 0:
        raise ValueError(f"worth is {worth}; it must be above 0")
    odds = logit(np.clip(values, _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    positives, negatives = odds[truth], odds[~truth]
    calm = float(np.quantile(negatives, 1 - most_false_alarms, method="higher"))
    tried = np.linspace(calm, max(calm, float(positives.max())), _STEPS)
    others = max(_spread(negatives), 1e-3)
    count = len(positives)
    own = np.sqrt((count * _spread(positives) ** 2 + _BORROWED * others**2) / (count + _BORROWED))
    worths = worth * _share_above(positives, tried, own) - _share_above(negatives, tried, others)
    best = float(expit(tried[int(np.argmax(worths))]))
    # Four digits, rounded down, so that an image at the threshold stays at or above it.
    step = 10.0 ** (np.floor(np.log10(best)) - 3)
    return float(round(np.floor(best / step) * step, 12))


def _spread(values: Floats) -> float:
    """The smaller of the standard deviation and of what the quartiles say it is."""
    low, high = np.quantile(values, [0.25, 0.75])
    by_quartiles = float(high - low) / 1.349
    deviation = float(values.std())
    return min(deviation, by_quartiles) if by_quartiles > 0 else deviation


def _share_above(values: Floats, tried: Floats, spread: float) -> Floats:
    """Smoothed share of the values at or above each of those tried."""
    bandwidth = 1.06 * spread * len(values) ** -0.2
    return np.array([ndtr((values - each) / bandwidth).mean() for each in tried])


__all__ = ["MOST_FALSE_ALARMS", "WORTH", "choose_threshold"]
