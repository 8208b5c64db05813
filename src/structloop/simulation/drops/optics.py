"""How much light each pixel gets: a source of finite size seen through the drop.

A ray through a place where the optical path has the gradient g is bent by g. It sees the source if the bend is less
than the source's half width (`pupil`); steep facets and drop edges see the dark beside it. Defocus spreads or gathers
rays, in first order by the path's Laplacian (the transport-of-intensity equation, Teague 1983,
doi:10.1364/JOSA.73.001434).
"""

import math

import numpy as np

from structloop.simulation.drops.styles import LightStyle
from structloop.simulation.drops.view import FloatImage, View, slopes

_WAVELENGTHS_UM = (0.61, 0.54, 0.46)


def transmitted(
    path: FloatImage, density: FloatImage, um_per_px: float, light: LightStyle, defocus_um: float
) -> FloatImage:
    """Light relative to that through nothing, shape (h, w)."""
    gx, gy = slopes(path, um_per_px)
    scale = np.float32(1.0 / light.pupil)
    bent = (gx * scale - np.float32(light.tilt_x)) ** 2 + (gy * scale - np.float32(light.tilt_y)) ** 2
    seen = _pupil(bent, light.pupil_power)
    straight = float(_pupil(np.float32(light.tilt_x**2 + light.tilt_y**2), light.pupil_power))
    bright = np.float32((1 - light.leak) / straight) * seen + np.float32(light.leak)
    if light.dark_field > 0:
        bright = np.float32(1 - light.dark_field) * bright + np.float32(light.dark_field) * (np.float32(1.06) - seen)
    if defocus_um != 0:
        curvature = slopes(gx, um_per_px)[0] + slopes(gy, um_per_px)[1]
        bright = bright * np.clip(1.0 - np.float32(defocus_um) * curvature, 0.45, 1.8)
    return np.asarray(bright * np.exp(-density), dtype=np.float32)


def _pupil(bent: FloatImage | np.float32, power: float) -> FloatImage:
    return np.asarray(1.0 / (1.0 + np.asarray(bent, np.float32) ** np.float32(0.5 * power)), dtype=np.float32)


def illumination(view: View, light: LightStyle) -> FloatImage:
    """Brightness of the source over the field, about 1, shape (h, w)."""
    half = 0.5 * math.hypot(view.width, view.height)
    x = ((np.arange(view.width, dtype=np.float32) + 0.5 - 0.5 * view.width) / np.float32(half))[None, :]
    y = ((np.arange(view.height, dtype=np.float32) + 0.5 - 0.5 * view.height) / np.float32(half))[:, None]
    r2 = x * x + y * y
    field = 1.0 - np.float32(light.vignette) * r2
    cos, sin = np.float32(math.cos(light.gradient_angle_rad)), np.float32(math.sin(light.gradient_angle_rad))
    field = field * (1.0 + np.float32(light.gradient) * (cos * x + sin * y))
    if light.hot_spot > 0:
        field = field * (1.0 + np.float32(light.hot_spot) * (np.exp(r2 * np.float32(-5.0)) - 0.4))
    if light.field_stop > 0:
        edge = (np.float32(light.field_stop) - np.sqrt(r2)) * np.float32(half)
        field = field * np.clip(0.02 + edge / 3.0, 0.02, 1.0)
    return np.asarray(np.maximum(field, 0), dtype=np.float32)


def interference_colours(retardation: FloatImage, polarised: float) -> list[FloatImage]:
    """Factors of red, green and blue between partly crossed polarisers."""
    base, strength = np.float32(1 - 0.5 * polarised), np.float32(1.5 * polarised)
    return [
        np.asarray(base + strength * np.sin(np.float32(math.pi / length) * retardation) ** 2, dtype=np.float32)
        for length in _WAVELENGTHS_UM
    ]
