"""Renders scenes as an imager would record them, in visible light and in UV, with their truth."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError
from structloop.simulation.drops.camera import compress, expose, quantise, tone
from structloop.simulation.drops.optics import illumination, interference_colours, transmitted
from structloop.simulation.drops.painting import paint_crystals, paint_surroundings
from structloop.simulation.drops.scene import DropScene
from structloop.simulation.drops.truth import DropTruth, measure
from structloop.simulation.drops.view import FloatImage, View, blur, grain, smoothstep
from structloop.simulation.drops.wells import inner_radius, well_light

MAX_SIDE = 4096
_BROWN = (0.35, 0.9, 1.7)


@dataclass(frozen=True, slots=True)
class RenderedDrop:
    """An image and what is true of it.

    Attributes:
        image: uint8; (h, w, 3) in visible light, (h, w) in UV.
        truth: Truth about this image.
        um_per_px: Size of its pixels.
        twin: The same picture of `scene.without_crystals()`, if it was asked for.
    """

    image: NDArray[np.uint8]
    truth: DropTruth
    um_per_px: float
    twin: NDArray[np.uint8] | None = None


def render_visible(scene: DropScene, long_side: int = 512) -> NDArray[np.uint8]:
    """The scene in visible light, shape (h, w, 3); see `render_visible_with_truth`."""
    return render_visible_with_truth(scene, long_side).image


def render_uv(scene: DropScene, long_side: int = 512) -> NDArray[np.uint8]:
    """The scene in UV, shape (h, w); see `render_uv_with_truth`."""
    return render_uv_with_truth(scene, long_side).image


def render_visible_with_truth(scene: DropScene, long_side: int = 512, *, twin: bool = False) -> RenderedDrop:
    """Render in visible light.

    Args:
        scene: What to render.
        long_side: Pixels along the longer side of the image; the facility's camera gives the aspect.
        twin: Also make the picture without crystals, at less than the cost of a second one.

    Raises:
        SimulationError: `long_side` is below 32 or above 4096.
    """
    lab = scene.facility
    camera, light = lab.camera, lab.light
    scale = _scale(long_side, camera.width_px, camera.height_px)
    width, height = round(camera.width_px * scale), round(camera.height_px * scale)
    step = camera.um_per_px / scale
    view = View(width, height, step, -0.5 * width * step, -0.5 * height * step)
    fields = paint_surroundings(scene, view)
    layer = paint_crystals(scene, view)
    defocus = camera.defocus_um * math.sin(scene.seed)
    base = illumination(view, light) * well_light(view, lab.well, scene.well_x_um, scene.well_y_um, lab.seed)
    base *= np.float32(light.level * scene.exposure)
    seen = transmitted(fields.path, fields.density, step, light, defocus)
    sigma = camera.blur_um * scene.focus / step
    truth = measure(scene, None, [], seen, seen, 0.0, seen.size)

    def photograph() -> NDArray[np.uint8]:
        channels = _colours(blur(base * seen, sigma), fields.brown, fields.retardation, scene, view)
        return expose(channels, camera, scale, scene.seed)

    bare = photograph() if twin else None
    if layer is not None:
        window = layer.window
        changed = transmitted(
            fields.path[window] + layer.path, fields.density[window] + layer.density, step, light, defocus
        )
        changed = _keep_border(changed, seen[window])
        without, with_them = base[window] * seen[window], base[window] * changed
        noise = (camera.noise + camera.shot_noise) * min(scale, 1.0) ** 0.7
        truth = measure(
            scene,
            layer,
            [True] * len(layer.boxes),
            blur(np.clip(without, 0, 1), sigma),
            blur(np.clip(with_them, 0, 1), sigma),
            noise,
            seen.size,
        )
        seen[window] = changed
        fields.retardation[window] += layer.retardation
    image = bare if bare is not None and layer is None else photograph()
    return RenderedDrop(image, truth, step, bare)


def _colours(
    brightness: FloatImage, brown: FloatImage, retardation: FloatImage, scene: DropScene, view: View
) -> list[FloatImage]:
    light = scene.facility.light
    x = np.linspace(-1, 1, view.width, dtype=np.float32)[None, :]
    casts = (light.cast_r, light.cast_g, light.cast_b)
    drifts = (light.cast_gradient, 0.0, -light.cast_gradient)
    any_brown = bool(brown.any())
    tints = interference_colours(retardation, light.polarised) if light.polarised > 0 else None
    channels = []
    for index in range(3):
        channel = brightness * (np.float32(casts[index]) * (1 + np.float32(drifts[index]) * x))
        if any_brown:
            channel = channel * np.exp(np.float32(-_BROWN[index]) * brown)
        if tints is not None:
            channel = channel * tints[index]
        channels.append(np.asarray(channel, dtype=np.float32))
    return channels


def render_uv_with_truth(scene: DropScene, long_side: int = 512, *, twin: bool = False) -> RenderedDrop:
    """Render in ultraviolet light: fluorescence, or absorbance where the facility works so.

    Protein glows, salt does not. The field, size and noise are those of the UV camera and are not registered with the
    visible image.

    Args:
        scene: What to render.
        long_side: Pixels along the longer side of the image.
        twin: Also make the picture without crystals.

    Raises:
        SimulationError: `long_side` is below 32 or above 4096.
    """
    lab = scene.facility
    style = lab.uv
    scale = _scale(long_side, style.width_px, style.height_px)
    width, height = round(style.width_px * scale), round(style.height_px * scale)
    step = lab.field_um[0] * style.field_scale / width
    view = View(width, height, step, style.shift_x_um - 0.5 * width * step, style.shift_y_um - 0.5 * height * step)
    fields = paint_surroundings(scene, view)
    layer = paint_crystals(scene, view)
    window = (slice(0, height), slice(0, width)) if layer is None else layer.window
    excitation = _excitation(view, style.vignette)
    plastic = _plastic(scene, view)
    shade = np.exp(-0.7 * (fields.density + fields.brown)).astype(np.float32)
    if style.absorbance:
        absorbed = 0.25 * fields.depth * style.drop_glow + 0.8 * fields.glow
        path, density = fields.path, fields.density + fields.brown + absorbed
        without = 0.75 * excitation * transmitted(path, density, step, lab.light, 0.0)
        full = without
        if layer is not None:
            full = without.copy()
            lit = transmitted(
                path[window] + layer.path, density[window] + layer.density + 1.5 * layer.glow, step, lab.light, 0.0
            )
            full[window] = 0.75 * excitation[window] * _keep_border(lit, without[window] / (0.75 * excitation[window]))
    else:
        rim = np.float32(style.rim_glow) * fields.drop * (1 - fields.depth) ** 4
        glow = plastic + np.float32(style.drop_glow) * (fields.depth + rim) + np.float32(style.gain) * 0.5 * fields.glow
        without = excitation * glow * shade
        full = without
        if layer is not None:
            full = without.copy()
            bright = glow[window] * np.exp(-0.4 * layer.density) + np.float32(style.gain) * layer.glow
            full[window] = excitation[window] * bright * shade[window]
    sigma = style.blur_um * scene.focus / step
    without_seen = tone(np.float32(style.offset) + blur(without, sigma), style.gamma, 0.0)
    seen = tone(np.float32(style.offset) + blur(full, sigma), style.gamma, 0.0)
    noise = (style.noise + style.shot_noise * math.sqrt(float(seen.mean()))) * min(scale, 1.0) ** 0.7
    counted = [] if layer is None else [not salt for salt in layer.salts]
    truth = measure(scene, layer, counted, without_seen[window], seen[window], noise, seen.size)
    bare = _record_uv(scene, without_seen, min(scale, 1.0)) if twin else None
    return RenderedDrop(_record_uv(scene, seen, min(scale, 1.0)), truth, step, bare)


def _keep_border(changed: FloatImage, original: FloatImage) -> FloatImage:
    """Slopes are not defined on a window's outermost pixels, which no crystal reaches."""
    for edge in (np.s_[:2], np.s_[-2:], np.s_[:, :2], np.s_[:, -2:]):
        changed[edge] = original[edge]
    return changed


