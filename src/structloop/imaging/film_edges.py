"""The edge of a hole in support film, found as the arc or line that best divides a micrograph.

On each side of it grey level and texture are one; ice only grows thicker or thinner smoothly. So a smooth background
(of fourth order in x and y) is taken out of both maps, and every arc is asked how much of what is left a step across it
explains. This is a matched filter over a family of edges (Duda & Hart, Comm. ACM 15 (1972) 11, search curves likewise).
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_SIDE = 48
_TURNS = 32
_OFFSETS = 29
# Radii of holes in units of the picture's side; infinity is a line.
_ORDER = 4
_LEAST_SHARE = 0.03
_RADII = (0.5, 0.8, 1.4, 3.0, np.inf)
# Measured on made-up micrographs: with (evidence, step of grey level) beyond either pair, edges of film; below, ice
# that grows thicker, and chance.
_FILM_RULES = ((0.40, 1.8), (0.26, 3.42))
_COARSE_DIAMETERS = 0.5


@dataclass(frozen=True)
class FilmEdge:
    """An edge, and how sure it is.

    Attributes:
        turn_rad, offset, radius: Where the arc's outermost point lies, and how far its centre is from there; in units
            of the picture's sides, from its middle, x to the right and y down. An infinite radius is a line.
        explained: Share of the variance of each map (grey level, texture) that the step explains.
        steps: Grey level and texture outside minus inside, in deviations of what the step leaves.
    """

    turn_rad: float
    offset: float
    radius: float
    explained: tuple[float, float]
    steps: tuple[float, float]

    @property
    def evidence(self) -> float:
        """How much better than a smooth background the edge explains both maps (gain in log-likelihood per cell)."""
        return float(_evidence(np.array(self.explained)).sum())

    def distance(self, height: int, width: int) -> NDArray[np.float64]:
        """How far each pixel (y, x) of a picture lies outside the hole, in units of its sides; negative within."""
        y = ((np.arange(height) + 0.5) / height - 0.5)[:, None]
        x = ((np.arange(width) + 0.5) / width - 0.5)[None, :]
        return _distance(x, y, self.turn_rad, self.offset, self.radius)


def best_edge(level: NDArray[np.float32], texture: NDArray[np.float32]) -> FilmEdge:
    """The arc that best divides a picture, whether or not there is one.

    Args:
        level: (y, x), local mean grey level, coarse.
        texture: (y, x), logarithm of the local deviation, coarse.
    """
    maps = np.stack([_squared(level).ravel(), _squared(texture).ravel()])
    edges, flat, norms = _family()
    basis = _background()
    left = maps - (maps @ basis) @ basis.T
    total = np.maximum((left**2).sum(axis=1, keepdims=True), 1e-12)
    along = left @ flat.T
    explained = along**2 / norms / total
    # Film is darker than the ice beside it.
    evidence = np.where(along[0] > 0, _evidence(explained).sum(axis=0), 0.0)
    best = int(np.argmax(evidence))
    step = along[:, best] / norms[best]
    rest = np.sqrt(total[:, 0] * (1 - explained[:, best]) / maps.shape[1])
    # `flat` is positive inside the hole, so the step outside is its negative.
    steps = -step / np.maximum(rest, 1e-9)
    return FilmEdge(
        *edges[best],
        (float(explained[0, best]), float(explained[1, best])),
        (float(steps[0]), float(steps[1])),
    )


def _evidence(explained: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(1 - explained, 1e-6))


def _squared(values: NDArray[np.float32]) -> NDArray[np.float64]:
    height, width = values.shape
    return np.asarray(
        ndimage.zoom(
            values.astype(np.float64), (_SIDE / height, _SIDE / width), order=1, grid_mode=True, mode="nearest"
        )
    )


@lru_cache(maxsize=1)
def _background() -> NDArray[np.float64]:
    y, x = (np.mgrid[:_SIDE, :_SIDE] + 0.5) / _SIDE - 0.5
    powers = [(i, j) for i in range(_ORDER + 1) for j in range(_ORDER + 1 - i)]
    basis, _ = np.linalg.qr(np.stack([(x**i * y**j).ravel() for i, j in powers], axis=-1))
    return np.asarray(basis)


def _distance(
    x: NDArray[np.float64], y: NDArray[np.float64], turn_rad: float, offset: float, radius: float
) -> NDArray[np.float64]:
    along = np.cos(turn_rad) * x + np.sin(turn_rad) * y
    if np.isinf(radius):
        return np.asarray(along - offset)
    aside = -np.sin(turn_rad) * x + np.cos(turn_rad) * y
    return np.asarray(np.hypot(along - (offset - radius), aside) - radius)


@lru_cache(maxsize=1)
def _family() -> tuple[list[tuple[float, float, float]], NDArray[np.float64], NDArray[np.float64]]:
    """All edges, their masks without what a smooth background explains, and the squared norms of those."""
    y, x = (np.mgrid[:_SIDE, :_SIDE] + 0.5) / _SIDE - 0.5
    edges, masks = [], []
    for turn in np.arange(_TURNS) * 2 * np.pi / _TURNS:
        for offset in np.linspace(-0.62, 0.62, _OFFSETS):
            for radius in _RADII:
                mask = _distance(x, y, float(turn), float(offset), radius) < 0
                if _LEAST_SHARE < mask.mean() < 1 - _LEAST_SHARE:
                    edges.append((float(turn), float(offset), radius))
                    masks.append(mask.ravel())
    values = np.array(masks).astype(np.float64)
    basis = _background()
    flat = values - (values @ basis) @ basis.T
    return edges, flat, (flat**2).sum(axis=1)


def film_mask(small: NDArray[np.float32], border: NDArray[np.bool_], diameter: float) -> NDArray[np.bool_]:
    """Where support film is, (y, x); nowhere without a sure edge.

    Args:
        small: (y, x), what is dense dark, averaged to about nine pixels per particle.
        border: True where pixels do not count (streaks at the rim).
        diameter: Of a particle, pixels of `small`: the scale at which texture is told from grey level.
    """
    none = np.zeros_like(border)
    free_rows, free_columns = np.flatnonzero(~border.all(axis=1)), np.flatnonzero(~border.all(axis=0))
    if len(free_rows) < 4 * diameter or len(free_columns) < 4 * diameter:
        return none
    rows, columns = slice(free_rows[0], free_rows[-1] + 1), slice(free_columns[0], free_columns[-1] + 1)
    picture = small[rows, columns]
    # Lumps and gold must not decide what the film looks like.
    picture = np.clip(picture, *np.percentile(picture[::3, ::3], [1, 99]))
    step = max(1, int(_COARSE_DIAMETERS * diameter))
    reach = 2 * step + 1
    fine = picture - ndimage.gaussian_filter(picture, diameter / 3)
    level = ndimage.uniform_filter(picture, reach)[step // 2 :: step, step // 2 :: step]
    power = ndimage.uniform_filter(fine**2, reach)[step // 2 :: step, step // 2 :: step]
    edge = best_edge(level, (np.log(np.maximum(power, 1e-20)) / 2).astype(np.float32))
    if not any(edge.evidence >= evidence and -edge.steps[0] >= step for evidence, step in _FILM_RULES):
        return none
    distance = edge.distance(*picture.shape) * math.sqrt(picture.shape[0] * picture.shape[1])
    masked = none.copy()
    masked[rows, columns] = distance > 0
    return masked


__all__ = ["FilmEdge", "best_edge", "film_mask"]
