"""Models of the benchmark: a head as structloop trains it, with the calibration and the alarm threshold that it gets.

Nothing is set here. Beside the threshold as shipped, every model is measured `even`: with an alarm where a drop would
more likely hold a crystal than not, were half of the drops to hold one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import TrainingError
from structloop.loop.training.fast_head import LabelledFeatures, fit_fast_head
from structloop.loop.training.thresholds import choose_threshold
from structloop.models.calibration import apply_calibration, fit_platt
from structloop.models.classifiers.fast_head import LinearHead, average_heads
from structloop.schema.images import Modality
from structloop.schema.models import Calibration, ModelCard, PlattCalibration

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """A head on the embedded default's features.

    Attributes:
        head: The head.
        calibration: Its calibration.
        alarm: Its threshold.
        even: The probability of a drop that would be as likely with as without crystals, were half of the drops to
            hold them: the prevalence for which the probabilities hold.
        out_of_fold: `(n,)` probabilities of the items that it was trained on, each by a head that had not seen the
            item's plate; empty for a model that was not trained here.
    """

    head: LinearHead
    calibration: Calibration
    alarm: float
    even: float
    out_of_fold: Floats

    def probability(self, features: NDArray[np.float32]) -> Floats:
        """Of features `(n, width)`."""
        return calibrated(self.calibration, self.head.log_odds(features))


def calibrated(calibration: Calibration, log_odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    return apply_calibration(calibration, _columns(log_odds), 0)


def embedded(card: ModelCard, width: int) -> Model:
    """The embedded default as shipped: its own log-odds are the first feature."""
    weights = np.zeros(width)
    weights[0] = 1.0
    own = card.calibration_for(Modality.VISIBLE)
    if not isinstance(own, PlattCalibration) or own.prevalence is None:
        raise TypeError(f"model '{card.name}' has no Platt calibration with a prevalence")
    alarm = card.alarm_threshold_for(Modality.VISIBLE)
    return Model(LinearHead(np.zeros(width), weights, 0.0), own, alarm, own.prevalence, np.zeros(0))


def train(train: LabelledFeatures, validation: LabelledFeatures | None, seed: int) -> Model | None:
    """A fast head as structloop trains it; None where these labels teach nothing."""
    try:
        fit = fit_fast_head(train, validation, seed=seed)
    except TrainingError:
        return None
    return _model(fit.head, fit.calibration, fit.alarm_threshold, calibrated(fit.calibration, fit.out_of_fold))


def averaged(models: Sequence[Model], weights: Sequence[float], own: LabelledFeatures) -> Model:
    """The mean of heads, calibrated anew on items of the laboratory that will use it, as `models average` does it."""
    head = average_heads([model.head for model in models], weights)
    odds = head.log_odds(own.features)
    try:
        calibration = fit_platt(_columns(odds), own.is_positive, 0)
        alarm = choose_threshold(own.is_positive, calibrated(calibration, odds))
    except ValueError:
        # No crystal among these items, or worse than chance: the members' own calibrations are all there is.
        return Model(head, models[0].calibration, models[0].alarm, models[0].even, np.zeros(0))
    return _model(head, calibration, alarm, np.zeros(0))


def balanced_accuracy(model: Model, on: LabelledFeatures) -> float:
    """At its own threshold; NaN where a class is missing."""
    alarms, truth = model.probability(on.features) >= model.alarm, on.is_positive
    if truth.all() or not truth.any():
        return float("nan")
    return float(alarms[truth].mean() + 1 - alarms[~truth].mean()) / 2


def _model(head: LinearHead, calibration: PlattCalibration, alarm: float, out_of_fold: Floats) -> Model:
    if calibration.prevalence is None:
        raise TypeError("a calibration that was fitted names its prevalence")
    return Model(head, calibration, alarm, calibration.prevalence, out_of_fold)


def _columns(log_odds: Floats) -> Floats:
    return np.stack([log_odds / 2, -log_odds / 2], axis=1)
