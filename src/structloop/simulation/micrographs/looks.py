"""Looks of micrographs as users have them: filtered, cut to 8 bits, with streaked borders, inverted."""

from dataclasses import dataclass

import numpy as np
from scipy import fft

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.canvas import worker_count
from structloop.simulation.specimen import FloatArray

# 1 - exp(-c) leaves half of the power, at the stated size.
_HIGHPASS = -np.log(1 - 0.5**0.5)


@dataclass(frozen=True)
class Look:
    """What was done to a micrograph after it was taken.

    Attributes:
        highpass_angstrom, lowpass_angstrom: Structure larger, or smaller, than that is filtered out (half of the power
            is left there); 0 leaves it in.
        lowpass_steepness: Exponent of frequency in the low-pass filter; 2 is Gaussian.
        border_px: Width of a border of streaks: its pixels repeat the nearest pixel inside.
        inverted: Dense matter is bright.
        clip_sigma: Grey levels beyond so many standard deviations are clipped.
        eight_bit: Grey levels are whole numbers from 0 to 255.
    """

    highpass_angstrom: float = 0.0
    lowpass_angstrom: float = 0.0
    lowpass_steepness: float = 2.0
    border_px: int = 0
    inverted: bool = False
    clip_sigma: float = 5.5
    eight_bit: bool = True

    @classmethod
    def empiar_10017(cls, binning: int = 1) -> "Look":
        """Band-pass filtered, 8 bits, a streaked border of 110 pixels: as that entry of EMPIAR was published.

        The filter is read off the radial power of the published pictures, which falls to a hundredth at 1/47 Angstrom.
        """
        return cls(1500.0, 88.0, 3.0, border_px=round(110 / binning))

    def __call__(self, image: FloatArray, pixel_size_angstrom: float) -> FloatArray:
        """The picture (height, width) with this look, float32; in 8 bits whole numbers with mean about 128.

        Raises:
            SimulationError: The border leaves nothing of it.
        """
        image = np.asarray(image, np.float32)
        if 2 * self.border_px >= min(image.shape) - 2:
            raise SimulationError(
                f"a border of {self.border_px} px leaves nothing of {image.shape}; give a narrower one"
            )
        if self.highpass_angstrom or self.lowpass_angstrom:
            image = self._filtered(image, pixel_size_angstrom)
        if self.border_px:
            inner = image[self.border_px : -self.border_px, self.border_px : -self.border_px]
            image = np.pad(inner, self.border_px, mode="edge")
        if self.inverted:
            image = -image
        if not self.eight_bit:
            return image
        middle, spread = float(image.mean()), max(float(image.std()), 1e-9)
        scaled = (image - middle) * np.float32(127 / (self.clip_sigma * spread)) + np.float32(128)
        return np.asarray(np.clip(np.rint(scaled), 0, 255), np.float32)

    def _filtered(self, image: FloatArray, pixel_angstrom: float) -> FloatArray:
        height, width = image.shape
        spectrum = fft.rfft2(image - image.mean(), workers=worker_count())
        kx2 = fft.rfftfreq(width, pixel_angstrom).astype(np.float32)[None, :] ** 2
        ky2 = fft.fftfreq(height, pixel_angstrom).astype(np.float32)[:, None] ** 2
        k2 = kx2 + ky2
        half = np.float32(np.log(2) / 2)
        if self.lowpass_angstrom:
            power = np.float32(self.lowpass_steepness / 2)
            spectrum *= np.exp(-half * (k2 * np.float32(self.lowpass_angstrom**2)) ** power)
        if self.highpass_angstrom:
            spectrum *= 1 - np.exp(-np.float32(_HIGHPASS) * k2 * np.float32(self.highpass_angstrom**2))
        return np.asarray(fft.irfft2(spectrum, s=image.shape, workers=worker_count()), np.float32)


__all__ = ["Look"]
