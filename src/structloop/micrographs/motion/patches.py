"""What of a movie is kept in memory to align it: patches of every frame, transformed, up to some frequency.

A frame is cut into patches that do not overlap and fade at their rims; of each patch's transform the coefficients up
to a frequency are kept that the memory allows. Frames of more than six thousand pixels along a side are binned first.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

FloatArray = NDArray[np.float32]
ComplexArray = NDArray[np.complex64]

_BINNED_SIDE_PX = 4096
_PATCH_PX = 256
_FEWEST_PATCHES, _MOST_PATCHES = 3, 8
_TAPER = 0.06
_KEPT_OF_NYQUIST = 0.72


@dataclass(frozen=True)
class PatchPlan:
    """How frames of one size become patches.

    Attributes:
        binning: Pixels of the frame per binned pixel, along each axis.
        size: (height, width) of a patch, binned pixels.
        starts_y, starts_x: Where patches begin, binned pixels.
        kept: (rows of either sign, columns) of coefficients that are kept: rows -kept..kept, columns 0..kept.
    """

    binning: int
    size: tuple[int, int]
    starts_y: NDArray[np.int64]
    starts_x: NDArray[np.int64]
    kept: tuple[int, int]

    @classmethod
    def of(
        cls, height_px: int, width_px: int, frames: int, memory_bytes: int, highest: float = _KEPT_OF_NYQUIST / 2
    ) -> "PatchPlan":
        """The plan for movies of that size: coefficients up to `highest` cycles per pixel that take at most so much."""
        binning = max(1, round(max(height_px, width_px) / _BINNED_SIDE_PX))
        size_y, starts_y = _cut(height_px // binning)
        size_x, starts_x = _cut(width_px // binning)
        # Of a binned frame, up to its own highest.
        share = min(2 * highest * binning, _KEPT_OF_NYQUIST)
        kept_y, kept_x = (max(4, int(share * size / 2)) for size in (size_y, size_x))
        needed = 8 * frames * len(starts_y) * len(starts_x) * (2 * kept_y + 1) * (kept_x + 1)
        if needed > memory_bytes:
            smaller = (memory_bytes / needed) ** 0.5
            kept_y, kept_x = max(4, int(kept_y * smaller)), max(4, int(kept_x * smaller))
        return cls(binning, (size_y, size_x), starts_y, starts_x, (kept_y, kept_x))

    def narrowed(self, highest: float) -> "PatchPlan":
        """The same patches, coefficients only up to `highest` cycles per pixel of the frame."""
        most = [int(highest * size * self.binning) for size in self.size]
        kept_y, kept_x = (max(4, min(kept, limit)) for kept, limit in zip(self.kept, most, strict=True))
        return replace(self, kept=(kept_y, kept_x))

    def cut(self, spectra: ComplexArray, narrow: "PatchPlan") -> ComplexArray:
        """Of coefficients (..., rows, columns) of this plan those of a narrower one, copied."""
        low = self.kept[0] - narrow.kept[0]
        return np.ascontiguousarray(spectra[..., low : low + 2 * narrow.kept[0] + 1, : narrow.kept[1] + 1])

    @property
    def patches(self) -> int:
        """How many patches a frame has."""
        return len(self.starts_y) * len(self.starts_x)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(patches, rows, columns) of one frame's coefficients."""
        return self.patches, 2 * self.kept[0] + 1, self.kept[1] + 1

    def centres_px(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """x and y of the patches' centres, pixels of the frame, in the order of the patches."""
        y = (self.starts_y + (self.size[0] - 1) / 2 + 0.5) * self.binning - 0.5
        x = (self.starts_x + (self.size[1] - 1) / 2 + 0.5) * self.binning - 0.5
        across, down = np.meshgrid(x, y)
        return across.ravel(), down.ravel()

    def frequencies(self) -> tuple[FloatArray, FloatArray]:
        """ky (rows, 1) and kx (1, columns) in cycles per pixel of the frame."""
        ky = np.arange(-self.kept[0], self.kept[0] + 1) / (self.size[0] * self.binning)
        kx = np.arange(self.kept[1] + 1) / (self.size[1] * self.binning)
        return ky[:, None].astype(np.float32), kx[None, :].astype(np.float32)

    def transform(self, frame: FloatArray, out: ComplexArray) -> None:
        """Puts the coefficients of a frame (y, x) into `out` of `shape`."""
        small = binned(frame, self.binning)
        tall, wide = self.size
        fade = _fade(tall)[:, None] * _fade(wide)[None, :]
        strip = np.empty((len(self.starts_x), tall, wide), np.float32)
        kept_y, kept_x = self.kept
        for row, top in enumerate(self.starts_y):
            for column, left in enumerate(self.starts_x):
                strip[column] = small[top : top + tall, left : left + wide]
            strip -= strip.mean(axis=(1, 2), keepdims=True)
            strip *= fade
            whole = fft.rfft(strip, axis=2, overwrite_x=False)[:, :, : kept_x + 1]
            spectra = fft.fft(whole, axis=1)
            place = out[row * len(self.starts_x) : (row + 1) * len(self.starts_x)]
            place[:, kept_y:] = spectra[:, : kept_y + 1]
            place[:, :kept_y] = spectra[:, -kept_y:]


def binned(frame: FloatArray, binning: int) -> FloatArray:
    """Sums of binning x binning pixels; what is left over at the last edges is left out."""
    if binning == 1:
        return frame
    height, width = (side // binning * binning for side in frame.shape)
    rows = frame[0:height:binning].copy()
    for step in range(1, binning):
        rows += frame[step:height:binning]
    total = rows[:, 0:width:binning].copy()
    for step in range(1, binning):
        total += rows[:, step:width:binning]
    return total


def _cut(side: int) -> tuple[int, NDArray[np.int64]]:
    """Size of patches along a side, a size that transforms fast, and where they begin, evenly spaced."""
    count = min(max(round(side / _PATCH_PX), _FEWEST_PATCHES), _MOST_PATCHES)
    size = side // count
    while size > 16 and (size % 2 or fft.next_fast_len(size, real=True) != size):
        size -= 1
    starts = np.round((np.arange(count) + 0.5) * side / count - size / 2).astype(np.int64)
    return size, np.clip(starts, 0, side - size)


def _fade(side: int) -> FloatArray:
    ramp = max(2, round(_TAPER * side))
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
    return np.concatenate([rise, np.ones(side - 2 * ramp), rise[::-1]]).astype(np.float32)


__all__ = ["ComplexArray", "FloatArray", "PatchPlan", "binned"]
