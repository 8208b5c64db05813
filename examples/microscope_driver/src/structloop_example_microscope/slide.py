"""The specimen: a picture that continues as its own mirror image, so that the stage never leaves it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from structloop.core.errors import InstrumentConnectionError

FloatArray = NDArray[np.float32]


class Slide:
    """A picture on a slide, its middle where the stage is at (0, 0).

    Args:
        grey: The picture, `(y, x)`.
        um_per_pixel: Size of one of its pixels.
    """

    def __init__(self, grey: FloatArray, um_per_pixel: float) -> None:
        self._grey = grey
        self._um_per_pixel = um_per_pixel

    @classmethod
    def read(cls, path: Path, um_per_pixel: float) -> "Slide":
        """The picture of a file.

        Raises:
            InstrumentConnectionError: there is no such file, or it is no picture.
        """
        try:
            with Image.open(path) as picture:
                return cls(np.asarray(picture.convert("L"), dtype=np.float32), um_per_pixel)
        except FileNotFoundError as error:
            raise InstrumentConnectionError(f"there is no slide {path}; give the path of a picture") from error
        except (UnidentifiedImageError, OSError) as error:
            raise InstrumentConnectionError(f"{path} is no picture that can be read: {error}") from error

    @classmethod
    def made_up(cls, seed: int, um_per_pixel: float, size_px: int = 1024) -> "Slide":
        """Bright spots of all sizes on a dark ground, the same for the same seed."""
        random = np.random.default_rng(seed)
        grey = np.zeros((size_px, size_px), dtype=np.float32)
        for radius_px in (2, 6, 20):
            dots = random.random(grey.shape) < 0.2 / radius_px**2
            spots = ndimage.gaussian_filter(dots.astype(np.float32), radius_px, mode="mirror")
            grey += spots / spots.max()
        return cls(np.asarray(255.0 * grey / grey.max(), dtype=np.float32), um_per_pixel)

    def view(self, x_um: float, y_um: float, width_px: int, height_px: int, pixel_um: float) -> FloatArray:
        """What is seen around a place, `(height_px, width_px)`, grey values of the picture."""
        rows, columns = self._grey.shape
        x_px = (x_um + (np.arange(width_px) - (width_px - 1) / 2) * pixel_um) / self._um_per_pixel + (columns - 1) / 2
        y_px = (y_um + (np.arange(height_px) - (height_px - 1) / 2) * pixel_um) / self._um_per_pixel + (rows - 1) / 2
        grid = np.meshgrid(y_px, x_px, indexing="ij")
        seen = ndimage.map_coordinates(self._grey, grid, order=1, mode="mirror")
        return np.asarray(seen, dtype=np.float32)


__all__ = ["FloatArray", "Slide"]
