"""Borders whose pixels repeat or blend into their neighbours: what alignment and filters leave along the edges."""

import numpy as np
from numpy.typing import NDArray

# Seen from the edge, no border that programs leave is wider than this share of the side.
_WIDEST_SHARE = 0.12
# Beside a true picture's, the steps across a streaked border are small: measured 0 to 0.4 in EMPIAR-10017, over a
# band of 30 to 70 lines. Lines outside of the band may look ordinary: a filter's wave comes round from the far edge.
_FLAT_SHARE = 0.4
_BAND_PX = 8


def border_widths(pixels: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """Pixels of streaked or constant border at the left, top, right and bottom of a stored micrograph (y, x)."""
    height, width = pixels.shape
    middle = pixels[height // 4 : -(height // 4), width // 4 : -(width // 4)]
    across = float(np.abs(np.diff(middle[::4], axis=1)).mean())
    down = float(np.abs(np.diff(middle[:, ::4], axis=0)).mean())
    wide, tall = max(2, int(width * _WIDEST_SHARE)), max(2, int(height * _WIDEST_SHARE))
    return (
        _run(np.abs(np.diff(pixels[:, :wide], axis=1)).mean(axis=0), across),
        _run(np.abs(np.diff(pixels[:tall], axis=0)).mean(axis=1), down),
        _run(np.abs(np.diff(pixels[:, : -wide - 1 : -1], axis=1)).mean(axis=0), across),
        _run(np.abs(np.diff(pixels[: -tall - 1 : -1], axis=0)).mean(axis=1), down),
    )


def _run(steps: NDArray[np.float32], typical: float) -> int:
    """Lines up to the end of the last flat band."""
    if typical <= 0 or len(steps) < _BAND_PX:
        return 0
    flat = np.convolve(steps, np.full(_BAND_PX, 1 / _BAND_PX), mode="valid") < _FLAT_SHARE * typical
    last = int(np.flatnonzero(flat)[-1]) + _BAND_PX + 1 if flat.any() else 0
    # What stays flat over all that was looked at is a part of the picture: film or vacuum.
    return last if last <= len(steps) - _BAND_PX else 0


__all__ = ["border_widths"]
