"""Two classifiers on the same items: paired tests, and differences with intervals that respect groups.

Images of one plate resemble each other, so intervals come from a bootstrap that draws whole groups (Field & Welsh, J.
R. Stat. Soc. B 69, 2007), the same for both classifiers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binomtest

from structloop.loop.evaluation.curves import weighted_average_precisions
from structloop.loop.evaluation.intervals import Z_95, Estimate, percentile_interval

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

RESAMPLES = 2000
DIFFERENCES = ("recall", "specificity", "balanced_accuracy", "precision", "average_precision", "brier")
"""The numbers whose differences are compared; a lower Brier score is better, of all others a higher number."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """The exact test of McNemar (1947): whether two classifiers are right on different items by more than chance.

    Attributes:
        only_first, only_second: Items on which only that one was right.
        p_value: Two-sided; 1 where they never differ.
    """

    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class PairedDifferences:
    """Second minus first, each with its 95 % interval by drawing groups; None where a class is missing.

    Attributes:
        values: By name, see `DIFFERENCES`.
        groups: How many groups were drawn from.
        resamples, seed: Of the bootstrap.
    """

    values: dict[str, Estimate | None]
    groups: int
    resamples: int
    seed: int


def mcnemar(first_right: ArrayLike, second_right: ArrayLike) -> McNemar:
    """McNemar's exact test.

    Args:
        first_right, second_right: `(n,)`, whether each classifier was right on each item.

    Raises:
        ValueError: shapes differ.
    """
    first, second = np.asarray(first_right, dtype=np.bool_), np.asarray(second_right, dtype=np.bool_)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"two rows of the same items are needed, not {first.shape} and {second.shape}")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    differing = only_first + only_second
    p_value = float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
    return McNemar(only_first, only_second, p_value)


def paired_proportions(first: ArrayLike, second: ArrayLike) -> Estimate:
    """The share of `second` minus that of `first` on the same items, with Tango's score interval.

    Tango, Statistics in Medicine 17 (1998): it holds its level where the two rarely differ, and where they never do.

    Args:
        first, second: `(n,)`, whether each item was found; at least one item.

    Raises:
        ValueError: shapes differ, or there is no item.
    """
    one, two = np.asarray(first, dtype=np.bool_), np.asarray(second, dtype=np.bool_)
    if one.shape != two.shape or one.ndim != 1 or not one.size:
        raise ValueError(f"two rows of the same items are needed, not {one.shape} and {two.shape}")
    count, gained, lost = one.size, int((two & ~one).sum()), int((one & ~two).sum())
    value = (gained - lost) / count

    def score(difference: float) -> float:
        # Tango's equations (4) and (5), with the roles of the cells as gained and lost.
        a = 2 * count
        b = -gained - lost + (2 * count - gained + lost) * difference
        c = -lost * difference * (1 - difference)
        lost_share = (np.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
        variance = count * (2 * lost_share + difference * (1 - difference))
        return float((gained - lost - count * difference) / np.sqrt(max(variance, 1e-300)))

    edge = 1 - 1e-9

    def end(level: float, low: float, high: float) -> float:
        if (score(low) - level) * (score(high) - level) > 0:
            return low if abs(low) == edge else high
        return float(brentq(lambda difference: score(difference) - level, low, high, xtol=1e-10))

    low = end(Z_95, -edge, value - 1e-12) if value > -edge else -1.0
    high = end(-Z_95, value + 1e-12, edge) if value < edge else 1.0
    return Estimate(value, min(low, value), max(high, value))


def paired_differences(
    is_positive: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    thresholds: tuple[float, float],
    groups: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifferences:
    """The differences of two classifiers' numbers on the same items.

    Args:
        is_positive: `(n,)`.
        first, second: `(n,)` probabilities of each.
        thresholds: The alarm threshold of each.
        groups: The group of each item.
        resamples: Bootstrap samples; each draws as many groups as there are, with replacement.
        seed: Of the bootstrap.

    Raises:
        ValueError: shapes differ.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    scores = [np.asarray(each, dtype=np.float64) for each in (first, second)]
    if any(each.shape != truth.shape for each in scores) or len(groups) != len(truth) or not len(truth):
        raise ValueError("truth, probabilities and groups must be equally long rows of at least one item")
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    weights = np.concatenate([np.ones((1, len(names))), drawn])[:, place].astype(np.float64)
    numbers = [
        _numbers(truth, each, each >= threshold, weights) for each, threshold in zip(scores, thresholds, strict=True)
    ]
    values: dict[str, Estimate | None] = {}
    for name in DIFFERENCES:
        difference = numbers[1][name] - numbers[0][name]
        value = float(difference[0])
        values[name] = None if np.isnan(value) else percentile_interval(value, difference[1:])
    return PairedDifferences(values, len(names), resamples, seed)


def _numbers(truth: Booleans, values: Floats, called: Booleans, weights: Floats) -> dict[str, Floats]:
    """Each number for every row of `weights` `(b, n)`; NaN where it does not exist."""

    def share(part: Booleans, of: Booleans) -> Floats:
        whole = weights @ of
        with np.errstate(invalid="ignore"):
            ratio: Floats = np.where(whole > 0, weights @ (part & of) / np.maximum(whole, 1e-300), np.nan)
        return ratio

    recall, specificity = share(called, truth), share(~called, ~truth)
    return {
        "recall": recall,
        "specificity": specificity,
        "balanced_accuracy": (recall + specificity) / 2,
        "precision": share(truth, called),
        "average_precision": weighted_average_precisions(truth, values, weights),
        "brier": weights @ (values - truth) ** 2 / weights.sum(axis=1),
    }


__all__ = [
    "DIFFERENCES",
    "McNemar",
    "PairedDifferences",
    "mcnemar",
    "paired_differences",
    "paired_proportions",
]
