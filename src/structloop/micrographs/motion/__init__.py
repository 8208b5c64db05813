"""Motion of an exposure: measured as a whole and locally, undone, and the frames added up.

with open_movie(path) as movie:
    corrected = correct_motion(movie, Correction.of(movie.header), MotionOptions(dose=Dose(1.2, 300.0)))
corrected.micrograph, corrected.dose_weighted, corrected.field.track(x, y), corrected.summary
"""

from structloop.micrographs.motion.aligning import AlignmentOptions
from structloop.micrographs.motion.doses import DoseWeights, critical_exposure
from structloop.micrographs.motion.field import MotionField, summary_of
from structloop.micrographs.motion.processing import (
    CorrectedMovie,
    Dose,
    MotionOptions,
    add_unaligned,
    correct_motion,
    memory_bound_bytes,
)

__all__ = [
    "AlignmentOptions",
    "CorrectedMovie",
    "Dose",
    "DoseWeights",
    "MotionField",
    "MotionOptions",
    "add_unaligned",
    "correct_motion",
    "critical_exposure",
    "memory_bound_bytes",
    "summary_of",
]
