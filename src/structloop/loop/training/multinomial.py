"""Multinomial logistic regression around a start: the head of a fast head that tells more than two labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax

from structloop.core.errors import TrainingError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ITERATIONS = 500
_GRADIENT_TOLERANCE = 1e-6
_LEAST_CLASS_WEIGHT_ITEMS = 1.0


@dataclass(frozen=True)
class FittedSoftmax:
    """What a fit found, on standardised features.

    Attributes:
        change: `(classes, width)`, added to the start's weights.
        bias: `(classes,)`, added to the start's logits.
    """

    change: Floats
    bias: Floats


def balanced_weights(class_ids: Integers, classes: int) -> Floats:
    """Weights `(classes,)` by which each class that is there counts alike; the mean over items is one."""
    counts = np.bincount(class_ids, minlength=classes)
    there = counts > 0
    weights = np.zeros(classes)
    weights[there] = counts.sum() / (there.sum() * np.maximum(counts[there], _LEAST_CLASS_WEIGHT_ITEMS))
    return weights


def fit_multinomial(
    features: Floats,
    class_ids: Integers,
    sample_weights: Floats,
    start_logits: Floats,
    strength: float,
    *,
    bias_strength: float = 0.0,
    warm: FittedSoftmax | None = None,
) -> FittedSoftmax:
    """The least of ``mean(weight * log loss) + strength / 2 * |change|^2 + bias_strength / 2 * |bias|^2``.

    Args:
        features: `(n, width)`, standardised.
        class_ids: `(n,)`, of `classes`, of which some may be missing.
        sample_weights: `(n,)`, their mean about one.
        start_logits: `(n, classes)`, what the start says; zeros for no start.
        strength: Of the pull towards the start, above 0.
        bias_strength: The same of the biases: above 0 it keeps classes that nobody labelled possible.
        warm: Where to begin; changes nothing but the time.

    Raises:
        TrainingError: a feature is not finite.
    """
    if not (np.isfinite(features).all() and np.isfinite(start_logits).all()):
        raise TrainingError("the base gives features that are no numbers for some image; choose another base")
    count, width = features.shape
    classes = start_logits.shape[1]
    shares = sample_weights / count
    truth = np.zeros((count, classes))
    truth[np.arange(count), class_ids] = 1.0

    def loss(parameters: Any) -> tuple[float, Any]:
        change, bias = parameters[: classes * width].reshape(classes, width), parameters[classes * width :]
        logs = log_softmax(start_logits + features @ change.T + bias, axis=1)
        slopes = (np.exp(logs) - truth) * shares[:, None]
        gradient = np.concatenate(
            [(slopes.T @ features + strength * change).ravel(), slopes.sum(axis=0) + bias_strength * bias]
        )
        value = -float(np.sum(truth * logs * shares[:, None])) + 0.5 * strength * float(np.sum(change * change))
        return value + 0.5 * bias_strength * float(bias @ bias), gradient

    first: Any = np.zeros(classes * (width + 1)) if warm is None else np.append(warm.change.ravel(), warm.bias)
    found = minimize(
        loss,
        first,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "gtol": _GRADIENT_TOLERANCE, "ftol": 1e-11},
    )
    change = np.asarray(found.x[: classes * width], dtype=np.float64).reshape(classes, width)
    return FittedSoftmax(change, np.asarray(found.x[classes * width :], dtype=np.float64))


def fit_class_temperature(logits: Floats, class_ids: Integers, weights: Floats | None = None) -> float:
    """The temperature with the least log loss of all classes (Guo et al., ICML 2017), between 0.2 and 20.

    Args:
        logits: `(n, classes)` of items that nothing was fitted on.
        class_ids: `(n,)`.
        weights: `(n,)`; all alike without.
    """
    shares = np.ones(len(class_ids)) if weights is None else weights

    def loss(log_temperature: float) -> float:
        logs = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.mean(logs[np.arange(len(class_ids)), class_ids] * shares))

    best = minimize_scalar(loss, bounds=(np.log(0.2), np.log(20.0)), method="bounded")
    return float(np.exp(best.x))


__all__ = ["FittedSoftmax", "balanced_weights", "fit_class_temperature", "fit_multinomial"]
