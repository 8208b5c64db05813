"""From what a picker says of a micrograph to candidates with probabilities."""

import numpy as np
from numpy.typing import NDArray

from structloop.models.pickers.calibration import fit_mixture, probabilities
from structloop.models.pickers.peaks import FLOOR, MIN_DISTANCE_DIAMETERS, find_peaks
from structloop.models.pickers.protocol import ScoreMap, WorkingMicrograph
from structloop.schema.models import IdentityCalibration, PickerCard

PER_MICROGRAPH = "calibrate_per_micrograph"
"""Parameter of a card: probabilities come from each micrograph's own scores, a mixture of particles and others, and
the card's calibration is for micrographs with too few of them."""
KEPT_PROBABILITY = 0.02
"""Candidates below it are not kept: no threshold that anybody wants is lower, and they are most of all."""
MOST_PROBABLE = 0.9999
"""No pick is certain, and rounding to four places must not say so: at a threshold of 1 none is left."""


def find_candidates(
    card: PickerCard, score_map: ScoreMap, micrograph: WorkingMicrograph
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Candidates of a micrograph, best first.

    Args:
        card: Of the picker; its calibration counts.
        score_map: What it said.
        micrograph: What it was said of.

    Returns:
        Centres (n, 2) in stored pixels, and probabilities (n,), at least `KEPT_PROBABILITY`.
    """
    xy, raw = find_peaks(
        score_map,
        micrograph,
        working_diameter_px=card.working_diameter_px,
        min_distance_diameters=float(card.parameters.get("min_distance_diameters", MIN_DISTANCE_DIAMETERS)),
        floor=FLOOR,
    )
    calibration = card.calibration
    if card.parameters.get(PER_MICROGRAPH) is True:
        mixed = fit_mixture(raw)
        calibration = calibration if isinstance(mixed, IdentityCalibration) else mixed
    probability = np.minimum(probabilities(calibration, raw), MOST_PROBABLE)
    kept = probability >= KEPT_PROBABILITY
    return xy[kept], np.asarray(probability[kept], np.float64)


__all__ = ["KEPT_PROBABILITY", "MOST_PROBABLE", "PER_MICROGRAPH", "find_candidates"]
