"""What the microscope measures on its own images; or, where asked, drawn from how well such measuring does."""

import math
from dataclasses import replace

import numpy as np

from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.correlating import CLEAR, Shift, find_shift
from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.options import Measuring
from structloop.instruments.simulated.presets import SimulatedPreset, image_to_stage_um
from structloop.instruments.simulated.rendering import FloatArray, render, render_pair
from structloop.simulation.micrographs.canvas import mapped

SIZE_PX = 512
"""Images are measured at most this large."""

LEAST_SIGNIFICANCE = 5.5
"""A peak of the cross-correlation counts that stands out of the others by so much, or is clear in itself."""

MODEL_ERROR_PX = 0.12
"""Standard deviation of a measured shift in the model of measuring, pixels of the images that are measured on."""


def binning_for(width_px: int) -> int:
    """The binning that images are measured at."""
    return max(width_px // SIZE_PX, 1)


def displacement_px(first: Capture, second: Capture, measuring: Measuring) -> tuple[float, float] | None:
    """Where the second of two images looks, from where the first does, as measured; None where nothing can be seen.

    Args:
        first, second: The images, of one preset.
        measuring: On pixels, or by the model: the truth, and a normal error of `MODEL_ERROR_PX` along each axis.

    Returns:
        Pixels of the whole image.
    """
    truth = true_offset_px(first, second)
    scale = binning_for(first.width_px)
    if measuring == "model":
        seen = first.grid is not None and min(first.dose_e_per_angstrom2, second.dose_e_per_angstrom2) > 0
        if not seen or max(abs(truth[0]) / first.width_px, abs(truth[1]) / first.height_px) > 0.5:
            return None
        pixel = first.width_px / (2 * SIZE_PX) if first.high else scale
        error = draw(second.seed, "measured").normal(0, MODEL_ERROR_PX * pixel, 2)
        return truth[0] + float(error[0]), truth[1] + float(error[1])
    if first.high:
        # The middle of the field at pixels of some 4 A, whatever the camera's: grain and Thon rings are what there is.
        fine = first.width_px / (2 * SIZE_PX)
        middle = replace(
            first, width_px=SIZE_PX, height_px=SIZE_PX, pixel_size_angstrom=first.pixel_size_angstrom * fine
        )
        found = looked_px(find_shift(*render_pair(middle, (truth[0] / fine, truth[1] / fine), 1)), 1)
        return None if found is None else (found[0] * fine, found[1] * fine)
    one, other = mapped(lambda capture: render(capture, scale), (first, second))
    return looked_px(find_shift(one, other), scale)


def looked_px(shift: Shift, binning: int) -> tuple[float, float] | None:
    """Where the second image looks, from how what is seen is shifted in it; None where that stands out too little."""
    if shift.significance < LEAST_SIGNIFICANCE and shift.correlation < CLEAR:
        return None
    # What is seen moves against where one looks.
    return -shift.dx_px * binning, -shift.dy_px * binning


def on_specimen_um(preset: SimulatedPreset, tilt_deg: float, offset_px: tuple[float, float]) -> tuple[float, float]:
    """What an offset in an image means on the specimen, in the stage's axes, by the preset's calibration."""
    sold = preset.preset
    (a, b), (c, d) = image_to_stage_um(sold.pixel_size_angstrom, preset.calibrated_rotation_deg, tilt_deg)
    x, y = offset_px
    return a * x + b * y, c * x + d * y


def seen_at(capture: Capture) -> tuple[float, float]:
    """What the image's centre truly shows: a specimen above the eucentric plane moves when it tilts."""
    if capture.grid is None or not capture.tilt_deg:
        return capture.x_um, capture.y_um
    height = float(capture.grid.height_um(capture.x_um, capture.y_um)) + capture.height_um
    return capture.x_um, capture.y_um - height * math.tan(math.radians(capture.tilt_deg))


def true_offset_px(first: Capture, second: Capture) -> tuple[float, float]:
    """Where the second looks from where the first does, in pixels of the whole first image."""
    (a, b), (c, d) = image_to_stage_um(first.pixel_size_angstrom, first.rotation_deg, first.tilt_deg)
    (x1, y1), (x2, y2) = seen_at(first), seen_at(second)
    x, y, determinant = x2 - x1, y2 - y1, a * d - b * c
    return (d * x - b * y) / determinant, (a * y - c * x) / determinant


def fitted(image: FloatArray, rows: int, columns: int) -> FloatArray:
    """An image brought to a shape, as templates that were kept smaller need: pixels are averaged or repeated."""
    down, across = max(image.shape[0] // rows, 1), max(image.shape[1] // columns, 1)
    high, wide = image.shape[0] // down, image.shape[1] // across
    small = image[: high * down, : wide * across].reshape(high, down, wide, across).mean(axis=(1, 3))
    y = ((np.arange(rows) + 0.5) * high / rows).astype(int)
    x = ((np.arange(columns) + 0.5) * wide / columns).astype(int)
    return np.asarray(small[y][:, x], np.float32)


__all__ = [
    "LEAST_SIGNIFICANCE",
    "MODEL_ERROR_PX",
    "SIZE_PX",
    "binning_for",
    "displacement_px",
    "fitted",
    "looked_px",
    "on_specimen_um",
    "seen_at",
    "true_offset_px",
]
