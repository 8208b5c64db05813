"""Micrographs as people look at them: smaller, 8 bits, with or without a low-pass filter."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, ndimage

from structloop.imaging.derived import DerivedFolder
from structloop.imaging.micrographs import read_micrograph

KIND = "micrograph-pictures"
SUFFIX = ".jpg"
_QUALITY = 88
_CLIP_DEVIATIONS = 4.0
"""Wide on purpose: whoever looks narrows the contrast, and grey values cut off here could not be brought back."""


def micrograph_picture(
    files: DerivedFolder, source: Path, fingerprint: str, longest_px: int, low_pass_px: float = 0.0
) -> Path:
    """A JPEG of a micrograph, made when it does not exist yet.

    Args:
        files: Where derived files lie.
        source: The micrograph.
        fingerprint: What its derived files are kept under.
        longest_px: Longest side of the picture in pixels; smaller micrographs keep their size.
        low_pass_px: Details smaller than this many stored pixels are smoothed away; 0 leaves all.

    Raises:
        ImageMissingError, ImageTruncatedError, ImageFormatError, ImageError: as `read_micrograph`.
        StoreUnavailableError: the picture cannot be written.
    """
    make = partial(_write, source, longest_px, low_pass_px)
    return files.get_or_make(KIND, fingerprint, SUFFIX, make, longest_px=longest_px, low_pass_px=low_pass_px)


def to_picture(pixels: NDArray[np.float32], longest_px: int, low_pass_px: float = 0.0) -> Image.Image:
    """An 8-bit picture of a micrograph (y, x): mean grey in the middle, four robust deviations to either side.

    Shrinking averages whole pixels first and resamples the rest, so that nothing is aliased. The low-pass is a Gaussian
    whose Fourier amplitude at 1 / `low_pass_px` is a half.
    """
    shrink = max(pixels.shape) / longest_px
    block = max(1, int(shrink))
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % block), (0, -width % block)), mode="edge")
    small = padded.reshape(padded.shape[0] // block, block, -1, block).mean(axis=(1, 3))
    if low_pass_px > block:
        spread_px = np.sqrt(np.log(2) / 2) / np.pi * low_pass_px / block
        spectrum = ndimage.fourier_gaussian(fft.rfft2(small), spread_px, n=small.shape[1])
        small = fft.irfft2(spectrum, s=small.shape)
    middle = float(np.median(small))
    deviation = 1.4826 * float(np.median(np.abs(small - middle))) or float(small.std()) or 1.0
    grey = np.clip((small - middle) / (_CLIP_DEVIATIONS * deviation) * 127.5 + 127.5, 0, 255).astype(np.uint8)
    picture = Image.fromarray(grey)
    if shrink <= 1:
        return picture
    size = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    # Without the padding, so that the picture shows exactly the micrograph and marks lie where they belong.
    return picture.resize(size, Image.Resampling.LANCZOS, box=(0, 0, width / block, height / block))


def _write(source: Path, longest_px: int, low_pass_px: float, target: Path) -> None:
    to_picture(read_micrograph(source).pixels, longest_px, low_pass_px).save(target, "JPEG", quality=_QUALITY)


__all__ = ["KIND", "micrograph_picture", "to_picture"]
