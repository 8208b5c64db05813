"""Where the defocus may be: an exhaustive search over mean and astigmatism, on coarse sectors.

Along one direction the rings only depend on the defocus there, so every sector is compared once with the rings of every
defocus; the score of a mean and an astigmatism is then a sum of those, looked up. Several envelopes are tried, because
how far the rings reach is not known yet.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.micrographs.ctf.rings import Rings
from structloop.micrographs.ctf.transfer import Array64, Defocus, FloatArray, Lens, phase

JOINED_SECTORS = 3
_STEP_UM = 0.01
_ASTIGMATISM_STEP_UM = 0.015
# exp(-B k^2 / 4) as envelopes of what is looked for.
_FALLOFFS_ANGSTROM2 = (40.0, 150.0, 500.0)
_PHASE_STEP_DEG = 15.0
_APART_UM = 0.04


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place to start from, and its score in standard deviations of noise."""

    defocus: Defocus
    score: float


class Search:
    """Sectors compared with rings of every defocus; asked for the best of all sectors, or of some.

    Args:
        rings: The flattened spectrum.
        lens: Of the microscope.
        defocus_um: Range (low, high) of the mean.
        most_astigmatism_um: Largest U - V.
        phase_shift_deg: Known phase shift, or None to look for it (0 to 180).
    """

    def __init__(
        self,
        rings: Rings,
        lens: Lens,
        *,
        defocus_um: tuple[float, float],
        most_astigmatism_um: float,
        phase_shift_deg: float | None,
    ) -> None:
        reach = math.ceil(most_astigmatism_um / 2 / _STEP_UM) + 1
        self._means: Array64 = np.arange(defocus_um[0], defocus_um[1] + _STEP_UM / 2, _STEP_UM)
        grid = np.asarray(defocus_um[0] + _STEP_UM * np.arange(-reach, len(self._means) + reach), np.float64)
        excess, weight, turn = _joined(rings)
        self._along, self._across = _astigmatisms(most_astigmatism_um / 2)
        off = self._along[:, None] * np.cos(turn) + self._across[:, None] * np.sin(turn)
        self._off = np.rint(off / _STEP_UM).astype(np.intp) + reach
        self._known = math.radians(phase_shift_deg or 0.0)
        self._shifts_deg = [0.0] if phase_shift_deg is not None else np.arange(0, 180, _PHASE_STEP_DEG).tolist()
        per_ring = weight.mean(axis=0)
        k2 = (rings.k2 * rings.weight).sum(axis=0) / np.maximum(rings.weight.sum(axis=0), 1e-12)
        k2 = np.asarray(np.where(per_ring > 0, k2, rings.k**2), np.float64)
        root = np.sqrt(per_ring)
        # What a smooth background could explain is taken out of both sides.
        basis, _ = np.linalg.qr(rings.smooth * root[:, None])
        basis32 = basis.astype(np.float32)
        twice = 2 * phase(lens, k2[None, :], grid[:, None], self._known)
        waves = [-np.cos(twice).astype(np.float32), np.sin(twice).astype(np.float32)]
        data = (excess * root).astype(np.float32)
        self._products: list[list[FloatArray]] = []
        self._spreads: list[FloatArray] = []
        for falloff in _FALLOFFS_ANGSTROM2:
            envelope = (np.exp(-falloff * k2 / 4) * root).astype(np.float32)
            products = []
            for wave in waves if len(self._shifts_deg) > 1 else waves[:1]:
                shape = wave * envelope
                shape -= (shape @ basis32) @ basis32.T
                products.append(data @ shape.T)
                if len(products) == 1:
                    self._spreads.append(np.square(shape[reach : reach + len(self._means)]).sum(axis=1))
            self._products.append(products)

    @property
    def sectors(self) -> int:
        """How many there are, joined."""
        return int(self._off.shape[1])

    def best(self, sectors: NDArray[np.bool_] | None = None, count: int = 3) -> list[Candidate]:
        """The best places of all or some sectors, for each envelope some that lie apart, best first."""
        chosen = np.arange(self.sectors) if sectors is None else np.flatnonzero(sectors)
        found: list[Candidate] = []
        for products, spread in zip(self._products, self._spreads, strict=True):
            for shift in self._shifts_deg:
                turn = 2 * math.radians(shift)
                # -cos(2 chi + t) is -cos(2 chi) cos t + sin(2 chi) sin t.
                signal = products[0] if len(products) == 1 else _turned(products, turn)
                total = np.zeros((len(self._off), len(self._means)), np.float32)
                for sector in chosen:
                    shown = np.lib.stride_tricks.sliding_window_view(signal[sector], len(self._means))
                    total += shown[self._off[:, sector]]
                which = total.argmax(axis=0)
                score = total.max(axis=0) / np.sqrt(np.maximum(spread * len(chosen), 1e-30))
                for place in _peaks(score, count):
                    at = int(which[place])
                    defocus = Defocus(
                        float(self._means[place]),
                        float(self._along[at]),
                        float(self._across[at]),
                        self._known + turn / 2,
                    )
                    found.append(Candidate(defocus, float(score[place])))
        return sorted(found, key=lambda each: -each.score)


def _turned(products: list[FloatArray], turn: float) -> FloatArray:
    return np.asarray(products[0] * np.float32(math.cos(turn)) + products[1] * np.float32(math.sin(turn)), np.float32)


def _joined(rings: Rings) -> tuple[Array64, Array64, Array64]:
    """Neighbouring sectors averaged: excess, weight, and twice the direction."""
    sectors = len(rings.cos_twice) // JOINED_SECTORS
    weight = rings.weight.reshape(sectors, JOINED_SECTORS, -1)
    total = weight.sum(axis=1)
    excess = (weight * rings.excess.reshape(weight.shape)).sum(axis=1) / np.maximum(total, 1e-12)
    turn = np.arctan2(rings.sin_twice, rings.cos_twice) % (2 * math.pi)
    return excess, total, turn.reshape(sectors, JOINED_SECTORS).mean(axis=1)


def _astigmatisms(half: float) -> tuple[Array64, Array64]:
    reach = math.ceil(half / _ASTIGMATISM_STEP_UM)
    steps = np.linspace(-half, half, 2 * reach + 1)
    along, across = (each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
    inside = np.hypot(along, across) <= half + 1e-9
    return along[inside], across[inside]


def _peaks(score: FloatArray, count: int) -> list[int]:
    left = score.copy()
    found = []
    apart = round(_APART_UM / _STEP_UM)
    for _ in range(count):
        place = int(np.argmax(left))
        if not np.isfinite(left[place]):
            break
        found.append(place)
        left[max(place - apart, 0) : place + apart + 1] = -np.inf
    return found


__all__ = ["JOINED_SECTORS", "Candidate", "Search"]
