"""Paints drops of liquid: an outline in polar form and a surface above it."""

import math

import numpy as np

from structloop.simulation.drops.contents import DropShape
from structloop.simulation.drops.draws import Rng
from structloop.simulation.drops.fields import Fields
from structloop.simulation.drops.styles import WellStyle
from structloop.simulation.drops.view import FloatImage, View, fractal_noise, smoothstep
from structloop.simulation.drops.wells import inner_radius

_INDEX_STEP = 0.36
_ANGLES = 512


def drop_box(drop: DropShape, margin: float = 1.6) -> tuple[float, float, float, float]:
    """A box that surely holds the drop: x0, y0, x1, y1 in micrometres."""
    reach = drop.radius_um * math.sqrt(drop.elongation) * margin
    return drop.x_um - reach, drop.y_um - reach, drop.x_um + reach, drop.y_um + reach


def outline_radius(drop: DropShape) -> FloatImage:
    """Radius of the outline at 512 even angles from -pi, micrometres."""
    rng = np.random.default_rng(drop.seed)
    theta = np.linspace(-math.pi, math.pi, _ANGLES, endpoint=False)
    turned = theta - drop.angle_rad
    long, short = math.sqrt(drop.elongation), 1 / math.sqrt(drop.elongation)
    radius = 1.0 / np.hypot(np.cos(turned) / long, np.sin(turned) / short)
    for order in range(2, 9):
        amplitude = drop.irregular * rng.normal() * (2.0 / order) ** 1.3
        radius += amplitude * np.cos(order * theta + rng.uniform(0, 2 * math.pi))
    for _ in range(drop.corners):
        where, width = rng.uniform(-math.pi, math.pi), rng.uniform(0.06, 0.4)
        distance = np.abs((theta - where + math.pi) % (2 * math.pi) - math.pi)
        radius += rng.uniform(-0.18, 0.35) * np.exp(-distance / width)
    for _ in range(drop.nicks):
        where, width = rng.uniform(-math.pi, math.pi), rng.uniform(0.015, 0.06)
        distance = np.abs((theta - where + math.pi) % (2 * math.pi) - math.pi)
        radius += rng.uniform(-0.1, 0.1) * np.exp(-((distance / width) ** 2))
    return np.asarray(drop.radius_um * np.clip(radius, 0.3, 2.2), dtype=np.float32)


class Territory:
    """The floor that a drop wets, for placing things in it."""

    def __init__(self, drop: DropShape, well: WellStyle, well_x: float, well_y: float) -> None:
        self._drop, self._well, self._centre = drop, well, (well_x, well_y)
        self._radii = None if drop.with_well else outline_radius(drop)

    def point(self, rng: Rng, reach: float) -> tuple[float, float]:
        """A random point, evenly over the drop shrunk to `reach` times its size and less what the wall cuts off."""
        x = y = 0.0
        for _ in range(8):
            theta, share = rng.uniform(-math.pi, math.pi), reach * math.sqrt(rng.random())
            radius = share * self._outline(theta)
            x, y = self._drop.x_um + radius * math.cos(theta), self._drop.y_um + radius * math.sin(theta)
            if self._in_well(x, y):
                break
        return x, y

    def _outline(self, theta: float) -> float:
        if self._radii is None:
            return self._drop.radius_um
        return float(self._radii[int((theta + math.pi) * _ANGLES / (2 * math.pi)) % _ANGLES])

    def _in_well(self, x: float, y: float) -> bool:
        a, b = self._well.half_width_um, self._well.half_width_um * self._well.aspect
        u, v = abs(x - self._centre[0]) / a, abs(y - self._centre[1]) / b
        return bool(u**self._well.corner + v**self._well.corner < 0.95)


