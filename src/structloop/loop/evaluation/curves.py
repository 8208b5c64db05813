"""ROC and precision-recall curves, the areas below them, and both for many weightings of the same images at once.

The curves step at every distinct score, so ties count as scikit-learn counts them: half a pair for the area under the
ROC curve, all together for average precision. A stratified bootstrap is such a weighting (how often each image was
drawn), which makes a thousand resamples a few matrix operations.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import trapezoid

Floats = NDArray[np.float64]

# Resamples held in memory at a time, times images.
_BLOCK = 2_000_000


def roc_curve(is_positive: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """False and true positive rate, from (0, 0) to (1, 1), one point per distinct score.

    Args:
        is_positive: `(n,)`, true for positives.
        scores: `(n,)`, higher for what looks positive.

    Raises:
        ValueError: shapes differ, a score is not a number, or a class is absent.
    """
    truth, order, ends = _sorted(is_positive, scores)
    _need_both(truth)
    true, false = _counts(truth[order][None].astype(np.float64), (~truth[order])[None].astype(np.float64), ends)
    return _from_zero(false[0] / false[0, -1]), _from_zero(true[0] / true[0, -1])


def precision_recall_curve(is_positive: ArrayLike, scores: ArrayLike) -> tuple[Floats, Floats]:
    """Recall (rising) and precision, one point per distinct score.

    Raises:
        ValueError: shapes differ, a score is not a number, or there is no positive.
    """
    truth, order, ends = _sorted(is_positive, scores)
    if not truth.any():
        raise ValueError("there is no positive")
    true, false = _counts(truth[order][None].astype(np.float64), (~truth[order])[None].astype(np.float64), ends)
    return true[0] / true[0, -1], true[0] / (true[0] + false[0])


def roc_auc(is_positive: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: how often a positive scores above a negative; a tie counts half.

    Raises:
        ValueError: see `roc_curve`.
    """
    false_rate, true_rate = roc_curve(is_positive, scores)
    return float(trapezoid(true_rate, false_rate))


def average_precision(is_positive: ArrayLike, scores: ArrayLike) -> float:
    """Area below the precision-recall curve, as the sum over its steps without interpolation.

    Raises:
        ValueError: see `precision_recall_curve`.
    """
    recall, precision = precision_recall_curve(is_positive, scores)
    return float(np.sum(np.diff(_from_zero(recall)) * precision))


def bootstrap_areas(is_positive: ArrayLike, scores: ArrayLike, *, resamples: int, seed: int) -> tuple[Floats, Floats]:
    """Area under the ROC curve and average precision of stratified bootstrap samples, `(resamples,)` each.

    Positives and negatives are drawn with replacement among themselves, so every sample has both in the same number.

    Raises:
        ValueError: see `roc_curve`.
    """
    truth, order, ends = _sorted(is_positive, scores)
    _need_both(truth)
    sorted_truth = truth[order]
    areas, precisions = [], []
    for positives, negatives in _draws(sorted_truth, resamples, np.random.default_rng(seed)):
        true, false = _counts(positives, negatives, ends)
        true_rate = np.pad(true / true[:, -1:], ((0, 0), (1, 0)))
        false_rate = np.pad(false / false[:, -1:], ((0, 0), (1, 0)))
        areas.append(trapezoid(true_rate, false_rate, axis=1))
        # The highest scores may not have been drawn at all: no images, no precision, no step of recall either.
        precision = true / np.maximum(true + false, 1)
        precisions.append(np.sum(np.diff(true_rate, axis=1) * precision, axis=1))
    return np.concatenate(areas), np.concatenate(precisions)


def weighted_average_precisions(is_positive: ArrayLike, scores: ArrayLike, weights: Floats) -> Floats:
    """Average precision for every row of `weights`, `(b,)`; NaN where a row weighs no positive.

    Args:
        is_positive: `(n,)`, true for positives.
        scores: `(n,)`, higher for what looks positive.
        weights: `(b, n)`, how much each item counts.

    Raises:
        ValueError: shapes differ, or a score is not a number.
    """
    truth, order, ends = _sorted(is_positive, scores)
    sorted_truth = truth[order]
    found = []
    step = max(1, _BLOCK // max(len(truth), 1))
    for start in range(0, len(weights), step):
        rows = weights[start : start + step, order]
        true, false = _counts(rows * sorted_truth, rows * ~sorted_truth, ends)
        whole = true[:, -1:]
        rate = np.pad(true / np.where(whole > 0, whole, 1), ((0, 0), (1, 0)))
        precision = true / np.where(true + false > 0, true + false, 1)
        value = np.sum(np.diff(rate, axis=1) * precision, axis=1)
        found.append(np.where(whole[:, 0] > 0, value, np.nan))
    return np.concatenate(found)


def _sorted(is_positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]:
    truth = np.asarray(is_positive, dtype=np.bool_)
    values = np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise ValueError(f"truth {truth.shape} and scores {values.shape} must be two equally long rows")
    if not np.all(np.isfinite(values)):
        raise ValueError("a score is not a number")
    order = np.argsort(-values, kind="stable")
    descending = values[order]
    # Last place of every run of equal scores.
    ends = np.flatnonzero(np.append(np.diff(descending) != 0, True)) if len(values) else np.array([], dtype=np.intp)
    return truth, order, ends


def _need_both(truth: NDArray[np.bool_]) -> None:
    if truth.all() or not truth.any():
        raise ValueError("both classes are needed")


def _counts(positives: Floats, negatives: Floats, ends: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Positives and negatives at or above every distinct score, `(b, distinct)`, from weights `(b, n)`."""
    return np.cumsum(positives, axis=1)[:, ends], np.cumsum(negatives, axis=1)[:, ends]


def _draws(truth: NDArray[np.bool_], resamples: int, random: np.random.Generator) -> Iterator[tuple[Floats, Floats]]:
    count = len(truth)
    block = max(1, _BLOCK // count)
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        sides = []
        for side in (truth, ~truth):
            weights = np.zeros((rows, count))
            size = int(side.sum())
            weights[:, side] = random.multinomial(size, np.full(size, 1 / size), size=rows)
            sides.append(weights)
        yield sides[0], sides[1]


def _from_zero(values: Floats) -> Floats:
    return np.concatenate([[0.0], values])


__all__ = [
    "average_precision",
    "bootstrap_areas",
    "precision_recall_curve",
    "roc_auc",
    "roc_curve",
    "weighted_average_precisions",
]
