"""The fast head of a classifier with more than two labels: a softmax on frozen features, pulled towards the base's own.

Like the head of two labels: its strength is chosen by folds that never cut a group, its temperature is fitted on what
folds said of items that they had not seen, and classes count alike while it is fitted. Labels that nobody has given yet
stay possible: for them it says what the base says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from structloop.core.errors import TrainingError
from structloop.loop.training.groups import group_folds
from structloop.loop.training.logistic import Standardiser
from structloop.loop.training.multinomial import (
    FittedSoftmax,
    balanced_weights,
    fit_class_temperature,
    fit_multinomial,
)
from structloop.models.classifiers.fast_head import SoftmaxHead
from structloop.schema.models import Calibration, TemperatureCalibration

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STRENGTHS: tuple[float, ...] = tuple(float(10**power) for power in np.arange(1.5, -3.01, -0.5))
MOST_FOLDS = 5
_BIAS_STRENGTH = 0.05
_PRIOR_ITEMS = 5.0
"""Labels of each kind that are imagined when it is told how frequent kinds are: few labels do not tell."""
_LEAST_ITEMS = 6
_WORSE_IN_A_ROW = 3


@dataclass(frozen=True)
class ClassFeatures:
    """Features with labels and groups.

    Attributes:
        features: `(n, width)`; the first columns are the base's logits.
        class_ids: `(n,)`.
        groups: What folds never cut, `n` of them.
    """

    features: NDArray[np.float32]
    class_ids: Integers
    groups: Sequence[str]


@dataclass(frozen=True)
class SoftmaxHeadFit:
    """A trained head and how it came about.

    Attributes:
        head: On the features as the base gives them.
        calibration: Temperature, from what folds said of items that they had not seen.
        strength: The one chosen.
        losses: Log loss out of fold, classes weighted alike, by strength, of those that were tried.
        folds: How many.
        out_of_fold: `(n, classes)` logits of the training items, each by a head that had not seen its group.
        remarks: What a reader of the card should know of this fit.
    """

    head: SoftmaxHead
    calibration: Calibration
    strength: float
    losses: dict[float, float]
    folds: int
    out_of_fold: Floats
    remarks: tuple[str, ...]


def fit_softmax_head(
    train: ClassFeatures,
    classes: int,
    *,
    from_base: bool = True,
    seed: int = 0,
    strengths: Sequence[float] = STRENGTHS,
) -> SoftmaxHeadFit:
    """Trains a head.

    Args:
        train: At least six items, of two classes or more.
        classes: How many labels there are.
        from_base: Whether the penalty pulls towards the base's logits (else towards knowing nothing).
        seed: Of the folds.
        strengths: To choose from.

    Raises:
        TrainingError: there are too few labels, or all are the same.
    """
    labels = np.asarray(train.class_ids, dtype=np.int64)
    if len(labels) < _LEAST_ITEMS or len(np.unique(labels)) < 2:
        raise TrainingError(
            f"a fast head needs at least {_LEAST_ITEMS} labelled images and two different labels, there are "
            f"{len(labels)} with {len(np.unique(labels))}; label some more, then train again"
        )
    folds, remarks = _folds(train.groups, labels, seed)
    candidates = sorted(set(strengths), reverse=True)
    out_of_fold, losses = _out_of_fold(train.features, labels, classes, folds, candidates, from_base)
    chosen = _choose(out_of_fold, labels, classes)
    fit = _fit(train.features, labels, classes, candidates[chosen], from_base)
    prior = _prior(labels, classes)
    judged = out_of_fold[chosen] + prior
    temperature = fit_class_temperature(judged, labels)
    missing = classes - len(np.unique(labels))
    if missing:
        remarks += (f"{missing} of {classes} labels were given to no image: of them it knows what its base knows.",)
    return SoftmaxHeadFit(
        head=SoftmaxHead(fit.centre, fit.weights, fit.bias + prior),
        calibration=TemperatureCalibration(
            temperature=temperature,
            note=f"on {len(labels)} training items by folds that had not seen their groups",
        ),
        strength=candidates[chosen],
        losses=dict(zip(candidates, losses, strict=False)),
        folds=int(folds.max()) + 1,
        out_of_fold=judged,
        remarks=remarks,
    )


def _folds(groups: Sequence[str], labels: Integers, seed: int) -> tuple[Integers, tuple[str, ...]]:
    """Folds by group, the most frequent label dealt evenly; by item where there is one group."""
    frequent = labels == int(np.bincount(labels).argmax())
    count = min(MOST_FOLDS, len(set(groups)))
    if count >= 2:
        return group_folds(groups, frequent, count, seed=seed), ()
    items = [str(index) for index in range(len(labels))]
    remark = "All items came from one group: strength and temperature were chosen by folds that cut it."
    return group_folds(items, frequent, min(MOST_FOLDS, len(items)), seed=seed), (remark,)


def _parts(features: NDArray[np.float32], classes: int, from_base: bool) -> tuple[Floats, NDArray[np.float32]]:
    """Where logits start, and the features that may change them.

    The base's own logits are no features: what they would be weighed by cannot be told for a label that nobody gave.
    """
    start = features[:, :classes].astype(np.float64) if from_base else np.zeros((len(features), classes))
    return start, features[:, classes:]


def _out_of_fold(
    features: NDArray[np.float32],
    labels: Integers,
    classes: int,
    folds: Integers,
    strengths: Sequence[float],
    from_base: bool,
) -> tuple[Floats, list[float]]:
    """Logits `(tried, n, classes)`, each item's by a fit without its fold; weaker ones while they may be better."""
    start, features = _parts(features, classes, from_base)
    weights = balanced_weights(labels, classes)[labels]
    warm: dict[int, FittedSoftmax] = {}
    found: list[Floats] = []
    losses: list[float] = []
    for strength in strengths:
        logits = np.empty((len(labels), classes))
        for fold in range(int(folds.max()) + 1):
            inside = folds == fold
            seen = ~inside
            scale = Standardiser.fitted(features[seen])
            held = balanced_weights(labels[seen], classes)[labels[seen]]
            fit = fit_multinomial(
                scale(features[seen]), labels[seen], held, start[seen], strength,
                bias_strength=_BIAS_STRENGTH, warm=warm.get(fold),
            )  # fmt: skip
            warm[fold] = fit
            logits[inside] = start[inside] + scale(features[inside]) @ fit.change.T + fit.bias
        found.append(logits)
        losses.append(float(np.mean(_losses(logits, labels) * weights)))
        if len(losses) - 1 - int(np.argmin(losses)) >= _WORSE_IN_A_ROW:
            break
    return np.stack(found), losses


