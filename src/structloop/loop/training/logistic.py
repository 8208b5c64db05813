"""Logistic regression around a start: the head of a fast head, by L-BFGS.

The penalty pulls towards the start, not towards zero. Where the start is the base's own last layer, a head from few
labels stays close to the base and one from many goes where the labels lead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from structloop.core.errors import TrainingError

Floats = NDArray[np.float64]

_ITERATIONS = 500
_GRADIENT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Standardiser:
    """Brings features to mean zero and standard deviation one.

    Attributes:
        mean, scale: `(width,)`; a feature that never changes has scale one.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def fitted(cls, features: NDArray[np.float32]) -> "Standardiser":
        """By features `(n, width)`."""
        values = features.astype(np.float64)
        deviation = values.std(axis=0)
        return cls(values.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0))

    def __call__(self, features: NDArray[np.float32]) -> Floats:
        """Features `(n, width)`, standardised."""
        standardised: Floats = (features.astype(np.float64) - self.mean) / self.scale
        return standardised


def class_weights(class_ids: Sequence[int] | NDArray[np.int64], classes: int = 2) -> Floats:
    """``N / (classes * count)`` of each class, at the place of its id, whatever the order of the items.

    Args:
        class_ids: `(n,)`.
        classes: How many there are.

    Returns:
        `(classes,)`.

    Raises:
        TrainingError: a class has no item.
    """
    counts = np.bincount(np.asarray(class_ids, dtype=np.int64), minlength=classes)
    if len(counts) != classes or not counts.all():
        missing = [str(index) for index, count in enumerate(counts) if not count]
        raise TrainingError(
            f"class {', '.join(missing)} has no labelled image in training; label some of each, then train again"
        )
    weights: Floats = counts.sum() / (classes * counts)
    return weights


@dataclass(frozen=True)
class FittedHead:
    """What a fit found, on standardised features.

    Attributes:
        change: `(width,)`, added to the start's weights.
        bias: Added to the start's log-odds.
    """

    change: Floats
    bias: float


def fit_logistic(
    features: Floats,
    is_positive: NDArray[np.bool_],
    sample_weights: Floats,
    start_log_odds: Floats,
    strength: float,
    *,
    warm: FittedHead | None = None,
) -> FittedHead:
    """The least of ``mean(weight * log loss) + strength / 2 * |change|^2``; the bias is not penalised.

    Args:
        features: `(n, width)`, standardised.
        is_positive: `(n,)`, both classes present.
        sample_weights: `(n,)`, their mean is one with `class_weights`.
        start_log_odds: `(n,)`, what the start says; zeros for no start.
        strength: Of the pull towards the start, above 0.
        warm: Where to begin; changes nothing but the time.

    Raises:
        TrainingError: a feature is not finite.
    """
    if not (np.isfinite(features).all() and np.isfinite(start_log_odds).all()):
        raise TrainingError("the base gives features that are no numbers for some image; choose another base")
    signs = np.where(is_positive, 1.0, -1.0)
    count, width = features.shape
    shares = sample_weights / count

    def loss(parameters: Any) -> tuple[float, Any]:
        change, bias = parameters[:width], parameters[width]
        margins = signs * (start_log_odds + features @ change + bias)
        slopes = -signs * expit(-margins) * shares
        gradient = np.append(features.T @ slopes + strength * change, slopes.sum())
        value = float(np.logaddexp(0.0, -margins) @ shares) + 0.5 * strength * float(change @ change)
        return value, gradient

    first: Any = np.zeros(width + 1) if warm is None else np.append(warm.change, warm.bias)
    found = minimize(
        loss,
        first,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _ITERATIONS, "gtol": _GRADIENT_TOLERANCE, "ftol": 1e-12},
    )
    return FittedHead(np.asarray(found.x[:width], dtype=np.float64), float(found.x[width]))


__all__ = ["FittedHead", "Standardiser", "class_weights", "fit_logistic"]
