"""Models of the benchmark: a head, its probabilities calibrated for even odds, and its alarm threshold.

Two rules for an alarm are measured. `alarm` is how structloop sets it: the highest probability that finds a wanted
share of the drops that are labelled crystal, out of fold. At even odds, `EVEN`, an alarm is where a drop would more
likely hold a crystal than not, were half of the drops to hold one; that asks least of the labels.
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

EVEN = 0.5
WANTED_RECALL = 0.8
"""Of the drops that are labelled crystal. The 95 % that structloop asks for by default are beyond what these features
give: half of the other drops alarm, which is where the rule stops."""

STRENGTHS = tuple(float(10**power) for power in (1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -2.0))
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A head on the embedded default's features, with its calibration for even odds.

    Attributes:
        head: The head.
        calibration: Its calibration.
        alarm: Its threshold.
        out_of_fold: `(n,)` probabilities of the items that it was trained on, each by a head that had not seen the
            item's plate; empty for a model that was not trained here.
    """

    head: LinearHead
    calibration: Calibration
    alarm: float
    out_of_fold: Floats

    def probability(self, features: NDArray[np.float32]) -> Floats:
        """Of features `(n, width)`."""
        return calibrated(self.calibration, self.head.log_odds(features))


def calibrated(calibration: Calibration, log_odds: Floats) -> Floats:
    """Probabilities of log-odds."""
    return apply_calibration(calibration, np.stack([log_odds / 2, -log_odds / 2], axis=1), 0)


def embedded(card: ModelCard, width: int) -> Model:
    """The embedded default, its alarm threshold as shipped: its own log-odds are the first feature."""
    weights = np.zeros(width)
    weights[0] = 1.0
    own = card.calibration_for(Modality.VISIBLE)
    if not isinstance(own, PlattCalibration) or own.prevalence is None:
        raise TypeError(f"model '{card.name}' has no Platt calibration with a prevalence to move")
    moved = own.intercept - float(np.log(own.prevalence / (1 - own.prevalence)))
    even = PlattCalibration(slope=own.slope, intercept=moved, prevalence=0.5, note=own.note)
    shipped = card.alarm_threshold_for(Modality.VISIBLE)
    odds = shipped / (1 - shipped) * (1 - own.prevalence) / own.prevalence
    return Model(LinearHead(np.zeros(width), weights, 0.0), even, odds / (1 + odds), np.zeros(0))


def train(features: NDArray[np.float32], labels: NDArray[np.bool_], plates: Sequence[str], seed: int) -> Model | None:
    """A fast head as the loop trains it; None where these labels teach nothing."""
    try:
        fit = fit_fast_head(LabelledFeatures(features, labels, plates), prevalence=0.5, seed=seed, strengths=STRENGTHS)
    except TrainingError:
        return None
    probability = calibrated(fit.calibration, fit.out_of_fold)
    return Model(fit.head, fit.calibration, _alarm(labels, probability), probability)


def averaged(
    models: Sequence[Model], weights: Sequence[float], features: NDArray[np.float32], labels: NDArray[np.bool_]
) -> Model:
    """The mean of heads, calibrated anew on the labelled drops of the laboratory that will use it."""
    head = average_heads([model.head for model in models], weights)
    odds = head.log_odds(features)
    try:
        calibration = fit_platt(np.stack([odds / 2, -odds / 2], axis=1), labels, 0, prevalence=0.5)
    except ValueError:
        # Worse than chance on these labels: the members' own calibrations are all there is.
        calibration = models[0].calibration
    return Model(head, calibration, _alarm(labels, calibrated(calibration, odds)), np.zeros(0))


def _alarm(labels: NDArray[np.bool_], probability: Floats) -> float:
    return choose_threshold(labels, probability, recall=WANTED_RECALL)
