"""From raw scores to probabilities, and what precision and recall a threshold will give.

A pick's probability is that of a particle within 0.3 diameters that an annotator would mark. It is fitted (Platt, 1999)
on candidates in pictures that the network did not learn from. Where few particles are marked, or none, the candidates
that are not marked tell nothing by themselves; then their scores are taken for a mixture of particles and background,
and the marked ones, if any, say where the particles' part lies (`fit_mixture`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from scipy.special import expit, logit

from structloop.models.calibration import fit_platt
from structloop.schema.models import ExpectedAt, IdentityCalibration, PlattCalibration

MATCH_DIAMETERS = 0.3
"""A pick is right when a marked centre lies within so many diameters."""

AGREEMENT = 0.85
"""Of the particles that one annotator marks, another marks about so many (F1 of .83 to .85 on EMPIAR-10017)."""

_EDGE = 1e-4
_GRID = tuple(round(0.05 * step, 2) for step in range(1, 20))
_Z95 = 1.96
_FEW = 8
_BLIND = 0.15
_MEDIAN_FROM = 3

FloatArray = NDArray[np.float64]
Calibration = IdentityCalibration | PlattCalibration


@dataclass(frozen=True)
class Judged:
    """The candidates of one picture that was left out of the training, and how they fared.

    Attributes:
        raw: (n,), raw scores.
        right: (n,), whether a marked particle is there.
        marked: How many particles are marked.
        complete: Whether those are all there are.
    """

    raw: FloatArray
    right: NDArray[np.bool_]
    marked: int
    complete: bool = True


@dataclass(frozen=True)
class Fitted:
    """A calibration with what to expect of it.

    Attributes:
        calibration: From raw scores to probabilities.
        expected: Precision and recall by threshold.
        threshold: Of the best expected F1.
    """

    calibration: Calibration
    expected: tuple[ExpectedAt, ...]
    threshold: float


def judged_calibration(judged: Sequence[Judged]) -> Fitted:
    """The calibration of judged candidates: by right and wrong, or by `blind_calibration`; see `rests_on_labels`."""
    if rests_on_labels(judged):
        complete = [each for each in judged if each.complete]
        count = sum(len(each.raw) for each in complete)
        note = f"fitted on {count} candidates in pictures left out of the training"
        calibration = fit_calibration(complete, note=note)
        return Fitted(calibration, *expected_curve(complete, calibration))
    raw = np.concatenate([each.raw for each in judged])
    known = np.concatenate([each.raw[each.right] for each in judged])
    return blind_calibration(raw, known)


def rests_on_labels(judged: Sequence[Judged]) -> bool:
    """Whether right and wrong count: in pictures whose labels are complete, where those are at least half."""
    return 0 < len(judged) <= 2 * sum(each.complete for each in judged)


def blind_calibration(raw: ArrayLike, known: ArrayLike = ()) -> Fitted:
    """The calibration of candidates (n,) of which few, or none, are known to be particles; see `fit_mixture`.

    What the mixture takes for a typical particle gets the probability `AGREEMENT`: even a sure particle is one that an
    annotator would mark, and within 0.3 diameters, only so often. Which candidates are picks is the mixture's choice.
    """
    values = np.asarray(raw, np.float64)
    note = f"from the shape of {len(values)} scores, {len(np.asarray(known))} of them known to be particles"
    mixture = fit_mixture(values, known, note=note)
    share = probabilities(mixture, values)
    total = max(float(share.sum()), 1e-9)
    best, curve = (-1.0, 0.5), []
    for threshold in (round(0.02 * step, 2) for step in range(1, 50)):
        picked = share[share >= threshold]
        best = max(best, (2 * float(picked.sum()) / (len(picked) + total), threshold))
    calibration = _humbled(mixture, values, share)
    probability = probabilities(calibration, values)
    total = max(float(probability.sum()), 1e-9)
    for threshold in _GRID:
        picked = probability[probability >= threshold]
        precision = float(picked.mean()) if len(picked) else 0.0
        recall = min(1.0, float(picked.sum()) / total)
        # Nobody checked these: the intervals are as wide as shapes of scores were seen to mislead.
        curve.append(
            ExpectedAt(
                threshold=threshold,
                precision=precision,
                precision_low=max(0.0, precision - _BLIND),
                precision_high=min(1.0, precision + _BLIND),
                recall=recall,
                recall_low=max(0.0, recall - _BLIND),
                recall_high=min(1.0, recall + _BLIND),
            )
        )
    return Fitted(calibration, tuple(curve), _same_place(best[1], mixture, calibration))


def _humbled(mixture: Calibration, raw: FloatArray, share: FloatArray) -> Calibration:
    """The mixture's line through the same place of even odds, but no surer of its typical particle than `AGREEMENT`."""
    if isinstance(mixture, IdentityCalibration):
        return mixture
    even = -mixture.intercept / mixture.slope
    typical = float(np.sum(share * log_odds(raw)) / max(float(share.sum()), 1e-9))
    if not typical > even or mixture.slope * (typical - even) <= float(logit(AGREEMENT)):
        return mixture
    slope = float(logit(AGREEMENT)) / (typical - even)
    return mixture.model_copy(update={"slope": slope, "intercept": -slope * even})


