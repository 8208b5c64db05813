"""Light through the empty well: floor, wall, ledges and the plastic around it."""

import math

import numpy as np

from structloop.simulation.drops.styles import WellShape, WellStyle
from structloop.simulation.drops.view import FloatImage, View, fractal_noise, noise, smoothstep


def inner_radius(view: View, well: WellStyle, x_um: float, y_um: float) -> FloatImage:
    """Distance of the inner border from the well's centre in the direction of each pixel, shape (h, w).

    The outline is a superellipse |x/a|^p + |y/b|^p = 1.
    """
    dx, dy = view.xs - np.float32(x_um), view.ys - np.float32(y_um)
    if well.corner < 2.05 and well.aspect == 1.0:
        return np.full((view.height, view.width), well.half_width_um, np.float32)
    rho = np.sqrt(dx * dx + dy * dy) + np.float32(1e-3)
    power = np.float32(well.corner)
    a, b = np.float32(well.half_width_um), np.float32(well.half_width_um * well.aspect)
    norm = ((np.abs(dx) / a) ** power + (np.abs(dy) / b) ** power) ** np.float32(1 / well.corner)
    return np.asarray(rho / (norm + np.float32(1e-6)), dtype=np.float32)


def well_light(view: View, well: WellStyle, x_um: float, y_um: float, seed: int) -> FloatImage:
    """Light through an empty well relative to its clear floor, shape (h, w)."""
    light = np.ones((view.height, view.width), np.float32)
    if well.roughness > 0.002:
        light += np.float32(well.roughness) * fractal_noise(view, seed, 12.0, 2, 0.8)
    if well.blotches > 0.004:
        marks = fractal_noise(view, seed + 1, 250.0, 3, 0.6)
        light -= np.float32(well.blotches) * np.maximum(marks - 0.7, 0)
    if well.ledge_um > 0:
        _add_ledge(light, view, well, x_um, y_um, seed)
    if well.shape is WellShape.OPEN:
        return light
    dx, dy = view.xs - np.float32(x_um), view.ys - np.float32(y_um)
    rho = np.sqrt(dx * dx + dy * dy)
    outward = rho - inner_radius(view, well, x_um, y_um)
    if well.rings > 0:
        light *= 1.0 + np.float32(well.rings) * np.sin(rho * np.float32(0.12)) * np.sin(rho * np.float32(0.017))
    if well.ragged_um > 0:
        outward = outward + np.float32(well.ragged_um) * fractal_noise(view, seed + 6, 30.0, 2, 0.7)
    soft = max(well.wall_softness_um, 0.7 * view.um_per_px)
    wall = smoothstep(outward, -0.3 * soft, soft)
    lean = np.float32(well.wall_shift_um) * np.cos(
        np.arctan2(np.broadcast_to(dy, rho.shape), np.broadcast_to(dx, rho.shape)) - np.float32(well.ledge_angle_rad)
    )
    beyond = smoothstep(outward + lean - np.float32(well.wall_um), -1.5 * soft, 1.5 * soft)
    outside = np.full_like(light, well.outside_level)
    if well.outside_texture > 0.01:
        streaks = fractal_noise(view, seed + 2, 40.0, 3, 0.7, aspect=well.outside_streak)
        blobs = fractal_noise(view, seed + 3, 120.0, 3)
        outside *= 1.0 + np.float32(well.outside_texture) * (0.6 * streaks + 0.4 * blobs)
    walled = light * (1 - wall) + np.float32(well.wall_level) * wall
    light = walled * (1 - beyond) + outside * beyond
    for index, place in enumerate((-2.0, 1.2)):
        width = max(2.5, 0.8 * view.um_per_px)
        line = np.exp(-(((outward - np.float32(place * soft)) / np.float32(width)) ** 2)).astype(np.float32)
        light *= 1.0 - np.float32(well.rim_line * (0.8 if index == 0 else -0.3)) * line
    return np.maximum(light, 0.0)


def _add_ledge(light: FloatImage, view: View, well: WellStyle, x_um: float, y_um: float, seed: int) -> None:
    cos, sin = math.cos(well.ledge_angle_rad), math.sin(well.ledge_angle_rad)
    across = (view.xs - np.float32(x_um)) * np.float32(cos) + (view.ys - np.float32(y_um)) * np.float32(sin)
    across = across - np.float32(well.ledge_um)
    width = max(well.wall_um * 0.5, 10.0)
    band = smoothstep(across, -0.2 * width, 0.1 * width) * smoothstep(across, 2.2 * width, 1.2 * width)
    vertical = abs(cos) > abs(sin)
    streaks = noise(view, seed + 4, 8.0, 30.0) if vertical else noise(view, seed + 4, 240.0, 1 / 30.0)
    level = np.float32(well.ledge_level) * (1.0 + 0.25 * streaks)
    far = smoothstep(across, 0.0, 0.2 * width)
    light *= 1 - np.float32(1 - well.beyond_ledge) * far
    light *= 1 - band
    light += band * level
