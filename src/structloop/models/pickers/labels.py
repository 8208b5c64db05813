"""From marked micrographs to scenes: complete labels, a few clicks, and particles that somebody overlooked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from structloop.models.pickers.calibration import fit_mixture, log_odds, probabilities
from structloop.models.pickers.peaks import find_peaks
from structloop.models.pickers.protocol import LabelledMicrograph, Picker
from structloop.models.pickers.scenes import Scene

COMPLETE_SHARE = 0.5
"""Labels are taken for complete when they are at least this share of the particles that the general picker expects."""

_OVERLOOKED = 0.9
_OVERLOOKED_CERTAINTY = 0.3
_GUESSED_CERTAINTY = 0.6
_LEAST_GUESS = 0.12
_SAME_DIAMETERS = 0.4


@dataclass(frozen=True)
class Seen:
    """What the picker that training starts from sees in a labelled micrograph.

    Attributes:
        xy: Candidates (n, 2), stored pixels, best first.
        raw: Their raw scores (n,).
        probability: That they are particles, judged from all scores together.
        is_marked: Whether a marked particle is there.
        complete: Whether the labels are taken for complete.
    """

    xy: NDArray[np.float64]
    raw: NDArray[np.float64]
    probability: NDArray[np.float64]
    is_marked: NDArray[np.bool_]
    complete: bool


def look(picker: Picker, labelled: Sequence[LabelledMicrograph]) -> list[Seen]:
    """What `picker` sees in labelled micrographs, its scores calibrated on them without taking labels for complete."""
    working = picker.card.working_diameter_px
    found = []
    for each, score_map in zip(labelled, picker.score_maps([each.micrograph for each in labelled]), strict=True):
        xy, raw = find_peaks(score_map, each.micrograph, working_diameter_px=working)
        distance = _SAME_DIAMETERS * working * each.micrograph.scale
        marked: NDArray[np.bool_] = np.zeros(len(xy), np.bool_)
        if len(xy) and len(each.xy_px):
            marked = np.asarray(cKDTree(each.xy_px).query(xy)[0] <= distance, np.bool_)
        found.append((xy, raw, marked))
    everything = np.concatenate([raw for _, raw, _ in found]) if found else np.zeros(0)
    known = np.concatenate([raw[marked] for _, raw, marked in found]) if found else np.zeros(0)
    calibration = fit_mixture(everything, known)
    seen = []
    for each, (xy, raw, marked) in zip(labelled, found, strict=True):
        probability = probabilities(calibration, raw)
        complete = each.complete
        if complete is None:
            complete = len(each.xy_px) >= COMPLETE_SHARE * max(1.0, float(probability.sum()))
        seen.append(Seen(xy, raw, probability, marked, complete))
    return seen


def scene_of(labelled: LabelledMicrograph, seen: Seen | None) -> Scene:
    """The scene to learn from.

    Marked particles count in full. Where labels are complete, unmarked places are background, but one of which the
    picker is nearly sure counts less: annotators overlook some. Where they are not, the picker's candidates are
    particles with the probability that it gave them, and count less.
    """
    micrograph = labelled.micrograph
    weight = (~micrograph.mask).astype(np.float32)
    xy = micrograph.to_working(labelled.xy_px)
    value, certainty = np.ones(len(xy)), np.ones(len(xy))
    if seen is not None:
        others = ~seen.is_marked
        if seen.complete:
            doubtful = others & (seen.probability >= _OVERLOOKED)
            guess = np.zeros(int(doubtful.sum()))
            sure = np.full(len(guess), _OVERLOOKED_CERTAINTY)
        else:
            doubtful = others & (seen.probability >= _LEAST_GUESS)
            guess = seen.probability[doubtful]
            sure = np.full(len(guess), _GUESSED_CERTAINTY)
        xy = np.concatenate([xy, micrograph.to_working(seen.xy[doubtful])])
        value, certainty = np.concatenate([value, guess]), np.concatenate([certainty, sure])
    return Scene(
        pixels=micrograph.pixels,
        weight=weight,
        xy=np.asarray(xy, np.float32),
        value=np.asarray(value, np.float32),
        certainty=np.asarray(certainty, np.float32),
    )


def part_of(scene: Scene, keep: NDArray[np.bool_]) -> Scene:
    """The scene with only the pixels of `keep` (y, x) counting."""
    return Scene(scene.pixels, scene.weight * keep.astype(np.float32), scene.xy, scene.value, scene.certainty)


__all__ = ["COMPLETE_SHARE", "Seen", "log_odds", "look", "part_of", "scene_of"]
