"""Thon rings without what lies under them: a spectrum in units of its smooth background, and fits of that.

A spectrum is modelled as background (1 + a(k) (-cos 2 chi)): sin^2 chi is (1 - cos 2 chi) / 2, and what does not
oscillate is part of the background. Background and amplitude are cubic splines in k; the background may differ
between directions as cos and sin of twice the angle do. Linear parts are solved for, never searched (variable
projection: Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, optimize

from structloop.core.errors import CtfError
from structloop.micrographs.ctf.spectra import MeanSpectrum
from structloop.micrographs.ctf.transfer import Array64, Defocus, Lens, phase

# Distances between knots, in square roots of 1/Angstrom: few rings must not be explained away by a background that
# bends as often as they do.
BACKGROUND_KNOTS = 0.064
AMPLITUDE_KNOTS = 0.09
_LEAST_TERMS = 5
_LEAST_RINGS = 40
# The background is found as a level that half of the logarithms lie above, and once more in its own units.
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """A spectrum in units of its background, within the range that is fitted.

    Attributes:
        excess: (sectors, rings), power over background, less 1.
        weight: (sectors, rings), inverse variance of it.
        k2: (sectors, rings), 1/Angstrom^2.
        k: (rings,), 1/Angstrom.
        cos_twice, sin_twice: (sectors,), of twice the directions.
        background: (rings,), power.
        smooth: (rings, terms), splines of the background, and
        envelope: (rings, terms), of the amplitude: none is negative.
        first: Index of the first ring in the whole spectrum.
        left_out: Bands (low, high) of k, 1/Angstrom, without weight.
    """

    excess: Array64
    weight: Array64
    k2: Array64
    k: Array64
    cos_twice: Array64
    sin_twice: Array64
    background: Array64
    smooth: Array64
    envelope: Array64
    first: int
    left_out: tuple[tuple[float, float], ...] = ()

    def only(self, sectors: NDArray[np.bool_]) -> "Rings":
        """The same with the weight of other sectors at 0."""
        return self.weighted(self.weight * sectors[:, None])

    def weighted(self, weight: Array64) -> "Rings":
        """The same with other weights."""
        return replace(self, weight=weight)

    def wave(self, lens: Lens, defocus: Defocus) -> tuple[Array64, Array64]:
        """-cos(2 chi) and sin(2 chi), (sectors, rings)."""
        at = defocus.at_um(self.cos_twice, self.sin_twice)
        twice = 2 * phase(lens, self.k2, at[:, None], defocus.phase_shift_rad)
        return -np.cos(twice), np.sin(twice)


def flattened(
    spectrum: MeanSpectrum,
    *,
    coarsest_angstrom: float,
    finest_angstrom: float,
    left_out: tuple[tuple[float, float], ...] = (),
) -> Rings:
    """The rings of a spectrum between two resolutions, in units of their background.

    Args:
        spectrum: The mean of some tiles.
        coarsest_angstrom, finest_angstrom: Of what is fitted.
        left_out: Bands (low, high) of k, 1/Angstrom, that get no weight (reflections of ice).

    Raises:
        CtfError: too few rings lie in that range.
    """
    waves = spectrum.certain.sum(axis=0)
    k = np.sqrt((spectrum.k2 * spectrum.certain).sum(axis=0) / np.maximum(waves, 1e-9))
    chosen = np.flatnonzero((k >= 1 / coarsest_angstrom) & (k <= 1 / finest_angstrom) & (waves > 0))
    if len(chosen) < _LEAST_RINGS:
        raise CtfError(
            f"the spectrum has {len(chosen)} rings between {coarsest_angstrom:g} and {finest_angstrom:g} angstrom, and "
            f"{_LEAST_RINGS} are needed; give a wider range, a larger micrograph, or one that is binned less"
        )
    inside = slice(int(chosen[0]), int(chosen[-1]) + 1)
    k, waves = k[inside], waves[inside]
    power, certain = spectrum.power[:, inside].astype(np.float64), spectrum.certain[:, inside].astype(np.float64)
    mean = (power * certain).sum(axis=0) / np.maximum(waves, 1e-9)
    smooth, envelope = splines(k, BACKGROUND_KNOTS), splines(k, AMPLITUDE_KNOTS)
    level = np.log(np.maximum(mean, 1e-30))
    background = np.exp(smooth @ _solved(smooth, level, waves))
    for _ in range(_ROUNDS):
        ratio = mean / background
        background = background * np.maximum(smooth @ _solved(smooth, ratio, waves), 0.2)
    for low, high in left_out:
        certain[:, (k > low) & (k < high)] = 0
    twice = 2 * spectrum.directions_rad
    return Rings(
        power / background - 1,
        certain,
        spectrum.k2[:, inside],
        k,
        np.cos(twice),
        np.sin(twice),
        background,
        smooth,
        envelope,
        inside.start,
        left_out,
    )


def splines(k: Array64, apart: float) -> Array64:
    """Cubic B-splines that sum to 1 over a range of k, (rings, terms); closer where k is low and spectra are steep."""
    k = np.sqrt(k)
    terms = max(round(float(k[-1] - k[0]) / apart) + 3, _LEAST_TERMS)
    inner = np.linspace(k[0], k[-1], terms - 2)
    step = inner[1] - inner[0]
    knots = np.concatenate([inner[0] - step * np.arange(3, 0, -1), inner, inner[-1] + step * np.arange(1, 4)])
    at = np.clip(k, knots[3], knots[-4] * (1 - 1e-12))
    return np.asarray(interpolate.BSpline.design_matrix(at, knots, 3).toarray(), np.float64)


def _solved(design: Array64, values: Array64, weight: Array64) -> Array64:
    """Weighted least squares, held a little for terms that nothing decides."""
    weighted = design.T * weight
    normal = weighted @ design
    normal[np.diag_indices_from(normal)] += 1e-9 * np.trace(normal) + 1e-30
    return np.asarray(np.linalg.solve(normal, weighted @ values))


@dataclass(frozen=True, slots=True, eq=False)
class LinearFit:
    """What is solved for at a given defocus.

    Attributes:
        level: (sectors, rings), what the background is off by, in its own units.
        amplitude: (rings,), of the rings, not negative.
        gained: By how much the rings lower the weighted sum of squares.
    """

    level: Array64
    amplitude: Array64
    gained: float


class LinearPart:
    """Solves for background and amplitude of one set of rings, at any defocus."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        one = np.ones_like(rings.cos_twice)
        self._angular = np.stack([one, rings.cos_twice, rings.sin_twice])
        weight, smooth = rings.weight, rings.smooth
        terms = smooth.shape[1]
        self._terms = terms
        size = 3 * terms
        normal = np.empty((size, size))
        for i in range(3):
            for j in range(i, 3):
                per_ring = (self._angular[i] * self._angular[j]) @ weight
                block = (smooth.T * per_ring) @ smooth
                normal[i * terms : (i + 1) * terms, j * terms : (j + 1) * terms] = block
                normal[j * terms : (j + 1) * terms, i * terms : (i + 1) * terms] = block.T
        normal[np.diag_indices(size)] += 1e-6 * np.trace(normal) / size + 1e-12
        self._inverse = np.linalg.inv(normal)
        self._of_data = self._folded(weight * rings.excess)

    def _folded(self, values: Array64) -> Array64:
        """(3 x terms,), values (sectors, rings) against every background term."""
        return np.asarray((self._angular @ values @ self._rings.smooth).ravel())

    def at(self, wave: Array64) -> LinearFit:
        """The best background and amplitude for a wave, (sectors, rings)."""
        rings = self._rings
        weighted = rings.weight * wave
        per_ring = weighted[None] * self._angular[:, :, None]
        # (3, rings) folded with both bases: cross terms of background and amplitude.
        cross = np.einsum("ark,rt,re->ate", per_ring.sum(axis=1)[:, :, None], rings.smooth, rings.envelope)
        cross = cross.reshape(3 * self._terms, -1)
        own = (rings.envelope.T * (weighted * wave).sum(axis=0)) @ rings.envelope
        data = rings.envelope.T @ (weighted * rings.excess).sum(axis=0)
        reduced = own - cross.T @ self._inverse @ cross
        wanted = data - cross.T @ self._inverse @ self._of_data
        reduced[np.diag_indices_from(reduced)] += 1e-4 * np.trace(own) / len(own) + 1e-12
        root = np.linalg.cholesky(reduced)
        shares, _ = optimize.nnls(root.T, np.linalg.solve(root, wanted))
        level = self._inverse @ (self._of_data - cross @ shares)
        gained = float(2 * shares @ wanted - shares @ reduced @ shares)
        parts = level.reshape(3, self._terms) @ rings.smooth.T
        return LinearFit(self._angular.T @ parts, rings.envelope @ shares, gained)


__all__ = ["LinearFit", "LinearPart", "Rings", "flattened", "splines"]
