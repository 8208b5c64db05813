"""Holes of a support film in an image of a square or of a few holes, without training and without a template.

Where the holes repeat, the lattice tells what one looks like (the mean unit cell), and each is then matched with that
and looked for where its neighbours say. Where too few are in view for a lattice, discs of one size are looked for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.grids.finding.cells import fold, mean_window, unfold
from structloop.grids.finding.discs import DiscResponse, edge_profile, refine_disc
from structloop.grids.finding.flattening import FloatImage, Mask, away_from_edges, flatten, lit, recorded, reduce
from structloop.grids.finding.frames import PIXEL_FRAME, Frame
from structloop.grids.finding.growth import Site, chance_level, grow
from structloop.grids.finding.lattice import Lattice, estimate_lattice
from structloop.grids.finding.matching import match_map

WORK_PX = 768
"""Holes are found in an image reduced to at most this many pixels a side."""
LEAST_STRENGTH = 0.05
"""Autocorrelation below which a lattice is chance."""

CLEAR_STRENGTH = 0.12
"""From here on nothing else is tried."""
LEAST_SHARPNESS = 0.65
LEAST_EVENNESS = 2.0

Disc = tuple[float, float, float, float]
"""Worth, x, y, radius."""


@dataclass(frozen=True)
class FoundHole:
    """A hole.

    Attributes:
        x_px, y_px, radius_px: In pixels of the image that was given.
        x_um, y_um, radius_um: On the stage.
        match: How much it looks like the others, or how complete its edge is: 0 to 1.
        mean, deviation: Of the pixels well inside it, in the image's own units.
        film: Median of the film around it, in the same units; NaN where there is none.
    """

    x_px: float
    y_px: float
    radius_px: float
    x_um: float
    y_um: float
    radius_um: float
    match: float
    mean: float
    deviation: float
    film: float


@dataclass(frozen=True)
class FoundHoles:
    """The holes of an image, best match first, and the lattice they lie on (in its pixels) where there is one."""

    holes: tuple[FoundHole, ...]
    lattice: Lattice | None


@dataclass(frozen=True)
class _Discs:
    """Places (x, y), one radius and a match each, in pixels of the reduced image."""

    places: NDArray[np.float64]
    radii: NDArray[np.float64]
    matches: NDArray[np.float64]
    lattice: Lattice | None


def find_holes(image: NDArray[np.generic], frame: Frame = PIXEL_FRAME) -> FoundHoles:
    """The holes of an image of any size, pitch and rotation, on a square or hexagonal lattice or on none.

    Args:
        image: `(y, x)`, any units, brighter where more electrons come through.
        frame: Where its pixels lie on the stage.
    """
    factor = max(1, int(np.ceil(max(image.shape) / WORK_PX)))
    small = reduce(image, factor)
    known = recorded(small)
    mask = lit(small, known)
    if mask.sum() < 200:
        return FoundHoles((), None)
    found = _on_lattice(small, mask) or _alone(small, mask)
    if found is None:
        return FoundHoles((), None)
    return _measured(np.asarray(image, dtype=np.float32), found, factor, frame)


def find_hole_near_middle(image: NDArray[np.generic], radius_px: float, frame: Frame = PIXEL_FRAME) -> FoundHole | None:
    """The hole of a known size that lies nearest to the middle of an image; None where there is none.

    Args:
        image: `(y, x)`, any units, brighter where more electrons come through.
        radius_px: Of the hole; it may be a tenth off.
        frame: Where the image's pixels lie on the stage.
    """
    factor = max(1, min(int(max(image.shape) / 256), int(radius_px / 6)))
    small = reduce(image, factor)
    mask = np.ones(small.shape, dtype=bool)
    flat = ndimage.gaussian_filter(flatten(small, mask, 0.5 * max(small.shape)), 0.7)
    radius = radius_px / factor
    response = DiscResponse(flat, mask)
    values = np.max([response(radius * scale) for scale in (0.92, 1.0, 1.08)], axis=0)
    wide = max(3, int(radius) | 1)
    highest = float(values.max())
    if highest < 0.15:
        return None
    rows, columns = np.nonzero((ndimage.maximum_filter(values, wide) == values) & (values > 0.5 * highest))
    middle = np.array([(small.shape[1] - 1) / 2, (small.shape[0] - 1) / 2])
    nearest = int(np.argmin(np.hypot(columns - middle[0], rows - middle[1])))
    x, y, r, _ = refine_disc(flat, float(columns[nearest]), float(rows[nearest]), radius, 0.2 * radius)
    match = np.array([values[rows[nearest], columns[nearest]] / highest])
    found = _Discs(np.array([(x, y)]), np.array([r]), match, None)
    return _measured(np.asarray(image, dtype=np.float32), found, factor, frame).holes[0]


# --- With a lattice --------------------------------------------------------------------------------------------------


def _on_lattice(small: FloatImage, mask: Mask) -> _Discs | None:
    inner = away_from_edges(mask)
    size = max(small.shape)
    lattices: list[Lattice] = []
    for parts in (40, 16, 6):
        lattice = estimate_lattice(flatten(small, mask, size / parts), inner)
        if lattice is not None and lattice.strength > LEAST_STRENGTH:
            lattices.append(lattice)
            if lattice.strength > CLEAR_STRENGTH:
                break
    if not lattices:
        return None
    lattice = max(lattices, key=lambda one: one.strength * one.pitch_px**-0.2)
    flat = flatten(small, mask, max(2.0, 0.7 * lattice.pitch_px))
    disc = _disc_of_cell(flat, inner, lattice)
    if disc is None:
        return None
    centre, radius = disc
    half = max(2, round(min(1.35 * radius, 0.5 * lattice.pitch_px)))
    template = unfold(fold(flat, inner, lattice), lattice, half, centre)
    sites: list[Site] = []
    for _ in range(2):
        match = match_map(flat, template)
        sites = _accepted(match, mask, lattice)
        if len(sites) < 4:
            return None
        places = np.array([(site.x, site.y) for site in sites])
        template = mean_window(flat, places[np.argsort([-site.match for site in sites])], half)
    places = np.array([(site.x, site.y) for site in sites])
    around = mean_window(flat, places, max(3, round(0.75 * lattice.pitch_px)))
    middle = around.shape[0] // 2
    dx, dy, radius, _ = refine_disc(around, middle, middle, radius, max(1.0, 0.25 * radius))
    places = places + np.array([dx - middle, dy - middle])
    return _Discs(places, np.full(len(places), radius), np.array([site.match for site in sites]), lattice)


def _accepted(match: FloatImage, mask: Mask, lattice: Lattice) -> list[Site]:
    """Sites that match better than chance would: found once to learn what chance gives, then grown."""
    first = grow(match, mask, lattice, good=0.3)
    places = np.array([(site.x, site.y) for site in first.values() if site.match >= 0.3] or [(0.0, 0.0)])
    middle, scatter = chance_level(match, mask, places, lattice)
    good = float(np.clip(middle + 2.5 * scatter, 0.2, 0.6))
    return [site for site in grow(match, mask, lattice, good=good).values() if site.match >= good]


def _disc_of_cell(flat: FloatImage, mask: Mask, lattice: Lattice) -> tuple[tuple[float, float], float] | None:
    """Where in the unit cell the hole is (lattice coordinates), and its radius."""
    cell = fold(flat, mask, lattice)
    pitch = lattice.pitch_px
    half = int(np.ceil(1.6 * pitch))
    picture = unfold(cell, lattice, half)
    response = DiscResponse(picture, np.ones(picture.shape, dtype=bool))
    near = round(0.6 * pitch)
    window = slice(half - near, half + near + 1)
    best: tuple[float, float, int, int] | None = None
    for radius in np.geomspace(0.14, 0.46, 14) * pitch:
        # Brighter than the film, unless it is much clearer that they are darker.
        value = response(float(radius))[window, window]
        signed = np.maximum(value, -0.7 * value)
        row, column = np.unravel_index(int(np.argmax(signed)), signed.shape)
        if best is None or signed[row, column] > best[0]:
            best = (float(signed[row, column]), float(radius), int(column) - near, int(row) - near)
    if best is None or best[0] <= 0:
        return None
    u, v = np.linalg.solve(lattice.matrix, np.array([best[2], best[3]], dtype=float))
    return (float(u), float(v)), best[1]


# --- Without one -----------------------------------------------------------------------------------------------------


def _alone(small: FloatImage, mask: Mask) -> _Discs | None:
    """Discs of one size, by their edges; None where there are none."""
    size = min(small.shape)
    flat = flatten(small, mask, 0.35 * size)
    fine, coarse = max(1, size // 320), max(1, size // 160)
    smooth = ndimage.gaussian_filter(reduce(flat, fine), 0.8)
    smooth[reduce(mask, fine) < 1] = np.nan
    found: list[Disc] = []
    for x, y, radius in _guesses(reduce(flat, coarse), reduce(mask, coarse) > 0.5):
        guess = [((value + 0.5) * coarse) / fine - 0.5 for value in (x, y)]
        near = radius * coarse / fine
        x, y, r, edge = refine_disc(smooth, guess[0], guess[1], near, 0.2 * near)
        steps, close = edge_profile(smooth, x, y, r), edge_profile(smooth, x, y, r, 0.05)
        seen = np.isfinite(steps) & np.isfinite(close)
        if seen.sum() < 36 or edge < 0.15 or r * fine < 0.02 * size:
            continue
        share = float(np.mean(steps[seen] > 0.25 * edge))
        # A hole's edge is a step; a thinner part of the ice fades.
        sharp = float(np.mean(close[seen])) > LEAST_SHARPNESS * float(np.mean(steps[seen]))
        # Of noise, one always finds a place whose edge is bright on average; it is not so all around.
        even = edge > LEAST_EVENNESS * float(np.std(steps[seen]))
        if share > 0.7 and sharp and even:
            place = [(value + 0.5) * fine - 0.5 for value in (x, y)]
            found.append((edge * share * float(np.sqrt(r)), place[0], place[1], r * fine))
    return _one_size(sorted(found, reverse=True)) if found else None


def _guesses(flat: FloatImage, mask: Mask, most: int = 30) -> list[tuple[float, float, float]]:
    """Discs (x, y, radius) that stand out most against the ring around them, each once."""
    response = DiscResponse(flat, mask)
    candidates: list[Disc] = []
    for radius in np.geomspace(0.03, 0.32, 18) * min(flat.shape):
        value = response(float(radius))
        wide = max(3, int(radius) | 1)
        rows, columns = np.nonzero((ndimage.maximum_filter(value, wide) == value) & (value > 0.15))
        weights = value[rows, columns] * np.sqrt(radius)
        candidates += [
            (float(weights[k]), float(columns[k]), float(rows[k]), float(radius))
            for k in np.argsort(weights)[::-1][:most]
        ]
    kept: list[Disc] = []
    for one in sorted(candidates, reverse=True):
        if all(np.hypot(one[1] - k[1], one[2] - k[2]) > 0.5 * min(one[3], k[3]) for k in kept):
            kept.append(one)
        if len(kept) == most:
            break
    return [(x, y, radius) for _, x, y, radius in kept]


def _one_size(found: list[Disc]) -> _Discs:
    """The strongest disc, and those of its size that do not overlap a stronger one."""
    best = found[0]
    kept: list[Disc] = []
    for one in found:
        alike = abs(one[3] - best[3]) < 0.2 * best[3] and one[0] > 0.25 * best[0]
        if alike and all(np.hypot(one[1] - k[1], one[2] - k[2]) > 1.6 * best[3] for k in kept):
            kept.append(one)
    places = np.array([(one[1], one[2]) for one in kept])
    matches = np.array([min(1.0, one[0] / best[0]) for one in kept])
    return _Discs(places, np.array([one[3] for one in kept]), matches, None)


# --- Both ------------------------------------------------------------------------------------------------------------


def _measured(image: FloatImage, found: _Discs, factor: int, frame: Frame) -> FoundHoles:
    """Discs of the reduced image as holes of the whole one, best match first."""
    middle = (factor - 1) / 2
    holes = []
    for index in np.argsort(-found.matches):
        x = float(found.places[index, 0]) * factor + middle
        y = float(found.places[index, 1]) * factor + middle
        radius = float(found.radii[index]) * factor
        mean, deviation, film = _levels(image, x, y, radius)
        x_um, y_um = frame.to_stage(x, y)
        match = float(np.clip(found.matches[index], 0.0, 1.0))
        holes.append(FoundHole(x, y, radius, x_um, y_um, radius * frame.pixel_um, match, mean, deviation, film))
    lattice = found.lattice
    if lattice is not None:
        first, second = (tuple(float(v) * factor for v in vector) for vector in (lattice.first, lattice.second))
        lattice = Lattice((first[0], first[1]), (second[0], second[1]), lattice.strength)
    return FoundHoles(tuple(holes), lattice)


def _levels(image: FloatImage, x: float, y: float, radius: float) -> tuple[float, float, float]:
    """Mean and deviation well inside a hole, and the median of the film around it."""
    reach = 1.5 * radius
    x0, x1 = max(0, int(x - reach)), min(image.shape[1], int(x + reach) + 2)
    y0, y1 = max(0, int(y - reach)), min(image.shape[0], int(y + reach) + 2)
    rows, columns = np.mgrid[y0:y1, x0:x1]
    distance = np.hypot(columns - x, rows - y)
    window = image[y0:y1, x0:x1]
    inside = window[distance <= max(0.8 * radius, 0.75)]
    around = window[(distance >= 1.15 * radius) & (distance <= 1.4 * radius)]
    film = float(np.median(around)) if around.size else float("nan")
    return float(inside.mean()) if inside.size else film, float(inside.std()) if inside.size else 0.0, film


__all__ = ["FoundHole", "FoundHoles", "find_hole_near_middle", "find_holes"]
