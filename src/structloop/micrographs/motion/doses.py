"""Weighting frames by what radiation has left of each resolution, by a few transforms instead of one a frame.

Grant & Grigorieff, eLife 4 (2015) e06980: the amplitude at spatial frequency k has fallen to exp(-N / (2 Nc(k)))
after a dose of N, with the critical exposure Nc(k) = 0.245 k^-1.665 + 2.81 e/A^2 at 300 kV; at 200 kV 0.8 times that.
Each frame is filtered with that factor, and the sum divided by the root of the sum of its squares, so that noise
stays white.

The factors, as a table of frames and frequencies, are all but a few columns' combinations: a handful of sums of
frames, each with its own weights, is transformed and filtered instead of every frame (the error is below `TOLERANCE`
of 1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from structloop.core.errors import MotionError

Array64 = NDArray[np.float64]
FloatArray = NDArray[np.float32]

TOLERANCE = 1e-3
_FREQUENCIES = 400


def critical_exposure(k: Array64, voltage_kv: float) -> Array64:
    """Critical exposure, e/A^2, at spatial frequencies k (1/Angstrom); the factor 0.8 at 200 kV is interpolated.

    Raises:
        MotionError: the voltage is none for which it is known (80 to 320 kV).
    """
    if not 80 <= voltage_kv <= 320:
        raise MotionError(f"voltage_kv is {voltage_kv:g}; dose weighting is known from 80 to 320 kV")
    scale = np.interp(voltage_kv, [100.0, 200.0, 300.0], [0.6, 0.8, 1.0])
    return np.asarray((0.245 * np.maximum(k, 1e-4) ** -1.665 + 2.81) * scale)


@dataclass(frozen=True)
class DoseWeights:
    """Weights of frames in a few sums, and how these make the unweighted and the dose-weighted picture.

    Attributes:
        weights: (sums, frames) float32: what each frame counts in each sum.
        plain: (sums,) what each sum counts in the unweighted picture.
        filters: (frequencies, sums) what each counts in the dose-weighted one, by frequency; None: it is not made.
        highest: Frequency of the last row, cycles per pixel.
    """

    weights: FloatArray
    plain: FloatArray
    filters: Array64 | None = None
    highest: float = 0.5**0.5

    @classmethod
    def none(cls, frames: int) -> "DoseWeights":
        """Only the unweighted sum."""
        return cls(np.ones((1, frames), np.float32), np.ones(1, np.float32))

    @classmethod
    def of(
        cls,
        numbers: NDArray[np.int64],
        dose_per_frame: float,
        voltage_kv: float,
        pixel_size_angstrom: float,
        pre_exposure: float = 0.0,
    ) -> "DoseWeights":
        """The weights of the frames with these numbers (from 0; those thrown away did their damage, too).

        Args:
            numbers: Of the frames that are summed.
            dose_per_frame: Electrons per square Angstrom.
            voltage_kv: Of the microscope.
            pixel_size_angstrom: Of the frames.
            pre_exposure: Electrons per square Angstrom before the first frame.

        Raises:
            MotionError: a dose, the pixel size or the voltage is out of range.
        """
        if not (0 < dose_per_frame < 1000 and 0 <= pre_exposure < 1e5 and 0 < pixel_size_angstrom < 1000):
            raise MotionError(
                f"dose_per_frame {dose_per_frame:g}, pre_exposure {pre_exposure:g} or pixel_size_angstrom "
                f"{pixel_size_angstrom:g} is out of range"
            )
        highest = 0.5**0.5
        k = np.linspace(0, highest, _FREQUENCIES)
        dose = pre_exposure + (numbers + 1.0) * dose_per_frame
        kept = np.exp(-dose[:, None] / (2 * critical_exposure(k / pixel_size_angstrom, voltage_kv)))
        left, sizes, _ = np.linalg.svd(kept, full_matrices=False)
        # The mean is one of the sums, so that the unweighted picture is exact.
        mean = np.ones(len(numbers)) / len(numbers) ** 0.5
        count = 1
        while True:
            basis = np.linalg.qr(np.column_stack([mean, left[:, :count]]))[0]
            factors = kept.T @ basis
            if np.abs(factors @ basis.T - kept.T).max() < TOLERANCE or count >= len(sizes) - 1:
                break
            count += 1
        norm = np.sqrt((kept**2).sum(axis=0)) / len(numbers) ** 0.5
        plain = basis.T @ np.ones(len(numbers))
        return cls(basis.T.astype(np.float32), plain.astype(np.float32), factors / norm[:, None], highest)

    @property
    def sums(self) -> int:
        """How many sums are kept."""
        return len(self.weights)

    def unweighted(self, sums: FloatArray) -> FloatArray:
        """The plain sum of all frames, (y, x), of the sums (sums, y, x)."""
        picture = sums[0] * self.plain[0]
        for one, factor in zip(sums[1:], self.plain[1:], strict=True):
            if abs(factor) > 1e-6:
                picture += one * factor
        return np.asarray(picture, np.float32)

    def weighted(self, sums: FloatArray, workers: int) -> FloatArray:
        """The dose-weighted sum, (y, x), scaled such that noise has the power of the plain sum's.

        Raises:
            MotionError: no filters were made.
        """
        if self.filters is None:
            raise MotionError("dose weighting needs the dose per frame, the voltage and the pixel size; give them")
        height, width = sums.shape[1:]
        ky = fft.fftfreq(height)[:, None].astype(np.float32)
        kx = fft.rfftfreq(width)[None, :].astype(np.float32)
        place = np.sqrt(ky**2 + kx**2) * np.float32((len(self.filters) - 1) / self.highest)
        low = np.minimum(place.astype(np.int32), len(self.filters) - 2)
        place -= low
        total = np.zeros((height, width // 2 + 1), np.complex64)
        for one, by_frequency in zip(sums, self.filters.T.astype(np.float32), strict=True):
            spectrum = fft.rfft2(one, workers=workers)
            rise = np.diff(by_frequency)
            spectrum *= by_frequency[low] + rise[low] * place
            total += spectrum
        return np.asarray(fft.irfft2(total, s=(height, width), workers=workers, overwrite_x=True), np.float32)


__all__ = ["TOLERANCE", "DoseWeights", "critical_exposure"]
