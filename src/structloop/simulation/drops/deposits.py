"""Paints what forms in drops without being a crystal: precipitate, skins, oil droplets, bubbles, spherulites."""

import math

import numpy as np

from structloop.simulation.drops.contents import Precipitate, PrecipitateKind, Skin, Sphere
from structloop.simulation.drops.fields import Fields
from structloop.simulation.drops.view import FloatImage, View, fractal_noise, noise, smoothstep


def paint_precipitate(fields: Fields, precipitate: Precipitate) -> None:
    """Add one texture wherever there is liquid."""
    view = fields.view
    mask = fields.drop * _cover(fields, precipitate)
    seed, grain = precipitate.seed, precipitate.grain_um
    kind = precipitate.kind
    if kind is PrecipitateKind.GRANULAR:
        texture = 0.5 + 0.4 * noise(view, seed, grain) + 0.2 * noise(view, seed + 1, grain * 3)
    elif kind is PrecipitateKind.SPECKLED:
        texture = 0.1 + 0.9 * smoothstep(noise(view, seed, grain), 1.0, 2.2)
    elif kind is PrecipitateKind.CLUMPY:
        texture = smoothstep(fractal_noise(view, seed, grain * 3, 5, 0.85), -0.6, 2.0)
    elif kind is PrecipitateKind.FLAKY:
        texture = smoothstep(np.abs(fractal_noise(view, seed, grain * 1.5, 4, 0.75)), 0.5, 0.0)
    elif kind is PrecipitateKind.GEL:
        texture = 0.5 + 0.5 * fractal_noise(view, seed, grain * 3, 3, 0.6)
    elif kind is PrecipitateKind.BROWN:
        texture = 0.5 + 0.5 * np.maximum(fractal_noise(view, seed, grain * 8, 6, 0.8), -1.0)
    elif kind is PrecipitateKind.STRINGY:
        ridges = smoothstep(np.abs(fractal_noise(view, seed, grain * 6, 3, 0.4)), 0.16, 0.0)
        texture = ridges * smoothstep(noise(view, seed + 3, grain * 8), -0.2, 0.6)
    elif kind is PrecipitateKind.RINGS:
        warped = fields.depth + np.float32(0.05) * fractal_noise(view, seed, precipitate.patch_um, 3, 0.6)
        texture = 0.5 + 0.5 * np.sin(warped * np.float32(precipitate.patch_um / 5.0))
    else:
        texture = 0.8 + 0.2 * fractal_noise(view, seed, grain * 6, 2)
    layer = np.maximum(texture, 0) * mask
    amount = np.float32(precipitate.amount)
    fields.density += amount * (1 - np.float32(precipitate.brown)) * layer
    fields.brown += amount * np.float32(precipitate.brown) * layer
    fields.glow += np.float32(precipitate.fluorescence * min(abs(precipitate.amount), 1.0)) * layer
    # The relief is the slope of a grain, so its height goes with its size.
    height = precipitate.relief * max(grain, view.um_per_px)
    if kind in (PrecipitateKind.CLUMPY, PrecipitateKind.FLAKY, PrecipitateKind.SPECKLED):
        height *= 0.5
    fields.path += np.float32(height) * np.minimum(texture, np.float32(2.0)) * mask


def _cover(fields: Fields, precipitate: Precipitate) -> FloatImage:
    patches = fractal_noise(fields.view, precipitate.seed + 5, precipitate.patch_um, 3, 0.6)
    patches = patches + np.float32(2.0 * precipitate.centre) * (fields.depth - 0.5)
    threshold = 2.0 - 4.0 * precipitate.cover
    return smoothstep(patches, threshold - 0.6, threshold + 0.9)


