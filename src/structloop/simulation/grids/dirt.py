"""What fell onto a grid: ice crystals, flakes and their clusters, as lumps with a place and a size."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.simulation.grids.hashing import FloatArray, key, normal, uniform
from structloop.simulation.grids.lattices import in_mesh, outside_square
from structloop.simulation.grids.noise import smooth
from structloop.simulation.grids.scene import SceneGrid, SquareState
from structloop.simulation.grids.view import Frame, enlarge

# Radius of the smallest lump of each class, micrometres; the largest is twice that.
_CLASSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
_PER_UM2 = 0.02
_TYPICAL_UM = 0.12
_FALL = 2.3
_MEMBERS = 9


@dataclass(frozen=True, slots=True)
class Lumps:
    """Lumps in and around a frame, one entry each; all lengths in the units they are named after.

    Attributes:
        x_um, y_um, radius_um: Of each.
        thickness_nm: At its middle, as ice.
        roughness: 0 round, 1 jagged.
        elongation: Length over width.
        angle: Of its long axis, radians.
        seed: Of its outline.
        soft: Whether these are smudges (and spots where film and ice are thinner: negative thickness), not lumps.
    """

    x_um: FloatArray
    y_um: FloatArray
    radius_um: FloatArray
    thickness_nm: FloatArray
    roughness: FloatArray
    elongation: FloatArray
    angle: FloatArray
    seed: FloatArray
    soft: bool = False


def lumps_in(grid: SceneGrid, frame: Frame, smallest_um: float) -> Lumps:
    """Lumps of at least about `smallest_um` radius that touch a frame."""
    parts = [_of_class(grid, frame, index, low) for index, low in enumerate(_CLASSES) if 2 * low > smallest_um]
    return _together(parts, soft=False)


def smudges_in(grid: SceneGrid, frame: Frame, smallest_um: float) -> Lumps:
    """Soft dark smudges and thin spots of at least about `smallest_um` radius that touch a frame."""
    parts: list[list[Any]] = []
    for index, low in enumerate((0.15, 0.3, 0.6, 1.2)):
        if 2 * low <= smallest_um:
            continue
        seed = key(grid.seed, "smudge", index)
        density = 0.003 * (0.3 / low) ** 1.6 * grid.recipe.ice.smudges
        k, r, cell = _scattered(grid, frame, seed, density, 5 * low)
        x, y = (k + uniform(seed, k, r, 1)) * cell, (r + uniform(seed, k, r, 2)) * cell
        thin = uniform(seed, k, r, 3) < 0.4
        long = np.where(thin, 1.0, 1 + 3 * uniform(seed, k, r, 5) ** 3)
        thickness = np.where(thin, -4 - 8 * uniform(seed, k, r, 6), 20 + 130 * uniform(seed, k, r, 6) ** 2)
        radius = low * 2.0 ** uniform(seed, k, r, 4) * np.where(thin, 0.5, 1.0)
        zero = np.zeros(len(k), np.float32)
        parts.append([x, y, radius, thickness, zero, long, np.float32(np.pi) * uniform(seed, k, r, 7), zero])
    return _together(parts, soft=True)


def _together(parts: list[list[Any]], *, soft: bool) -> Lumps:
    columns = [np.concatenate([np.zeros(0, np.float32), *(part[n] for part in parts)]) for n in range(8)]
    x, y, radius, thickness, roughness, elongation, angle, seed = (column.astype(np.float32) for column in columns)
    return Lumps(x, y, radius, thickness, roughness, elongation, angle, seed, soft)


def _cell(density: float, margin_um: float) -> float:
    """Side of the cells that have one candidate each, micrometres."""
    return float(min((0.08 / max(density, 1e-9)) ** 0.5, 8 * margin_um + 20.0))


def _scattered(
    grid: SceneGrid, frame: Frame, seed: int, density: float, margin_um: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Cells around a frame that hold one of so many things a square micrometre, and the cells' side."""
    cell = _cell(density, margin_um)
    x_low, y_low, x_high, y_high = frame.box(margin_um)
    columns, rows = np.meshgrid(
        np.arange(math.floor(x_low / cell), math.ceil(x_high / cell) + 1, dtype=np.int64),
        np.arange(math.floor(y_low / cell), math.ceil(y_high / cell) + 1, dtype=np.int64),
    )
    column, row = columns.ravel(), rows.ravel()
    chance = uniform(seed, column, row, 0)
    likely = chance < 12 * density * cell * cell
    column, row, chance = column[likely], row[likely], chance[likely]
    x = (column + uniform(seed, column, row, 1)) * cell
    y = (row + uniform(seed, column, row, 2)) * cell
    there = chance < density * cell * cell * _amount(grid, x, y)
    return column[there], row[there], cell


