"""From pixels of an image to the stage and back, by what the microscope said of the image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ImageError
from structloop.schema.acquisition import ImageFacts

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Frame:
    """Where the pixels of an image lie on the stage.

    Attributes:
        matrix_um: ((a, b), (c, d)), micrometres per pixel.
        centre_px: Pixel (x, y) that shows `centre_um`.
        centre_um: Stage position (x, y).
    """

    matrix_um: tuple[tuple[float, float], tuple[float, float]]
    centre_px: tuple[float, float]
    centre_um: tuple[float, float]

    @classmethod
    def of(cls, facts: ImageFacts, binning: int = 1) -> "Frame":
        """The frame of an image, of its pixels averaged over `binning` x `binning` blocks.

        Raises:
            ImageError: The image's matrix has no inverse.
        """
        (a, b), (c, d) = facts.image_to_stage_um
        if abs(a * d - b * c) < 1e-18:
            raise ImageError(f"image {facts.image_id}: its image-to-stage matrix has no inverse: {a} {b} {c} {d}")
        middle = (binning - 1) / 2
        shift = facts.image_shift_um
        return cls(
            ((a * binning, b * binning), (c * binning, d * binning)),
            (((facts.width_px - 1) / 2 - middle) / binning, ((facts.height_px - 1) / 2 - middle) / binning),
            (facts.stage.x_um + shift[0], facts.stage.y_um + shift[1]),
        )

    @property
    def pixel_um(self) -> float:
        """Size of a pixel, micrometres (the root of its area)."""
        return float(np.sqrt(abs(np.linalg.det(np.asarray(self.matrix_um)))))

    def to_stage(self, x_px: float, y_px: float) -> tuple[float, float]:
        """The stage position (x, y) of what is seen at a pixel."""
        (a, b), (c, d) = self.matrix_um
        dx, dy = x_px - self.centre_px[0], y_px - self.centre_px[1]
        return self.centre_um[0] + a * dx + b * dy, self.centre_um[1] + c * dx + d * dy

    def to_pixel(self, x_um: float, y_um: float) -> tuple[float, float]:
        """The pixel (x, y) that shows a stage position."""
        dx, dy = np.linalg.solve(
            np.asarray(self.matrix_um), np.array([x_um - self.centre_um[0], y_um - self.centre_um[1]])
        )
        return self.centre_px[0] + float(dx), self.centre_px[1] + float(dy)

    def reduced(self, factor: int) -> "Frame":
        """The frame of the image averaged over `factor` x `factor` blocks."""
        (a, b), (c, d) = self.matrix_um
        middle = (factor - 1) / 2
        return Frame(
            ((a * factor, b * factor), (c * factor, d * factor)),
            ((self.centre_px[0] - middle) / factor, (self.centre_px[1] - middle) / factor),
            self.centre_um,
        )


PIXEL_FRAME = Frame(((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0), (0.0, 0.0))
"""Of an image nothing is known of: stage micrometres are its pixels."""

__all__ = ["PIXEL_FRAME", "FloatArray", "Frame"]