def paint_drop(fields: Fields, drop: DropShape, well: WellStyle, well_x: float, well_y: float) -> None:
    """Add one drop of liquid; a drop ends at the wall of its well."""
    window = fields.view.window(*drop_box(drop))
    view = fields.view.cut(window)
    if view.width < 3 or view.height < 3:
        return
    dx, dy = view.xs - np.float32(drop.x_um), view.ys - np.float32(drop.y_um)
    rho = np.sqrt(dx * dx + dy * dy)
    if drop.with_well:
        edge = inner_radius(view, well, well_x, well_y) * np.float32(drop.radius_um / well.half_width_um)
    else:
        radii = outline_radius(drop)
        theta = np.arctan2(np.broadcast_to(dy, rho.shape), np.broadcast_to(dx, rho.shape))
        position = (theta + np.float32(math.pi)) * np.float32(_ANGLES / (2 * math.pi))
        edge = _wrapped_lookup(radii, position)
    u = rho / edge
    inside = smoothstep((1.0 - u) * edge / np.float32(view.um_per_px), -0.7, 0.7)
    inside = inside * within_well(view, well, well_x, well_y)
    cap = _surface(drop, view, u)
    if drop.rim_line > 0:
        width = max(2.0, 0.8 * view.um_per_px)
        line = np.exp(-(((1.0 - u) * edge / np.float32(width)) ** 2))
        fields.density[window] += np.float32(0.5 * drop.rim_line) * line.astype(np.float32)
    if drop.film_um > 0:
        _paint_film(fields, window, drop, u, edge)
    fields.path[window] = np.maximum(fields.path[window], np.float32(_INDEX_STEP) * cap * inside)
    fields.density[window] += np.float32(drop.haze) * inside
    fields.drop[window] = np.maximum(fields.drop[window], inside)
    highest = float(cap.max()) or 1.0
    fields.depth[window] = np.maximum(fields.depth[window], cap * inside / np.float32(highest))


def within_well(view: View, well: WellStyle, well_x: float, well_y: float) -> FloatImage:
    """1 inside the well's wall, 0 outside, shape (h, w)."""
    dx, dy = view.xs - np.float32(well_x), view.ys - np.float32(well_y)
    rho = np.sqrt(dx * dx + dy * dy)
    distance = (inner_radius(view, well, well_x, well_y) - rho) / np.float32(view.um_per_px)
    return smoothstep(distance, -0.7, 0.7)


def _wrapped_lookup(table: FloatImage, position: FloatImage) -> FloatImage:
    low = position.astype(np.int32)
    part = position - low
    low %= len(table)
    high = (low + 1) % len(table)
    return np.asarray(table[low] * (1 - part) + table[high] * part, dtype=np.float32)


def _surface(drop: DropShape, view: View, u: FloatImage) -> FloatImage:
    """Height of the liquid in micrometres: a lens or a pancake with lumps that vanish at its edge."""
    u = np.minimum(u, 1.0)
    power = np.float32(drop.flatness)
    height = np.float32(drop.edge_slope * drop.radius_um / drop.flatness) * (1.0 - u**power)
    if drop.lumps > 0.03:
        lumps = fractal_noise(view, drop.seed + 1, drop.radius_um * 0.7, 3, 0.35)
        height = height * (1.0 + np.float32(0.5 * drop.lumps) * lumps)
    return np.asarray(np.maximum(height, 0), dtype=np.float32)


def _paint_film(fields: Fields, window: tuple[slice, slice], drop: DropShape, u: FloatImage, edge: FloatImage) -> None:
    """The thin line that a drop leaves where it once reached, or a film around it."""
    view = fields.view.cut(window)
    wobble = fractal_noise(view, drop.seed + 2, drop.radius_um * 0.5, 2)
    outer = (u - 1.0) * edge - np.float32(drop.film_um) * (1.0 + np.float32(0.4) * wobble)
    fields.path[window] += np.float32(0.15) * np.float32(drop.film_um) * smoothstep(-outer, -6.0, 12.0) * 0.05
    fields.density[window] += np.float32(0.25) * np.exp(-((outer / np.float32(3.0)) ** 2)).astype(np.float32)
