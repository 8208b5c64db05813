"""The Thon rings of a micrograph with the fit beside them, as people judge a fit: by eye.

The right half is the spectrum, background removed, the left half the fit; rings that go on across the middle fit. The
frequency 0 is in the middle, x to the right and y down as in the micrograph. The fit ends where the rings do: a circle.
"""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from structloop.micrographs.ctf.fitting import CtfFit
from structloop.micrographs.ctf.transfer import phase

# Grey levels span this many standard deviations of what is shown at a radius.
_SPAN = 2.0
# Averaged over neighbouring sectors and rings, so that noise does not hide what the eye would average.
_SMOOTHED = (1.2, 0.8)
_CIRCLE = 255


def thon_picture(fit: CtfFit, side_px: int = 512) -> Image.Image:
    """A square picture, 8-bit grey: spectrum on the right, fit on the left.

    Args:
        fit: The fit, with its rings.
        side_px: Side of the picture.
    """
    pixels = np.arange(side_px, dtype=np.float64) + 0.5 - side_px / 2
    place = np.asarray(pixels * (2 / side_px * float(fit.rings.k[-1])), np.float64)
    right = place >= 0
    out = np.empty((side_px, side_px), np.float64)
    out[:, right] = _spectrum(fit, place, place[right])
    out[:, ~right] = _model(fit, place, place[~right])
    grey = np.clip(out * 255, 0, 255).astype(np.uint8)
    _draw_limit(grey, fit)
    return Image.fromarray(grey)


def _spectrum(fit: CtfFit, ky: NDArray[np.float64], kx: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey levels, 0 to 1, of the flattened spectrum at frequencies (1/Angstrom)."""
    rings = fit.rings
    excess = np.where(rings.weight > 0, rings.excess - fit.refined.linear.level, 0.0)
    # Half a turn is a whole one to a spectrum: sectors go on at their ends.
    smooth = ndimage.gaussian_filter(excess, _SMOOTHED, mode=("wrap", "nearest"))
    spread = np.sqrt(ndimage.uniform_filter1d((smooth**2).mean(axis=0), max(len(rings.k) // 12, 3), mode="nearest"))
    smooth /= np.maximum(spread, 1e-9)
    y, x = np.meshgrid(ky, kx, indexing="ij")
    sector = (np.arctan2(y, x) % math.pi) / math.pi * len(smooth) - 0.5
    ring = (np.hypot(x, y) - rings.k[0]) / (rings.k[-1] - rings.k[0]) * (len(rings.k) - 1)
    padded = np.concatenate([smooth[-1:], smooth, smooth[:1]])
    shown = ndimage.map_coordinates(padded, [sector + 1, np.clip(ring, 0, len(rings.k) - 1)], order=1)
    return np.asarray(np.where((ring < 0) | (ring > len(rings.k) - 1), 0.5, 0.5 + shown / (2 * _SPAN)))


def _model(fit: CtfFit, y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grey levels, 0 to 1, of the fit at frequencies (1/Angstrom)."""
    ky, kx = np.meshgrid(y, x, indexing="ij")
    k2 = kx**2 + ky**2
    turn = 2 * np.arctan2(ky, kx)
    defocus = fit.defocus.at_um(np.cos(turn), np.sin(turn))
    wave = -np.cos(2 * phase(fit.lens, k2, defocus, fit.defocus.phase_shift_rad))
    finest = 1 / (fit.fit_resolution_angstrom or math.inf)
    shown = (np.sqrt(k2) <= finest) & (np.sqrt(k2) >= fit.rings.k[0])
    return np.asarray(np.where(shown, 0.5 + 0.35 * wave, 0.5))


def _draw_limit(grey: NDArray[np.uint8], fit: CtfFit) -> None:
    if fit.fit_resolution_angstrom is None:
        return
    middle = len(grey) / 2
    radius = 1 / fit.fit_resolution_angstrom / fit.rings.k[-1] * middle
    turn = np.linspace(0, 2 * math.pi, 1440)
    rows = np.rint(middle + radius * np.sin(turn) - 0.5).astype(np.intp)
    columns = np.rint(middle + radius * np.cos(turn) - 0.5).astype(np.intp)
    inside = (rows >= 0) & (columns >= 0) & (rows < len(grey)) & (columns < len(grey))
    dotted = inside & (np.arange(len(turn)) % 12 < 6)
    grey[rows[dotted], columns[dotted]] = _CIRCLE


__all__ = ["thon_picture"]
