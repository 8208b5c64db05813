"""Squares of a grid's mesh in its atlas: bright openings on a lattice, dim, torn and empty ones among them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structloop.grids.finding.cells import fold, unfold
from structloop.grids.finding.flattening import FloatImage, Mask, flatten, otsu, recorded, reduce
from structloop.grids.finding.frames import PIXEL_FRAME, Frame
from structloop.grids.finding.growth import Site, chance_level, grow
from structloop.grids.finding.lattice import Lattice, estimate_lattice
from structloop.grids.finding.matching import match_map

WORK_PX = 1200
LEAST_STRENGTH = 0.1
INSIDE = 0.8
"""Brightness is measured over this share of an opening's side: the rest may be bar."""


@dataclass(frozen=True)
class FoundSquare:
    """A square.

    Attributes:
        x_px, y_px, side_px: Of the opening, in pixels of the image that was given.
        x_um, y_um, side_um: On the stage.
        match: How much it looks like the mean square, whatever its brightness: 0 to 1.
        mean, deviation: Of the pixels well inside it, in the image's own units.
        brightness: Its mean above the bars', over the median of all squares': 1 is typical, a torn or empty square is
            above, thick ice below.
    """

    x_px: float
    y_px: float
    side_px: float
    x_um: float
    y_um: float
    side_um: float
    match: float
    mean: float
    deviation: float
    brightness: float


@dataclass(frozen=True)
class FoundSquares:
    """The squares of an atlas, best match first, and the mesh they lie on (in its pixels) where there is one."""

    squares: tuple[FoundSquare, ...]
    lattice: Lattice | None


def find_squares(image: NDArray[np.generic], frame: Frame = PIXEL_FRAME, known: Mask | None = None) -> FoundSquares:
    """The squares of an atlas, of any mesh and rotation.

    Args:
        image: `(y, x)`, any units, brighter where more electrons come through.
        frame: Where its pixels lie on the stage.
        known: Which pixels a tile covers; by default all that do not look filled in.
    """
    factor = max(1, int(np.ceil(max(image.shape) / WORK_PX)))
    small = reduce(image, factor)
    mask = recorded(small) if known is None else np.asarray(reduce(known, factor) > 0.99)
    lattice = _mesh(small, mask)
    if lattice is None:
        return FoundSquares((), None)
    flat = flatten(_levelled(small, mask), mask, max(2.0, 0.8 * lattice.pitch_px))
    cell = fold(flat, mask, lattice)
    centre, side = _opening(cell, lattice)
    half = max(2, round(0.5 * lattice.pitch_px))
    template = unfold(cell, lattice, half, centre)
    match = match_map(flat, template)
    places = mask & ndimage.binary_erosion(mask, iterations=max(1, round(0.4 * side)), border_value=0)
    sites = _accepted(match, places, lattice)
    return _measured(np.asarray(image, dtype=np.float32), small, sites, lattice, side, factor, frame)


def _levelled(small: FloatImage, mask: Mask) -> FloatImage:
    """Brightness on a scale on which thin and thick ice differ about as much as ice and bars do."""
    low, high = np.percentile(small[mask], [2, 98])
    return np.asarray(np.sqrt(np.clip((small - low) / max(float(high - low), 1e-9), 0.0, 2.0)), dtype=np.float32)


def _mesh(small: FloatImage, mask: Mask) -> Lattice | None:
    size = max(small.shape)
    levelled = _levelled(small, mask)
    best: Lattice | None = None
    for parts in (24, 8):
        lattice = estimate_lattice(flatten(levelled, mask, size / parts), mask)
        if lattice is not None and (best is None or lattice.strength > best.strength):
            best = lattice
    return best if best is not None and best.strength > LEAST_STRENGTH else None


def _opening(cell: FloatImage, lattice: Lattice) -> tuple[tuple[float, float], float]:
    """The middle of the opening in the unit cell (lattice coordinates), and its side in pixels."""
    side = cell.shape[0]
    bright = cell > otsu(cell.ravel())
    share = float(bright.mean())
    # The mean of positions on a torus, by their angles.
    angle = 2 * np.pi * (np.arange(side) + 0.5) / side
    weight_u, weight_v = bright.sum(axis=0), bright.sum(axis=1)
    u = float(np.angle(np.sum(weight_u * np.exp(1j * angle))) / (2 * np.pi)) % 1.0
    v = float(np.angle(np.sum(weight_v * np.exp(1j * angle))) / (2 * np.pi)) % 1.0
    area = abs(float(np.linalg.det(lattice.matrix)))
    return (u, v), float(np.sqrt(share * area))


def _accepted(match: FloatImage, places: Mask, lattice: Lattice) -> list[Site]:
    first = grow(match, places, lattice, good=0.4, gap=3)
    found = np.array([(site.x, site.y) for site in first.values() if site.match >= 0.4] or [(0.0, 0.0)])
    middle, scatter = chance_level(match, places, found, lattice)
    good = float(np.clip(middle + 2.5 * scatter, 0.25, 0.6))
    return [site for site in grow(match, places, lattice, good=good, gap=3).values() if site.match >= good]


def _measured(
    image: FloatImage,
    small: FloatImage,
    sites: list[Site],
    lattice: Lattice,
    side: float,
    factor: int,
    frame: Frame,
) -> FoundSquares:
    if not sites:
        return FoundSquares((), None)
    levels = [_levels(small, site, lattice, INSIDE * side) for site in sites]
    bars = float(np.percentile(small[small > 0], 2)) if (small > 0).any() else 0.0
    typical = max(float(np.median([mean for mean, _ in levels])) - bars, 1e-9)
    squares = []
    for site, (mean, deviation) in zip(sites, levels, strict=True):
        x, y = (site.x + 0.5) * factor - 0.5, (site.y + 0.5) * factor - 0.5
        x_um, y_um = frame.to_stage(x, y)
        squares.append(
            FoundSquare(
                x,
                y,
                side * factor,
                x_um,
                y_um,
                side * factor * frame.pixel_um,
                float(np.clip(site.match, 0.0, 1.0)),
                mean,
                deviation,
                max(0.0, mean - bars) / typical,
            )
        )
    squares.sort(key=lambda square: -square.match)
    first, second = ((vector[0] * factor, vector[1] * factor) for vector in (lattice.first, lattice.second))
    return FoundSquares(tuple(squares), Lattice(first, second, lattice.strength))


def _levels(small: FloatImage, site: Site, lattice: Lattice, side: float) -> tuple[float, float]:
    """Mean and deviation inside an opening whose sides run along the mesh."""
    reach = int(np.ceil(0.75 * side))
    x0, x1 = max(0, int(site.x) - reach), min(small.shape[1], int(site.x) + reach + 2)
    y0, y1 = max(0, int(site.y) - reach), min(small.shape[0], int(site.y) + reach + 2)
    rows, columns = np.mgrid[y0:y1, x0:x1]
    along = np.asarray(lattice.first) / np.hypot(*lattice.first)
    across = np.array([-along[1], along[0]])
    dx, dy = columns - site.x, rows - site.y
    inside = (np.abs(dx * along[0] + dy * along[1]) <= side / 2) & (np.abs(dx * across[0] + dy * across[1]) <= side / 2)
    window = small[y0:y1, x0:x1][inside]
    if not window.size:
        return float(
            small[min(max(round(site.y), 0), small.shape[0] - 1), min(max(round(site.x), 0), small.shape[1] - 1)]
        ), 0.0
    return float(window.mean()), float(window.std())


__all__ = ["FoundSquare", "FoundSquares", "find_squares"]
