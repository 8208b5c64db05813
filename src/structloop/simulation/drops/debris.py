"""Paints what does not belong to the experiment: dust, particles, fibres, hairs and scratches."""

import math

import numpy as np

from structloop.simulation.drops.contents import Flake, Speck, Strand
from structloop.simulation.drops.deposits import reduce_by
from structloop.simulation.drops.fields import Fields
from structloop.simulation.drops.view import blur, fractal_noise, smoothstep

_STEPS = 24


def paint_speck(fields: Fields, speck: Speck) -> None:
    """Add a grain of irregular outline."""
    step = fields.view.um_per_px
    spread = math.hypot(0.5 * speck.size_um, speck.blur_um)
    reach = 2.2 * spread + step
    x, y = speck.x_um, speck.y_um
    window = fields.view.window(x - reach, y - reach, x + reach, y + reach)
    if window[0].stop <= window[0].start or window[1].stop <= window[1].start:
        return
    factor = 1 if spread > 3 * step else 2
    view = fields.view.cut(window).finer(factor)
    rng = np.random.default_rng(speck.seed)
    shear, squeeze, lobes = rng.uniform(-0.6, 0.6), rng.uniform(0.6, 1.5), rng.uniform(0, 0.6)
    dx, dy = view.xs - np.float32(x), view.ys - np.float32(y)
    u, v = (dx + np.float32(shear) * dy) * np.float32(squeeze), dy / np.float32(squeeze)
    rho2 = (u * u + v * v) / np.float32(spread**2)
    # u (u^2 - 3 v^2) / rho^3 is the cosine of three times the angle: three corners.
    corners = u * (u * u - 3 * v * v) / (np.float32(spread**3) * rho2 * np.sqrt(rho2) + np.float32(1e-6))
    rho2 = rho2 * (1 + np.float32(lobes) * corners)
    sharp = 1.0 + 1.2 * (0.5 * speck.size_um / spread) ** 2
    bump = np.exp(-(rho2 ** np.float32(sharp)))
    # A defocused grain spreads the same absorption over a larger area.
    weight = np.float32((0.5 * speck.size_um / spread) ** 2)
    if speck.ring > 0:
        bump = bump * (1.0 - np.float32(2.2 * speck.ring) * np.exp(rho2 * np.float32(-2.5)))
    bump = reduce_by(bump.astype(np.float32), factor) * weight
    fields.density[window] += np.float32(speck.density) * bump
    fields.path[window] += np.float32(speck.relief) * bump
    fields.glow[window] += np.float32(speck.fluorescence) * bump


def paint_flake(fields: Fields, flake: Flake) -> None:
    """Add a curled piece of film: a crescent of curved layers with dark edges."""
    reach = 0.62 * flake.size_um
    x, y = flake.x_um, flake.y_um
    window = fields.view.window(x - reach, y - reach, x + reach, y + reach)
    view = fields.view.cut(window)
    if view.width < 3 or view.height < 3:
        return
    cos, sin = np.float32(math.cos(flake.angle_rad)), np.float32(math.sin(flake.angle_rad))
    dx, dy = view.xs - np.float32(x), view.ys - np.float32(y)
    half = np.float32(0.5 * flake.size_um)
    along, across = (cos * dx + sin * dy) / half, (cos * dy - sin * dx) / np.float32(half * flake.slim)
    warp = fractal_noise(view, flake.seed, 0.25 * flake.size_um, 3, 0.6)
    outer = np.sqrt(along * along + across * across) + np.float32(flake.ragged) * warp
    inner = np.sqrt(along * along + (across + 1.0) ** 2) + np.float32(flake.ragged) * warp
    hollow = np.float32(1.1 * flake.bite)
    body = smoothstep(outer, 1.0, 0.93) * smoothstep(inner, float(hollow) - 0.05, float(hollow) + 0.05)
    layers = np.abs(np.sin(np.float32(flake.layers) * (outer + np.float32(0.3) * warp)))
    height = np.float32(flake.relief * 0.1 * flake.size_um) * (1.0 + np.sqrt(layers))
    fields.path[window] += height * body
    fields.density[window] += np.float32(flake.density) * body * (1.3 - layers)
    fields.glow[window] += np.float32(flake.fluorescence) * body


def strand_course(strand: Strand) -> tuple[list[float], list[float]]:
    """Points along the strand: a smoothly turning line, xs and ys in micrometres."""
    rng = np.random.default_rng(strand.seed)
    wobble = np.cumsum(rng.normal(0, 0.12 * abs(strand.curl), _STEPS))
    angles = strand.angle_rad + strand.curl * np.linspace(0, 1, _STEPS) + wobble
    step = strand.length_um / _STEPS
    xs = strand.x_um + np.concatenate([[0.0], np.cumsum(step * np.cos(angles))])
    ys = strand.y_um + np.concatenate([[0.0], np.cumsum(step * np.sin(angles))])
    return xs.tolist(), ys.tolist()


def paint_strand(fields: Fields, strand: Strand) -> None:
    """Add a fibre, hair or scratch: a bent cylinder that absorbs and refracts."""
    xs, ys = strand_course(strand)
    view = fields.view
    width = max(strand.width_um, view.um_per_px)
    # A line thinner than a pixel is drawn one pixel wide and as much weaker.
    weight = strand.width_um / width
    margin = width + 3 * strand.blur_um + view.um_per_px
    window = view.window(min(xs) - margin, min(ys) - margin, max(xs) + margin, max(ys) + margin)
    cut = view.cut(window)
    if cut.width < 2 or cut.height < 2:
        return
    nearest = np.full((cut.height, cut.width), 1e6, np.float32)
    for x0, y0, x1, y1 in zip(xs, ys, xs[1:], ys[1:], strict=False):
        part = cut.window(min(x0, x1) - width, min(y0, y1) - width, max(x0, x1) + width, max(y0, y1) + width)
        piece = cut.cut(part)
        if piece.width == 0 or piece.height == 0:
            continue
        dx, dy = x1 - x0, y1 - y0
        px, py = piece.xs - np.float32(x0), piece.ys - np.float32(y0)
        along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        distance = np.hypot(px - along * dx, py - along * dy).astype(np.float32)
        nearest[part] = np.minimum(nearest[part], distance)
    if strand.ragged > 0:
        uneven = fractal_noise(cut, strand.seed, 2.5 * strand.width_um, 3, 0.7)
        nearest = np.maximum(nearest + np.float32(0.5 * strand.ragged * width) * uneven, np.float32(0))
    body = np.clip(1.0 - (nearest / np.float32(0.5 * width + 0.3 * view.um_per_px)) ** 2, 0, 1)
    body = blur(np.sqrt(body).astype(np.float32), strand.blur_um / view.um_per_px) * np.float32(weight)
    fields.density[window] += np.float32(strand.density) * body
    fields.path[window] += np.float32(strand.index_step * strand.width_um) * body
    fields.glow[window] += np.float32(strand.fluorescence) * body
    if strand.colour >= 0:
        fields.retardation[window] += np.float32(0.15 + 0.5 * strand.colour) * body
