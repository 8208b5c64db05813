"""The fast head: a linear head on frozen features, its strength chosen by groups, calibrated out of sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import TrainingError
from structloop.loop.training.groups import group_folds, usable_folds
from structloop.loop.training.logistic import FittedHead, Standardiser, class_weights, fit_logistic
from structloop.loop.training.thresholds import choose_threshold
from structloop.models.calibration import apply_calibration, fit_platt
from structloop.models.classifiers.fast_head import LinearHead
from structloop.schema.models import PlattCalibration

Floats = NDArray[np.float64]

STRENGTHS: tuple[float, ...] = tuple(float(10**power) for power in np.arange(1.5, -4.01, -0.5))
"""Strengths that are tried, from the head that stays at its start to the one that follows every label."""

MOST_FOLDS = 5
_WORSE_IN_A_ROW = 3


@dataclass(frozen=True)
class LabelledFeatures:
    """Features with their labels and groups.

    Attributes:
        features: `(n, width)`; the first column is the base's log-odds of the positive label.
        is_positive: `(n,)`.
        groups: What folds never cut, `n` of them.
    """

    features: NDArray[np.float32]
    is_positive: NDArray[np.bool_]
    groups: Sequence[str]


@dataclass(frozen=True)
class FastHeadFit:
    """A trained fast head and how it came about.

    Attributes:
        head: On the features as the base gives them.
        calibration: Fitted on what was said of items that had not been seen: by folds, and by the head of validation.
        alarm_threshold: On calibrated probabilities.
        strength: The one chosen.
        losses: Weighted log loss out of fold, by strength, of those that were tried.
        folds: How many.
        out_of_fold: `(n,)` log-odds of the training items, each by a head that had not seen its group.
        remarks: What a reader of the card should know of this fit.
    """

    head: LinearHead
    calibration: PlattCalibration
    alarm_threshold: float
    strength: float
    losses: dict[float, float]
    folds: int
    out_of_fold: Floats
    remarks: tuple[str, ...]


def fit_fast_head(
    train: LabelledFeatures,
    validation: LabelledFeatures | None = None,
    *,
    positive_class_id: int = 0,
    from_base: bool = True,
    prevalence: float | None = None,
    seed: int = 0,
    strengths: Sequence[float] = STRENGTHS,
) -> FastHeadFit:
    """Trains a head.

    Strength and weights come from the training items alone, by folds that never cut a group. Calibration and threshold
    come from all that was said out of sample: of training items by folds, and of validation by the head. Crystals are
    few, and validation alone would often hold a handful.

    Args:
        train: At least one item of each class.
        validation: Items of other groups; any number of any class.
        positive_class_id: Place of the positive label among the two; the class weights go by it.
        from_base: Whether the penalty pulls towards the base's own log-odds (else towards knowing nothing).
        prevalence: Share of positives for which the probabilities shall hold; None: the training set's.
        seed: Of the folds.
        strengths: To choose from.

    Raises:
        TrainingError: a class is missing, or nothing can be learnt from these labels.
    """
    truth = np.asarray(train.is_positive, dtype=np.bool_)
    class_ids = np.where(truth, positive_class_id, 1 - positive_class_id)
    weights = class_weights(class_ids)[class_ids]
    folds, remarks = _folds(train.groups, truth, seed)
    candidates = sorted(set(strengths), reverse=True)
    out_of_fold = _out_of_fold(train.features, truth, weights, folds, candidates, from_base)
    candidates = candidates[: len(out_of_fold)]
    chosen, losses = _choose(truth, weights, out_of_fold)
    judged = out_of_fold[chosen]
    head = _final(train.features, truth, weights, candidates[chosen], from_base)
    unseen_truth, unseen = truth, judged
    if validation is not None and len(validation.groups):
        unseen_truth = np.concatenate([truth, np.asarray(validation.is_positive, dtype=np.bool_)])
        unseen = np.concatenate([judged, head.log_odds(validation.features)])
    try:
        calibration = fit_platt(
            _two_columns(unseen),
            unseen_truth,
            0,
            prevalence=prevalence,
            note=f"Platt, on {len(truth)} training items by folds that had not seen their groups"
            + (f" and {len(unseen) - len(truth)} validation items" if len(unseen) > len(truth) else ""),
        )
    except ValueError as error:
        remedy = (
            "they are all of one plate: label items of another, too"
            if len(set(train.groups)) == 1
            else "look through the labels, or label more items of more plates"
        )
        raise TrainingError(
            "these labels teach nothing that holds where they were not seen: on items left out, the head ranks no "
            f"better than a coin; {remedy}"
        ) from error
    probabilities = apply_calibration(calibration, _two_columns(unseen), 0)
    return FastHeadFit(
        head=head,
        calibration=calibration,
        alarm_threshold=choose_threshold(unseen_truth, probabilities),
        strength=candidates[chosen],
        losses=dict(zip(candidates, losses.tolist(), strict=True)),
        folds=int(folds.max()) + 1,
        out_of_fold=judged,
        remarks=remarks,
    )


def _folds(groups: Sequence[str], truth: NDArray[np.bool_], seed: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    count = usable_folds(groups, truth, MOST_FOLDS)
    if count >= 2:
        return group_folds(groups, truth, count, seed=seed), ()
    items = [str(index) for index in range(len(truth))]
    count = usable_folds(items, truth, MOST_FOLDS)
    if count < 2:
        raise TrainingError(
            "a fast head needs at least two labelled images of each class; label some more, then train again"
        )
    remark = "All items of a class came from one group: strength and calibration were chosen by folds that cut groups."
    return group_folds(items, truth, count, seed=seed), (remark,)


def _out_of_fold(
    features: NDArray[np.float32],
    truth: NDArray[np.bool_],
    weights: Floats,
    folds: NDArray[np.int64],
    strengths: Sequence[float],
    from_base: bool,
) -> Floats:
    """Log-odds `(tried, n)`, each item's by a fit without its fold, from the strongest strength to the weakest tried.

    Weaker ones are not tried once several in a row were worse than the best: they take longest and overfit most.
    """
    start = features[:, 0].astype(np.float64) if from_base else np.zeros(len(truth))
    signs = np.where(truth, 1.0, -1.0)
    parts = []
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        scale = Standardiser.fitted(features[~inside])
        parts.append((inside, scale(features[~inside]), scale(features[inside])))
    fitted: list[FittedHead | None] = [None] * len(parts)
    found: list[Floats] = []
    losses: list[float] = []
    for strength in strengths:
        row = np.empty(len(truth))
        for index, (inside, seen, unseen) in enumerate(parts):
            fit = fit_logistic(seen, truth[~inside], weights[~inside], start[~inside], strength, warm=fitted[index])
            row[inside] = start[inside] + unseen @ fit.change + fit.bias
            fitted[index] = fit
        found.append(row)
        losses.append(float(np.mean(np.logaddexp(0.0, -signs * row) * weights)))
        if len(losses) - 1 - int(np.argmin(losses)) >= _WORSE_IN_A_ROW:
            break
    return np.stack(found)


def _choose(truth: NDArray[np.bool_], weights: Floats, out_of_fold: Floats) -> tuple[int, Floats]:
    """The strongest that is not clearly worse than the best: within one standard error of the paired difference."""
    losses = np.logaddexp(0.0, -np.where(truth, 1.0, -1.0) * out_of_fold) * weights
    mean: Floats = losses.mean(axis=1)
    best = int(np.argmin(mean))
    difference = losses - losses[best]
    error = difference.std(axis=1) / np.sqrt(len(truth))
    for index in range(len(mean)):
        if mean[index] - mean[best] <= error[index]:
            return index, mean
    return best, mean


def _final(
    features: NDArray[np.float32], truth: NDArray[np.bool_], weights: Floats, strength: float, from_base: bool
) -> LinearHead:
    scale = Standardiser.fitted(features)
    start = features[:, 0].astype(np.float64) if from_base else np.zeros(len(truth))
    fitted = fit_logistic(scale(features), truth, weights, start, strength)
    weights = fitted.change / scale.scale
    bias = fitted.bias
    if from_base:
        weights[0] += 1.0
        bias += float(scale.mean[0])
    return LinearHead(scale.mean, weights, bias)


def _two_columns(log_odds: Floats) -> Floats:
    return np.stack([log_odds / 2, -log_odds / 2], axis=1)


__all__ = ["MOST_FOLDS", "STRENGTHS", "FastHeadFit", "LabelledFeatures", "fit_fast_head"]
