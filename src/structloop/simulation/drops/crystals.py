"""Paints crystals: polyhedra for the compact habits, many thin roofs for needles and their bundles."""

import math

import numpy as np

from structloop.simulation.drops.contents import Crystal, Habit
from structloop.simulation.drops.deposits import reduce_by
from structloop.simulation.drops.polyhedra import polyhedron
from structloop.simulation.drops.view import FloatImage, View, blur, noise

NEEDLE_HABITS = (Habit.NEEDLE, Habit.BUNDLE, Habit.URCHIN, Habit.DENDRITE)
Segment = tuple[float, float, float, float, float]


def crystal_window(view: View, crystal: Crystal) -> tuple[slice, slice]:
    """Pixels that the crystal and its blur can reach."""
    reach = 0.52 * crystal.size_um + 2.6 * crystal.blur_um + 2 * view.um_per_px
    if crystal.habit not in NEEDLE_HABITS:
        body = polyhedron(crystal.habit, crystal.shape_seed)
        cos, sin = abs(math.cos(crystal.angle_rad)), abs(math.sin(crystal.angle_rad))
        extra = reach - 0.5 * crystal.size_um
        half_x = min((body.half_x * cos + body.half_y * sin) * crystal.size_um + extra, reach)
        half_y = min((body.half_x * sin + body.half_y * cos) * crystal.size_um + extra, reach)
    else:
        half_x = half_y = reach
    x, y = crystal.x_um, crystal.y_um
    return view.window(x - half_x, y - half_y, x + half_x, y + half_y)


def crystal_thickness(view: View, crystal: Crystal) -> FloatImage:
    """Thickness of the crystal in micrometres over a view, averaged over each pixel, shape (h, w)."""
    if crystal.habit in NEEDLE_HABITS:
        return _needles(view, crystal)
    factor = 1 if crystal.size_um > 60 * view.um_per_px else 2 if crystal.size_um > 12 * view.um_per_px else 3
    fine = view.finer(factor)
    body = polyhedron(crystal.habit, crystal.shape_seed)
    cos, sin = math.cos(crystal.angle_rad), math.sin(crystal.angle_rad)
    scale = np.float32(1.0 / crystal.size_um)
    dx, dy = (fine.xs - np.float32(crystal.x_um)) * scale, (fine.ys - np.float32(crystal.y_um)) * scale
    x = np.float32(cos) * dx + np.float32(sin) * dy
    y = np.float32(-sin) * dx + np.float32(cos) * dy
    top = np.full(x.shape, 10.0, np.float32)
    bottom = np.full(x.shape, -10.0, np.float32)
    for (nx, ny, nz), offset in zip(body.normals, body.offsets, strict=True):
        # Faces along the line of sight are leaned a little, which gives the dark edge a width.
        nz = math.copysign(max(abs(nz), 0.03), nz)
        plane = np.float32(offset / nz) - np.float32(nx / nz) * x - np.float32(ny / nz) * y
        if nz > 0:
            np.minimum(top, plane, out=top)
        else:
            np.maximum(bottom, plane, out=bottom)
    thickness = reduce_by(np.maximum(top - bottom, 0.0), factor) * np.float32(crystal.size_um)
    if crystal.rounding_um > 0.3 * view.um_per_px:
        thickness = blur(thickness, crystal.rounding_um / view.um_per_px)
    if crystal.rough > 0.003 and crystal.size_um > 15 * view.um_per_px:
        texture = noise(view, crystal.shape_seed, 0.08 * crystal.size_um)
        thickness = thickness * (1 + np.float32(crystal.rough) * texture)
    return thickness


def _needles(view: View, crystal: Crystal) -> FloatImage:
    thickness = np.zeros((view.height, view.width), np.float32)
    for x, y, length, angle, width in needle_segments(crystal):
        _add_needle(thickness, view, x, y, length, angle, width)
    return thickness


def _add_needle(
    thickness: FloatImage, view: View, x: float, y: float, length: float, angle: float, width: float
) -> None:
    drawn = max(width, 1.2 * view.um_per_px)
    cos, sin = math.cos(angle), math.sin(angle)
    half_x = 0.5 * (length * abs(cos) + drawn * abs(sin)) + view.um_per_px
    half_y = 0.5 * (length * abs(sin) + drawn * abs(cos)) + view.um_per_px
    window = view.window(x - half_x, y - half_y, x + half_x, y + half_y)
    piece = view.cut(window)
    if piece.width == 0 or piece.height == 0:
        return
    dx, dy = piece.xs - np.float32(x), piece.ys - np.float32(y)
    along = np.abs(np.float32(cos) * dx + np.float32(sin) * dy)
    across = np.abs(np.float32(cos) * dy - np.float32(sin) * dx)
    # A hexagonal rod: sloped flanks, a flat top, and ends cut at an angle.
    roof = np.minimum(np.float32(1.7) * (np.float32(0.5 * drawn) - across), np.float32(0.6 * drawn))
    roof = np.minimum(roof, np.float32(0.5 * length) - along)
    thickness[window] += np.maximum(roof, 0) * np.float32(width / drawn)


def needle_segments(crystal: Crystal) -> list[Segment]:
    """The needles of a needle, bundle, urchin or dendrite: centre x, y, length, angle, width in micrometres."""
    rng = np.random.default_rng(crystal.shape_seed)
    size, x, y, turn = crystal.size_um, crystal.x_um, crystal.y_um, crystal.angle_rad
    slim = math.exp(rng.uniform(math.log(0.012), math.log(0.09)))
    if crystal.habit is Habit.NEEDLE:
        return [(x, y, size, turn, max(size * slim, 1.2))]
    width = max(size * slim * 0.5, 0.9)
    found: list[Segment] = []
    if crystal.habit is Habit.BUNDLE:
        fan = rng.uniform(0.05, 0.6)
        for _ in range(int(rng.integers(4, 26))):
            length = size * rng.uniform(0.35, 1.0)
            angle = turn + float(rng.normal(0, fan))
            slide = rng.uniform(-0.5, 0.5) * (size - length)
            found.append(
                (x + slide * math.cos(turn), y + slide * math.sin(turn), length, angle, width * rng.uniform(0.5, 1.5))
            )
        return found
    if crystal.habit is Habit.URCHIN:
        sector = 2 * math.pi if rng.random() < 0.7 else rng.uniform(0.6, 3.0)
        for _ in range(int(rng.integers(10, 60))):
            length = 0.5 * size * rng.uniform(0.35, 1.0)
            angle = turn + rng.uniform(-0.5, 0.5) * sector
            cx, cy = x + 0.5 * length * math.cos(angle), y + 0.5 * length * math.sin(angle)
            found.append((cx, cy, length, angle, width * rng.uniform(0.6, 1.4)))
        return found
    branch_angle = math.radians(float(rng.choice([45.0, 60.0, 90.0])))
    arms = int(rng.choice([2, 4, 6]))
    for arm in range(arms):
        angle = turn + 2 * math.pi * arm / arms
        length = 0.5 * size * rng.uniform(0.6, 1.0)
        found.append((x + 0.5 * length * math.cos(angle), y + 0.5 * length * math.sin(angle), length, angle, width))
        for place in np.linspace(0.2, 0.9, 9):
            side_length = length * 0.4 * (1.05 - place)
            for side in (-1, 1):
                lean = angle + side * branch_angle
                sx = x + length * place * math.cos(angle) + 0.5 * side_length * math.cos(lean)
                sy = y + length * place * math.sin(angle) + 0.5 * side_length * math.sin(lean)
                found.append((sx, sy, float(side_length), lean, 0.7 * width))
    return found
