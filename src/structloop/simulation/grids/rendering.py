"""Pictures of a scene at low and medium magnification: what a camera counts.

Contrast here is loss of electrons: scattered ones do not reach the camera, so that intensity falls as exp(-t / mfp)
with the thickness of what lies in the way (Rice et al. 2018 measure ice thickness so). Edges have Fresnel fringes by
their phase and by the defocus.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter

from structloop.simulation.grids.hashing import FloatArray, key
from structloop.simulation.grids.materials import Ground, Maps
from structloop.simulation.grids.recipes import Film
from structloop.simulation.grids.scene import SceneGrid
from structloop.simulation.grids.threads import on_threads
from structloop.simulation.grids.view import View

LOW_ANGSTROM = 200.0
"""Pixels on the specimen larger than this are of low magnification."""

# Threads take bands of about so many pixels: smaller ones wait for the interpreter's lock, larger ones for memory.
_BAND_PX = 1 << 18
# Shot noise is drawn for so many rows at a time, so that it does not depend on the bands.
_NOISE_ROWS = 32
_TILE = 512
# Phase of a 300 kV electron per volt and nanometre, and mean inner potentials.
_PHASE = 0.0065
_VOLTS = {"carbon": 8.0, "gold": 21.0, "ice": 3.5}


@dataclass(frozen=True, slots=True)
class Camera:
    """How electrons become counts, and what is wrong with the way there.

    Attributes:
        counts_per_electron: Of the detector.
        offset: Counts without any electron.
        blur: Share of the signal of a pixel that its two neighbours get, per axis.
        low_blur: Likewise at low magnification (`LOW_ANGSTROM`), where lenses blur more.
        gain_error: Standard deviation of the pixels' own gain after correction.
        texture: Standard deviation of what looks like noise but belongs to the place: grain of film and ice.
        low_texture: Likewise at low magnification.
        glare: Share of the electrons that arrives everywhere, scattered on the way.
        vignette: Loss of illumination in the corners.
        ice_mfp_nm, carbon_mfp_nm, gold_mfp_nm, stain_mfp_nm: Thickness that lets 1 / e of the electrons through.
        wavelength_pm: Of the electrons.
        seed: Of the gain error.
    """

    counts_per_electron: float = 10.0
    offset: float = 0.0
    blur: float = 0.06
    low_blur: float = 0.22
    gain_error: float = 0.01
    glare: float = 0.008
    vignette: float = 0.06
    texture: float = 0.008
    low_texture: float = 0.018
    ice_mfp_nm: float = 300.0
    carbon_mfp_nm: float = 140.0
    gold_mfp_nm: float = 55.0
    stain_mfp_nm: float = 45.0
    wavelength_pm: float = 1.97
    seed: int = 0


CAMERA = Camera()


def render_view(grid: SceneGrid, view: View, camera: Camera = CAMERA, *, threads: int = 2) -> FloatArray:
    """Counts of one image at atlas, square or hole magnification, shape (height, width).

    The same grid, view and camera give the same counts, bit for bit, whatever was looked at before.
    """
    height = float(grid.height_um(view.x_um, view.y_um)) + view.z_um
    fringe = _Fringe(view, camera, height)
    ground = Ground(grid, view.frame(height), halo_um=fringe.width_um, threads=threads)
    blur = camera.low_blur if view.pixel_size_angstrom > LOW_ANGSTROM else camera.blur
    image = np.empty((view.height_px, view.width_px), np.float32)

    result = np.empty_like(image)
    high = max(_BAND_PX // view.width_px // _NOISE_ROWS, 1) * _NOISE_ROWS

    def draw(first: int) -> None:
        last = min(first + high, view.height_px)
        expected = _expected(ground.band(first, last), grid.recipe.film, fringe, camera)
        image[first:last] = _count(expected, view, camera, first)

    def soften(first: int) -> None:
        last = min(first + high, view.height_px)
        result[first:last] = _blur(image, first, last, blur)

    for work in (draw, soften):
        on_threads(work, range(0, view.height_px, high), threads)
    return result


def transmission(maps: Maps, film: Film, camera: Camera = CAMERA) -> FloatArray:
    """Share of the electrons that arrive, 0 to 1, without fringes."""
    film_mfp = camera.gold_mfp_nm if film.material == "gold" else camera.carbon_mfp_nm
    depth = (maps.ice_nm + maps.lumps_nm) * np.float32(1 / camera.ice_mfp_nm)
    depth += maps.film * np.float32(film.thickness_nm / film_mfp)
    depth += maps.stain_nm * np.float32(1 / camera.stain_mfp_nm)
    return np.asarray(maps.open * np.exp(-depth))


def _expected(maps: Maps, film: Film, fringe: "_Fringe", camera: Camera) -> FloatArray:
    arriving = transmission(maps, film, camera)
    arriving *= fringe.at(maps, film)
    # Electrons scattered at the edges of bars, and by the ice that climbs onto them.
    arriving += np.float32(0.03) * np.exp(np.minimum(-np.abs(maps.bar_um), 0) * np.float32(0.5)) * (1 - maps.open)
    return np.asarray(arriving * np.float32(1 - camera.glare) + np.float32(camera.glare))


def _count(expected: FloatArray, view: View, camera: Camera, first: int) -> FloatArray:
    """Shot noise, gain and illumination."""
    rows, columns = expected.shape
    y = ((np.arange(first, first + rows) - view.height_px / 2) / (view.height_px / 2)).astype(np.float32)[:, None]
    x = ((np.arange(columns) - columns / 2) / (columns / 2)).astype(np.float32)[None, :]
    light = 1 - np.float32(camera.vignette / 2) * (x * x + y * y)
    electrons = expected * light * np.float32(view.dose_e_per_px)
    texture = camera.low_texture if view.pixel_size_angstrom > LOW_ANGSTROM else camera.texture
    if texture > 0:
        electrons *= 1 + np.float32(texture) * _grain(view, first, rows)
    # Anscombe's transformation turned round, with Poisson's mean and (from an eighth of an electron on) variance: fast.
    eighth = np.float32(0.125)
    counted = np.empty(expected.shape, np.float32)
    for start in range(0, rows, _NOISE_ROWS):
        rng = np.random.default_rng((key(view.exposure_seed, "shot"), first + start))
        rng.standard_normal(dtype=np.float32, out=counted[start : start + _NOISE_ROWS])
    counted *= np.float32(0.5)
    counted += np.sqrt(np.maximum(electrons - eighth, 0))
    counted *= counted
    counted += np.minimum(electrons, eighth) - np.float32(0.25)
    if camera.gain_error > 0:
        own = _gains(camera.seed)[np.arange(first, first + rows) % _TILE]
        counted *= 1 + np.float32(camera.gain_error) * np.tile(own, columns // _TILE + 1)[:, :columns]
    return np.asarray(counted * np.float32(camera.counts_per_electron) + np.float32(camera.offset), np.float32)


def _grain(view: View, first: int, rows: int) -> FloatArray:
    """Grain of the film; the same in every image of a view, whenever it is taken."""
    place = key(0, "grain", round(view.x_um * 100), round(view.y_um * 100))
    down, across = place % _TILE, (place >> 16) % _TILE
    band = np.roll(_grains()[(np.arange(first, first + rows) + down) % _TILE], across, axis=1)
    return np.tile(band, view.width_px // _TILE + 1)[:, : view.width_px]


@lru_cache(maxsize=1)
def _grains() -> FloatArray:
    noise = np.random.default_rng(7).standard_normal((_TILE, _TILE), dtype=np.float32)
    fine, coarse = (gaussian_filter(noise, sigma, mode="wrap") for sigma in (0.9, 2.5))
    grain = fine / fine.std() + 0.6 * coarse / coarse.std()
    return np.asarray(grain / grain.std(), np.float32)


@lru_cache(maxsize=8)
def _gains(seed: int) -> FloatArray:
    """The pixels' own gains, repeated over the camera."""
    return np.random.default_rng(key(seed, "gain")).standard_normal((_TILE, _TILE), dtype=np.float32)


