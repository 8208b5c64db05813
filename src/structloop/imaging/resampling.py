"""Resampling pictures in Fourier space: by any factor, of any shape, with exact places.

Cutting a picture's Fourier transform gives the picture that a coarser, perfect camera would have taken: nothing is
folded back. The half pixel that the centre of the first pixel moves by when pixels grow is put right with a phase, so
that a place (x, y) is found at ``(x + 0.5) / scale - 0.5`` afterwards.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import fft

FloatArray = NDArray[np.float32]

_STEPS = 16
"""Scales are whole multiples of 1/16, so that padded pictures of whole pixels exist at both samplings."""


@dataclass(frozen=True)
class Resampling:
    """A plan: by how much a picture is scaled, and to which size it is padded first.

    Attributes:
        scale: Old pixels per new pixel: above 1 the picture shrinks.
        padded_shape: (height, width) in old pixels that make whole numbers of new pixels.
        shape: (height, width) in new pixels, multiples of `multiple` of the plan.
        inside: (height, width) of new pixels whose centre lies on the unpadded picture.
    """

    scale: float
    padded_shape: tuple[int, int]
    shape: tuple[int, int]
    inside: tuple[int, int]


def plan_resampling(shape: tuple[int, int], scale: float, *, multiple: int = 16) -> Resampling:
    """The plan for pictures of `shape` (height, width) and about `scale`, which is rounded to a 16th.

    Args:
        shape: Height and width, old pixels.
        scale: Old pixels per new pixel.
        multiple: Height and width in new pixels are multiples of it.

    Raises:
        ValueError: A side is below 1, or the scale rounds to nothing.
    """
    if min(shape) < 1:
        raise ValueError(f"a picture of {shape} has no pixels")
    sixteenths = round(scale * _STEPS) if math.isfinite(scale) else 0
    if sixteenths < 1:
        raise ValueError(f"scale {scale} is too small; give at least {1 / _STEPS}")
    exact = Fraction(sixteenths, _STEPS)
    unit = math.lcm(multiple, exact.denominator)

    def padded(side: int) -> tuple[int, int, int]:
        new = math.ceil(side / exact / unit) * unit
        return int(new * exact), new, max(1, math.floor((side - Fraction(1, 2)) / exact + Fraction(1, 2)))

    tall, wide = padded(shape[0]), padded(shape[1])
    return Resampling(float(exact), (tall[0], wide[0]), (tall[1], wide[1]), (tall[2], wide[2]))


def resample(image: NDArray[np.generic], plan: Resampling) -> FloatArray:
    """`image` (height, width) after `plan`, float32; the padding mirrors the picture.

    Raises:
        ValueError: The image is not of the shape that the plan is for.
    """
    height, width = image.shape
    if height > plan.padded_shape[0] or width > plan.padded_shape[1]:
        raise ValueError(f"an image of {image.shape} is larger than the plan's {plan.padded_shape}")
    pixels = np.asarray(image, np.float32)
    return _along_rows(_along_rows(pixels, plan.padded_shape[1], plan.shape[1]).T, *_tall(plan)).T.copy()


def _tall(plan: Resampling) -> tuple[int, int]:
    return plan.padded_shape[0], plan.shape[0]


def _along_rows(image: NDArray[np.float32], padded: int, wanted: int) -> FloatArray:
    rows, columns = image.shape
    whole = np.empty((rows, padded), np.float32)
    whole[:, :columns] = image
    if padded > columns:
        whole[:, columns:] = image[:, _mirrored(columns, padded)]
    spectrum = fft.rfft(whole, axis=1, overwrite_x=True)
    kept = min(padded, wanted) // 2 + 1
    cut = np.zeros((rows, wanted // 2 + 1), np.complex64)
    cut[:, :kept] = spectrum[:, :kept]
    # The first new pixel's centre lies (scale - 1) / 2 old pixels into the picture.
    shift = (padded / wanted - 1) / 2 / padded
    cut *= np.exp(2j * np.pi * shift * np.arange(wanted // 2 + 1)).astype(np.complex64)
    # A lone Nyquist wave has no place of its own to be shifted to.
    if min(padded, wanted) % 2 == 0:
        cut[:, min(padded, wanted) // 2] = 0
    resampled = fft.irfft(cut, n=wanted, axis=1, overwrite_x=True)
    return np.asarray(resampled * np.float32(wanted / padded), np.float32)


def _mirrored(columns: int, padded: int) -> NDArray[np.intp]:
    """Columns that stand beyond the edge: half mirror this edge, half the other, since Fourier pictures wrap round."""
    beyond = padded - columns
    here = beyond - beyond // 2
    period = 2 * columns
    steps = np.concatenate([np.arange(columns, columns + here), np.arange(-(beyond // 2), 0)]) % period
    return np.where(steps < columns, steps, period - 1 - steps)


__all__ = ["Resampling", "plan_resampling", "resample"]
