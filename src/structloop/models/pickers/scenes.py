"""What a heat-map network learns from: pictures at the working sampling with particles, doubts and places left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HEAT_SIGMA_PX = 1.7
"""Width of the heat around a centre, working pixels: an eighth of a diameter, about how well annotators agree."""

_REACH_PX = 5
_OFFSETS_PX = 3.2


@dataclass(frozen=True)
class Scene:
    """One picture and what is known of it.

    Attributes:
        pixels: (y, x), as `preparing.prepare` makes them.
        weight: (y, x), how much a pixel counts: 0 where masked, on a border, or beyond the picture.
        xy: (n, 2), centres in working pixels.
        value: (n,), probability that a particle is there, the height of its heat.
        certainty: (n,), how much the pixels around it count, from 0 (left out) to 1.
    """

    pixels: NDArray[np.float32]
    weight: NDArray[np.float32]
    xy: NDArray[np.float32]
    value: NDArray[np.float32]
    certainty: NDArray[np.float32]


@dataclass(frozen=True)
class Targets:
    """What the network should say of a patch (y, x).

    Attributes:
        heat: Probability of a centre.
        weight: How much a pixel counts.
        offsets: (2, y, x), to the nearest centre.
        near: 1 where the offsets count.
    """

    heat: NDArray[np.float32]
    weight: NDArray[np.float32]
    offsets: NDArray[np.float32]
    near: NDArray[np.float32]


def stamp(
    size: int,
    xy: NDArray[np.float32],
    value: NDArray[np.float32],
    certainty: NDArray[np.float32],
    weight: NDArray[np.float32],
    *,
    sigma: float = HEAT_SIGMA_PX,
) -> Targets:
    """Targets of a square patch: around each place a round heat; where two meet, the nearer one's.

    Args:
        size: Width and height.
        xy, value, certainty: Of places in or near the patch, in its own pixels.
        weight: (size, size), before the places' certainty.
        sigma: Width of the heat.
    """
    heat = np.zeros((size, size), np.float32)
    counts = weight.astype(np.float32, copy=True)
    offsets = np.zeros((2, size, size), np.float32)
    near = np.zeros((size, size), np.float32)
    inside = (xy > -_REACH_PX).all(axis=1) & (xy < size + _REACH_PX - 1).all(axis=1)
    xy, value, certainty = xy[inside], value[inside], certainty[inside]
    if len(xy) == 0:
        return Targets(heat, counts, offsets, near)
    steps = np.arange(-_REACH_PX, _REACH_PX + 1)
    base = np.rint(xy).astype(np.int64)
    columns = base[:, 0, None, None] + steps[None, None, :]
    rows = base[:, 1, None, None] + steps[None, :, None]
    columns, rows = np.broadcast_arrays(columns, rows)
    dx = xy[:, 0, None, None] - columns
    dy = xy[:, 1, None, None] - rows
    squared = (dx**2 + dy**2).astype(np.float32)
    which = np.broadcast_to(np.arange(len(xy))[:, None, None], squared.shape)
    kept = (columns >= 0) & (rows >= 0) & (columns < size) & (rows < size) & (squared <= _REACH_PX**2)
    squared, which, dx, dy = squared[kept], which[kept], dx[kept], dy[kept]
    flat = rows[kept] * size + columns[kept]
    # Written from far to near, so that the nearest place is what stays.
    order = np.argsort(-squared, kind="stable")
    flat, which, squared, dx, dy = flat[order], which[order], squared[order], dx[order], dy[order]
    glow = value[which] * np.exp(-squared / np.float32(2 * sigma**2))
    np.maximum.at(heat.reshape(-1), flat, glow)
    kind = np.ones(size * size, np.float32)
    kind[flat] = certainty[which]
    counts *= kind.reshape(size, size)
    offsets[0].reshape(-1)[flat] = dx
    offsets[1].reshape(-1)[flat] = dy
    close = (squared <= _OFFSETS_PX**2).astype(np.float32)
    near.reshape(-1)[flat] = close * (value[which] * certainty[which])
    return Targets(heat, counts, offsets, near * (weight > 0))


__all__ = ["HEAT_SIGMA_PX", "Scene", "Targets", "stamp"]
