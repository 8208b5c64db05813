"""What all exposures of a session share, loaded once: gain, vacuum, picker, and what judges their condition."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ExposureError
from structloop.exposures.options import ExposureOptions
from structloop.exposures.particles import ParticleCounter
from structloop.micrographs.ice import IceReference
from structloop.micrographs.movies import Correction, open_movie, read_defects, read_gain
from structloop.models.pickers import Picker


class ConditionEstimate(Protocol):
    """What a classifier says of the condition of a micrograph."""

    @property
    def label(self) -> str:
        """The likeliest condition."""
        ...

    @property
    def probability(self) -> float:
        """Of the label, 0 to 1."""
        ...

    @property
    def poor(self) -> float | None:
        """Probability, 0 to 1, of a condition that is of no use; None where the condition is not known."""
        ...

    @property
    def model(self) -> str:
        """What said so, with its version."""
        ...


class ConditionClassifier(Protocol):
    """Anything that tells the condition of a micrograph; called from several threads."""

    def __call__(self, micrograph: NDArray[np.float32], pixel_size_angstrom: float | None) -> ConditionEstimate:
        """The condition of a micrograph (y, x)."""
        ...


@dataclass(frozen=True)
class Tools:
    """What is loaded once.

    Attributes:
        gain: Factors (y, x), or None.
        vacuum_per_frame: Mean per pixel and frame without a specimen, and its standard deviation; None without one.
        counter: Of particles, or None.
        condition: Tells conditions, or None.
    """

    gain: NDArray[np.float32] | None = None
    vacuum_per_frame: tuple[float, float] | None = None
    counter: ParticleCounter | None = None
    condition: ConditionClassifier | None = None

    def ice_reference(self, frames: int) -> IceReference | None:
        """What ice is compared with where vacuum was measured: for a micrograph of so many frames."""
        if self.vacuum_per_frame is None:
            return None
        mean, spread = self.vacuum_per_frame
        return IceReference(mean * frames, "vacuum", spread * frames)


def load_tools(
    options: ExposureOptions, picker: Picker | None = None, condition: ConditionClassifier | None = None
) -> Tools:
    """Loads what the options name.

    Raises:
        GainReferenceError, DefectsError, MovieError, ImageError: a file is not there or not what it should be.
        ExposureError: vacuum without any electron; or the size of particles is not known.
    """
    gain = None
    if options.gain is not None:
        gain = read_gain(options.gain, rotate=options.gain_rotate, flip=options.gain_flip)
    counter = None if picker is None else ParticleCounter(picker, options.diameter_angstrom, options.threshold)
    return Tools(gain, _vacuum(options, gain), counter, condition)


def _vacuum(options: ExposureOptions, gain: NDArray[np.float32] | None) -> tuple[float, float] | None:
    if options.vacuum is None:
        return None
    with open_movie(options.vacuum, eer=options.eer) as movie:
        defects = None if options.defects is None else read_defects(options.defects, movie.header.shape)
        correction = Correction.of(movie.header, gain=gain, defects=defects)
        means = [
            float(correction.apply(movie.frame(number), number).mean(dtype=np.float64))
            for number in range(movie.header.frames)
        ]
    mean = float(np.mean(means))
    if not mean > 0:
        raise ExposureError(f"{options.vacuum} holds no electrons, so ice cannot be compared with it; give another")
    return mean, float(np.std(means) / len(means) ** 0.5)


__all__ = ["ConditionClassifier", "ConditionEstimate", "Tools", "load_tools"]
