"""Frames against the sum of the others: first by peaks of correlations, then by the most probable smooth motion.

Every coefficient F of a patch in frame f is a signal S, shifted, and white noise of known power. Shifting all frames
back by the present motion, the sum of the others says what S is; the logarithm of the probability of F is then
quadratic in a small further shift, with slope and curvature summed over the patch (weights fall where noise rules; a
B-factor bounds them above). All patches and frames together are one least-squares problem for the six spatial terms
of every frame, with a prior on how fast each changes its speed. Signal and noise power are measured by rings, from
what frames have in common.

The B-factor is that of Li et al., Nat. Methods 10 (2013) 584; polynomials in space for beam-induced motion are those
of Zheng et al., Nat. Methods 14 (2017) 331 and Zivanov et al., IUCrJ 6 (2019) 5. In time there is no polynomial here:
fast first frames would bend it.
"""

from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from structloop.core.errors import MotionError
from structloop.micrographs.motion.comparing import Comparison
from structloop.micrographs.motion.field import TERMS, terms_at
from structloop.micrographs.motion.patches import ComplexArray, PatchPlan

Array64 = NDArray[np.float64]

_COARSE_FREQUENCY = 0.12
"""Cycles per pixel up to which the first rounds look."""

_LEARNING_ROUNDS = 3


@dataclass(frozen=True)
class AlignmentOptions:
    """How frames are aligned.

    Attributes:
        b_factor_px2: Weights of frequencies k (per pixel) are at most exp(-B k^2 / 4).
        highest_frequency: Cycles per pixel up to which frames are compared, at most 0.36, and what memory allows. Below
            that of the ring of ice (3.7 Angstrom), ice that moves by itself, or stands still, has no say.
        local: Whether places may move differently.
        iterations: At most so many rounds of small shifts.
        tolerance_px: Rounds end when no patch moves farther.
        change_of_speed_px: Standard deviation of the whole's second difference from frame to frame with which the
            rounds begin; then it is what the movie shows.
        change_of_bend_px: The same of the local terms.
    """

    b_factor_px2: float = 20.0
    highest_frequency: float = 0.36
    local: bool = True
    iterations: int = 8
    tolerance_px: float = 0.02
    change_of_speed_px: float = 0.1
    change_of_bend_px: float = 0.02

    def __post_init__(self) -> None:
        if not 0.02 <= self.highest_frequency <= 0.5:
            raise MotionError(f"highest_frequency is {self.highest_frequency}; give 0.02 to 0.5 cycles per pixel")


@dataclass(frozen=True)
class Alignment:
    """What alignment found.

    Attributes:
        coefficients_px: (frames, 2, 6), see `MotionField`; where things went.
        precision_px: (frames,) standard deviation of the shift of the whole.
        rounds: How many were needed.
        signal: Share of the power, within the weights, that frames have in common.
        evidence: Logarithm of how much more probable the frames are with that than as noise; by chance some ten per
            frame, since alignment makes noise alike.
    """

    coefficients_px: Array64
    precision_px: Array64
    rounds: int
    signal: float
    evidence: float


def align(
    spectra: ComplexArray,
    plan: PatchPlan,
    frame_shape: tuple[int, int],
    options: AlignmentOptions,
    executor: Executor | None = None,
) -> Alignment:
    """The motion of a movie from its patches' coefficients (frames, patches, rows, columns), which are shifted back.

    Raises:
        MotionError: the frames have nothing in common by which they could be aligned.
    """
    coefficients = np.zeros((len(spectra), 2, TERMS))
    # Low frequencies find the way from afar, at little cost; all together then tell the place.
    narrow = plan.narrowed(_COARSE_FREQUENCY)
    work = Comparison(plan.cut(spectra, narrow), narrow, options.b_factor_px2, executor)
    coefficients[:, :, 0] = whole = work.coarse()
    # A patch shows what was elsewhere in the first frame; the terms are those of that place.
    x, y = plan.centres_px()
    gone = whole - whole[0]
    terms = terms_at(x - gone[:, :1], y - gone[:, 1:], frame_shape[1], frame_shape[0]).transpose(1, 0, 2)
    _rounds(work, terms, coefficients, options, 3 * options.tolerance_px)
    work = Comparison(spectra, plan, options.b_factor_px2, executor)
    work.shift(np.einsum("faj,fjp->fpa", coefficients, terms))
    rounds, precision, signal = _rounds(work, terms, coefficients, options, options.tolerance_px)
    return Alignment(coefficients, precision, rounds, signal, work.evidence)


