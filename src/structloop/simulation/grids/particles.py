"""Molecules in the ice: how many there are, where, which way up, and what is left of them.

Where the ice is thinner than a molecule there are none; where it is a little thicker they lie in one layer; further on
their number grows with what the ice holds. Those at the air-water interface may prefer an orientation and may come
apart (Noble et al. 2018; D'Imprima et al. 2019).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.simulation.grids.hashing import FloatArray, key, uniform
from structloop.simulation.grids.materials import Ground
from structloop.simulation.grids.noise import smooth, step_up
from structloop.simulation.grids.recipes import GridKind, Sample
from structloop.simulation.grids.scene import SceneGrid
from structloop.simulation.grids.view import Frame
from structloop.simulation.specimen import Particles

Indices = NDArray[np.int64]

_CELL_UM = 0.08
_CLOSEST = 0.95


def number_per_um2(sample: Sample, ice_nm: FloatArray) -> FloatArray:
    """Expected number of molecules per square micrometre of ice of a thickness, before any touch each other.

    None below the molecules' diameter, all of `sample.per_um2` at twice the diameter; from there on what sits at the
    two interfaces stays the same and what floats between them grows with the thickness.
    """
    diameter = sample.diameter_nm
    fits = step_up(np.asarray(ice_nm, np.float32), 0.95 * diameter, 1.35 * diameter)
    bulk = (1 - sample.at_interface) * np.maximum(ice_nm / diameter - 1, 0)
    return np.asarray(sample.per_um2 * fits * (sample.at_interface + bulk), np.float32)


def particles_in(grid: SceneGrid, frame: Frame, ground: Ground, margin_um: float = 0.03) -> Particles:
    """Molecules whose middle lies in a frame or up to `margin_um` beside it.

    Args:
        grid: The scene.
        frame: The image's pixels.
        ground: What lies under the frame, or under a coarser one of the same area; says how thick the ice is.
        margin_um: How far beside the image they are listed.
    """
    sample = grid.recipe.sample
    seeds = key(grid.seed, "particles")
    x, y, rank, column, row, slot = _candidates(grid, frame, margin_um + 2e-3 * sample.diameter_nm)
    ice, film = _looked_up(ground, x, y)
    if grid.kind is GridKind.NEGATIVE_STAIN:
        density = np.full_like(ice, sample.per_um2) * (film > 0.5)
        ice = np.full_like(ice, sample.diameter_nm)
    else:
        density = number_per_um2(sample, ice)
        if grid.kind is GridKind.CELLS:
            density = np.where(ice > 350, np.float32(sample.per_um2) * ice / 500, 0)
    density = density * np.exp(1.2 * sample.clustering * smooth(key(grid.seed, "clusters"), x, y, 0.35) - 0.4)
    there = rank * np.float32(_most(grid)) < density
    # Molecules do not overlap (unless the ice is thick enough for one above the other): of two the lower rank stays.
    keep = there.copy()
    keep[there] = _apart(x[there], y[there], rank[there], 1e-3 * sample.diameter_nm * _CLOSEST, ice[there], sample)
    columns, rows = frame.to_index(x, y)
    margin = margin_um / frame.step_um
    keep &= (columns > -margin) & (columns < frame.columns + margin) & (rows > -margin) & (rows < frame.rows + margin)
    n = np.flatnonzero(keep)
    k, r, s = column[n], row[n], slot[n]
    at_interface = uniform(seeds, k, r, s, 3) < _share_at_interface(sample, ice[n])
    if grid.kind in (GridKind.NEGATIVE_STAIN, GridKind.CELLS):
        at_interface = np.full(len(n), grid.kind is GridKind.NEGATIVE_STAIN)
    room = np.maximum(ice[n] - sample.diameter_nm, 0) / 2
    up = np.where(uniform(seeds, k, r, s, 4) < 0.5, 1, -1)
    z = np.where(at_interface, up * room, (2 * uniform(seeds, k, r, s, 5) - 1) * room)
    whole = (uniform(seeds, k, r, s, 6) < sample.survival) | ~at_interface
    intact = np.where(whole, 1, 0.7 * uniform(seeds, k, r, s, 7))
    cumulative = np.cumsum(np.asarray(sample.shares, np.float64))
    drawn: Any = uniform(seeds, k, r, s, 8) * cumulative[-1]
    kind: Any = np.minimum(np.searchsorted(cumulative, drawn, side="right"), len(sample.shares) - 1)
    u = [uniform(seeds, k, r, s, 9 + channel) for channel in range(3)]
    rotation = _orientations(u[0], u[1], u[2], np.where(at_interface, sample.preference, 0), up)
    return Particles(
        x_px=columns[n].astype(np.float32),
        y_px=rows[n].astype(np.float32),
        z_nm=z.astype(np.float32),
        rotation=rotation,
        kind=kind.astype(np.int32),
        intact=intact.astype(np.float32),
        kinds=sample.molecules,
    )


def _most(grid: SceneGrid) -> float:
    """More molecules per square micrometre than there are anywhere."""
    return 8.0 * grid.recipe.sample.per_um2


def _candidates(
    grid: SceneGrid, frame: Frame, margin_um: float
) -> tuple[FloatArray, FloatArray, FloatArray, Indices, Indices, Indices]:
    """Place, rank and indices of all molecules that there might be."""
    x_low, y_low, x_high, y_high = frame.box(margin_um)
    seed = key(grid.seed, "particles")
    count = max(math.ceil(_most(grid) * _CELL_UM**2), 1)
    columns = np.arange(math.floor(x_low / _CELL_UM), math.floor(x_high / _CELL_UM) + 1)
    rows = np.arange(math.floor(y_low / _CELL_UM), math.floor(y_high / _CELL_UM) + 1)
    row, column, slot = (part.ravel() for part in np.meshgrid(rows, columns, np.arange(count), indexing="ij"))
    x: Any = (column + uniform(seed, column, row, slot, 0).astype(np.float64)) * _CELL_UM
    y: Any = (row + uniform(seed, column, row, slot, 1).astype(np.float64)) * _CELL_UM
    inside = (x > x_low) & (x < x_high) & (y > y_low) & (y < y_high)
    # A cell's number of candidates over its area is a little above the largest density: the rank makes up for it.
    rank = uniform(seed, column, row, slot, 2) * np.float32(count / (_most(grid) * _CELL_UM**2))
    return x[inside], y[inside], rank[inside], column[inside], row[inside], slot[inside]


def _looked_up(ground: Ground, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ice (none under bars, on film or in lumps counts as given) and film at places, from the nearest point."""
    frame = ground.frame
    maps = ground.band(0, frame.rows)
    columns, rows = frame.to_index(x, y)
    i = np.clip(np.rint(columns).astype(np.int64), 0, frame.columns - 1)
    j = np.clip(np.rint(rows).astype(np.int64), 0, frame.rows - 1)
    ice = maps.ice_nm * (maps.open > 0.5) * (maps.crystalline < 0.5)
    return np.asarray(ice[j, i]), np.asarray(maps.film[j, i])


