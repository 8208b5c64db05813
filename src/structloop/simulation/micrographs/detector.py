"""The camera: how sharply it sees, how many electrons it misses, and how it tells what it saw."""

from dataclasses import dataclass

import numpy as np

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.canvas import Canvas, radial_table
from structloop.simulation.micrographs.noise import counted, generator_of, structural_field
from structloop.simulation.specimen import FloatArray


@dataclass(frozen=True)
class Detector:
    """A direct electron detector, or an integrating camera.

    Attributes:
        mtf_at_nyquist: Modulation transfer at the unbinned Nyquist frequency; it falls from 1 as m^(f^1.3).
        efficiency: Detective quantum efficiency at low frequency: this share of the electrons is counted. Counts are
            divided by it, so that they stay incident electrons.
        counting: A counting camera has white noise; an integrating one blurs its noise as it blurs the signal.
        gain_error: Standard deviation of what is left of the gain reference, as a share, fixed in the camera.
        camera_seed: Which camera: of its gain pattern.
    """

    mtf_at_nyquist: float = 0.5
    efficiency: float = 0.9
    counting: bool = True
    gain_error: float = 0.0
    camera_seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.mtf_at_nyquist <= 1:
            raise SimulationError(f"mtf_at_nyquist is {self.mtf_at_nyquist}; give a share above 0, at most 1")
        if not 0 < self.efficiency <= 1:
            raise SimulationError(f"efficiency is {self.efficiency}; give a share above 0, at most 1")

    @classmethod
    def perfect(cls) -> "Detector":
        """Sees every electron where it is."""
        return cls(1.0, 1.0)

    def transfer(self, k: FloatArray, full_pixel_angstrom: float) -> FloatArray:
        """Modulation transfer at spatial frequencies k, 1/Angstrom."""
        of_nyquist = np.asarray(k, np.float32) * np.float32(2 * full_pixel_angstrom)
        return np.asarray(np.power(np.float32(self.mtf_at_nyquist), of_nyquist ** np.float32(1.3)), np.float32)

    def read(self, rate: FloatArray, canvas: Canvas, seed: int) -> FloatArray:
        """Electrons per pixel with noise, from expected electrons per pixel, which are overwritten."""
        if self.counting:
            if self.efficiency < 1:
                rate *= np.float32(self.efficiency)
            image = counted(rate, seed)
            if self.efficiency < 1:
                image *= np.float32(1 / self.efficiency)
        else:
            full = canvas.pixel_angstrom / canvas.step

            def density(k: FloatArray) -> FloatArray:
                return np.asarray(self.transfer(k, full) ** 2 * canvas.pixel_angstrom**2, np.float32)

            # Normal noise, blurred, of the local variance: an integrating camera sees many electrons per pixel or more.
            noise = structural_field(canvas, seed, 0x5108, density)
            noise *= np.sqrt(np.maximum(rate, 0) * np.float32(1 / self.efficiency))
            image = rate
            image += noise
        if self.gain_error:
            gain = generator_of(self.camera_seed, 0x6A1).standard_normal(image.shape, dtype=np.float32)
            image *= 1 + np.float32(self.gain_error / canvas.step) * gain
        return image


def box_transfer(frequency: FloatArray, canvas: Canvas) -> FloatArray:
    """What summing `step` x `step` pixels into one does to frequencies along one axis (Dirichlet kernel), at most 1."""
    if canvas.step == 1:
        return np.ones_like(frequency)
    full = canvas.pixel_angstrom / canvas.step
    return np.asarray(np.sinc(frequency * canvas.pixel_angstrom) / np.sinc(frequency * full), np.float32)


__all__ = ["Detector", "box_transfer", "radial_table"]
