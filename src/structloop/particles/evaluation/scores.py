"""How good the scores of picks are: average precision, and whether they are probabilities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.loop.evaluation import ReliabilityBin, wilson_interval

BINS = 10


@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Precision and recall of the picks at or above every distinct score, the highest first.

    Attributes:
        thresholds, precision, recall: `(k,)` each; recall is of all particles, found or not.
        average_precision: The area below, as the sum over its steps without interpolation.
    """

    thresholds: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    average_precision: float


@dataclass(frozen=True, slots=True)
class ScoreQuality:
    """How far scores are probabilities that a pick is a particle.

    Attributes:
        calibration_error: Expected calibration error (Guo et al., ICML 2017) over ten bins of equal width.
        brier: Mean squared difference of the score and what was true (Brier, Mon. Weather Rev. 78, 1950).
        brier_of_base_rate: The same of the best constant, the share of picks that are particles.
        bins: What was said and what was seen, bin by bin; empty bins are left out.
    """

    calibration_error: float
    brier: float
    brier_of_base_rate: float
    bins: tuple[ReliabilityBin, ...]

    @property
    def brier_skill(self) -> float | None:
        """By what part the scores beat that constant; None where all picks are particles, or none is."""
        return None if self.brier_of_base_rate == 0 else 1 - self.brier / self.brier_of_base_rate

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "calibration_error": self.calibration_error,
            "brier": self.brier,
            "brier_of_base_rate": self.brier_of_base_rate,
            "brier_skill": self.brier_skill,
            "bins": [_bin_to_json(each) for each in self.bins],
        }


def _bin_to_json(part: ReliabilityBin) -> dict[str, Any]:
    return {
        "low": part.low,
        "high": part.high,
        "picks": part.images,
        "mean_score": part.mean_probability,
        "observed": part.observed.to_json(),
    }


def precision_recall(scores: NDArray[np.float64], found: NDArray[np.bool_], particles: int) -> PrecisionRecall:
    """The curve over all picks of all micrographs.

    Args:
        scores: `(n,)`, finite.
        found: `(n,)`, whether each pick is a particle.
        particles: How many particles there are, those that no pick found too.

    Raises:
        ValueError: a score is no number, shapes differ, or there are fewer particles than were found.
    """
    if scores.shape != found.shape or scores.ndim != 1 or not np.isfinite(scores).all():
        raise ValueError(f"scores {scores.shape} and found {found.shape} must be equally long rows of finite numbers")
    if particles < max(1, int(found.sum())):
        raise ValueError(f"{int(found.sum())} found of {particles} particles cannot be")
    order = np.argsort(-scores, kind="stable")
    descending = scores[order]
    ends = np.flatnonzero(np.append(np.diff(descending) != 0, True)) if len(order) else np.empty(0, dtype=np.intp)
    true = np.cumsum(found[order])[ends]
    precision, recall = true / (ends + 1), true / particles
    area = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    return PrecisionRecall(descending[ends], precision, recall, area)


def score_quality(scores: NDArray[np.float64], found: NDArray[np.bool_]) -> ScoreQuality:
    """Calibration error and Brier score of picks.

    Args:
        scores: `(n,)` between 0 and 1.
        found: `(n,)`, whether each pick is a particle.

    Raises:
        ValueError: there are no picks, shapes differ, or a score lies outside 0 to 1.
    """
    if scores.shape != found.shape or not len(scores):
        raise ValueError(f"scores {scores.shape} and found {found.shape} must be equally long, and not empty")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("a score lies outside 0 to 1, so the scores are no probabilities")
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    bins = []
    for index in range(BINS):
        inside = place == index
        if inside.any():
            observed = wilson_interval(int(found[inside].sum()), int(inside.sum()))
            said = float(scores[inside].mean())
            bins.append(ReliabilityBin(index / BINS, (index + 1) / BINS, int(inside.sum()), said, observed))
    rate = float(found.mean())
    return ScoreQuality(
        calibration_error=sum(part.images * abs(part.mean_probability - part.observed.value) for part in bins)
        / len(scores),
        brier=float(np.mean((scores - found) ** 2)),
        brier_of_base_rate=rate * (1 - rate),
        bins=tuple(bins),
    )


__all__ = ["BINS", "PrecisionRecall", "ScoreQuality", "precision_recall", "score_quality"]
