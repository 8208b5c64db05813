"""The holes around a frame: how far each of its points is from the nearest edge, and the ice in there."""

import math

import numpy as np
from numpy.typing import NDArray

from structloop.simulation.grids.hashing import FloatArray, key, normal
from structloop.simulation.grids.lattices import lattice_vectors, nearest_hole
from structloop.simulation.grids.noise import step_up
from structloop.simulation.grids.scene import HoleState, SceneGrid
from structloop.simulation.grids.view import Frame

# A broken hole has lost film around it: by so much its radius has grown.
_BROKEN = 1.25


class HolesAround:
    """The holes around a frame, by index."""

    def __init__(self, grid: SceneGrid, frame: Frame) -> None:
        film = grid.recipe.film
        self.film = film
        x_low, y_low, x_high, y_high = frame.box(2 * film.pitch_um)
        corners = np.array([(x_low, y_low), (x_low, y_high), (x_high, y_low), (x_high, y_high)], np.float32)
        k, m, _, _ = nearest_hole(film, corners[:, 0], corners[:, 1])
        self.k0, self.m0 = int(k.min()) - 1, int(m.min()) - 1
        ks, ms = np.arange(self.k0, int(k.max()) + 2), np.arange(self.m0, int(m.max()) + 2)
        self.wide = len(ks)
        table = grid.hole_table(ks[None, :], ms[:, None])
        self.x, self.y = (table[name].ravel().astype(np.float32) for name in ("x", "y"))
        self.ice, self.rim = table["ice"].ravel(), table["rim"].ravel()
        towards, lean = math.radians(grid.recipe.ice.wedge_deg), np.float32(grid.recipe.ice.lean)
        own = [0.6 * normal(key(grid.seed, "lean", axis), ks[None, :], ms[:, None]).ravel() for axis in (0, 1)]
        self.lean_x = np.clip(lean * (np.float32(math.cos(towards)) + own[0]), -0.5, 0.5)
        self.lean_y = np.clip(lean * (np.float32(math.sin(towards)) + own[1]), -0.5, 0.5)
        self.per_level = 1 / np.maximum(table["level"].ravel(), np.float32(1e-3))
        state = table["state"].ravel()
        self.crystal = (state == HoleState.CRYSTALLINE).astype(np.float32)
        self.any_crystal = bool(self.crystal.any())
        self.radius = table["radius"].ravel() * np.where(state == HoleState.BROKEN, np.float32(_BROKEN), np.float32(1))
        self.per_radius = 1 / self.radius
        vectors = lattice_vectors(film)
        cell = abs(vectors[0][0] * vectors[1][1] - vectors[0][1] * vectors[1][0])
        # Pixels half as large as the lattice see the average of film and holes, not whether their middles hit one.
        self.open_share = math.pi * film.hole_um**2 / 4 / cell
        self.averaged = float(step_up(np.asarray(frame.step_um / film.pitch_um, np.float32), 0.25, 0.5))

    def at(
        self, frame: Frame, rough: FloatArray | None, level: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray | None]:
        """What the holes do at the points of a frame within the one that this was made for.

        Args:
            frame: The points.
            rough: How far the holes' edges wander, micrometres.
            level: Thickness of ice on the film around, nanometres.

        Returns:
            Distance from the nearest hole's edge (micrometres, positive on the film), thickness of ice in it, thickness
            at its edge (both 0 far from any hole), and the share of crystals in it.
        """
        index = self._index(frame)
        off_x, off_y = frame.xs, frame.ys
        off_x -= self.x.take(index)
        off_y -= self.y.take(index)
        distance = off_x * off_x
        distance += off_y * off_y
        np.sqrt(distance, out=distance)
        from_film = distance - self.radius.take(index)
        if rough is not None:
            from_film += rough
        shape = from_film.shape
        # Where pixels average film and holes, each has a share of the nearest hole's ice.
        reach = np.float32(np.inf if self.averaged else 0.1 + 2 * frame.step_um)
        near = np.flatnonzero(from_film < reach)
        which = index.take(near)
        per_radius = self.per_radius.take(which)
        inside = distance.take(near)
        inside *= per_radius
        np.minimum(inside, 1, out=inside)
        inside *= inside
        inside *= inside
        middle, rim = self.ice.take(which), self.rim.take(which)
        lean = self.lean_x.take(which) * off_x.take(near)
        lean += self.lean_y.take(which) * off_y.take(near)
        lean *= per_radius
        lean += 1
        # Across a hole the ice goes on to grow or shrink as it does beside it.
        change = level.take(near)
        change *= self.per_level.take(which)
        np.maximum(change, np.float32(0.5), out=change)
        np.minimum(change, np.float32(2.0), out=change)
        change *= lean
        ice = rim - middle
        if self.averaged:
            # A third is the mean of a fourth power over a disc.
            inside += np.where(inside < 1, np.float32(self.averaged), np.float32(1)) * (np.float32(1 / 3) - inside)
        ice *= inside
        ice += middle
        ice *= change
        crystal = _spread(self.crystal.take(which), near, shape) if self.any_crystal else None
        return from_film, _spread(ice, near, shape), _spread(rim, near, shape), crystal

    def _index(self, frame: Frame) -> NDArray[np.intp]:
        if self.film.lattice == "hexagonal":
            k, m, _, _ = nearest_hole(self.film, frame.xs, frame.ys)
            return np.asarray((m - self.m0) * self.wide + (k - self.k0), np.intp)
        (ax, ay), (bx, by) = lattice_vectors(self.film)
        determinant = ax * by - ay * bx
        columns, rows = np.arange(frame.columns), np.arange(frame.rows)
        x_along, y_along = frame.x0 + frame.a * columns, frame.y0 + frame.c * columns
        x_down, y_down = frame.b * rows, frame.d * rows
        k_along = (x_along * by - y_along * bx) / determinant - self.film.shift[0] - self.k0
        m_along = (y_along * ax - x_along * ay) / determinant - self.film.shift[1] - self.m0
        k_down = (x_down * by - y_down * bx) / determinant
        m_down = (y_down * ax - x_down * ay) / determinant
        # What is rounded is positive: cutting off after adding a half is rounding.
        k = (k_down[:, None].astype(np.float32) + (k_along + 0.5).astype(np.float32)).astype(np.int32)
        m = (m_down[:, None].astype(np.float32) + (m_along + 0.5).astype(np.float32)).astype(np.int32)
        m *= self.wide
        m += k
        return np.asarray(m, np.intp)


def _spread(values: FloatArray, where: NDArray[np.int64], shape: tuple[int, ...]) -> FloatArray:
    full = np.zeros(math.prod(shape), np.float32)
    full[where] = values
    return full.reshape(shape)


__all__ = ["HolesAround"]
