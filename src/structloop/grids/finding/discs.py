"""Discs in an image: how much brighter (or darker) than what surrounds them, and how much of their edge is there."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from structloop.grids.finding.flattening import FloatImage, Mask

ANGLES = np.linspace(0, 2 * np.pi, 72, endpoint=False)


def _soft(distance: NDArray[np.floating], radius: float) -> NDArray[np.floating]:
    return np.asarray(np.clip(radius - distance + 0.5, 0.0, 1.0))


def disc_kernels(radius: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The outer third of a disc, and a ring around it; each sums to 1."""
    width = max(1.5, 0.16 * radius)
    gap = max(0.5, 0.05 * radius)
    half = int(np.ceil(radius + gap + width)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    distance = np.hypot(x, y)
    inner = _soft(distance, radius - gap) - (_soft(distance, 0.55 * radius) if radius > 4 else 0.0)
    outer = _soft(distance, radius + gap + width) - _soft(distance, radius + gap)
    return np.asarray(inner / inner.sum(), np.float32), np.asarray(outer / outer.sum(), np.float32)


class DiscResponse:
    """How much brighter than a ring around it the disc at each pixel is, for one radius after another.

    Args:
        image: Flattened, `(y, x)`.
        mask: Which pixels count: means are over those only.
        periodic: Whether the image repeats (a unit cell) or ends at its sides.
    """

    def __init__(self, image: FloatImage, mask: Mask, *, periodic: bool = False) -> None:
        self.shape = image.shape
        self._periodic = periodic
        self._image = np.where(mask, image, 0.0).astype(np.float32)
        self._mask = mask.astype(np.float32)

    def __call__(self, radius: float) -> FloatImage:
        """`(y, x)`: mean inside less mean in the ring; 0 where too little of either is in the image."""
        inner, outer = disc_kernels(radius)
        if self._periodic:
            image = np.pad(self._image, inner.shape[0] // 2, mode="wrap")
            return np.asarray(_convolve(image, inner - outer, valid=True), dtype=np.float32)
        inside, ring = _convolve(self._mask, inner), _convolve(self._mask, outer)
        difference = _convolve(self._image, inner) / np.maximum(inside, 0.05) - _convolve(
            self._image, outer
        ) / np.maximum(ring, 0.05)
        return np.asarray(np.where((inside > 0.5) & (ring > 0.35), difference, 0.0), dtype=np.float32)


def _convolve(image: FloatImage, kernel: NDArray[np.float32], *, valid: bool = False) -> NDArray[np.float32]:
    """Convolution with a symmetric kernel; `valid` keeps only what needed no padding."""
    full = [a + b - 1 for a, b in zip(image.shape, kernel.shape, strict=True)]
    shape = [fft.next_fast_len(size, real=True) for size in full]
    product = fft.irfft2(fft.rfft2(image, shape) * fft.rfft2(kernel, shape), shape)
    half = kernel.shape[0] // 2
    if valid:
        return np.asarray(product[2 * half : image.shape[0], 2 * half : image.shape[1]], dtype=np.float32)
    return np.asarray(product[half : half + image.shape[0], half : half + image.shape[1]], dtype=np.float32)


def edge_profile(image: FloatImage, x: float, y: float, radius: float, width: float = 0.12) -> NDArray[np.float64]:
    """Steps at the disc's edge, inside less outside, along 72 directions; NaN where the edge lies outside the image.

    Args:
        image: `(y, x)`; NaN where it does not count.
        x, y, radius: Of the disc, pixels.
        width: Distance from the edge at which both sides are looked at, as a share of the radius.
    """
    step = max(1.0, width * radius)
    offsets = np.linspace(0.4, 1.6, 3) * step
    rings = radius + np.concatenate([-offsets, offsets])
    where = np.stack([y + rings[:, None] * np.sin(ANGLES), x + rings[:, None] * np.cos(ANGLES)])
    values = ndimage.map_coordinates(image, where, order=1, mode="constant", cval=np.nan)
    return np.asarray(values[:3].mean(axis=0) - values[3:].mean(axis=0), dtype=float)


def refine_disc(
    image: FloatImage, x: float, y: float, radius: float, reach: float
) -> tuple[float, float, float, float]:
    """The disc near a first guess with the strongest mean edge: x, y, radius and that edge, inside less outside.

    Args:
        image: Flattened or smoothed, `(y, x)`.
        x, y, radius: Guess, pixels.
        reach: How far the centre and the radius may move.
    """

    def edge(x: float, y: float, r: float) -> float:
        steps = edge_profile(image, x, y, r)
        good = steps[np.isfinite(steps)]
        # The mean without its extremes: dirt sits on a part of the edge only.
        if good.size <= 24:
            return -np.inf
        ordered, tenth = np.sort(good), good.size // 10
        return float(np.mean(ordered[tenth : good.size - tenth]))

    best = (edge(x, y, radius), x, y, radius)
    size = reach / 2
    while size > 0.1:
        moved = False
        for dx, dy, dr in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)):
            there = (best[1] + dx * size, best[2] + dy * size, max(1.5, best[3] + dr * size))
            if np.hypot(there[0] - x, there[1] - y) > reach or abs(there[2] - radius) > reach:
                continue
            value = edge(*there)
            if value > best[0]:
                best, moved = (value, *there), True
        if not moved:
            size /= 2
    return best[1], best[2], best[3], best[0]


__all__ = ["ANGLES", "DiscResponse", "disc_kernels", "edge_profile", "refine_disc"]