def _excitation(view: View, vignette: float) -> FloatImage:
    x = np.linspace(-1, 1, view.width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, view.height, dtype=np.float32)[:, None]
    return np.asarray(1.0 - np.float32(0.5 * vignette) * (x * x + y * y), dtype=np.float32)


def _plastic(scene: DropScene, view: View) -> FloatImage:
    """Autofluorescence of the plate, brighter in its thick walls."""
    well, glow = scene.facility.well, np.float32(scene.facility.uv.plastic_glow)
    dx, dy = view.xs - np.float32(scene.well_x_um), view.ys - np.float32(scene.well_y_um)
    outward = np.sqrt(dx * dx + dy * dy) - inner_radius(view, well, scene.well_x_um, scene.well_y_um)
    wall = smoothstep(outward, 0.0, max(well.wall_um, 10.0))
    return np.asarray(glow * (1.0 + np.float32(2.0 * well.wall_level) * wall), dtype=np.float32)


def _record_uv(scene: DropScene, seen: FloatImage, reduced: float) -> NDArray[np.uint8]:
    style = scene.facility.uv
    rng = np.random.default_rng([scene.seed, 505])
    strength = (np.float32(style.noise) + np.float32(style.shot_noise) * np.sqrt(np.clip(seen, 0, 1))) * np.float32(
        reduced**0.7
    )
    image = seen + strength * grain(rng, seen.shape)
    h, w = image.shape
    if style.stripes > 0:
        image += np.float32(style.stripes) * blur(rng.standard_normal((1, w), dtype=np.float32), 1.0)
    for _ in range(int(rng.poisson(style.hot_pixels))):
        image[int(rng.integers(h)), int(rng.integers(w))] += np.float32(rng.uniform(0.1, 0.8) * reduced**2)
    if style.border > 0:
        image *= _bent_border(h, w, style.border)
    return compress(quantise(image), style.jpeg_quality)


def _bent_border(height: int, width: int, share: float) -> FloatImage:
    """Black borders of an image whose distortion was corrected."""
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    inside = (np.abs(x) < 1 - 2 * share + share * y * y) & (np.abs(y) < 1 - 2 * share + share * x * x)
    return inside.astype(np.float32)


def _scale(long_side: int, width: int, height: int) -> float:
    if not 32 <= long_side <= MAX_SIDE:
        raise SimulationError(f"long_side is {long_side} pixels; it must lie between 32 and {MAX_SIDE}")
    return long_side / max(width, height)
