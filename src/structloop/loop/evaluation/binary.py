"""The evaluation of a two-class classifier that gives probabilities, with an alarm threshold."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structloop.loop.evaluation.curves import average_precision, bootstrap_areas, roc_auc
from structloop.loop.evaluation.intervals import Estimate, percentile_interval, wilson_interval

RESAMPLES = 2000
RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Images whose probability lies between `low` and `high`: what was said, and what was true.

    Attributes:
        low, high: Bounds of the probability; the upper one is included in the last bin only.
        images: How many.
        mean_probability: The mean of what the classifier said.
        observed: The share of positives among them.
    """

    low: float
    high: float
    images: int
    mean_probability: float
    observed: Estimate


@dataclass(frozen=True)
class BinaryEvaluation:
    """How well probabilities tell positives from negatives. A missing number is None, and `reasons` says why.

    Attributes:
        positives, negatives: Images of each class.
        true_positives, false_positives, false_negatives, true_negatives: The confusion matrix at the threshold.
        recall: Share of the positives at or above the threshold (Wilson).
        precision: Share of positives among what is at or above the threshold, at this set's prevalence (Wilson).
        specificity: Share of the negatives below the threshold (Wilson).
        balanced_accuracy: Mean of recall and specificity (their Wilson intervals, squared and added: Newcombe 1998).
        precision_at_prevalence: Precision as it would be where `prevalence` of the images are positive; its interval
            goes from the worse to the better ends of those of recall and specificity, and so is rather too wide.
        auc: Area under the ROC curve (stratified bootstrap).
        average_precision: Area under the precision-recall curve (stratified bootstrap).
        brier: Mean squared difference of probability and truth.
        calibration_error: Mean distance of said and observed over the bins, weighted by images.
        reliability: The bins that hold images.
        reasons: By the name of a missing number, why it is missing.
        seed, resamples: Of the bootstrap.
    """

    positives: int
    negatives: int
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    recall: Estimate | None
    precision: Estimate | None
    specificity: Estimate | None
    balanced_accuracy: Estimate | None
    prevalence: float
    precision_at_prevalence: Estimate | None
    auc: Estimate | None
    average_precision: Estimate | None
    brier: float
    calibration_error: float
    reliability: tuple[ReliabilityBin, ...]
    seed: int
    resamples: int
    reasons: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        estimates = {
            name: estimate.to_json() if (estimate := getattr(self, name)) is not None else None
            for name in (
                "recall",
                "precision",
                "specificity",
                "balanced_accuracy",
                "precision_at_prevalence",
                "auc",
                "average_precision",
            )
        }
        return {
            "positives": self.positives,
            "negatives": self.negatives,
            "confusion": {
                "true_positives": self.true_positives,
                "false_positives": self.false_positives,
                "false_negatives": self.false_negatives,
                "true_negatives": self.true_negatives,
            },
            **estimates,
            "prevalence": self.prevalence,
            "brier": self.brier,
            "calibration_error": self.calibration_error,
            "reliability": [
                {
                    "low": part.low,
                    "high": part.high,
                    "images": part.images,
                    "mean_probability": part.mean_probability,
                    "observed": part.observed.to_json(),
                }
                for part in self.reliability
            ],
            "bootstrap": {"seed": self.seed, "resamples": self.resamples},
            "reasons": dict(self.reasons),
        }


