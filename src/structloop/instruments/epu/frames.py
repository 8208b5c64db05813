"""The affine map from an image's pixels to the stage, from places that are known in both."""

import math
from collections.abc import Sequence

import numpy as np

from structloop.schema.acquisition import StagePosition
from structloop.schema.grids import Matrix

_FEWEST_POINTS = 6


def fit_frame(
    points: Sequence[tuple[tuple[float, float] | None, StagePosition | None]], size_px: tuple[float, float] | None
) -> tuple[Matrix, StagePosition] | None:
    """Matrix and middle of the affine map from pixels to stage, by least squares; None where the points do not tell."""
    known = [(at, stage) for at, stage in points if at is not None and stage is not None]
    if len(known) < _FEWEST_POINTS or size_px is None:
        return None
    pixels = np.array([(at[0] - size_px[0] / 2, at[1] - size_px[1] / 2, 1.0) for at, _ in known])
    stages = np.array([(stage.x_um, stage.y_um) for _, stage in known])
    solution, _, rank, _ = np.linalg.lstsq(pixels, stages, rcond=None)
    if rank < 3:
        return None
    z_um = sorted(stage.z_um for _, stage in known)[len(known) // 2]
    tilt_deg = sorted(stage.tilt_deg for _, stage in known)[len(known) // 2]
    columns = solution.T.tolist()
    matrix: Matrix = ((columns[0][0], columns[0][1]), (columns[1][0], columns[1][1]))
    middle = StagePosition(x_um=columns[0][2], y_um=columns[1][2], z_um=z_um, tilt_deg=tilt_deg)
    return matrix, middle


def length_angstrom(matrix: Matrix) -> float:
    """Ångström per pixel of a matrix in micrometres per pixel."""
    return math.sqrt(abs(matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0])) * 1e4


def natural(key: str) -> tuple[int, int, str]:
    """Sorts numbers by their value and before other names."""
    return (0, int(key), key) if key.isdecimal() and len(key) < 19 else (1, 0, key)


__all__ = ["fit_frame", "length_angstrom", "natural"]
