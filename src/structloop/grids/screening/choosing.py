"""Which squares and holes a screening looks at: good ones, and differing ones, so that a grid is seen as a whole."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from structloop.grids.finding import FoundHole, FoundHoles, FoundSquare, FoundSquares, Frame
from structloop.schema.acquisition import StageLimits

T = TypeVar("T")
OUTLIER = 3.0
"""Brightness this many robust standard deviations off the rest: torn, empty, contaminated."""


@dataclass(frozen=True)
class Chosen:
    """A square or hole to look at, as the journal notes it.

    Attributes:
        radius_um: Of a hole; half the side of a square.
    """

    x_um: float
    y_um: float
    radius_um: float
    score: float


def _scatter(values: NDArray[np.float64]) -> tuple[float, float]:
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def choose_squares(found: FoundSquares, count: int, limits: StageLimits) -> tuple[Chosen, ...]:
    """Squares to image, best match first within each of `count` ranges of brightness, thick ice to thin.

    Left out are those beyond the stage's limits and, as long as enough others are there, the outliers in brightness
    (torn, empty) and in evenness (torn, cracked, contaminated).
    """
    within = [s for s in found.squares if limits.x_um.holds(s.x_um) and limits.y_um.holds(s.y_um)]
    if not within:
        return ()
    brightness = np.log(np.maximum([s.brightness for s in within], 1e-3))
    unevenness = np.array([s.deviation / max(s.mean, 1e-9) for s in within])
    score = np.array([s.match for s in within]) * np.exp(-np.maximum(_deviations(unevenness), 0.0) / 3)
    fine = (np.abs(_deviations(brightness)) < OUTLIER) & (_deviations(unevenness) < OUTLIER)
    order = _ranges(within, brightness, score, fine, count, apart=2.5 * within[0].side_um, at=_square_at)
    return tuple(
        Chosen(within[i].x_um, within[i].y_um, within[i].side_um / 2, float(np.clip(score[i], 0, 1))) for i in order
    )


def choose_holes(
    found: FoundHoles, count: int, shape: tuple[int, int], frame: Frame, limits: StageLimits
) -> tuple[Chosen, ...]:
    """Holes to expose, best match first within each of `count` ranges of brightness.

    Args:
        found: In an image of that shape (rows, columns) and frame.
        count: At most so many.
        shape, frame: Of the image.
        limits: Of the stage.
    """
    height, width = shape
    within = [
        hole
        for hole in found.holes
        if min(hole.x_px, width - 1 - hole.x_px, hole.y_px, height - 1 - hole.y_px) > 2.0 * hole.radius_px
        and limits.x_um.holds(hole.x_um)
        and limits.y_um.holds(hole.y_um)
    ]
    if not within:
        return ()
    means = np.array([hole.mean for hole in within])
    spread = np.array([hole.deviation for hole in within])
    score = np.array([hole.match for hole in within]) * np.exp(-np.maximum(_deviations(spread), 0.0) / 3)
    fine = (np.abs(_deviations(means)) < OUTLIER) & (_deviations(spread) < OUTLIER)
    pitch = found.lattice.pitch_px * frame.pixel_um if found.lattice is not None else 3 * within[0].radius_um
    order = _ranges(within, means, score, fine, count, apart=1.5 * pitch, at=_hole_at)
    return tuple(
        Chosen(within[i].x_um, within[i].y_um, within[i].radius_um, float(np.clip(score[i], 0, 1))) for i in order
    )


def _square_at(square: FoundSquare) -> tuple[float, float]:
    return square.x_um, square.y_um


def _hole_at(hole: FoundHole) -> tuple[float, float]:
    return hole.x_um, hole.y_um


def _deviations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    middle, scatter = _scatter(values)
    return np.asarray((values - middle) / max(scatter, 1e-9 + 0.02 * abs(middle)))


def _ranges(
    things: Sequence[T],
    brightness: NDArray[np.float64],
    score: NDArray[np.float64],
    fine: NDArray[np.bool_],
    count: int,
    apart: float,
    at: Callable[[T], tuple[float, float]],
) -> list[int]:
    """Indices of one thing per range of brightness, not too near to each other where that can be."""
    pool = np.flatnonzero(fine) if np.count_nonzero(fine) >= count else np.arange(len(things))
    ordered = pool[np.argsort(brightness[pool], kind="stable")]
    chosen: list[int] = []
    for part in np.array_split(ordered, count):
        best_first = part[np.argsort(-score[part], kind="stable")]
        far = [i for i in best_first if all(math.dist(at(things[i]), at(things[k])) >= apart for k in chosen)]
        if len(best_first):
            chosen.append(int(far[0] if far else best_first[0]))
    return chosen


FURTHEST = 0.55
"""How far out in a hole exposures lie at most, in radii."""


def exposures_that_fit(count: int, radius_um: float, field_um: float) -> int:
    """How many of `count` exposures a hole has room for, so that none looks at what another has seen.

    Args:
        field_um: Longer edge of an exposure; the middles of two lie at least so far apart.
    """
    fit = [n for n in range(2, count + 1) if _apart(n, FURTHEST * radius_um) >= field_um]
    return max(fit, default=1)


def exposure_offsets(
    count: int, radius_um: float, spacing_um: float, field_um: float = 0.0
) -> tuple[tuple[float, float], ...]:
    """Where within a hole to expose, from its middle: on a circle, no further out than 0.55 of the radius.

    Args:
        spacing_um: Between neighbours; more where their fields would overlap, less where the hole is small.
        field_um: Longer edge of an exposure.

    Raises:
        ValueError: so many do not fit without overlapping; see `exposures_that_fit`.
    """
    if count == 1:
        return ((0.0, 0.0),)
    if exposures_that_fit(count, radius_um, field_um) < count:
        raise ValueError(f"{count} exposures of {field_um:g} um do not fit into a hole of radius {radius_um:g} um")
    reach = min(max(spacing_um, field_um) / (2 * math.sin(math.pi / count)), FURTHEST * radius_um)
    angles = [math.pi / 4 + 2 * math.pi * k / count for k in range(count)]
    return tuple((reach * math.cos(angle), reach * math.sin(angle)) for angle in angles)


def _apart(count: int, reach_um: float) -> float:
    """Distance of neighbours on a circle."""
    return 2 * reach_um * math.sin(math.pi / count)


def focus_offset(
    radius_um: float, clearance_um: float, steps_um: Sequence[tuple[float, float]] = ()
) -> tuple[float, float]:
    """Where beside a hole to focus, from its middle: on the film, between its neighbours.

    Args:
        radius_um: Of the hole.
        clearance_um: Free film from its edge, at least.
        steps_um: The film's lattice vectors, where known: focused is in the middle of the four (or three) holes that
            share a cell, which is the widest piece of film.
    """
    if len(steps_um) == 2:
        (ax, ay), (bx, by) = steps_um
        if ax * bx + ay * by < 0:
            bx, by = -bx, -by
        acute = (ax * bx + ay * by) > 0.25 * math.hypot(ax, ay) * math.hypot(bx, by)
        share = 1 / 3 if acute else 1 / 2
        middle = ((ax + bx) * share, (ay + by) * share)
        if math.hypot(*middle) > radius_um:
            return middle
    distance = radius_um + clearance_um
    return distance * math.cos(math.pi / 4), distance * math.sin(math.pi / 4)


__all__ = ["Chosen", "choose_holes", "choose_squares", "exposure_offsets", "exposures_that_fit", "focus_offset"]
