"""What differs from place to place: defocus over a tilted specimen, and how strong the rings are.

Every tile is compared with rings of more and less defocus than the whole has. A plane of defocus is the one whose
values, tile by tile, fit best together; nothing is fitted to a tile alone.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import interpolate, ndimage, optimize

from structloop.micrographs.ctf.refining import Refined
from structloop.micrographs.ctf.rings import Rings
from structloop.micrographs.ctf.spectra import Spectra
from structloop.micrographs.ctf.transfer import Array64, Lens

_REACH_UM = 0.5
_STEP_UM = 0.01
_SLOPES = 15
# By how much a plane must be likelier (natural logarithm) to be believed.
_BELIEVED = 12.0
_NEAR_TILES = 1.1


@dataclass(frozen=True, slots=True)
class Tilt:
    """A plane of defocus.

    Attributes:
        tilt_deg: Of the specimen, not negative.
        axis_deg: Direction of the axis from +x towards +y, 0 to 360: defocus grows towards axis + 90 degrees.
        gradient_um_per_px: (along x, along y).
        centre_um: What to add to the defocus of the whole in the micrograph's middle.
        gained: Natural logarithm of how much likelier the plane is than even defocus.
        believed: Whether that is enough.
    """

    tilt_deg: float
    axis_deg: float
    gradient_um_per_px: tuple[float, float]
    centre_um: float
    gained: float
    believed: bool


@dataclass(frozen=True, slots=True, eq=False)
class LocalFit:
    """Local fits.

    Attributes:
        tilt: The plane.
        centres_px: (tiles, 2), (x, y).
        defocus_um: (tiles,), mean defocus of each tile with those beside it; NaN where rings are too weak there.
        strength: (tiles,), amplitude of the rings as a share of the whole's, and
        strength_spread: its standard deviation.
    """

    tilt: Tilt
    centres_px: Array64 = field(repr=False)
    defocus_um: Array64
    strength: Array64
    strength_spread: Array64


def fit_locally(spectra: Spectra, rings: Rings, lens: Lens, fit: Refined) -> LocalFit:
    """Compares every tile with the whole's rings at other defoci.

    Args:
        spectra: All tiles.
        rings: The whole, flattened.
        lens: Of the microscope.
        fit: Of the whole.
    """
    offsets = np.linspace(-_REACH_UM, _REACH_UM, 2 * round(_REACH_UM / _STEP_UM) + 1)
    scores, strength, spread = _compared(spectra, rings, lens, fit, offsets)
    middle = (np.array(spectra.shape_px[::-1]) - 1) / 2
    places = spectra.centres_px - middle
    tilt = _plane(scores, places, offsets, spectra.pixel_size_angstrom)
    return LocalFit(tilt, spectra.centres_px, _each(scores, spectra, offsets, fit.defocus.mean_um), strength, spread)


def _compared(
    spectra: Spectra, rings: Rings, lens: Lens, fit: Refined, offsets: Array64
) -> tuple[Array64, Array64, Array64]:
    """(tiles, offsets) log likelihoods, (tiles,) strengths and their standard deviations."""
    seen = fit.linear.amplitude > 0.02 * fit.linear.amplitude.max()
    columns = np.flatnonzero(seen & (rings.weight.sum(axis=0) > 0))
    inside = rings.first + columns
    base = (rings.background[columns] * (1 + fit.linear.level[:, columns])).astype(np.float32)
    power = spectra.power[:, :, inside]
    used = spectra.usable > 0
    # Tiles differ in brightness and thickness: each is scaled to the whole, smoothly in k.
    excess = np.zeros_like(power)
    waves = spectra.waves[:, inside]
    total = np.maximum(waves.sum(axis=0), 1)
    for tile in np.flatnonzero(used):
        ratio = power[tile] / base
        smooth = (ratio * waves).sum(axis=0) / total
        smooth = ndimage.gaussian_filter1d(smooth.astype(np.float64), max(len(inside) / 8, 1.0), mode="nearest")
        excess[tile] = ratio / smooth - 1
    # Neighbouring waves share what the window spreads; overlapping tiles are counted as far as they are independent.
    certain = rings.weight[:, columns] / float(spectra.usable.sum())
    amplitude = fit.linear.amplitude[columns]
    flat = excess.reshape(len(excess), -1)
    part = Rings(
        rings.excess[:, columns],
        certain,
        rings.k2[:, columns],
        rings.k[columns],
        rings.cos_twice,
        rings.sin_twice,
        rings.background[columns],
        rings.smooth[columns],
        rings.envelope[columns],
        0,
    )
    shapes = np.empty((len(offsets), flat.shape[1]), np.float32)
    norms = np.empty(len(offsets))
    now = fit.defocus
    for place, offset in enumerate(offsets):
        wave, _ = part.wave(lens, replace(now, mean_um=now.mean_um + float(offset)))
        shape = amplitude * wave
        weighted = certain * shape
        norms[place] = float((weighted * shape).sum())
        shapes[place] = weighted.ravel()
    scores = (flat @ shapes.T).astype(np.float64) - norms / 2
    middle = len(offsets) // 2
    norm = max(float(norms[middle]), 1e-12)
    strength = (scores[:, middle] + norm / 2) / norm
    spread = np.where(used, 1 / np.sqrt(np.maximum(norm * spectra.usable, 1e-12)), np.inf)
    scores *= spectra.usable[:, None]
    return scores, np.where(used, strength, 0.0), spread


def _plane(scores: Array64, places: Array64, offsets: Array64, pixel_angstrom: float) -> Tilt:
    """The plane whose values score best together."""
    radius = max(float(np.abs(places).max()), 1.0)
    unit = places / radius
    index = np.arange(len(scores))

    # (4, offsets - 1, tiles): cubic between the offsets, or peaks would stand on them.
    cubic = interpolate.CubicSpline(offsets, scores.T).c

    def score(plane: Array64) -> float:
        wanted = np.clip(plane[0] + unit @ plane[1:], offsets[0], offsets[-1] - 1e-9)
        low = ((wanted - offsets[0]) / (offsets[1] - offsets[0])).astype(np.intp)
        off = wanted - offsets[low]
        third, second, first, zeroth = (each[low, index] for each in cubic)
        return float((((third * off + second) * off + first) * off + zeroth).sum())

    steps = np.linspace(-0.7 * _REACH_UM, 0.7 * _REACH_UM, _SLOPES)
    starts = [(score(np.array([0.0, x, y])), float(x), float(y)) for x in steps for y in steps]
    best_start = max(starts)

    # Nelder & Mead's first steps are a twentieth of the values, so these are counted from -1.
    def lost(shifted: Array64) -> float:
        return -score(np.asarray(shifted, np.float64) - 1)

    start = np.array([1.0, 1 + best_start[1], 1 + best_start[2]])
    plane = np.asarray(optimize.fmin(lost, start, xtol=1e-4, ftol=1e-3, disp=False), np.float64) - 1
    flat = max(score(np.array([each, 0.0, 0.0])) for each in np.linspace(-0.02, 0.02, 9))
    gained = score(plane) - flat
    gradient = plane[1:] / radius
    slope = float(np.hypot(*gradient)) / (pixel_angstrom * 1e-4)
    axis = (math.degrees(math.atan2(gradient[1], gradient[0])) - 90) % 360
    return Tilt(
        math.degrees(math.atan(slope)),
        axis,
        (float(gradient[0]), float(gradient[1])),
        float(plane[0]),
        gained,
        gained > _BELIEVED,
    )


def _each(scores: Array64, spectra: Spectra, offsets: Array64, mean_um: float) -> Array64:
    """Mean defocus of every tile, from its own score and those beside it."""
    gaps = np.abs(spectra.centres_px[:, None, :] - spectra.centres_px[None, :, :]).max(axis=-1) / spectra.tile_px
    near = (gaps < _NEAR_TILES / 2).astype(np.float64)
    joined = near @ scores
    best = joined.argmax(axis=1)
    # The top of a parabola through the best and its neighbours.
    inner = np.clip(best, 1, len(offsets) - 2)
    index = np.arange(len(joined))
    before, at, after = (joined[index, inner + step] for step in (-1, 0, 1))
    bend = np.minimum(before - 2 * at + after, -1e-12)
    found = mean_um + offsets[inner] + np.clip((before - after) / (2 * bend), -0.5, 0.5) * (offsets[1] - offsets[0])
    weak = joined.max(axis=1) < 8.0
    return np.where(weak | (best == 0) | (best == len(offsets) - 1), np.nan, found)


__all__ = ["LocalFit", "Tilt", "fit_locally"]
