"""Where every place of an exposure is in every frame: a quadratic surface in space, smooth in time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import MotionError
from structloop.schema.motion import MotionSummary, MotionTrack

Array64 = NDArray[np.float64]

TERMS = 6
"""1, u, v, u^2 - 1/3, u v, v^2 - 1/3, where u and v run from -1 to 1 over the frame."""


def terms_at(x: Array64 | float, y: Array64 | float, width_px: int, height_px: int) -> Array64:
    """The six terms (6, ...) at places of frames of that size, in pixels; arrays broadcast."""
    u = 2 * np.asarray(x, np.float64) / max(width_px - 1, 1) - 1
    v = 2 * np.asarray(y, np.float64) / max(height_px - 1, 1) - 1
    u, v = np.broadcast_arrays(u, v)
    return np.stack([np.ones_like(u), u, v, u * u - 1 / 3, u * v, v * v - 1 / 3])


@dataclass(frozen=True, slots=True, eq=False)
class MotionField:
    """Displacements of an exposure; see `structloop.schema.motion` for their sign.

    Attributes:
        width_px, height_px: Of the frames.
        frames: (n,) numbers of the frames that were used, from 0.
        coefficients_px: (n, 2, 6): for each frame and axis (x, y) the factors of the six terms.
        precision_px: (n,) standard deviation that the noise leaves in the shift of the whole, as the data say.
    """

    width_px: int
    height_px: int
    frames: NDArray[np.int64]
    coefficients_px: Array64
    precision_px: Array64

    def __post_init__(self) -> None:
        if self.coefficients_px.shape != (len(self.frames), 2, TERMS):
            raise MotionError(
                f"coefficients of shape {self.coefficients_px.shape} for {len(self.frames)} frames; give (frames, 2, 6)"
            )

    def at(self, x: Array64 | float, y: Array64 | float) -> Array64:
        """Displacements (n, 2, ...) of places (x, y) of the micrograph in all frames, pixels."""
        terms = terms_at(x, y, self.width_px, self.height_px)
        return np.asarray(np.tensordot(self.coefficients_px, terms, axes=(2, 0)))

    def track(self, x: float, y: float) -> Array64:
        """Path (n, 2) of one place, relative to the first frame."""
        path = self.at(x, y)
        return np.asarray(path - path[0])

    def relative_to_first(self) -> "MotionField":
        """The same motion, nothing displaced in the first frame."""
        return self.of(self.coefficients_px - self.coefficients_px[:1])

    def of(self, coefficients_px: Array64) -> "MotionField":
        """The same frames with other coefficients."""
        return MotionField(self.width_px, self.height_px, self.frames, coefficients_px, self.precision_px)

    def whole(self, name: str) -> MotionTrack:
        """The path of the whole: the mean over the frame, relative to the first frame."""
        # The other terms have mean 0 over the frame.
        path = self.coefficients_px[:, :, 0]
        return MotionTrack(name, "structloop", self.frames, path - path[0], int(self.frames[0]))

    def bend_px(self) -> float:
        """How differently places moved by the end: root mean square over the frame, without the whole."""
        grid = np.linspace(0, 1, 9)
        x, y = np.meshgrid(grid * (self.width_px - 1), grid * (self.height_px - 1))
        last = (self.at(x, y)[-1] - self.at(x, y)[0]).reshape(2, -1)
        return float(np.sqrt((last - last.mean(axis=1, keepdims=True)).var(axis=1).sum()))


def summary_of(
    track: MotionTrack, pixel_size_angstrom: float, dose_e_per_angstrom2: float | None, early_dose: float = 4.0
) -> MotionSummary:
    """Total, early and late motion of a track: lengths of its path, Angstrom.

    Args:
        track: The path of the whole.
        pixel_size_angstrom: Of the stored frames.
        dose_e_per_angstrom2: Of one frame; None leaves early and late open, and where it is so high that no step from
            frame to frame lies within the early dose, early is not known.
        early_dose: Where early ends, e/A^2 (RELION's `--dose_motionstats_cutoff`, 4).
    """
    steps = track.steps_px() * pixel_size_angstrom
    if dose_e_per_angstrom2 is None:
        return MotionSummary(track.name, track.program, float(steps.sum()), pixel_size_angstrom=pixel_size_angstrom)
    reached = (track.frames[1:] + 1) * dose_e_per_angstrom2
    within = reached <= early_dose
    early = float(steps[within].sum()) if within.any() else float("nan")
    return MotionSummary(
        track.name, track.program, float(steps.sum()), early, float(steps[~within].sum()), pixel_size_angstrom
    )


__all__ = ["TERMS", "MotionField", "summary_of", "terms_at"]
