"""What grows on a film and what goes wrong with it, as fields: tears, cracks, leopard skin, ethane, cells, lacey webs.

All are functions of place; `pixel_um` says how fine their details need to be.
"""

import math

import numpy as np

from structloop.simulation.grids.hashing import FloatArray, key, uniform
from structloop.simulation.grids.lattices import square_centre
from structloop.simulation.grids.noise import fractal, smooth, step_up
from structloop.simulation.grids.scene import SceneGrid, SquareState

FAR = np.float32(1e3)


def tears(
    grid: SceneGrid, spoilt: list[tuple[int, int, SquareState]], x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Distance to where the film is gone (negative there), and thickness of folded film around."""
    void = np.full(x.shape, FAR, np.float32)
    fold = np.zeros(x.shape, np.float32)
    mesh = grid.recipe.mesh
    half = (mesh.pitch_um - mesh.bar_um) / 2
    for column, row, state in spoilt:
        cx, cy = square_centre(mesh, column, row)
        window = _window(x, y, cx, cy, 1.5 * half)
        dx, dy = x[window] - np.float32(cx), y[window] - np.float32(cy)
        near = np.hypot(dx, dy) < 1.5 * half
        if not near.any():
            continue
        seed = key(grid.seed, "tear", column, row)
        px, py = dx[near], dy[near]
        sdf = _tear(seed, px, py, half) if state is SquareState.TORN else _cracks(seed, px, py, half)
        width = 0.25 + 0.6 * float(uniform(seed, 900))
        rolled = (
            250
            * np.exp(-np.maximum(sdf, 0) / np.float32(width))
            * step_up(smooth(key(seed, "rolled"), px, py, 5.0), -0.2, 1.2)
        )
        void[window][near] = np.minimum(void[window][near], sdf)
        fold[window][near] += np.where(sdf > 0, rolled, 0)
    return void, fold


def _window(x: FloatArray, y: FloatArray, cx: float, cy: float, radius: float) -> tuple[slice, slice]:
    """A part of a lattice of points that holds all within a radius of a place (and some more)."""
    every = max(min(x.shape) // 32, 1)
    spacing = every * float(np.hypot(x[-1, -1] - x[0, 0], y[-1, -1] - y[0, 0])) / max(np.hypot(*x.shape) - 2, 1)
    few = np.hypot(x[::every, ::every] - np.float32(cx), y[::every, ::every] - np.float32(cy)) < radius + 2 * spacing
    window = []
    for axis, size in ((1, x.shape[0]), (0, x.shape[1])):
        found = np.flatnonzero(few.any(axis=axis))
        low, high = (found[0] - 1, found[-1] + 1) if len(found) else (0, -1)
        window.append(slice(max(int(low) * every, 0), min((int(high) + 1) * every, size)))
    return window[0], window[1]


def leopard_skin(grid: SceneGrid, x: FloatArray, y: FloatArray, pixel_um: float) -> FloatArray:
    """Thickness of the spots of leopard skin."""
    share = grid.recipe.ice.leopard
    where = smooth(key(grid.seed, "leopard"), x, y, 40.0) + 0.3 * smooth(key(grid.seed, "skin"), x, y, 4.0)
    mask = step_up(where, 2.4 - 6 * share, 2.7 - 6 * share)
    if not mask.any():
        return np.zeros_like(x)
    if pixel_um > 0.3:
        return np.asarray(25 * mask, np.float32)
    spots = step_up(fractal(key(grid.seed, "spots"), x, y, 0.45, 2, finest_um=pixel_um), 0.2, 0.6)
    return np.asarray(70 * mask * spots, np.float32)


def frozen_ethane(grid: SceneGrid, x: FloatArray, y: FloatArray, pixel_um: float) -> FloatArray:
    """Thickness of what is left of ethane."""
    share = grid.recipe.ice.ethane
    where = smooth(key(grid.seed, "ethane"), x, y, 55.0)
    mask = step_up(where, 2.3 - 6 * share, 2.9 - 6 * share)
    if not mask.any():
        return np.zeros_like(x)
    lumpy = fractal(key(grid.seed, "frozen"), x, y, 2.5, 5, gain=0.6, finest_um=pixel_um)
    return np.asarray(260 * mask * step_up(lumpy, 0.1, 1.6), np.float32)


def cells(grid: SceneGrid, x: FloatArray, y: FloatArray, pixel_um: float) -> FloatArray:
    """Thickness of cells."""
    seed = key(grid.seed, "cells")
    cell = 1000.0 / math.sqrt(max(grid.recipe.cells_per_mm2, 1.0))
    total = np.zeros_like(x)
    low, high = (float(x.min()), float(y.min())), (float(x.max()), float(y.max()))
    span = 60.0
    for i in range(math.floor((low[0] - span) / cell), math.floor((high[0] + span) / cell) + 1):
        for j in range(math.floor((low[1] - span) / cell), math.floor((high[1] + span) / cell) + 1):
            u = uniform(seed, i, j, np.arange(8))
            dx = x - np.float32((i + u[0]) * cell)
            dy = y - np.float32((j + u[1]) * cell)
            radius = 7 + 14 * float(u[2])
            turn = math.pi * float(u[3])
            along = (dx * np.float32(math.cos(turn)) + dy * np.float32(math.sin(turn))) / np.float32(1 + 1.3 * u[4])
            across = dy * np.float32(math.cos(turn)) - dx * np.float32(math.sin(turn))
            if float(np.minimum(np.abs(along), np.abs(across)).min()) > 2 * radius:
                continue
            lobes = fractal(key(seed, i, j), x, y, 0.9 * radius, 4, gain=0.55, finest_um=pixel_um)
            distance = np.hypot(along, across) / np.float32(radius) + 0.22 * lobes
            body = np.clip(1 - distance, 0, 1) ** 1.3
            hem = 120 * step_up(distance, 1.25, 1.15)
            total += np.where(distance < 1.4, (600 + 2600 * float(u[5])) * body + hem, 0)
    return np.asarray(total, np.float32)


def lacey_web(grid: SceneGrid, x: FloatArray, y: FloatArray) -> FloatArray:
    """Distance to the nearest strand of lacey film, positive on it."""
    film = grid.recipe.film
    seed = key(grid.seed, "lacey")
    u, v = x / np.float32(film.pitch_um), y / np.float32(film.pitch_um)
    column, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    left, top = int(column.min()) - 1, int(row.min()) - 1
    across, down = np.arange(left, int(column.max()) + 2), np.arange(top, int(row.max()) + 2)
    # Of each opening once: its place, size, and whether film closes it.
    cx, cy, size, shut = (uniform(seed, across[None, :], down[:, None], n).ravel() for n in (1, 2, 3, 4))
    cx, cy = (cx.reshape(len(down), -1) + across).ravel(), (cy.reshape(len(down), -1) + down[:, None]).ravel()
    cx, cy = cx.astype(np.float32), cy.astype(np.float32)
    nearest = [np.full(x.shape, FAR, np.float32) for _ in range(3)]
    closed = np.zeros(x.shape, bool)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            at = (row + dj - top) * len(across) + (column + di - left)
            away = np.hypot(u - cx.take(at), v - cy.take(at)) - np.float32(0.3) * size.take(at)
            closed = np.where(away < nearest[0], shut.take(at) < 0.06, closed)
            for n in range(3):
                away, nearest[n] = np.maximum(away, nearest[n]), np.minimum(away, nearest[n])
    # Between the walls of three openings the film is filled out, as by a liquid.
    soft = np.float32(0.09)
    second = nearest[1] - soft * np.log1p(np.exp((nearest[1] - nearest[2]) / soft))
    half = 0.05 + 0.05 * np.abs(smooth(key(seed, "strands"), x, y, film.pitch_um))
    strand = (half - (second - nearest[0]) / 2) * np.float32(film.pitch_um)
    return np.asarray(np.where(closed, np.maximum(strand, 0.2), strand), np.float32)


def _tear(seed: int, x: FloatArray, y: FloatArray, half: float) -> FloatArray:
    u = uniform(seed, np.arange(4))
    turn = 2 * math.pi * float(u[0])
    size = (0.35 + 1.2 * float(u[1])) * half
    away = (0.3 + 0.7 * float(u[2])) * half
    dx, dy = x - np.float32(away * math.cos(turn)), y - np.float32(away * math.sin(turn))
    wander = fractal(key(seed, "edge"), x, y, 0.5 * half, 6, gain=0.5)
    return np.asarray(np.hypot(dx, dy) - np.float32(size) * (1 + 0.3 * wander), np.float32)


def _cracks(seed: int, x: FloatArray, y: FloatArray, half: float) -> FloatArray:
    sdf = np.full(x.shape, FAR, np.float32)
    for n in range(1 + int(3 * float(uniform(seed, 7)))):
        u = uniform(seed, n, np.arange(8))
        turn = math.pi * float(u[0])
        offset = (float(u[1]) - 0.5) * half
        wander = 1.6 * fractal(key(seed, "crack", n), x, y, 0.35 * half, 5, gain=0.5)
        across = -x * np.float32(math.sin(turn)) + y * np.float32(math.cos(turn)) - np.float32(offset) + wander
        along = x * np.float32(math.cos(turn)) + y * np.float32(math.sin(turn))
        middle, length = (float(u[2]) - 0.5) * half, (0.4 + 0.9 * float(u[3])) * half
        taper = 1 - ((along - np.float32(middle)) / np.float32(length)) ** 2
        opening = (0.1 + 1.3 * float(u[4]) ** 3) * taper
        opening = opening + 0.25 * smooth(key(seed, "gape", n), along, np.zeros_like(along), 3.0) * (taper > 0)
        sdf = np.minimum(sdf, np.abs(across) - opening)
    return np.asarray(sdf, np.float32)


__all__ = ["FAR", "cells", "frozen_ethane", "lacey_web", "leopard_skin", "tears"]