def evaluate_binary(
    is_positive: ArrayLike,
    probabilities: ArrayLike,
    threshold: float,
    *,
    prevalence: float = 0.05,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> BinaryEvaluation:
    """Evaluates probabilities against the truth.

    Args:
        is_positive: `(n,)`, true for positives.
        probabilities: `(n,)`, 0 to 1.
        threshold: At or above it an image counts as called positive.
        prevalence: Share of positives for `precision_at_prevalence`.
        resamples: Bootstrap samples.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: there are no images, shapes differ, or a probability lies outside 0 to 1.
    """
    truth = np.asarray(is_positive, dtype=np.bool_)
    values = np.asarray(probabilities, dtype=np.float64)
    if truth.ndim != 1 or truth.size == 0 or truth.shape != values.shape:
        raise ValueError(f"truth {truth.shape} and probabilities {values.shape} must be two equally long rows")
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError("a probability lies outside 0 to 1")
    called = values >= threshold
    positives, negatives = int(truth.sum()), int((~truth).sum())
    tp, fp = int((called & truth).sum()), int((called & ~truth).sum())
    reasons: dict[str, str] = {}
    recall = specificity = precision = balanced = at_prevalence = auc = ap = None
    if positives:
        recall = wilson_interval(tp, positives)
    else:
        reasons["recall"] = "there is no positive image"
    if negatives:
        specificity = wilson_interval(negatives - fp, negatives)
    else:
        reasons["specificity"] = "there is no negative image"
    if tp + fp:
        precision = wilson_interval(tp, tp + fp)
    else:
        reasons["precision"] = "no image reaches the threshold"
    if recall is not None and specificity is not None:
        balanced = _mean_of(recall, specificity)
        if tp + fp:
            at_prevalence = _precision_at(recall, specificity, prevalence)
        else:
            reasons["precision_at_prevalence"] = "no image reaches the threshold"
        areas, precisions = bootstrap_areas(truth, values, resamples=resamples, seed=seed)
        auc = percentile_interval(roc_auc(truth, values), areas)
        ap = percentile_interval(average_precision(truth, values), precisions)
    else:
        only = "positive" if positives else "negative"
        for name in ("auc", "average_precision", "balanced_accuracy", "precision_at_prevalence"):
            reasons[name] = f"all images are {only}; both classes are needed"
    bins = _reliability(truth, values)
    return BinaryEvaluation(
        positives=positives,
        negatives=negatives,
        true_positives=tp,
        false_positives=fp,
        false_negatives=positives - tp,
        true_negatives=negatives - fp,
        recall=recall,
        precision=precision,
        specificity=specificity,
        balanced_accuracy=balanced,
        prevalence=prevalence,
        precision_at_prevalence=at_prevalence,
        auc=auc,
        average_precision=ap,
        brier=float(np.mean((values - truth) ** 2)),
        calibration_error=_error(bins),
        reliability=bins,
        seed=seed,
        resamples=resamples,
        reasons=reasons,
    )


def _mean_of(first: Estimate, second: Estimate) -> Estimate:
    """The mean of two independent proportions; square-and-add of their Wilson intervals (Newcombe, Stat. Med. 1998)."""
    value = (first.value + second.value) / 2
    below = math.hypot(first.value - first.low, second.value - second.low) / 2
    above = math.hypot(first.high - first.value, second.high - second.value) / 2
    return Estimate(value, max(0.0, value - below), min(1.0, value + above))


def _precision_at(recall: Estimate, specificity: Estimate, prevalence: float) -> Estimate:
    """Precision by Bayes' rule. Something must be called positive."""

    def bayes(true_rate: float, false_rate: float) -> float:
        true, false = true_rate * prevalence, false_rate * (1 - prevalence)
        return true / (true + false)

    return Estimate(
        bayes(recall.value, 1 - specificity.value),
        bayes(recall.low, 1 - specificity.low),
        bayes(recall.high, 1 - specificity.high) if recall.high > 0 else 0.0,
    )


def _reliability(truth: NDArray[np.bool_], values: NDArray[np.float64]) -> tuple[ReliabilityBin, ...]:
    place = np.minimum((values * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    bins = []
    for index in range(RELIABILITY_BINS):
        inside = place == index
        if inside.any():
            bins.append(
                ReliabilityBin(
                    low=index / RELIABILITY_BINS,
                    high=(index + 1) / RELIABILITY_BINS,
                    images=int(inside.sum()),
                    mean_probability=float(values[inside].mean()),
                    observed=wilson_interval(int(truth[inside].sum()), int(inside.sum())),
                )
            )
    return tuple(bins)


def calibration_error(is_true: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean distance of said and observed over ten bins of the probability, weighted by images.

    Args:
        is_true: `(n,)`, whether what was said is so; at least one.
        probabilities: `(n,)`, how probable it was said to be.
    """
    return _error(_reliability(np.asarray(is_true, dtype=np.bool_), np.asarray(probabilities, dtype=np.float64)))


def _error(bins: tuple[ReliabilityBin, ...]) -> float:
    images = sum(part.images for part in bins)
    return sum(part.images * abs(part.mean_probability - part.observed.value) for part in bins) / images


__all__ = ["BinaryEvaluation", "ReliabilityBin", "calibration_error", "evaluate_binary"]
