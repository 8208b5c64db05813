"""Pixel values of any depth as 8 bits, the depth that people and networks look at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Black and white are set at these percentiles, so that a few hot or dead pixels do not decide the contrast.
BLACK_PERCENTILE = 0.1
WHITE_PERCENTILE = 99.9
# Cameras of 12 bits write 16-bit files: a sixteenth of the range is their whole range. A narrower spread of values is
# not stretched to full contrast, so that the noise of an empty UV image stays dark.
SMALLEST_PART_OF_RANGE = 1 / 16


def to_8bit(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixel values, linearly scaled to 0..255.

    8-bit values are returned as they are, boolean ones as 0 and 255. Others are scaled from their 0.1 to their 99.9
    percentile. For integers of up to 16 bits that is over no less than 1/16 of the type's range (the range of a 12-bit
    camera in a 16-bit file). No camera fills the range of wider integers, and floating-point values have none, so there
    only the percentiles count. NaN becomes black, infinities black and white.

    Args:
        values: Any shape and numeric type.

    Returns:
        The same shape.

    Raises:
        ValueError: no value is finite, or the type is not a real number.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"pixel values of type {values.dtype} are no grey values")
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.reshape(-1)
    if finite.size == 0:
        raise ValueError("no pixel has a finite value")
    black, white = (float(value) for value in np.percentile(finite, (BLACK_PERCENTILE, WHITE_PERCENTILE)))
    span = white - black
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 2:
        span = max(span, float(np.iinfo(values.dtype).max) * SMALLEST_PART_OF_RANGE)
    if span <= 0:
        return np.zeros(values.shape, dtype=np.uint8)
    scaled = (values.astype(np.float64) - black) * (255.0 / span)
    scaled = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


__all__ = ["to_8bit"]
