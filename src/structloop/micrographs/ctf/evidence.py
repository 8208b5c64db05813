"""How far the rings are seen, and whether they are rings at all.

Both ask of data that the fit has not seen. For the resolution, every band of frequencies is predicted from those beside
it. For the confidence, one half of the directions is fitted and the other half judged, so that whatever a search can
find in noise counts for nothing. What repeats in both halves but is no CTF (shells of ice, shapes of particles, a
detector's pattern) is as often a quarter of a ring off as it is in phase, ring by ring: it counts as noise.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from structloop.micrographs.ctf.refining import Refined, refined
from structloop.micrographs.ctf.rings import Rings
from structloop.micrographs.ctf.searching import JOINED_SECTORS, Search
from structloop.micrographs.ctf.transfer import Array64, Defocus, Lens, phase

_BANDS = 110
# Bands to either side from which the strength of one is foretold.
_REACH = 5
_LEAST_GAIN = 3.0
# Joined sectors that follow each other in one half.
_BLOCK = 2
# A search over all directions that finds so much, in standard deviations of noise, would find it in half of them.
PLAIN_SCORE = 14.0
# Cycles with less of all that is known are left to others.
_LEAST_SHARE = 0.002
# Of the logistic curve of the confidence: of greatest likelihood on simulated exposures from no signal to a plain one
# whose halves agree (`benchmarks/exposures.py --only faint --seeds 101 --details`; right: within 0.05 um).
_EVIDENCE_AT_HALF = 2.34
_EVIDENCE_SLOPE = 1.66
# Of those whose halves come to different ends a quarter was right.
_DISAGREE_UM = 0.1
_DISAGREEING = 0.26


@dataclass(frozen=True, slots=True)
class Evidence:
    """Whether there are rings.

    Attributes:
        confidence: Probability, 0 to 1, that the fit is one of Thon rings and right, as often as it was so on
            simulated exposures from no signal to a plain one, of which a quarter had no rings.
        minus_log10_p: Evidence against chance, on directions that were not fitted.
        cycles: How many rings it rests on.
        agreement_um: How far the fits of the two halves of the directions lie apart.
    """

    confidence: float
    minus_log10_p: float
    cycles: int
    agreement_um: float


def fit_resolution_angstrom(rings: Rings, lens: Lens, fit: Refined) -> float | None:
    """Where the rings end: up to there they are foretold by those beside them, beyond they are not.

    Returns None where none are seen. The bands' strengths are foretold from the five bands to either side, and the
    limit is where the gain in likelihood by those predictions is largest.
    """
    cosine, _ = rings.wave(lens, fit.defocus)
    rest = rings.excess - fit.linear.level
    product = (rings.weight * cosine * rest).sum(axis=0)
    square = (rings.weight * cosine**2).sum(axis=0)
    edges = np.linspace(0, len(rings.k), min(_BANDS, len(rings.k) // 3) + 1).astype(np.intp)
    product, square = (np.add.reduceat(each, edges[:-1]) for each in (product, square))
    kernel = np.ones(2 * _REACH + 1)
    kernel[_REACH] = 0
    near = np.convolve(product, kernel, "same")
    known = np.convolve(square, kernel, "same")
    foretold = np.maximum(near, 0) / np.maximum(known, 1e-9)
    gained = np.cumsum(foretold * product - foretold**2 * square / 2)
    most = float(gained.max())
    if most <= _LEAST_GAIN:
        return None
    # Chance adds a little now and then, beyond where rings end.
    last = int(np.argmax(gained >= most - _LEAST_GAIN))
    k_last = rings.k[min(edges[last + 1], len(rings.k)) - 1]
    return float(1 / k_last)


def evidence(
    rings: Rings, lens: Lens, fit: Refined, search: Search | None, *, fit_phase_shift: bool, most_astigmatism_um: float
) -> Evidence:
    """Searches and fits each half of the directions, and judges it on the other.

    Args:
        rings: The flattened spectrum.
        lens: Of the microscope.
        fit: Of all directions.
        search: Of all directions; None where what it found is plain, so that halves need none of their own.
        fit_phase_shift: Whether it was free.
        most_astigmatism_um: Largest U - V.
    """
    half = np.arange(len(rings.cos_twice) // JOINED_SECTORS) // _BLOCK % 2 == 0
    in_phase, aside, squares, apart = [], [], [], []
    for chosen in (half, ~half):
        fitted = np.repeat(chosen, JOINED_SECTORS)
        # Waves beside each other share noise: sectors that touch the other half are judged by neither.
        judged = ~(fitted | np.roll(fitted, 1) | np.roll(fitted, -1))
        start = fit.defocus if search is None else search.best(chosen, count=1)[0].defocus
        alone = refined(
            rings.only(fitted),
            lens,
            start,
            fit_phase_shift=fit_phase_shift,
            most_astigmatism_um=most_astigmatism_um,
            rounds=6,
        )
        one, other, square = _by_cycle(rings.only(judged), lens, alone)
        in_phase.append(one)
        aside.append(other)
        squares.append(square)
        apart.append(alone.defocus)
    size = max(len(each) for each in in_phase)
    i, q, v = (_summed(parts, size) for parts in (in_phase, aside, squares))
    used = v > _LEAST_SHARE * max(float(v.sum()), 1e-30)
    i, q, v = i[used], q[used], v[used]
    cycles = int(used.sum())
    if cycles < 2 or float(v.sum()) <= 0:
        return Evidence(0.0, 0.0, cycles, _distance(*apart))
    # Rings of uneven weight are as good as fewer even ones.
    even = float(v.sum() ** 2 / (v**2).sum())
    # In units of noise: what is aside of the rings tells how large is what repeats and is none.
    unexplained = float((q**2 / v).sum() / cycles)
    score = float(i.sum() / math.sqrt(float(v.sum()))) / math.sqrt(max(unexplained, 1.0))
    strength = _minus_log10_p(score, even)
    distance = _distance(*apart)
    confidence = 1 / (1 + math.exp(-_EVIDENCE_SLOPE * (strength - _EVIDENCE_AT_HALF)))
    if distance > _DISAGREE_UM:
        confidence = min(confidence, _DISAGREEING)
    return Evidence(confidence, strength, cycles, distance)


def _by_cycle(rings: Rings, lens: Lens, fit: Refined) -> tuple[Array64, Array64, Array64]:
    """In phase, a quarter aside, and variance of both, for every ring; weighted by the fitted amplitude."""
    at = fit.defocus.at_um(rings.cos_twice, rings.sin_twice)
    chi = phase(lens, rings.k2, at[:, None], fit.defocus.phase_shift_rad)
    rest = rings.excess - fit.linear.level
    expected = rings.weight * fit.linear.amplitude
    cosine, sine = -np.cos(2 * chi), np.sin(2 * chi)
    cycle = np.floor(chi / math.pi).astype(np.intp)
    cycle -= cycle.min()
    flat, size = cycle.ravel(), int(cycle.max()) + 1
    parts = (expected * cosine * rest, expected * sine * rest, expected * fit.linear.amplitude / 2)
    i, q, v = (np.asarray(np.bincount(flat, part.ravel(), size), np.float64) for part in parts)
    return i, q, v


def _summed(parts: list[Array64], size: int) -> Array64:
    """Added up, the shorter ones with zeros at their ends."""
    return np.asarray(np.sum([np.pad(each, (0, size - len(each))) for each in parts], axis=0), np.float64)


def _minus_log10_p(score: float, freedom: float) -> float:
    """Of Student's t: few rings must be clearer than many."""
    if score <= 0:
        return 0.0
    p = float(special.stdtr(freedom, -score))
    return min(-math.log10(max(p, 1e-300)), 300.0)


def _distance(one: Defocus, other: Defocus) -> float:
    return max(
        abs(one.mean_um - other.mean_um),
        math.hypot(one.along_um - other.along_um, one.across_um - other.across_um),
    )


__all__ = ["PLAIN_SCORE", "Evidence", "evidence", "fit_resolution_angstrom"]
