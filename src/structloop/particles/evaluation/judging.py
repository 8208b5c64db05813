"""Judging picks against labels, micrograph by micrograph, for one or more methods."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import EvaluationError
from structloop.particles.coordinates.names import match_names
from structloop.particles.evaluation.comparing import METRICS, compare_methods, smallest_p_value
from structloop.particles.evaluation.discs import count_pixels
from structloop.particles.evaluation.matching import Matching, match_picks
from structloop.particles.evaluation.results import (
    MatchCounts,
    MethodResult,
    MicrographResult,
    PicksReport,
    RadiusResult,
    mean_of,
)
from structloop.particles.evaluation.scores import precision_recall, score_quality
from structloop.schema.particles import MicrographPicks, PickSet

RADII = (0.3, 0.5)
"""Farthest that a pick may be from its particle, as fractions of the diameter; the first one is compared."""

_EMPTY = np.empty((0, 2))
# A method that finds less than this, and so much more in the mirror, has its y axis the wrong way round.
_SUSPICIOUS_RECALL, _SUSPICIOUS_GAIN = 0.6, 1.5


@dataclass(frozen=True, slots=True)
class _Field:
    """One micrograph of a method: its picks off the border, and the particles there."""

    name: str
    picks: MicrographPicks
    truth: MicrographPicks


def judge_picks(
    methods: Mapping[str, PickSet],
    truth: PickSet,
    *,
    diameter_px: float,
    border_px: float = 0.0,
    radii: Sequence[float] = RADII,
    threshold: float | None = None,
    count_missing: bool = False,
) -> PicksReport:
    """Precision, recall and F1 per micrograph and their means, particle-wise and pixel-wise; quality of the scores.

    Particle-wise, picks are matched to particles one to one (`match_picks`); average precision, calibration error and
    Brier score are over all picks of all micrographs, those below the threshold too. Picks and particles whose centre
    is nearer than the border to an edge are left out. Judged are the micrographs of the truth that any method has
    picks in: a file of picks does not say which micrographs were looked at and found empty.

    Args:
        methods: The picks of each method, by the name it is to have in the report.
        truth: The labels.
        diameter_px: Of the particle.
        border_px: Width of the border that is left out; the sizes of the micrographs must be known then.
        radii: See `RADII`.
        threshold: Picks below this score count for the quality of the scores only.
        count_missing: Whether micrographs of the truth without any picks are judged too, all particles missed.

    Raises:
        EvaluationError: a number cannot be, no name fits, a size is not known, or scores are missing for a threshold.
        MicrographNameError: a name could be several micrographs.
    """
    _check(diameter_px, border_px, radii, threshold)
    remarks: list[str] = []
    pairs = {name: _paired(name, picks, truth, remarks) for name, picks in methods.items()}
    picked = {each for found in pairs.values() for each in found}
    judged = [each for each in truth if count_missing or each.micrograph in picked]
    if not judged:
        raise EvaluationError(f"{truth.origin or 'the truth'} has no micrograph to judge")
    if len(judged) < len(truth.micrographs):
        remarks.append(
            f"{len(truth.micrographs) - len(judged)} of {len(truth.micrographs)} micrographs of the truth have no "
            "picks at all and are not judged; --count-missing counts their particles as missed"
        )
    # A size that any of the files states holds for all of them; the truth's own word comes last and so counts most.
    stated = [(key, picks.shape_px) for own in pairs.values() for key, picks in own.items()]
    stated += [(each.micrograph, each.shape_px) for each in truth]
    shapes = {key: shape for key, shape in stated if shape is not None}
    results = []
    for name, picks in methods.items():
        fields = [
            _field(each, pairs[name].get(each.micrograph), shapes.get(each.micrograph), border_px, remarks, name)
            for each in judged
        ]
        results.append(_method(name, picks.origin, fields, diameter_px, radii, threshold))
        _remark_mirrored(name, fields, diameter_px * radii[0], remarks)
    values = {
        each.name: {
            metric: [getattr(part.matched[radii[0]], metric) for part in each.micrographs] for metric in METRICS
        }
        for each in results
    }
    comparisons = compare_methods(values)
    if comparisons and smallest_p_value(len(judged)) > 0.05:
        remarks.append(
            f"with {len(judged)} micrographs no p-value can be below {smallest_p_value(len(judged)):g}, however clear "
            "the difference is"
        )
    return PicksReport(
        truth.origin,
        diameter_px,
        border_px,
        threshold,
        tuple(each.micrograph for each in judged),
        tuple(results),
        comparisons,
        tuple(dict.fromkeys(remarks)),
    )


def _check(diameter_px: float, border_px: float, radii: Sequence[float], threshold: float | None) -> None:
    if not 0 < diameter_px < math.inf:
        raise EvaluationError(f"a particle of {diameter_px:g} px diameter cannot be; give its diameter in pixels")
    if not 0 <= border_px < math.inf:
        raise EvaluationError(f"a border of {border_px:g} px cannot be; give 0 or more pixels")
    if not radii or not all(0 < radius < math.inf for radius in radii):
        raise EvaluationError("a radius must be above 0, as a fraction of the diameter such as 0.3")
    if threshold is not None and not math.isfinite(threshold):
        raise EvaluationError(f"a threshold of {threshold} cannot be; give a score")


def _paired(name: str, picks: PickSet, truth: PickSet, remarks: list[str]) -> dict[str, MicrographPicks]:
    """A method's picks by the truth's names of their micrographs."""
    matches = match_names([each.micrograph for each in picks], [each.micrograph for each in truth])
    if not matches.pairs and picks.micrographs:
        known = truth.micrographs[0].micrograph if truth.micrographs else "none"
        raise EvaluationError(
            f"{name}: none of its {len(picks.micrographs)} micrographs is in the truth: it has "
            f"'{picks.micrographs[0].micrograph}', the truth has '{known}'; but for endings, names must be the same"
        )
    if matches.unmatched:
        remarks.append(
            f"{name}: {len(matches.unmatched)} micrographs are not in the truth and not judged, such as "
            f"'{matches.unmatched[0]}'"
        )
    by_name = {each.micrograph: each for each in picks}
    return {other: by_name[own] for own, other in matches.pairs.items()}


def _field(
    truth: MicrographPicks,
    picks: MicrographPicks | None,
    shape: tuple[int, int] | None,
    border_px: float,
    remarks: list[str],
    method: str,
) -> _Field:
    picks = MicrographPicks(truth.micrograph, _EMPTY) if picks is None else picks
    if shape is None:
        if border_px > 0:
            raise EvaluationError(
                f"the size of micrograph {truth.micrograph} is not known, so its border cannot be left out; "
                "give the micrographs or their size (--micrographs, --micrograph-size)"
            )
        return _Field(truth.micrograph, picks, truth)
    for what, points in ((method, picks), ("truth", truth)):
        outside = len(points) - int(_off_border(points, shape, 0.0).sum())
        if outside:
            remarks.append(
                f"{what}: {outside} of {len(points)} picks in {truth.micrograph} lie outside its "
                f"{shape[1]} x {shape[0]} pixels; are they of another binning, or is x or y the wrong way round?"
            )
    kept = [each.where(_off_border(each, shape, border_px)) if border_px > 0 else each for each in (picks, truth)]
    return _Field(truth.micrograph, *(_with_shape(each, shape) for each in kept))


def _with_shape(picks: MicrographPicks, shape: tuple[int, int]) -> MicrographPicks:
    return MicrographPicks(picks.micrograph, picks.xy_px, picks.scores, shape_px=shape)


def _off_border(picks: MicrographPicks, shape: tuple[int, int], border_px: float) -> NDArray[np.bool_]:
    """Which picks are at least so far from the centres of the outermost pixels; without border, within the image."""
    rim = border_px if border_px > 0 else -0.5
    x, y = picks.xy_px.T
    inside: NDArray[np.bool_] = (x >= rim) & (y >= rim) & (x <= shape[1] - 1 - rim) & (y <= shape[0] - 1 - rim)
    return inside


def _method(
    name: str,
    origin: str,
    fields: Sequence[_Field],
    diameter_px: float,
    radii: Sequence[float],
    threshold: float | None,
) -> MethodResult:
    sure = [_above(each.picks, threshold, name) for each in fields]
    matchings = {
        radius: [
            match_picks(picks.xy_px, each.truth.xy_px, radius * diameter_px)
            for picks, each in zip(sure, fields, strict=True)
        ]
        for radius in radii
    }
    micrographs = tuple(
        MicrographResult(
            each.name,
            len(picks),
            len(each.truth),
            {radius: _counts(matchings[radius][place], len(picks), len(each.truth)) for radius in radii},
            count_pixels(picks.xy_px, each.truth.xy_px, diameter_px, each.truth.shape_px),
        )
        for place, (picks, each) in enumerate(zip(sure, fields, strict=True))
    )
    results = []
    for radius in radii:
        counts = [each.matched[radius] for each in micrographs]
        curve, quality, reasons = None, None, {}
        scores, found, reason = _scored(fields, radius * diameter_px)
        particles = sum(len(each.truth) for each in fields)
        if reason or not particles:
            reasons["scores"] = reason or "there is no particle"
        else:
            curve = precision_recall(scores, found, particles)
            if ((scores < 0) | (scores > 1)).any():
                reasons["probabilities"] = (
                    f"scores go from {scores.min():g} to {scores.max():g}: they are no probabilities"
                )
            else:
                quality = score_quality(scores, found)
        pairs = sum(each.found for each in counts)
        results.append(
            RadiusResult(
                radius,
                mean_of([each.precision for each in counts]),
                mean_of([each.recall for each in counts]),
                mean_of([each.f1 for each in counts]),
                sum(each.distances_px for each in counts) / pairs if pairs else None,
                curve,
                quality,
                reasons,
            )
        )
    return MethodResult(name, origin, micrographs, tuple(results))


def _counts(matching: Matching, picks: int, truth: int) -> MatchCounts:
    found = len(matching.picks)
    return MatchCounts(found, picks - found, truth - found, float(matching.distances_px.sum()))


def _above(picks: MicrographPicks, threshold: float | None, name: str) -> MicrographPicks:
    if threshold is None or not len(picks):
        return picks
    if picks.scores is None or np.isnan(picks.scores).any():
        raise EvaluationError(f"{name}: picks in {picks.micrograph} have no score; leave --threshold away")
    return picks.where(picks.scores >= threshold)


def _scored(fields: Iterable[_Field], radius_px: float) -> tuple[NDArray[np.float64], NDArray[np.bool_], str | None]:
    """Scores of all picks, whether each is a particle, and why there is nothing to say of them."""
    scores, found = [np.empty(0)], [np.empty(0, dtype=np.bool_)]
    for each in fields:
        without = len(each.picks) if each.picks.scores is None else int(np.isnan(each.picks.scores).sum())
        if without:
            return scores[0], found[0], f"{without} picks in {each.name} have no score"
        if each.picks.scores is not None:
            right = np.zeros(len(each.picks), dtype=np.bool_)
            right[match_picks(each.picks.xy_px, each.truth.xy_px, radius_px).picks] = True
            scores.append(each.picks.scores)
            found.append(right)
    together = np.concatenate(scores)
    return together, np.concatenate(found), None if len(together) else "there is no pick"


def _remark_mirrored(name: str, fields: Sequence[_Field], radius_px: float, remarks: list[str]) -> None:
    """Says so where the picks fit the truth only with y counted from the other end."""
    sized = [each for each in fields if each.truth.shape_px is not None]
    particles = sum(len(each.truth) for each in sized)
    found = mirrored = 0
    for each in sized:
        height = (each.truth.shape_px or (0, 0))[0]
        turned = each.picks.xy_px * np.array([1.0, -1.0]) + np.array([0.0, height - 1.0])
        found += len(match_picks(each.picks.xy_px, each.truth.xy_px, radius_px).picks)
        mirrored += len(match_picks(turned, each.truth.xy_px, radius_px).picks)
    if found < _SUSPICIOUS_RECALL * particles and mirrored > _SUSPICIOUS_GAIN * found + 5:
        remarks.append(
            f"{name}: only {found} of {particles} particles are found, and {mirrored} with y counted from the last "
            "row; is its y axis the other way round (--picks-y-axis up)?"
        )


__all__ = ["RADII", "judge_picks"]
