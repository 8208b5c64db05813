"""From a candidate to the fit: Gauss-Newton on mean, astigmatism and phase shift; all else is solved for."""

import math
from dataclasses import dataclass

import numpy as np

from structloop.micrographs.ctf.rings import LinearFit, LinearPart, Rings
from structloop.micrographs.ctf.transfer import Array64, Defocus, Lens

_ROUNDS = 12
_DONE_UM = 1e-5
# No step turns the phase of the finest weighted ring by much more than this.
_LONGEST_STEP_RAD = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """A fit.

    Attributes:
        defocus: The fitted defocus.
        linear: Background and amplitude there.
        spread: Standard deviations of (mean, along, across, phase shift), micrometres and radians, from the curvature;
            0 for what was not fitted.
    """

    defocus: Defocus
    linear: LinearFit
    spread: tuple[float, float, float, float]

    @property
    def gained(self) -> float:
        """By how much the rings lower the weighted sum of squares."""
        return self.linear.gained


def refined(
    rings: Rings,
    lens: Lens,
    start: Defocus,
    *,
    fit_phase_shift: bool,
    most_astigmatism_um: float = math.inf,
    linear_part: LinearPart | None = None,
    rounds: int = _ROUNDS,
) -> Refined:
    """The best fit near a start.

    Args:
        rings: The flattened spectrum.
        lens: Of the microscope.
        start: Where to begin.
        fit_phase_shift: Whether the phase shift is free.
        most_astigmatism_um: Largest U - V.
        linear_part: Of these rings, where it is at hand.
        rounds: At most so many steps.
    """
    part = linear_part or LinearPart(rings)
    now = start
    cosine, sine = rings.wave(lens, now)
    linear = part.at(cosine)
    curvature = np.eye(4)
    free = 4 if fit_phase_shift else 3
    for _ in range(rounds):
        slopes = _slopes(rings, lens, linear.amplitude, sine)[:free]
        rest = rings.excess - linear.level - linear.amplitude * cosine
        gradient = np.array([(rings.weight * slope * rest).sum() for slope in slopes])
        curvature = np.array([[(rings.weight * one * other).sum() for other in slopes] for one in slopes])
        scale = np.sqrt(np.maximum(np.diag(curvature), 1e-12))
        damped = curvature / scale[:, None] / scale + 1e-3 * np.eye(free)
        step = np.linalg.solve(damped, gradient / scale) / scale
        step = _shortened(step, rings, lens, linear.amplitude)
        for _try in range(5):
            tried = _held(_moved(now, step), most_astigmatism_um)
            waves = rings.wave(lens, tried)
            outcome = part.at(waves[0])
            if outcome.gained >= linear.gained:
                break
            step = step / 3
        else:
            break
        now, linear, (cosine, sine) = tried, outcome, waves
        if np.abs(step[:3]).max() < _DONE_UM:
            break
    spread = np.zeros(4)
    regular = curvature[:free, :free] if len(curvature) >= free else curvature
    diagonal = np.maximum(np.diag(regular), 1e-12)
    scaled = regular / np.sqrt(diagonal)[:, None] / np.sqrt(diagonal)
    inverse = np.linalg.inv(scaled + 1e-6 * np.eye(len(scaled))) / np.sqrt(diagonal)[:, None] / np.sqrt(diagonal)
    spread[: len(inverse)] = np.sqrt(np.maximum(np.diag(inverse), 0))
    return Refined(now, linear, (float(spread[0]), float(spread[1]), float(spread[2]), float(spread[3])))


def _slopes(rings: Rings, lens: Lens, amplitude: Array64, sine: Array64) -> list[Array64]:
    """Derivatives of amplitude (-cos 2 chi) by mean, along, across (1/um) and phase shift (1/rad)."""
    by_chi = 2 * amplitude * sine
    by_defocus = by_chi * (math.pi * lens.wavelength_angstrom * 1e4) * rings.k2
    return [by_defocus, by_defocus * rings.cos_twice[:, None], by_defocus * rings.sin_twice[:, None], by_chi]


def _shortened(step: Array64, rings: Rings, lens: Lens, amplitude: Array64) -> Array64:
    """No step may jump over a ring where the rings are seen."""
    seen = amplitude**2 * rings.weight.sum(axis=0)
    total = float(seen.sum())
    if total <= 0:
        return np.zeros_like(step)
    k2 = float(np.sqrt((seen * rings.k**4).sum() / total))
    turned = float(np.abs(step[:3]).sum()) * 2 * math.pi * lens.wavelength_angstrom * 1e4 * k2
    return step * min(1.0, _LONGEST_STEP_RAD / max(turned, 1e-12))


def _moved(now: Defocus, step: Array64) -> Defocus:
    shift = now.phase_shift_rad + (float(step[3]) if len(step) > 3 else 0.0)
    return Defocus(now.mean_um + float(step[0]), now.along_um + float(step[1]), now.across_um + float(step[2]), shift)


def _held(defocus: Defocus, most_astigmatism_um: float) -> Defocus:
    size = 2 * math.hypot(defocus.along_um, defocus.across_um)
    if size <= most_astigmatism_um:
        return defocus
    share = most_astigmatism_um / size
    return Defocus(defocus.mean_um, defocus.along_um * share, defocus.across_um * share, defocus.phase_shift_rad)


__all__ = ["Refined", "refined"]