def _apart(
    x: FloatArray, y: FloatArray, rank: FloatArray, closest_um: float, ice: FloatArray, sample: Sample
) -> NDArray[np.bool_]:
    from scipy.spatial import cKDTree

    keep = np.ones(len(x), bool)
    if len(x) < 2:
        return keep
    pairs = cKDTree(np.stack([x, y], axis=1)).query_pairs(closest_um, output_type="ndarray")
    if len(pairs) == 0:
        return keep
    flat = ice[pairs].min(axis=1) < 4 * sample.diameter_nm
    first, second = pairs[flat, 0], pairs[flat, 1]
    keep[np.where(rank[first] > rank[second], first, second)] = False
    return keep


def _share_at_interface(sample: Sample, ice_nm: FloatArray) -> FloatArray:
    bulk = (1 - sample.at_interface) * np.maximum(ice_nm / sample.diameter_nm - 1, 0)
    return np.asarray(sample.at_interface / np.maximum(sample.at_interface + bulk, 1e-6))


def _orientations(
    u: FloatArray, v: FloatArray, w: FloatArray, concentration: NDArray[np.float64], up: NDArray[np.int64]
) -> FloatArray:
    """Quaternions: the molecule's axis about the beam's by von Mises and Fisher's law, the rest at random."""
    strength = np.maximum(concentration, 1e-3)
    cosine = 1 + np.log(u + (1 - u) * np.exp(-2 * strength)) / strength
    cosine = np.clip(cosine, -1, 1) * np.where(concentration > 0, up, 1)
    tilt, azimuth, spin = np.arccos(cosine), 2 * math.pi * v, 2 * math.pi * w
    # Of Euler angles ZYZ.
    return np.stack(
        [
            np.cos(tilt / 2) * np.cos((azimuth + spin) / 2),
            np.sin(tilt / 2) * np.sin((spin - azimuth) / 2),
            np.sin(tilt / 2) * np.cos((spin - azimuth) / 2),
            np.cos(tilt / 2) * np.sin((azimuth + spin) / 2),
        ],
        axis=1,
    ).astype(np.float32)


__all__ = ["number_per_um2", "particles_in"]