def _blur(image: FloatArray, first: int, last: int, share: float) -> FloatArray:
    rows = np.clip(np.arange(first - 1, last + 1), 0, len(image) - 1)
    part = image[rows]
    middle, side = np.float32(1 - share), np.float32(share / 2)
    part = part[1:-1] * middle + (part[:-2] + part[2:]) * side
    wide = np.pad(part, ((0, 0), (1, 1)), mode="edge")
    return np.asarray(wide[:, 1:-1] * middle + (wide[:, :-2] + wide[:, 2:]) * side)


class _Fringe:
    """Brightness across the edge of something that shifts the phase, by distance from the edge."""

    def __init__(self, view: View, camera: Camera, height_um: float) -> None:
        defocus = abs(view.defocus_um + height_um)
        self.width_um = math.sqrt(max(defocus, 0.01) * camera.wavelength_pm * 1e-6)
        self.visible = self.width_um > 0.15 * view.pixel_um
        span = 12 * max(self.width_um, view.pixel_um)
        self.scale = np.float32(1023.5 / span)
        x = np.linspace(-span, span, 2048)
        step = float(x[1] - x[0])
        q = np.fft.rfftfreq(2048, step)
        # Weak-phase response of a phase step, damped by the source's size, averaged over a pixel.
        phase = math.pi * (self.width_um * q) ** 2 * np.sign(view.defocus_um + height_um or 1.0)
        response = 2 * np.sin(phase) * np.exp(-((0.7 * self.width_um * q) ** 2)) * np.sinc(q * view.pixel_um)
        # A step on a flat top that falls off slowly, so that the transform's ends meet.
        edge = 0.5 * np.sign(x) * np.cos(np.pi * x / span / 2) ** 2
        wave = np.fft.irfft(np.fft.rfft(edge) * response, 2048)
        self.table = (wave * np.clip(1.2 - np.abs(x) / span * 1.2, 0, 1)).astype(np.float32)

    def at(self, maps: Maps, film: Film) -> FloatArray:
        """Factor on the intensity."""
        if not self.visible:
            return np.ones_like(maps.film)
        near = np.abs(maps.from_film_um) < np.float32(1000 / self.scale)
        factor = np.ones_like(maps.film)
        if near.any():
            volts = _VOLTS[film.material] * film.thickness_nm
            phase = np.float32(_PHASE) * (np.float32(volts) + np.float32(_VOLTS["ice"]) * maps.rise_nm[near])
            index = (maps.from_film_um[near] * self.scale + np.float32(1024)).astype(np.int32)
            factor[near] += np.tanh(np.clip(phase, 0.05, 3.0) * 0.6) * self.table[index]
        return factor


__all__ = ["CAMERA", "Camera", "render_view", "transmission"]