def paint_skin(fields: Fields, skin: Skin, centre: tuple[float, float], radius_um: float, floor: FloatImage) -> None:
    """Add a wrinkled film on one drop, which may hang over its edge.

    Args:
        fields: Painted into.
        skin: The film.
        centre: Centre of the drop, micrometres.
        radius_um: Radius of the drop.
        floor: 1 where the film can lie, 0 elsewhere, shape (h, w).
    """
    reach = radius_um * (1.5 + skin.overhang)
    window = fields.view.window(centre[0] - reach, centre[1] - reach, centre[0] + reach, centre[1] + reach)
    view = fields.view.cut(window)
    if view.width < 3 or view.height < 3:
        return
    rng = np.random.default_rng(skin.seed)
    mask = fields.drop[window]
    patches = fractal_noise(view, skin.seed, radius_um * 0.6, 3, 0.6)
    threshold = 1.8 - 3.2 * skin.cover
    cover = smoothstep(patches, threshold - 0.1, threshold + 0.1)
    if skin.overhang > 0:
        dx, dy = view.xs - np.float32(centre[0]), view.ys - np.float32(centre[1])
        u = np.sqrt(dx * dx + dy * dy) / np.float32(radius_um)
        lobe = smoothstep(u - np.float32(0.25) * patches, 1.0 + skin.overhang, 0.96 + skin.overhang)
        side = rng.uniform(0, 2 * math.pi)
        ahead = np.float32(math.cos(side)) * dx + np.float32(math.sin(side)) * dy
        lobe = lobe * floor[window] * smoothstep(np.asarray(ahead / np.float32(radius_um), dtype=np.float32), -0.2, 0.2)
        mask = np.maximum(mask, lobe)
    cover = cover * mask
    direction = rng.uniform(0.5, 2.0)
    ridges = 1.0 - np.abs(fractal_noise(view, skin.seed + 1, skin.wrinkle_um * 2, 3, 0.55, aspect=direction))
    if skin.radial > 0:
        spokes = _radial_ridges(view, skin, centre, radius_um)
        ridges = (1 - np.float32(skin.radial)) * ridges + np.float32(skin.radial) * spokes
    height = np.float32(skin.relief * skin.wrinkle_um) * np.maximum(ridges, 0.0) ** 2
    for index in range(skin.folds):
        field = fractal_noise(view, skin.seed + 11 + index, radius_um * 0.9, 2, 0.3)
        level = np.float32(rng.normal(0, 0.7))
        width = rng.uniform(0.02, 0.08)
        fold = np.exp(-(((field - level) / np.float32(width)) ** 2)).astype(np.float32)
        part = smoothstep(noise(view, skin.seed + 31 + index, radius_um * 0.8), 0.0, 0.8)
        height = height + np.float32(skin.relief * skin.wrinkle_um * rng.uniform(0.3, 1.2)) * fold * part
    fields.path[window] += height * cover
    fields.density[window] += np.float32(skin.density) * cover
    fields.glow[window] += np.float32(0.25 * skin.density) * cover


def _radial_ridges(view: View, skin: Skin, centre: tuple[float, float], radius_um: float) -> FloatImage:
    dx, dy = view.xs - np.float32(centre[0]), view.ys - np.float32(centre[1])
    u = np.sqrt(dx * dx + dy * dy) / np.float32(radius_um)
    theta = np.arctan2(np.broadcast_to(dy, u.shape), np.broadcast_to(dx, u.shape))
    twist = fractal_noise(view, skin.seed + 3, 0.5 * radius_um, 3, 0.6)
    order = np.float32(max(4.0, 3.0 * radius_um / skin.wrinkle_um))
    waves = np.sin(order * (theta + np.float32(0.15) * twist)) * smoothstep(u, 0.05, 0.5)
    return np.asarray(1.0 - np.abs(waves), dtype=np.float32)


def paint_sphere(fields: Fields, sphere: Sphere) -> None:
    """Add an oil droplet, a bubble or a spherulite."""
    reach = sphere.radius_um + fields.view.um_per_px
    x, y = sphere.x_um, sphere.y_um
    window = fields.view.window(x - reach, y - reach, x + reach, y + reach)
    if window[0].stop <= window[0].start or window[1].stop <= window[1].start:
        return
    factor = 1 if sphere.radius_um > 4 * fields.view.um_per_px else 3
    view = fields.view.cut(window).finer(factor)
    dx, dy = view.xs - np.float32(x), view.ys - np.float32(y)
    rho2 = np.asarray((dx * dx + dy * dy) / np.float32(sphere.radius_um**2), dtype=np.float32)
    cap = np.sqrt(np.maximum(1.0 - rho2, 0.0))
    thickness = np.float32(2.0 * sphere.radius_um * sphere.flatness) * cap
    density = np.float32(sphere.density) * cap
    if sphere.fibres > 0:
        density = density + _spokes(sphere, view, rho2, fields, window, factor)
    inside = fields.drop[window]
    fields.path[window] += np.float32(sphere.index_step) * reduce_by(thickness, factor) * inside
    fields.density[window] += reduce_by(np.asarray(density, np.float32), factor) * inside
    fields.glow[window] += np.float32(sphere.fluorescence) * reduce_by(cap, factor) * inside


def _spokes(
    sphere: Sphere, view: View, rho2: FloatImage, fields: Fields, window: tuple[slice, slice], factor: int
) -> FloatImage:
    rng = np.random.default_rng(sphere.seed)
    dx, dy = view.xs - np.float32(sphere.x_um), view.ys - np.float32(sphere.y_um)
    theta = np.arctan2(np.broadcast_to(dy, rho2.shape), np.broadcast_to(dx, rho2.shape))
    spokes = np.zeros(rho2.shape, np.float32)
    for order in (5, 9, 14, 23):
        spokes += np.cos(np.float32(order) * theta + np.float32(rng.uniform(0, 6.28))).astype(np.float32)
    body = np.maximum(1.0 - rho2, 0.0)
    cross = np.sin(np.float32(2.0) * theta) ** 2 * body
    retardation = np.float32(0.25 * sphere.fibres) * cross.astype(np.float32)
    fields.retardation[window] += reduce_by(retardation, factor)
    return np.asarray(np.float32(0.12 * sphere.fibres) * spokes * np.sqrt(body), dtype=np.float32)


def reduce_by(image: FloatImage, factor: int) -> FloatImage:
    """Mean over blocks of `factor` x `factor` pixels."""
    if factor == 1:
        return image
    h, w = image.shape
    blocks = image.reshape(h // factor, factor, w // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)
