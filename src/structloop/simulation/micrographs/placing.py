"""Where molecules lie and how they are turned."""

import numpy as np
from numpy.typing import NDArray

from structloop.simulation.specimen import FloatArray, IntArray

Array64 = NDArray[np.float64]


def place(
    draw: np.random.Generator,
    width: int,
    height: int,
    diameters_px: Array64,
    closeness: float,
    density: FloatArray,
) -> tuple[Array64, Array64, IntArray]:
    """Throw molecules at random, keeping those that do not come too near one that lies there already.

    Args:
        draw: Where randomness comes from.
        width, height: Of the picture; centres may lie outside by half the largest diameter.
        diameters_px: Of each molecule to be placed.
        closeness: Least distance of two centres, in their mean diameter.
        density: Relative density over the picture, a coarse map.

    Returns:
        x, y, and which of the molecules found a place; fewer than asked for when it is crowded.
    """
    count = len(diameters_px)
    if count == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0, np.int32)
    margin = float(diameters_px.max()) / 2
    cell = max(float(diameters_px.max()) * closeness, 1.0)
    rows, columns = density.shape
    likely = density / density.max()
    cells: dict[tuple[int, int], list[int]] = {}
    xs: list[float] = []
    ys: list[float] = []
    kept: list[int] = []
    tries = 6
    at = draw.uniform((-margin, -margin), (width + margin, height + margin), (count, tries, 2))
    chance = draw.random((count, tries))
    row = np.clip((at[..., 1] / height * rows).astype(int), 0, rows - 1)
    column = np.clip((at[..., 0] / width * columns).astype(int), 0, columns - 1)
    wanted = chance < likely[row, column]
    for index in range(count):
        for attempt in range(tries):
            if not wanted[index, attempt]:
                continue
            x, y = float(at[index, attempt, 0]), float(at[index, attempt, 1])
            here = (int(x // cell), int(y // cell))
            near = (
                other
                for across in (-1, 0, 1)
                for down in (-1, 0, 1)
                for other in cells.get((here[0] + across, here[1] + down), ())
            )
            if any(
                (xs[other] - x) ** 2 + (ys[other] - y) ** 2
                < (closeness * (diameters_px[kept[other]] + diameters_px[index]) / 2) ** 2
                for other in near
            ):
                continue
            cells.setdefault(here, []).append(len(xs))
            xs.append(x)
            ys.append(y)
            kept.append(index)
            break
    return np.array(xs), np.array(ys), np.array(kept, np.int32)


def preferred_rotations(draw: np.random.Generator, count: int, preferred: bool) -> FloatArray:
    """Unit quaternions (count, 4): uniform, or one to three views with some wobble, turned at random in the plane."""
    uniform = draw.standard_normal((count, 4))
    uniform /= np.linalg.norm(uniform, axis=1, keepdims=True)
    if not preferred or count == 0:
        return uniform.astype(np.float32)
    views = draw.standard_normal((int(draw.integers(1, 4)), 4))
    chosen = views[draw.integers(0, len(views), count)] / 1.0
    chosen = chosen / np.linalg.norm(chosen, axis=1, keepdims=True) + draw.normal(0, 0.08, (count, 4))
    turn = draw.uniform(0, np.pi, count)
    in_plane = np.stack([np.cos(turn), np.zeros(count), np.zeros(count), np.sin(turn)], axis=1)
    turned = _product(in_plane, chosen)
    turned /= np.linalg.norm(turned, axis=1, keepdims=True)
    stays_uniform = draw.random(count) < 0.3
    return np.where(stays_uniform[:, None], uniform, turned).astype(np.float32)


def _product(first: Array64, second: Array64) -> Array64:
    """Quaternion product: rotate by `second`, then by `first`."""
    a, b, c, d = first.T
    e, f, g, h = second.T
    return np.stack(
        [
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        ],
        axis=1,
    )


__all__ = ["place", "preferred_rotations"]
