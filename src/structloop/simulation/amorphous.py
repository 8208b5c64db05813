"""Exposures of nothing but amorphous structure: Thon rings at a known signal-to-noise ratio, made in a second.

The renderer of whole micrographs (`simulation.micrographs`) follows physics from specimen to counts; here, statistics
are set instead: a random field of known spectrum through the transfer function, plus white noise, so that the ratio of
their variances and the resolution at which the signal ends are exact. Benchmarks of CTF fits need just those.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.noise import generator_of
from structloop.simulation.optics import Optics
from structloop.simulation.specimen import FloatArray

_TILT_LEVELS_UM = 0.03
_MOST_LEVELS = 64


@dataclass(frozen=True)
class Amorphous:
    """What an exposure shows.

    Attributes:
        width_px, height_px, pixel_size_angstrom: Of the exposure.
        snr: Variance of the signal over that of the noise, per pixel; 0 is noise alone.
        ends_at_angstrom: The signal is cut at this resolution; None leaves it to the envelope.
        b_factor_angstrom2: exp(-B k^2 / 4) on its amplitudes.
        clutter: Standard deviation, in those of the noise, of uneven brightness over some hundred pixels.
        tilt_deg, tilt_axis_deg: As of `specimen.Specimen`.
        film: Share of the width covered by film, from the left with a straight, slanted edge; 0 is none.
        film_snr: The same ratio on the film. `snr` is that beside it.
        film_darker: By how much film is darker, in standard deviations of the noise.
    """

    width_px: int = 4096
    height_px: int = 4096
    pixel_size_angstrom: float = 1.0
    snr: float = 0.05
    ends_at_angstrom: float | None = None
    b_factor_angstrom2: float = 30.0
    clutter: float = 0.2
    tilt_deg: float = 0.0
    tilt_axis_deg: float = 0.0
    film: float = 0.0
    film_snr: float = 0.1
    film_darker: float = 1.0

    def __post_init__(self) -> None:
        if min(self.width_px, self.height_px) < 16 or self.snr < 0 or self.film_snr < 0 or not 0 <= self.film < 1:
            raise SimulationError(
                f"{self} cannot be made; sides of 16 pixels and more, ratios from 0, and film from 0 to below 1"
            )

    def film_mask(self) -> NDArray[np.bool_]:
        """(y, x), True on film."""
        x = (np.arange(self.width_px, dtype=np.float32) + 0.5) / self.width_px
        y = (np.arange(self.height_px, dtype=np.float32)[:, None] + 0.5) / self.height_px
        return np.asarray(x + 0.3 * (y - 0.5) < self.film)

    def render(self, optics: Optics, seed: int) -> FloatArray:
        """The exposure, (y, x); noise has a standard deviation of 1 and a mean of 10."""
        draw = generator_of(seed, 0xA308)
        signal = self._signal(optics, draw) if self.snr > 0 or (self.film > 0 and self.film_snr > 0) else None
        image = draw.standard_normal((self.height_px, self.width_px), dtype=np.float32)
        image += 10
        film = self.film_mask() if self.film > 0 else None
        if signal is not None:
            inside = np.float32(self.snr**0.5)
            signal *= inside if film is None else np.where(film, np.float32(self.film_snr**0.5), inside)
            image += signal
        if film is not None:
            image -= np.float32(self.film_darker) * film
        if self.clutter:
            image += np.float32(self.clutter) * self._uneven(draw)
        return image

    def _signal(self, optics: Optics, draw: np.random.Generator) -> FloatArray:
        """Structure through the lens, of variance 1."""
        shape = (self.height_px, self.width_px)
        ky = fft.fftfreq(shape[0], self.pixel_size_angstrom).astype(np.float32)[:, None]
        kx = fft.rfftfreq(shape[1], self.pixel_size_angstrom).astype(np.float32)[None, :]
        k2 = kx * kx + ky * ky
        envelope = np.exp(np.float32(-self.b_factor_angstrom2 / 4) * k2)
        # Matter has more contrast at low resolution, over some ten angstrom.
        envelope *= np.sqrt(1 + 3 * np.exp(-k2 * np.float32(30.0**2)))
        if self.ends_at_angstrom is not None:
            envelope *= k2 < np.float32(1 / self.ends_at_angstrom**2)
        structure = fft.rfft2(draw.standard_normal(shape, dtype=np.float32), workers=-1) * envelope
        if self.tilt_deg == 0:
            signal = fft.irfft2(structure * optics.ctf(kx, ky), s=shape, workers=-1, overwrite_x=True)
        else:
            signal = self._tilted(structure, optics, kx, ky)
        signal /= signal.std()
        return np.asarray(signal, np.float32)

    def _tilted(self, structure: NDArray[np.complex64], optics: Optics, kx: FloatArray, ky: FloatArray) -> FloatArray:
        """Blended from exposures at several heights."""
        axis = np.deg2rad(self.tilt_axis_deg)
        x = np.arange(self.width_px, dtype=np.float32) - np.float32((self.width_px - 1) / 2)
        y = (np.arange(self.height_px, dtype=np.float32) - np.float32((self.height_px - 1) / 2))[:, None]
        slope = np.tan(np.deg2rad(self.tilt_deg)) * self.pixel_size_angstrom * 1e-4
        height = (np.float32(np.cos(axis)) * y - np.float32(np.sin(axis)) * x) * np.float32(slope)
        reach = float(np.abs(height).max())
        count = min(max(int(np.ceil(2 * reach / _TILT_LEVELS_UM)) + 1, 2), _MOST_LEVELS)
        levels = np.linspace(-reach, reach, count)
        apart = np.float32(levels[1] - levels[0])
        total = np.zeros(height.shape, np.float32)
        for level in levels:
            share = np.maximum(1 - np.abs(height - np.float32(level)) / apart, 0)
            seen = fft.irfft2(structure * optics.defocused(float(level)).ctf(kx, ky), s=height.shape, workers=-1)
            total += share * seen
        return total

    def _uneven(self, draw: np.random.Generator) -> FloatArray:
        rows, columns = self.height_px, self.width_px
        ky, kx = fft.fftfreq(rows)[:, None], fft.rfftfreq(columns)[None, :]
        few = 48
        spectrum = np.zeros((rows, columns // 2 + 1), np.complex64)
        for part in (slice(0, few), slice(-few, None)):
            drawn = draw.standard_normal((few, few, 2), dtype=np.float32)
            fall = np.exp(-((ky[part] * 300) ** 2 + (kx[:, :few] * 300) ** 2) / 2)
            spectrum[part, :few] = (drawn[..., 0] + 1j * drawn[..., 1]) * fall
        spectrum[0, 0] = 0
        field = fft.irfft2(spectrum, s=(rows, columns), workers=-1)
        return np.asarray(field / field.std(), np.float32)


__all__ = ["Amorphous"]
