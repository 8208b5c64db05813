"""Smooth random fields that have a value at every place, whatever else is looked at."""

import numpy as np

from structloop.simulation.grids.hashing import FloatArray, normal

# Cubic interpolation between independent lattice values leaves about this standard deviation.
_SPREAD = np.float32(1.0 / 0.70)


def smooth(seed: int, x_um: FloatArray, y_um: FloatArray, cell_um: float) -> FloatArray:
    """Random field of zero mean and unit variance with features of about `cell_um`; shape of `x_um`."""
    u = np.asarray(x_um, np.float32) * np.float32(1 / cell_um)
    v = np.asarray(y_um, np.float32) * np.float32(1 / cell_um)
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    left, right = int(column.min()), int(column.max()) + 2
    top, bottom = int(row.min()), int(row.max()) + 2
    du, dv = u - column.astype(np.float32), v - row.astype(np.float32)
    du, dv = du * du * (3 - 2 * du), dv * dv * (3 - 2 * dv)
    width, height = right - left, bottom - top
    if width * height <= 4 * u.size + 4096:
        table = normal(seed, np.arange(left, right)[None, :], np.arange(top, bottom)[:, None]).ravel()
        index = (row - top) * width + (column - left)
        upper = table[index] * (1 - du) + table[index + 1] * du
        lower = table[index + width] * (1 - du) + table[index + width + 1] * du
    else:
        upper = normal(seed, column, row) * (1 - du) + normal(seed, column + 1, row) * du
        lower = normal(seed, column, row + 1) * (1 - du) + normal(seed, column + 1, row + 1) * du
    return np.asarray((upper * (1 - dv) + lower * dv) * _SPREAD, dtype=np.float32)


def fractal(
    seed: int,
    x_um: FloatArray,
    y_um: FloatArray,
    cell_um: float,
    octaves: int,
    *,
    gain: float = 0.5,
    finest_um: float = 0.0,
) -> FloatArray:
    """Sum of `smooth` fields, each turned, half the size and `gain` times the height of the last.

    Octaves finer than `finest_um` (what a pixel averages away) are left out.
    """
    total = smooth(seed, x_um, y_um, cell_um)
    weight = power = 1.0
    for octave in range(1, octaves):
        weight, cell_um = weight * gain, cell_um / 2
        power += weight * weight
        if cell_um < finest_um:
            continue
        # Turned, so that lattices of the octaves do not add up to streaks.
        turned_x, turned_y = 0.8 * x_um - 0.6 * y_um, 0.6 * x_um + 0.8 * y_um
        x_um, y_um = np.asarray(turned_x), np.asarray(turned_y)
        total = total + np.float32(weight) * smooth(seed + 7919 * octave, x_um, y_um, cell_um)
    return np.asarray(total / np.float32(power**0.5), dtype=np.float32)


def step_up(values: FloatArray, low: float, high: float) -> FloatArray:
    """From 0 at `low` to 1 at `high`, smoothly."""
    t = np.clip((values - np.float32(low)) * np.float32(1.0 / (high - low)), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


__all__ = ["fractal", "smooth", "step_up"]