def _of_class(grid: SceneGrid, frame: Frame, index: int, low_um: float) -> list[FloatArray]:
    seed = key(grid.seed, "dirt", index)
    density = _PER_UM2 * (_TYPICAL_UM / low_um) ** _FALL * grid.recipe.ice.dirt
    column, row, cell = _scattered(grid, frame, seed, density, 12 * low_um)
    x = (column + uniform(seed, column, row, 1)) * cell
    y = (row + uniform(seed, column, row, 2)) * cell
    size = low_um * 2.0 ** uniform(seed, column, row, 3)
    flake = uniform(seed, column, row, 4)
    roughness = uniform(seed, column, row, 5)
    members = np.where(uniform(seed, column, row, 6) < 0.35, 1 + np.int64(_MEMBERS * uniform(seed, column, row, 7)), 0)
    parts: list[list[FloatArray]] = []
    for member in range(_MEMBERS + 1):
        here = members >= member
        if not here.any():
            break
        k, r = column[here], row[here]
        scale = np.ones(len(k), np.float32) if member == 0 else 0.35 + 0.6 * uniform(seed, k, r, 20 + member)
        spread = size[here] * (0.0 if member == 0 else 1.7)
        radius = size[here] * scale
        flat = np.where(flake[here] < 0.15, 0.25, 1.0)
        parts.append(
            [
                x[here] + spread * normal(seed, k, r, 40 + member),
                y[here] + spread * normal(seed, k, r, 60 + member),
                radius,
                1500 * radius * flat * (0.6 + 0.6 * uniform(seed, k, r, 80 + member)),
                roughness[here],
                1 + 1.2 * (flake[here] > 0.85) * uniform(seed, k, r, 100 + member),
                np.float32(np.pi) * uniform(seed, k, r, 120 + member),
                (2**22 * uniform(seed, k, r, 140 + member)),
            ]
        )
    if not parts:
        return [np.zeros(0, np.float32)] * 8
    return [np.concatenate([np.asarray(part[n], np.float32) for part in parts]) for n in range(8)]


def _amount(grid: SceneGrid, x: FloatArray, y: FloatArray) -> FloatArray:
    """Dirt at each place over that of an ordinary one; none where bars hide it anyway."""
    if x.size == 0:
        return x
    mesh = grid.recipe.mesh
    column, row, u, v = in_mesh(mesh, x, y)
    state = grid.square_table(column, row)[0]
    patchy = np.exp(0.9 * smooth(key(grid.seed, "dirt-patches"), x, y, 25.0) - 0.4)
    amount = patchy * np.where(state == SquareState.CONTAMINATED, 7.0, 1.0)
    return np.asarray(np.where(outside_square(mesh, u, v) < 1.0, amount, 0), np.float32)


def paint(lumps: Lumps, frame: Frame, canvas: FloatArray, halo_um: float = 0.0) -> None:
    """Add the lumps' thickness (nanometres of ice) to a map of the frame's pixels.

    Args:
        lumps: What to paint.
        frame: The map's points.
        canvas: The map, shape (rows, columns); changed in place.
        halo_um: Width of the bright rim that defocus gives to them.
    """
    pixel = frame.step_um
    columns, rows = frame.to_index(lumps.x_um, lumps.y_um)
    reach = lumps.radius_um * lumps.elongation / pixel
    touching = (columns > -reach - 2) & (columns < frame.columns + reach + 2)
    touching &= (rows > -reach - 2) & (rows < frame.rows + reach + 2)
    done = ~touching
    # Long ones and soft ones have a shape of their own from two pixels on.
    plain = (lumps.elongation < 1.25) & (not lumps.soft)
    for largest in (1.0, 3.0, 6.0):
        few = ~done & (reach < largest) & (plain | (reach < 2))
        # What is smaller than a pixel counts by its area alone.
        size = lumps.radius_um[few] / pixel * np.sqrt(lumps.elongation[few])
        _paint_small(canvas, columns[few], rows[few], size, lumps.thickness_nm[few], int(largest) + 1)
        done |= few
    for n in np.flatnonzero(~done):
        _paint_one(canvas, float(columns[n]), float(rows[n]), pixel, lumps, int(n), halo_um / pixel)


