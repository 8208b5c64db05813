"""The window through which a scene is rendered, and textures of a given physical scale in it.

Everything in a scene is placed in micrometres, x to the right and y down, with the origin at the centre of the visible
image. A `View` maps pixels to that frame. Textures are drawn on lattices fixed in micrometres, so that the same scene
looks alike whatever the size it is rendered at.
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

FloatImage = NDArray[np.float32]

_MAX_LATTICE = 700
_STOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class View:
    """A pixel grid in the scene.

    Attributes:
        width: Pixels in x.
        height: Pixels in y.
        um_per_px: Size of one pixel in micrometres.
        left_um: x of the left border of the first pixel.
        top_um: y of the upper border of the first pixel.
    """

    width: int
    height: int
    um_per_px: float
    left_um: float
    top_um: float

    @property
    def xs(self) -> FloatImage:
        """Pixel centres in x, shape (1, w), micrometres."""
        steps = np.arange(self.width, dtype=np.float32) + 0.5
        return (self.left_um + self.um_per_px * steps)[None, :].astype(np.float32)

    @property
    def ys(self) -> FloatImage:
        """Pixel centres in y, shape (h, 1), micrometres."""
        steps = np.arange(self.height, dtype=np.float32) + 0.5
        return (self.top_um + self.um_per_px * steps)[:, None].astype(np.float32)

    def window(self, x0_um: float, y0_um: float, x1_um: float, y1_um: float) -> tuple[slice, slice]:
        """Pixels that a box touches, as slices (rows, columns) clipped to the view; they may be empty."""
        left = math.floor((x0_um - self.left_um) / self.um_per_px)
        right = math.ceil((x1_um - self.left_um) / self.um_per_px)
        top = math.floor((y0_um - self.top_um) / self.um_per_px)
        bottom = math.ceil((y1_um - self.top_um) / self.um_per_px)
        left, right = min(max(left, 0), self.width), min(max(right, 0), self.width)
        top, bottom = min(max(top, 0), self.height), min(max(bottom, 0), self.height)
        return slice(top, max(bottom, top)), slice(left, max(right, left))

    def cut(self, window: tuple[slice, slice]) -> "View":
        """The view of one window of this view's pixels."""
        rows, columns = window
        return View(
            width=columns.stop - columns.start,
            height=rows.stop - rows.start,
            um_per_px=self.um_per_px,
            left_um=self.left_um + columns.start * self.um_per_px,
            top_um=self.top_um + rows.start * self.um_per_px,
        )

    def finer(self, factor: int) -> "View":
        """The same area with `factor` times as many pixels along each axis."""
        return View(self.width * factor, self.height * factor, self.um_per_px / factor, self.left_um, self.top_um)


def resample(image: FloatImage, width: int, height: int) -> FloatImage:
    """Resize a float image with a bicubic (on reduction: antialiased) kernel to shape (height, width)."""
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized, dtype=np.float32)


def blur(image: FloatImage, sigma_px: float) -> FloatImage:
    """Gaussian blur; wide ones are done on a reduced copy, because they cost the most and need the least detail."""
    if sigma_px < 0.15 or image.size == 0:
        return image
    if sigma_px > 5.0 and min(image.shape) > 16:
        factor = max(2, int(sigma_px / 2.0))
        h, w = image.shape
        small = resample(image, max(w // factor, 4), max(h // factor, 4))
        small = gaussian_filter(small, sigma_px / factor, mode="nearest", truncate=3.0)
        return resample(np.ascontiguousarray(small), w, h)
    return np.asarray(gaussian_filter(image, sigma_px, mode="nearest", truncate=2.5), dtype=np.float32)


def grain(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatImage:
    """Gaussian noise of unit variance, cut at a random place from a stock, because drawing it anew takes longest."""
    count = math.prod(shape)
    if count > _STOCK // 2:
        return rng.standard_normal(shape, dtype=np.float32)
    return _cut(int(rng.integers(_STOCK - count)), shape)


def _cut(start: int, shape: tuple[int, ...]) -> FloatImage:
    return _stock_of_noise()[start : start + math.prod(shape)].reshape(shape)


@cache
def _stock_of_noise() -> FloatImage:
    stock = np.random.default_rng(808).standard_normal(_STOCK, dtype=np.float32)
    stock.flags.writeable = False
    return stock


def noise(view: View, seed: int, cell_um: float, aspect: float = 1.0) -> FloatImage:
    """Smooth random texture of unit variance with features of about `cell_um`.

    Args:
        view: Where to draw it.
        seed: Which texture; the same seed gives the same pattern at any pixel size coarser than the cell.
        cell_um: Distance of the lattice points in x.
        aspect: Cell height over cell width; below or above one the texture is streaky.

    Returns:
        Shape (h, w).
    """
    if view.width == 0 or view.height == 0:
        return np.zeros((view.height, view.width), np.float32)
    extent_x, extent_y = view.width * view.um_per_px, view.height * view.um_per_px
    cell_x = max(cell_um, view.um_per_px * 0.75, extent_x / _MAX_LATTICE)
    cell_y = max(cell_um * aspect, view.um_per_px * 0.75, extent_y / _MAX_LATTICE)
    columns, rows = math.ceil(extent_x / cell_x) + 4, math.ceil(extent_y / cell_y) + 4
    # Multiplying by an odd constant spreads neighbouring seeds over the stock.
    lattice = _cut(seed * 2_654_435_761 % (_STOCK - rows * columns), (rows, columns))
    box = (2.0, 2.0, 2.0 + extent_x / cell_x, 2.0 + extent_y / cell_y)
    size = (view.width, view.height)
    drawn = Image.fromarray(lattice).resize(size, Image.Resampling.BICUBIC, box=box)
    # Interpolation lowers the variance of a lattice to about 0.6 of it.
    return np.asarray(drawn, dtype=np.float32) * np.float32(1.3)


def fractal_noise(
    view: View, seed: int, cell_um: float, octaves: int, gain: float = 0.5, aspect: float = 1.0
) -> FloatImage:
    """Sum of octaves of `noise`, each half the size and `gain` times the height of the last; unit variance.

    Octaves finer than a pixel are left out.
    """
    total = noise(view, seed, cell_um, aspect)
    power, weight = 1.0, 1.0
    for octave in range(1, octaves):
        weight *= gain
        cell = cell_um / 2**octave
        if cell * max(aspect, 1.0) < 0.6 * view.um_per_px:
            break
        total = total + np.float32(weight) * noise(view, seed + 7919 * octave, cell, aspect)
        power += weight * weight
    return np.asarray(total / np.float32(math.sqrt(power)), dtype=np.float32)


def smoothstep(values: FloatImage, low: float, high: float) -> FloatImage:
    """Hermite step from 0 at `low` to 1 at `high` (which may be the smaller one)."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)


def slopes(height: FloatImage, step: float) -> tuple[FloatImage, FloatImage]:
    """Central differences of a height map in x and y, for pixels `step` apart."""
    gx, gy = np.zeros_like(height), np.zeros_like(height)
    gx[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * np.float32(0.5 / step)
    gy[1:-1, :] = (height[2:, :] - height[:-2, :]) * np.float32(0.5 / step)
    return gx, gy
