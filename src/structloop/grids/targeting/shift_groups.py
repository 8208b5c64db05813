"""Beam-image-shift groups: holes that are exposed around one stage position without moving the stage."""

import numpy as np
from scipy.spatial import cKDTree

from structloop.core.errors import TargetingError
from structloop.grids.targeting.holes import FloatArray, Groups, HoleTable, IntArray


class ShiftGroupsError(TargetingError):
    """The radius of beam-image-shift groups is not a positive number."""


def shift_groups(holes: HoleTable, groups: Groups, radius: float) -> IntArray:
    """Groups of holes that lie within `radius` of one of them, within one patch, shape (n_holes,).

    The radius is in pixels of the patch's image, or in micrometres where the table has stage positions. Each group
    is the largest set of ungrouped holes around one hole (greedy covering), so that few stage moves are needed.

    Raises:
        ShiftGroupsError: the radius is not a positive number.
    """
    if not 0 < radius < float("inf"):
        raise ShiftGroupsError(f"the beam-image-shift radius {radius} must be a positive number")
    by_stage = holes.stage_x_um is not None and holes.stage_y_um is not None
    x = holes.stage_x_um if by_stage and holes.stage_x_um is not None else holes.x_px
    y = holes.stage_y_um if by_stage and holes.stage_y_um is not None else holes.y_px
    positions = np.column_stack([x, y])
    out = np.empty(len(holes), dtype=np.intp)
    number = 0
    order = np.argsort(groups.patch, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups.patch[order])) + 1):
        for members in _cover(positions[rows], groups.tie[rows], radius):
            out[rows[members]] = number
            number += 1
    return out


def _cover(positions: FloatArray, tie: IntArray, radius: float) -> list[IntArray]:
    if len(positions) == 0:
        return []
    pairs = cKDTree(positions).query_pairs(radius, output_type="ndarray")
    # Each hole is near itself, and every pair counts for both.
    ends = np.concatenate([pairs, pairs[:, ::-1], np.repeat(np.arange(len(positions)), 2).reshape(-1, 2)])
    near = [np.sort(ends[ends[:, 0] == centre, 1]) for centre in range(len(positions))]
    free = np.ones(len(positions), dtype=bool)
    sizes = np.array([len(found) for found in near])
    out: list[IntArray] = []
    while free.any():
        centre = int(np.lexsort((tie, -np.where(free, sizes, -1)))[0])
        members = near[centre][free[near[centre]]]
        out.append(members)
        free[members] = False
        sizes = np.array([int(free[found].sum()) for found in near])
    return out


__all__ = ["ShiftGroupsError", "shift_groups"]