def _same_place(threshold: float, before: Calibration, after: Calibration) -> float:
    """The threshold that divides scores after as `threshold` does before."""
    if isinstance(before, IdentityCalibration) or isinstance(after, IdentityCalibration):
        return threshold
    z = (float(logit(threshold)) - before.intercept) / before.slope
    return round(float(expit(after.slope * z + after.intercept)), 3)


def probabilities(calibration: Calibration, raw: ArrayLike) -> FloatArray:
    """Calibrated probabilities (n,) of raw scores (n,)."""
    values = np.asarray(raw, np.float64)
    if isinstance(calibration, IdentityCalibration):
        return values
    return np.asarray(expit(calibration.slope * log_odds(values) + calibration.intercept), np.float64)


def log_odds(raw: ArrayLike) -> FloatArray:
    """Log-odds of raw scores, kept within about +-9."""
    return np.asarray(logit(np.clip(np.asarray(raw, np.float64), _EDGE, 1 - _EDGE)), np.float64)


def matched(picks: FloatArray, truth: FloatArray, distance: float) -> NDArray[np.bool_]:
    """Which picks (n, 2), best first, are right: each takes the nearest particle (m, 2) within reach that is free."""
    right = np.zeros(len(picks), np.bool_)
    if len(picks) == 0 or len(truth) == 0:
        return right
    near, taken = cKDTree(truth), np.zeros(len(truth), np.bool_)
    for index, pick in enumerate(picks):
        reached = np.array(near.query_ball_point(pick, distance), np.intp)
        free = reached[~taken[reached]]
        if len(free):
            taken[free[np.argmin(np.sum((truth[free] - pick) ** 2, axis=1))]] = True
            right[index] = True
    return right


def fit_calibration(judged: Sequence[Judged], *, note: str = "") -> Calibration:
    """Platt's sigmoid of the log-odds; the identity where right or wrong candidates are too few, or scores mislead.

    From three pictures on, each has its own, and the median of them counts: annotators mark some pictures far less
    completely than others, and one such picture would make all probabilities too low.
    """
    pooled = _fit_pooled(judged, note)
    if isinstance(pooled, IdentityCalibration):
        return pooled
    each = [_fit_pooled([one], note) for one in judged]
    fitted = [one for one in each if isinstance(one, PlattCalibration)]
    if len(fitted) < _MEDIAN_FROM:
        return pooled
    low, high = np.quantile(np.concatenate([log_odds(one.raw) for one in judged]), [0.1, 0.9])
    at_low, at_high = (float(np.median([one.slope * z + one.intercept for one in fitted])) for z in (low, high))
    if not high - low > _EDGE or not at_high > at_low:
        return pooled
    slope = (at_high - at_low) / float(high - low)
    middle = f"{note}; median of {len(fitted)} pictures" if note else f"median of {len(fitted)} pictures"
    return pooled.model_copy(update={"slope": slope, "intercept": at_low - slope * float(low), "note": middle})


def _fit_pooled(judged: Sequence[Judged], note: str) -> Calibration:
    raw = np.concatenate([each.raw for each in judged]) if judged else np.zeros(0)
    right = np.concatenate([each.right for each in judged]) if judged else np.zeros(0, np.bool_)
    if min(int(right.sum()), int((~right).sum())) < _FEW:
        return IdentityCalibration()
    columns = np.stack([np.zeros(len(raw)), log_odds(raw)], axis=1)
    try:
        fitted = fit_platt(columns, right, 1, note=note)
    except ValueError:
        return IdentityCalibration()
    return fitted if isinstance(fitted, PlattCalibration) else IdentityCalibration()


