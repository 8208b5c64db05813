"""Crystalline ice in the spectrum: its reflections, as spots and as rings.

Hexagonal ice reflects at 3.90, 3.67 and 3.44 Angstrom, cubic ice at 3.66 (Dowell & Rinfret, Nature 188 (1960) 1144);
vitreous ice has a broad halo near 3.7 and no spots.
"""

import math
from dataclasses import dataclass

import numpy as np

from structloop.micrographs.ctf.spectra import MeanSpectrum, Spectra

SPACINGS_ANGSTROM = (3.90, 3.67, 3.44)
_HALF_WIDTH = 0.012
_SPOT_BAND_ANGSTROM = (4.02, 3.36)
# Of n waves of noise the largest is about ln n times the mean; more than this beyond it is a spot.
_BEYOND_CHANCE = 11.0
_LEAST_STRENGTH = 0.15
_LEAST_SIGMA = 8.0
# Rings beside a reflection that its background is taken from; small pictures have too few.
_LEAST_BESIDE = 3


@dataclass(frozen=True, slots=True)
class IceRing:
    """A reflection.

    Attributes:
        spacing_angstrom: Where.
        strength: Power over what lies to either side, less 1.
        sigma: The same in standard deviations of noise.
    """

    spacing_angstrom: float
    strength: float
    sigma: float


@dataclass(frozen=True, slots=True)
class CrystallineIce:
    """What was seen of crystalline ice.

    Attributes:
        present: Whether any is there.
        rings: The reflections that stand out as rings.
        spotted_share: Share of tiles with single spots among the reflections.
    """

    present: bool
    rings: tuple[IceRing, ...]
    spotted_share: float

    @property
    def bands(self) -> tuple[tuple[float, float], ...]:
        """Bands of k, 1/Angstrom, that a fit leaves out."""
        if not self.present:
            return ()
        return tuple(((1 - _HALF_WIDTH) / each, (1 + _HALF_WIDTH) / each) for each in SPACINGS_ANGSTROM)


def spot_band() -> tuple[float, float]:
    """The band of k, 1/Angstrom, in which single waves are looked at."""
    return 1 / _SPOT_BAND_ANGSTROM[0], 1 / _SPOT_BAND_ANGSTROM[1]


def crystalline_ice(spectra: Spectra, mean: MeanSpectrum) -> CrystallineIce | None:
    """Looks for reflections; None where the pixels are too coarse to show them.

    Args:
        spectra: Taken with `spot_band()` as the first of its bands.
        mean: Their mean.
    """
    k = spectra.k
    if k[-1] < 1.03 / SPACINGS_ANGSTROM[1]:
        return None
    power = mean.power.astype(np.float64)
    waves = mean.certain.astype(np.float64).sum(axis=0)
    radial = (power * mean.certain).sum(axis=0) / np.maximum(waves, 1e-9)
    found = []
    for spacing in SPACINGS_ANGSTROM:
        inside = np.abs(k * spacing - 1) < _HALF_WIDTH / 2
        beside = (np.abs(k * spacing - 1) > 1.2 * _HALF_WIDTH) & (np.abs(k * spacing - 1) < 2.5 * _HALF_WIDTH)
        if not inside.any() or beside.sum() < _LEAST_BESIDE or k[-1] < (1 + 2.5 * _HALF_WIDTH) / spacing:
            continue
        # A line through both sides: the halo of vitreous ice slopes.
        line = np.polyfit(k[beside], radial[beside], 1, w=np.sqrt(waves[beside]))
        usual = np.maximum(np.polyval(line, k[inside]), 1e-30)
        strength = float(np.average(radial[inside] / usual - 1, weights=waves[inside]))
        scatter = float(np.std(radial[beside] / np.maximum(np.polyval(line, k[beside]), 1e-30)))
        noise = max(scatter, 1 / math.sqrt(float(waves[beside].mean()))) / math.sqrt(max(int(inside.sum()) / 2, 1))
        if strength > _LEAST_STRENGTH and strength > _LEAST_SIGMA * noise:
            found.append(IceRing(spacing, strength, strength / noise))
    used = spectra.usable > 0
    share = 0.0
    if spectra.spots.shape[1]:
        low, high = spectra.spot_bands[0]
        many = math.pi / 2 * (high**2 - low**2) / spectra.step**2
        share = float((spectra.spots[used, 0] > math.log(max(many, 2)) + _BEYOND_CHANCE).mean())
    return CrystallineIce(bool(found) or share >= 2 / max(int(used.sum()), 2), tuple(found), share)


__all__ = ["SPACINGS_ANGSTROM", "CrystallineIce", "IceRing", "crystalline_ice", "spot_band"]
