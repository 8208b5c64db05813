"""The alarm threshold of a model, chosen on images that neither its weights nor its test has seen."""

import numpy as np
from numpy.typing import ArrayLike

WANTED_RECALL = 0.95
"""Share of the positives that the threshold must find where it is chosen: a missed crystal costs a structure."""

MOST_FALSE_ALARMS = 0.5
"""Share of the negatives that may alarm: a bound that keeps the rule from alarming at everything."""


def choose_threshold(
    is_positive: ArrayLike,
    probabilities: ArrayLike,
    *,
    recall: float = WANTED_RECALL,
    most_false_alarms: float = MOST_FALSE_ALARMS,
) -> float:
    """The highest probability that still finds `recall` of the positives, unless that alarms too often.

    Args:
        is_positive: `(n,)`.
        probabilities: `(n,)`, calibrated.
        recall: 0 to 1.
        most_false_alarms: Share of the negatives, 0 to 1.

    Returns:
        A probability; at or above it is an alarm.

    Raises:
        ValueError: a class is missing.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    values = np.asarray(probabilities, dtype=np.float64)
    if truth.all() or not truth.any():
        raise ValueError("a threshold needs images of both classes")
    found = float(np.quantile(values[truth], 1 - recall, method="lower"))
    calm = float(np.quantile(values[~truth], 1 - most_false_alarms, method="higher"))
    # Rounded down, so that the image that sets it stays at or above it.
    return float(np.floor(max(found, calm) * 1e4) / 1e4)


__all__ = ["MOST_FALSE_ALARMS", "WANTED_RECALL", "choose_threshold"]