def fit_mixture(raw: ArrayLike, known: ArrayLike = (), *, share: float | None = None, note: str = "") -> Calibration:
    """A calibration without negatives: two normal distributions of the log-odds, by expectation-maximisation.

    Args:
        raw: Scores of all candidates.
        known: Scores of candidates that are particles for certain; their mean and spread pull on the particles' part.
        share: Share of particles to start from; None starts from the halves of the range.
        note: For the card.
    """
    z, sure = log_odds(raw), log_odds(known)
    if len(z) < 4 * _FEW or float(np.ptp(z)) < 1e-3:
        return IdentityCalibration()
    low, high = np.quantile(z, [0.1, 0.9])
    weight = expit(4 * (z - (low + high) / 2) / max(float(high - low), 1e-6))
    if share is not None:
        weight = (z >= np.quantile(z, 1 - share)).astype(np.float64)
    for _ in range(200):
        mean1 = (np.sum(weight * z) + np.sum(sure) * _KNOWN) / (np.sum(weight) + len(sure) * _KNOWN)
        mean0 = np.sum((1 - weight) * z) / max(float(np.sum(1 - weight)), 1e-9)
        # One spread for both keeps the odds a straight line in z: Platt's form, and never turned round.
        spread = np.sum(weight * (z - mean1) ** 2) + np.sum((1 - weight) * (z - mean0) ** 2)
        variance = max(float(spread / len(z)), 1e-4)
        portion = float(np.clip(weight.mean(), 0.02, 0.98))
        slope = (mean1 - mean0) / variance
        intercept = np.log(portion / (1 - portion)) - (mean1**2 - mean0**2) / (2 * variance)
        updated = expit(slope * z + intercept)
        if float(np.abs(updated - weight).max()) < 1e-6:
            break
        weight = updated
    if not slope > 0:
        return IdentityCalibration()
    variance = max(variance, _least_variance(float(mean1 - mean0), portion, len(z)))
    slope = (mean1 - mean0) / variance
    intercept = np.log(portion / (1 - portion)) - (mean1**2 - mean0**2) / (2 * variance)
    return PlattCalibration(slope=float(slope), intercept=float(intercept), prevalence=portion, note=note)


_KNOWN = 5.0


def _least_variance(gap: float, portion: float, count: int) -> float:
    """The spread below which so few candidates would be surer than their number allows.

    Where the two parts do not touch, nothing in the scores bounds the odds; then the mean particle's stay within
    n + 1 to 1, n being how many there are (Laplace's rule of succession, as in Platt's targets).
    """
    most = float(np.log(portion * count + 1) - np.log(portion / (1 - portion)))
    return gap**2 / (2 * max(most, 1.0))


def expected_curve(judged: Sequence[Judged], calibration: Calibration) -> tuple[tuple[ExpectedAt, ...], float]:
    """Expected precision and recall by threshold, with 95 % intervals, and the threshold of the best expected F1.

    Intervals are the wider of Wilson's, as if candidates were independent, and of what differs between the pictures.
    """
    probability = [probabilities(calibration, each.raw) for each in judged]
    marked = np.array([each.marked for each in judged], np.float64)
    curve, best = [], (-1.0, 0.5)
    fine = np.linspace(0.02, 0.98, 49)
    for threshold in sorted({*_GRID, *fine.tolist()}):
        picked = np.array([np.sum(p >= threshold) for p in probability], np.float64)
        right = np.array([np.sum(e.right & (p >= threshold)) for e, p in zip(judged, probability, strict=True)], float)
        f1 = 2 * right.sum() / max(1.0, picked.sum() + marked.sum())
        best = max(best, (float(f1), float(threshold)))
        if threshold in _GRID:
            precision, recall = _share(right, picked), _share(right, marked)
            curve.append(
                ExpectedAt(
                    threshold=threshold,
                    precision=precision[0],
                    precision_low=precision[1],
                    precision_high=precision[2],
                    recall=recall[0],
                    recall_low=recall[1],
                    recall_high=recall[2],
                )
            )
    return tuple(curve), best[1]


def _share(part: FloatArray, whole: FloatArray) -> tuple[float, float, float]:
    count = float(whole.sum())
    if count == 0:
        return 0.0, 0.0, 1.0
    value = float(part.sum()) / count
    centre = (value + _Z95**2 / (2 * count)) / (1 + _Z95**2 / count)
    half = _Z95 / (1 + _Z95**2 / count) * np.sqrt(value * (1 - value) / count + _Z95**2 / (4 * count**2))
    full = whole > 0
    if full.sum() >= 2:
        between = float(np.std(part[full] / whole[full], ddof=1)) / np.sqrt(full.sum())
        half = max(half, _Z95 * between)
    return value, max(0.0, min(value, centre - half)), min(1.0, max(value, centre + half))


__all__ = [
    "AGREEMENT",
    "MATCH_DIAMETERS",
    "Calibration",
    "Fitted",
    "Judged",
    "blind_calibration",
    "expected_curve",
    "fit_calibration",
    "fit_mixture",
    "judged_calibration",
    "log_odds",
    "matched",
    "probabilities",
    "rests_on_labels",
]
