"""From a network's raw outputs to calibrated crystal probabilities, and the fits that make a card's calibration.

The scores of different modalities are combined only after each has been calibrated (the AXIS paper measured what
happens otherwise: the maximum of two uncalibrated scores lost 27 points of precision).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logsumexp, softmax

from structloop.core.errors import UnsupportedModalityError
from structloop.schema.images import Modality
from structloop.schema.models import (
    Calibration,
    IdentityCalibration,
    ModelCard,
    PlattCalibration,
    TemperatureCalibration,
)

_NEWTON_STEPS = 100


def crystal_probabilities(card: ModelCard, logits: ArrayLike, modality: Modality) -> NDArray[np.float64]:
    """Calibrated probabilities of the card's positive label.

    Args:
        card: the model that gave the logits.
        logits: raw outputs, `(n, len(card.labels))`.
        modality: what the images were; its calibration is applied.

    Returns:
        `(n,)`, in 0 to 1.

    Raises:
        UnsupportedModalityError: the card does not list `modality`.
        ValueError: the logits do not have one column per label.
    """
    if not card.serves(modality):
        served = ", ".join(each.value for each in card.modalities)
        raise UnsupportedModalityError(f"model '{card.name}' serves {served}, not {modality.value}")
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(card.labels):
        raise ValueError(f"model '{card.name}' has {len(card.labels)} labels, got logits of shape {values.shape}")
    return apply_calibration(card.calibration_for(modality), values, card.positive_index)


def class_probabilities(card: ModelCard, logits: ArrayLike, modality: Modality) -> NDArray[np.float64]:
    """Calibrated probabilities of all labels of a card.

    Args:
        card: the model that gave the logits.
        logits: raw outputs, `(n, len(card.labels))`.
        modality: what the images were; its calibration is applied.

    Returns:
        `(n, len(card.labels))`, each row of sum one. Those of the other labels keep their ratios where a calibration
        is of the positive label alone.

    Raises:
        UnsupportedModalityError: the card does not list `modality`.
        ValueError: the logits do not have one column per label.
    """
    positive = crystal_probabilities(card, logits, modality)
    calibration = card.calibration_for(modality)
    temperature = calibration.temperature if isinstance(calibration, TemperatureCalibration) else 1.0
    values = np.asarray(logits, dtype=np.float64) / temperature
    others = np.delete(np.arange(values.shape[1]), card.positive_index)
    found = np.empty_like(values)
    found[:, card.positive_index] = positive
    found[:, others] = (1 - positive)[:, None] * softmax(values[:, others], axis=1)
    return found


def apply_calibration(calibration: Calibration, logits: NDArray[np.float64], positive: int) -> NDArray[np.float64]:
    """Probabilities of column `positive` of `logits` `(n, k)` after `calibration`, `(n,)`."""
    match calibration:
        case IdentityCalibration():
            return expit(log_odds(logits, positive))
        case TemperatureCalibration(temperature=temperature):
            return expit(log_odds(logits / temperature, positive))
        case PlattCalibration(slope=slope, intercept=intercept):
            return expit(slope * log_odds(logits, positive) + intercept)


def log_odds(logits: NDArray[np.float64], positive: int) -> NDArray[np.float64]:
    """``log(p / (1 - p))`` of the softmax at column `positive`, without the loss of precision near 0 and 1."""
    others = np.delete(logits, positive, axis=1)
    return np.asarray(logits[:, positive] - logsumexp(others, axis=1), dtype=np.float64)


def fit_temperature(logits: ArrayLike, is_positive: ArrayLike, positive: int, *, note: str = "") -> Calibration:
    """The temperature with the least negative log-likelihood (Guo et al., ICML 2017).

    Args:
        logits: `(n, k)` of a set that the network was not trained on.
        is_positive: `(n,)`, true where the image shows the positive label.
        positive: column of the positive label.
        note: what it was fitted on, for the card.

    Raises:
        ValueError: one of the two classes is absent.
    """
    values = np.asarray(logits, dtype=np.float64)
    truth = _truth(is_positive, len(values))

    def loss(log_temperature: float) -> float:
        signed = np.where(truth, 1.0, -1.0) * log_odds(values / np.exp(log_temperature), positive)
        return float(np.mean(np.logaddexp(0.0, -signed)))

    best = minimize_scalar(loss, bounds=(np.log(1e-2), np.log(1e2)), method="bounded")
    return TemperatureCalibration(temperature=float(np.exp(best.x)), prevalence=float(truth.mean()), note=note)


def fit_platt(
    logits: ArrayLike, is_positive: ArrayLike, positive: int, *, prevalence: float | None = None, note: str = ""
) -> PlattCalibration:
    """Platt's sigmoid, by Newton's method with his smoothed targets (Platt 1999; Lin, Lin and Weng 2007).

    Args:
        logits: `(n, k)` of a set that the network was not trained on.
        is_positive: `(n,)`, true where the image shows the positive label.
        positive: column of the positive label.
        prevalence: share of positives for which the probabilities shall hold; the intercept is moved from the set's own
            share to it by the ratio of the prior odds. None keeps the set's.
        note: what it was fitted on, for the card.

    Raises:
        ValueError: one of the two classes is absent, or the scores run against the truth.
    """
    z = log_odds(np.asarray(logits, dtype=np.float64), positive)
    truth = _truth(is_positive, len(z))
    positives = int(truth.sum())
    negatives = len(truth) - positives
    targets = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    design = np.stack([z, np.ones_like(z)], axis=1)
    weights = np.array([1.0, 0.0])

    def loss(candidate: NDArray[np.float64]) -> float:
        fitted = design @ candidate
        return float(np.sum(np.logaddexp(0.0, fitted) - targets * fitted))

    for _ in range(_NEWTON_STEPS):
        probabilities = expit(design @ weights)
        gradient = design.T @ (probabilities - targets)
        curvature = (design * (probabilities * (1 - probabilities))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-8 and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if float(np.abs(size * step).max()) < 1e-9:
            break
    slope, intercept = float(weights[0]), float(weights[1])
    if slope <= 0:
        raise ValueError("the scores run against the truth (negative slope): check the label order")
    share = positives / len(truth)
    if prevalence is not None:
        intercept += float(np.log(prevalence / (1 - prevalence)) - np.log(share / (1 - share)))
    return PlattCalibration(
        slope=slope, intercept=intercept, prevalence=share if prevalence is None else prevalence, note=note
    )


def _truth(is_positive: ArrayLike, count: int) -> NDArray[np.bool_]:
    truth = np.asarray(is_positive, dtype=np.bool_)
    if truth.shape != (count,):
        raise ValueError(f"{count} rows of logits but truth of shape {truth.shape}")
    if truth.all() or not truth.any():
        raise ValueError("a calibration needs images of both classes")
    return truth


__all__ = [
    "apply_calibration",
    "class_probabilities",
    "crystal_probabilities",
    "fit_platt",
    "fit_temperature",
    "log_odds",
]