def _rounds(
    work: Comparison, terms: Array64, coefficients: Array64, options: AlignmentOptions, tolerance_px: float
) -> tuple[int, Array64, float]:
    """Small shifts until none is needed; they are added to the coefficients and undone in the spectra."""
    used = TERMS if options.local else 1
    expected = np.full(used, options.change_of_bend_px)
    expected[0] = options.change_of_speed_px
    for number in range(1, options.iterations + 1):
        if number <= 2:
            fade = work.fade()
        slopes, curvature, signal = work.slopes(fade)
        present = coefficients[:, :, :used]
        step, precision, expected = _most_probable(slopes, curvature, terms[:, :used], present, expected)
        # A step beyond the width of the correlation's peak is not to be trusted at once.
        step = np.clip(step, -2.0, 2.0)
        coefficients[:, :, :used] += step
        moved = np.einsum("faj,fjp->fpa", step, terms[:, :used])
        farthest = np.abs(moved - moved.mean(axis=0)).max()
        if number == options.iterations or farthest < tolerance_px:
            break
        work.shift(moved)
    return number, precision, signal


def _most_probable(
    slopes: Array64, curvature: Array64, terms: Array64, present: Array64, expected: Array64
) -> tuple[Array64, Array64, Array64]:
    """The step to the most probable motion, how well the whole is known, and how fast motion changes its speed.

    Args:
        slopes: (frames, patches, 2), with `curvature` (frames, patches, 2, 2) of the log of the probability.
        terms: (frames, terms, patches).
        present: (frames, 2, terms), the motion at which these were taken.
        expected: (terms,) standard deviation of each term's second difference in time.

    Returns:
        The step (frames, 2, terms), the standard deviation (frames,) of the whole, and `expected` as this motion says.
    """
    frames, count = terms.shape[:2]
    # Unknowns of a frame in the order axis, term.
    size = 2 * count
    of_frames = np.einsum("fpab,fjp,fkp->fajbk", curvature, terms, terms).reshape(frames, size, size)
    pull = np.einsum("fpa,fjp->faj", slopes, terms).reshape(frames, size)
    second = _second_differences(frames)
    roughness = second.T @ second
    # The motion that all frames share cannot be seen; a weak tie to 0 keeps the matrix from being singular.
    measured = linalg.block_diag(*of_frames)
    measured += np.eye(len(measured)) * 1e-6 * max(float(np.trace(measured)) / len(measured), 1e-6)
    now = present.reshape(frames, size)
    for _ in range(_LEARNING_ROUNDS):
        stiff = np.tile(1 / expected**2, 2)
        matrix = measured + np.kron(roughness, np.diag(stiff))
        inverse = linalg.cho_solve(linalg.cho_factor(matrix), np.eye(len(matrix)))
        step = (inverse @ (pull - roughness @ now * stiff).ravel()).reshape(frames, size)
        step -= step.mean(axis=0)
        known = inverse.reshape(frames, size, frames, size)
        # Expectation maximisation: what the motion shows, and what its uncertainty adds.
        shown = (second @ (now + step)) ** 2
        hidden = np.stack([np.einsum("if,fg,ig->i", second, known[:, at, :, at], second) for at in range(size)], axis=1)
        variance = (shown + hidden).reshape(len(second), 2, count).mean(axis=(0, 1))
        variance[1:] = variance[1:].mean() if count > 1 else variance[1:]
        limits = np.full((2, count), [[0.002], [0.5]])
        limits[:, 0] = 0.02, 3.0
        expected = np.clip(np.sqrt(variance), *limits)
    precision = np.sqrt(np.maximum(np.diag(known[:, 0, :, 0]), 0))
    return step.reshape(frames, 2, count), precision, expected


def _second_differences(frames: int) -> Array64:
    if frames < 3:
        return np.zeros((1, frames))
    rows = np.zeros((frames - 2, frames))
    place = np.arange(frames - 2)
    rows[place, place], rows[place, place + 1], rows[place, place + 2] = 1, -2, 1
    # The first frames settle: their speed changes most.
    rows *= 1 / (1 + 3 * np.exp(-place / 2.0))[:, None]
    return rows


__all__ = ["Alignment", "AlignmentOptions", "align"]
