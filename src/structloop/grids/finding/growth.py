"""From a map of how well each place matches to the places themselves: grown along a lattice, neighbour by neighbour.

Nothing is assumed to be straight over the whole image: each place is looked for where its found neighbours say, so
that the seams of a montage, a tilt or a bent film do no harm, and gaps are crossed.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.grids.finding.flattening import FloatImage, Mask
from structloop.grids.finding.lattice import Lattice

Index = tuple[int, int]


@dataclass(frozen=True)
class Site:
    """A lattice site: where it was looked for and what was found there.

    Attributes:
        match: The best match near the place, -1 to 1.
    """

    index: Index
    x: float
    y: float
    match: float


def peak_near(match: FloatImage, x: float, y: float, radius: float) -> tuple[float, float, float]:
    """The highest match within a distance of a place: x, y (sub-pixel), value; -1 where the place is outside."""
    height, width = match.shape
    x0, x1 = max(0, int(np.ceil(x - radius))), min(width, int(np.floor(x + radius)) + 1)
    y0, y1 = max(0, int(np.ceil(y - radius))), min(height, int(np.floor(y + radius)) + 1)
    if x0 >= x1 or y0 >= y1:
        return x, y, -1.0
    window = match[y0:y1, x0:x1]
    row, column = np.unravel_index(int(np.argmax(window)), window.shape)
    px, py = x0 + int(column), y0 + int(row)
    value = float(match[py, px])
    if not (0 < px < width - 1 and 0 < py < height - 1):
        return float(px), float(py), value
    shift = []
    for before, after in ((match[py, px - 1], match[py, px + 1]), (match[py - 1, px], match[py + 1, px])):
        bend = float(before) - 2 * value + float(after)
        shift.append(float(np.clip(0.5 * (float(before) - float(after)) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
    return px + shift[0], py + shift[1], value


def chance_level(match: FloatImage, mask: Mask, places: NDArray[np.float64], lattice: Lattice) -> tuple[float, float]:
    """Mean and scatter of the best match near the middles between lattice places: what chance would give."""
    matrix = lattice.matrix
    values = []
    for step in ((0.5, 0.5), (0.5, 0.0), (0.0, 0.5)):
        dx, dy = matrix @ np.array(step)
        for x, y in places[:400]:
            px, py = round(x + dx), round(y + dy)
            if 0 <= py < mask.shape[0] and 0 <= px < mask.shape[1] and mask[py, px]:
                values.append(peak_near(match, x + dx, y + dy, 0.2 * lattice.pitch_px)[2])
    if len(values) < 4:
        return 0.1, 0.1
    array = np.array(values)
    middle = float(np.median(array))
    return middle, 1.4826 * float(np.median(np.abs(array - middle))) + 0.02


def grow(match: FloatImage, mask: Mask, lattice: Lattice, good: float, gap: int = 2) -> dict[Index, Site]:
    """All sites of the lattice that can be reached within the mask, from the best matching place on.

    Args:
        match: How well each place matches.
        mask: Where places may be.
        lattice: The steps from one to the next.
        good: Matches from this on count as found: the steps of the lattice start anew from where they lie.
        gap: How many sites in a row may be missing before a direction is given up.
    """
    height, width = match.shape
    steps = {step: lattice.matrix @ np.array(step) for step in lattice.neighbours()}
    inside = np.where(mask, match, -1.0)
    sites: dict[Index, Site] = {}
    misses: dict[Index, int] = {}
    start_y, start_x = np.unravel_index(int(np.argmax(inside)), inside.shape)
    x, y, value = peak_near(match, float(start_x), float(start_y), 1.0)
    queue: list[tuple[float, Index, float, float]] = []
    sites[0, 0] = Site((0, 0), x, y, value)
    misses[0, 0] = 0
    heapq.heappush(queue, (-value, (0, 0), x, y))
    while queue:
        _, index, x, y = heapq.heappop(queue)
        for step in steps:
            there = (index[0] + step[0], index[1] + step[1])
            if there in sites:
                continue
            guess = _guess(there, sites, steps, good)
            column, row = round(float(guess[0])), round(float(guess[1]))
            if not (0 <= column < width and 0 <= row < height):
                continue
            found_x, found_y, value = peak_near(match, float(guess[0]), float(guess[1]), 0.22 * lattice.pitch_px)
            missing = misses[index] + 1 if value < good or not mask[row, column] else 0
            if missing > gap:
                continue
            if missing:
                sites[there] = Site(there, float(guess[0]), float(guess[1]), value if mask[row, column] else -1.0)
            else:
                sites[there] = Site(there, found_x, found_y, value)
            misses[there] = missing
            heapq.heappush(queue, (missing - value, there, sites[there].x, sites[there].y))
    return sites


def _guess(
    index: Index, sites: dict[Index, Site], steps: dict[Index, NDArray[np.float64]], good: float
) -> NDArray[np.float64]:
    """Where the found neighbours of a site say that it is."""
    guesses, weights = [], []
    for step, vector in steps.items():
        neighbour = sites.get((index[0] - step[0], index[1] - step[1]))
        if neighbour is not None:
            guesses.append(np.array([neighbour.x, neighbour.y]) + vector)
            weights.append(1.0 if neighbour.match >= good else 0.1)
    return np.asarray(np.average(guesses, axis=0, weights=weights), dtype=float)


__all__ = ["Index", "Site", "chance_level", "grow", "peak_near"]