def _paint_small(
    canvas: FloatArray, x: FloatArray, y: FloatArray, radius: FloatArray, thickness: FloatArray, reach: int
) -> None:
    """Paint round lumps of up to `reach` - 1 pixels radius, all at once."""
    steps = np.arange(-reach, reach + 1)
    column = np.rint(x).astype(np.int64)[:, None, None] + steps[None, None, :]
    row = np.rint(y).astype(np.int64)[:, None, None] + steps[None, :, None]
    dx, dy = (column - x[:, None, None]).astype(np.float32), (row - y[:, None, None]).astype(np.float32)
    distance = np.sqrt(dx * dx + dy * dy)
    cover = np.clip(radius[:, None, None] - distance + 0.5, 0, 1) * np.minimum(2 * radius, 1)[:, None, None]
    column, row, cover = np.broadcast_arrays(column, row, cover * thickness[:, None, None] * 0.7)
    inside = (column >= 0) & (column < canvas.shape[1]) & (row >= 0) & (row < canvas.shape[0])
    np.add.at(canvas, (row[inside], column[inside]), cover[inside].astype(np.float32))


def _paint_one(canvas: FloatArray, x: float, y: float, pixel_um: float, lumps: Lumps, n: int, halo: float) -> None:
    radius = float(lumps.radius_um[n]) / pixel_um
    reach = radius * float(lumps.elongation[n]) * (1.7 if lumps.soft else 1.35) + 2 * halo + 1
    top, bottom = max(int(y - reach), 0), min(int(y + reach) + 2, canvas.shape[0])
    left, right = max(int(x - reach), 0), min(int(x + reach) + 2, canvas.shape[1])
    if top >= bottom or left >= right:
        return
    # The shape of a large lump is worked out at every few points; only its edge is drawn at each.
    stride = max(int(radius / 16), 1)
    dy = (top + stride * np.arange((bottom - top - 1) // stride + 2, dtype=np.float32) - np.float32(y))[:, None]
    dx = (left + stride * np.arange((right - left - 1) // stride + 2, dtype=np.float32) - np.float32(x))[None, :]
    angle = float(lumps.angle[n])
    along = (dx * np.float32(np.cos(angle)) + dy * np.float32(np.sin(angle))) / np.float32(lumps.elongation[n])
    across = dy * np.float32(np.cos(angle)) - dx * np.float32(np.sin(angle))
    distance = np.hypot(along, across)
    turn = np.arctan2(across, along)
    turn *= np.float32(128 / np.pi)
    turn += np.float32(128.5)
    # Most are nearly round or have six sides; a few are jagged.
    rough = 0.025 + 0.16 * float(lumps.roughness[n]) ** 4
    outline = _outline(int(lumps.seed[n]), rough) * np.float32(1 / radius)
    relative = enlarge(distance * outline[turn.astype(np.int16)], stride, 0, bottom - top, right - left)
    if lumps.soft:
        falling = np.clip(1.6 - relative, 0, 1)
        canvas[top:bottom, left:right] += np.float32(lumps.thickness_nm[n]) * falling * falling * (3 - 2 * falling)
        return
    edge = np.clip((1 - relative) * np.float32(radius) + 0.5, 0, 1)
    profile = edge * np.sqrt(np.clip(1.15 - relative * relative, 0.1, 1.0))
    canvas[top:bottom, left:right] += np.float32(lumps.thickness_nm[n]) * profile
    if halo > 0.4:
        ring = (relative - 1) * np.float32(radius / halo)
        canvas[top:bottom, left:right] -= np.float32(28) * np.clip(1 - np.abs(ring - 0.7) / 0.8, 0, 1)


def _outline(seed: int, rough: float) -> FloatArray:
    """One over the radius in 257 directions, from -pi to pi."""
    phases = uniform(seed, np.arange(4)) * np.float32(2 * np.pi)
    turn = np.linspace(-np.pi, np.pi, 257, dtype=np.float32)
    outline = np.ones(257, np.float32)
    for order, phase in zip((2, 3, 6, 9), phases, strict=True):
        outline += np.float32(rough * 1.4 / order**0.5) * np.cos(order * turn + phase)
    return np.asarray(1 / np.maximum(outline, 0.3), np.float32)


__all__ = ["Lumps", "lumps_in", "paint", "smudges_in"]