def _losses(logits: Floats, labels: Integers) -> Floats:
    return -log_softmax(logits, axis=-1)[..., np.arange(len(labels)), labels]


def _choose(out_of_fold: Floats, labels: Integers, classes: int) -> int:
    """The strongest that is not clearly worse than the best: within one standard error of the paired difference."""
    losses = _losses(out_of_fold, labels) * balanced_weights(labels, classes)[labels]
    best = int(np.argmin(losses.mean(axis=1)))
    difference = losses - losses[best]
    error = difference.std(axis=1) / np.sqrt(len(labels))
    return next(index for index in range(len(losses)) if difference[index].mean() <= error[index])


def _fit(
    features: NDArray[np.float32], labels: Integers, classes: int, strength: float, from_base: bool
) -> SoftmaxHead:
    start, measured = _parts(features, classes, from_base)
    scale = Standardiser.fitted(measured)
    weights = balanced_weights(labels, classes)[labels]
    fit = fit_multinomial(scale(measured), labels, weights, start, strength, bias_strength=_BIAS_STRENGTH)
    own = np.eye(classes) if from_base else np.zeros((classes, classes))
    # The base's logits are taken as they are: their centre is nought.
    centre = np.concatenate([np.zeros(classes), scale.mean])
    return SoftmaxHead(centre, np.concatenate([own, fit.change / scale.scale], axis=1), fit.bias)


def _prior(labels: Integers, classes: int) -> Floats:
    """Logarithm of how frequent each label is, relative to all alike."""
    counts = np.bincount(labels, minlength=classes) + _PRIOR_ITEMS
    return np.asarray(np.log(counts / counts.mean()), np.float64)


__all__ = ["MOST_FOLDS", "STRENGTHS", "ClassFeatures", "SoftmaxHeadFit", "fit_softmax_head"]
