"""What lies at every point of a frame: bars, film, ice, cracks, stain, cells.

Everything is a function of place alone. `Ground` works out once, on a coarse lattice of nodes, what changes smoothly;
`Ground.band` adds what is sharp (bars, holes, tears) for some of the frame's rows.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from structloop.simulation.grids.dirt import lumps_in, paint, smudges_in
from structloop.simulation.grids.growths import FAR, cells, frozen_ethane, lacey_web, leopard_skin, tears
from structloop.simulation.grids.hashing import FloatArray, key
from structloop.simulation.grids.holes import HolesAround
from structloop.simulation.grids.lattices import in_mesh, outside_square
from structloop.simulation.grids.noise import fractal
from structloop.simulation.grids.recipes import GridKind, Mesh
from structloop.simulation.grids.scene import SceneGrid, SquareState
from structloop.simulation.grids.threads import on_threads
from structloop.simulation.grids.view import Frame, enlarge

_THICKEST_NM = 4000
# How far the edges of holes wander, over the holes' diameter.
_EDGE = 0.005
# What cracks in the film and, over the openings' pitch, strands of lacey film are sampled at.
_CRACK_UM, _STRAND = 0.4, 0.2
# Points so close miss no square.
_SURE_UM = 5.0
# About so many nodes are worked out at a time.
_NODES = 1 << 15


@dataclass(slots=True)
class Maps:
    """What lies at the points of some rows, each of shape (rows, columns).

    Attributes:
        open: Share of the point that no bar hides, 0 to 1.
        ice_nm: Vitreous or crystalline ice (in cells: all that fills them), without lumps.
        film: Share of support film.
        crystalline: Share of the ice that is crystalline.
        stain_nm: Heavy stain.
        lumps_nm: Ice crystals and dirt on top, as thickness of ice; below 0 where film and ice are thinner.
        from_film_um: Distance to the nearest edge of the film (of a hole, a tear), positive on the film.
        rise_nm: Ice on the film at that edge, less the ice inside the hole.
        bar_um: Distance to the nearest bar, negative in the opening.
    """

    open: FloatArray
    ice_nm: FloatArray
    film: FloatArray
    crystalline: FloatArray
    stain_nm: FloatArray
    lumps_nm: FloatArray
    from_film_um: FloatArray
    rise_nm: FloatArray
    bar_um: FloatArray


class Ground:
    """What lies under one frame."""

    def __init__(
        self,
        grid: SceneGrid,
        frame: Frame,
        *,
        step: int | None = None,
        lumps: bool = True,
        halo_um: float = 0.0,
        threads: int = 2,
    ) -> None:
        """Work out what changes smoothly.

        Args:
            grid: The scene.
            frame: The points.
            step: How many points of the frame lie between two nodes; chosen where left out.
            lumps: Whether to paint lumps, too; smudges are always there.
            halo_um: Width of the bright rims of lumps (as negative thickness).
            threads: How many to work with.
        """
        self.grid, self.frame = grid, frame
        self.step = step or _node_step(frame.step_um)
        nodes = frame.nodes(self.step)
        x, y, pixel = nodes.xs, nodes.ys, nodes.step_um
        high = max(_NODES // nodes.columns, 16)
        parts: list[dict[str, FloatArray] | None] = [None] * math.ceil(nodes.rows / high)

        def work(part: int) -> None:
            if part == -2:
                self.void, self.fold, self.openings = self._sharp()
            elif part == -1:
                self.lumps = self._lying(lumps, halo_um)
            else:
                rows = slice(part * high, (part + 1) * high)
                parts[part] = self._nodes(x[rows], y[rows], pixel)

        # Where there is little, threads would only wait for each other.
        on_threads(work, range(-2, len(parts)), threads if x.size + frame.rows * frame.columns > 4 * _NODES else 1)
        self.holes = HolesAround(grid, frame) if grid.recipe.film.lattice in ("square", "hexagonal") else None
        done = [part for part in parts if part is not None]
        maps = {name: np.concatenate([part[name] for part in done]) for name in done[0]}
        self.bar, self.level, self.film_ice, self.rough = (maps[name] for name in ("bar", "level", "film", "rough"))
        self.crystals = maps["crystals"] if maps["crystals"].any() else None
        self.more_ice = maps["more"] if maps["more"].any() else None
        self.stain = maps.get("stain")
        self.fine = _EDGE * grid.recipe.film.hole_um > 0.3 * frame.step_um

    def _lying(self, lumps: bool, halo_um: float) -> FloatArray:
        """Thickness of what lies on top."""
        canvas = np.zeros((self.frame.rows, self.frame.columns), np.float32)
        smallest = 0.6 * self.frame.step_um
        paint(smudges_in(self.grid, self.frame, smallest), self.frame, canvas)
        if lumps:
            paint(lumps_in(self.grid, self.frame, smallest), self.frame, canvas, halo_um)
        return canvas

    def _nodes(self, x: FloatArray, y: FloatArray, pixel: float) -> dict[str, FloatArray]:
        """Smooth maps at some nodes, by name."""
        grid, recipe = self.grid, self.grid.recipe
        seed, film, stained = grid.seed, recipe.film, grid.kind is GridKind.NEGATIVE_STAIN
        ragged = recipe.mesh.ragged_um * fractal(key(seed, "ragged"), x, y, 4.0, 4, gain=0.6, finest_um=pixel)
        wander = _EDGE * film.hole_um * fractal(key(seed, "rough"), x, y, 0.5, 3, gain=0.7, finest_um=pixel)
        level = np.minimum(grid.ice_scale_nm(x, y) * np.float32(recipe.ice.on_film), _THICKEST_NM)
        uneven = np.exp(0.10 * fractal(key(seed, "uneven"), x, y, 4.0, 5, gain=0.6, finest_um=pixel))
        crystals = grid.crystallinity(x, y)
        more = np.zeros_like(x)
        maps = {"bar": _bars(recipe.mesh, x, y) + ragged, "rough": wander, "level": level}
        if stained:
            pools = fractal(key(seed, "stain"), x, y, 18.0, 6, gain=0.6, finest_um=pixel)
            maps["stain"] = 7 * np.exp(0.8 * pools)
        else:
            more = more + leopard_skin(grid, x, y, pixel) + frozen_ethane(grid, x, y, pixel)
            if crystals.any():
                grains = np.abs(fractal(key(seed, "grains"), x, y, 0.35, 3, gain=0.7, finest_um=pixel))
                more = more + 30 * crystals * grains
        if grid.kind is GridKind.CELLS:
            more = more + cells(grid, x, y, pixel)
        maps |= {"film": level * uneven * (not stained), "crystals": crystals, "more": more}
        return {name: np.asarray(values, np.float32) for name, values in maps.items()}

    def _sharp(self) -> tuple[FloatArray | None, FloatArray | None, FloatArray | None]:
        """Distance to where the film is gone, folded film, and distance to the strands of a lacey film.

        On nodes that are close enough for thin cracks and strands; None where there are none.
        """
        grid, frame, film = self.grid, self.frame, self.grid.recipe.film
        lacey = film.lattice == "lacey"
        finest = min(_CRACK_UM, _STRAND * film.pitch_um) if lacey else _CRACK_UM
        self.sharp_step = min(max(round(finest / frame.step_um), 1), self.step)
        nodes = frame.nodes(self.sharp_step)
        few = frame.nodes(min(max(int(_SURE_UM / frame.step_um), 1), max(frame.columns, frame.rows)))
        spoilt = self._spoilt(few.xs, few.ys)
        if not spoilt and not lacey:
            return None, None, None
        x, y = nodes.xs, nodes.ys
        # Points further apart than that see the average.
        parts = min(max(math.ceil(nodes.step_um / finest - 0.2), 1), 4)
        at = [(n + 0.5) / parts - 0.5 for n in range(parts)]
        places = [
            (x + np.float32(nodes.a * i + nodes.b * j), y + np.float32(nodes.c * i + nodes.d * j))
            for i in at
            for j in at
        ]
        openings = _averaged([lacey_web(grid, *place) for place in places], nodes.step_um) if lacey else None
        if not spoilt:
            return None, None, openings
        torn = [tears(grid, spoilt, *place) for place in places]
        void = _averaged([distance for distance, _ in torn], nodes.step_um)
        fold = np.mean([folded for _, folded in torn], axis=0, dtype=np.float32)
        return (void, np.asarray(fold), openings) if void.min() < 1 else (None, None, openings)

    def _spoilt(self, x: FloatArray, y: FloatArray) -> list[tuple[int, int, SquareState]]:
        column, row, _, _ = in_mesh(self.grid.recipe.mesh, x, y)
        columns, rows = np.meshgrid(
            np.arange(column.min(), int(column.max()) + 1), np.arange(row.min(), int(row.max()) + 1)
        )
        states = self.grid.square_table(columns, rows)[0]
        spoilt = (states == SquareState.TORN) | (states == SquareState.CRACKED)
        return [
            (int(columns[at]), int(rows[at]), SquareState(int(states[at])))
            for at in zip(*np.nonzero(spoilt), strict=True)
        ]

    def band(self, first: int, last: int) -> Maps:
        """Rows `first` to `last` (exclusive) of the frame."""
        ice_recipe, frame = self.grid.recipe.ice, self.frame.band(first, last)

        def grow(nodes: FloatArray) -> FloatArray:
            return enlarge(nodes, self.step, first, last, frame.columns)

        nothing = np.broadcast_to(np.float32(0), (frame.rows, frame.columns))
        sharp = np.float32(1.0 / frame.step_um)
        film_ice = grow(self.film_ice)
        crystalline = nothing if self.crystals is None else grow(self.crystals)
        foot: FloatArray = nothing
        if self.holes is not None:
            rough = grow(self.rough) if self.fine else None
            from_film, hole_ice, foot, crystal = self.holes.at(frame, rough, grow(self.level))
            if crystal is not None or self.crystals is not None:
                crystalline = np.where(from_film < 0, nothing if crystal is None else crystal, crystalline)
            film = _share(from_film, sharp)
            if self.holes.averaged:
                film += self.holes.averaged * (1 - np.float32(self.holes.open_share) - film)
            reach = 0.16 * self.grid.recipe.film.hole_um
            film_ice += _decay(from_film, np.float32(ice_recipe.collar_nm), reach)
            ice = (film_ice - hole_ice) * film + hole_ice
        elif self.openings is not None:
            from_film = enlarge(self.openings, self.sharp_step, first, last, frame.columns)
            film = _share(from_film, sharp)
            foot = np.where(film_ice > ice_recipe.rupture_nm * ice_recipe.on_film, film_ice / ice_recipe.on_film, 0)
            ice = (film_ice - foot) * film + foot
        else:
            from_film, film, ice = nothing + FAR, nothing + np.float32(1), film_ice
        if self.more_ice is not None or self.fold is not None:
            more = np.zeros_like(film_ice) if self.more_ice is None else grow(self.more_ice)
            if self.fold is not None:
                more += enlarge(self.fold, self.sharp_step, first, last, frame.columns)
            ice = np.where(ice > 0, ice + more, more * film)
        if self.void is not None:
            void = enlarge(self.void, self.sharp_step, first, last, frame.columns)
            there = _share(void, sharp)
            film, ice = film * there, ice * there
            foot = np.where(void < np.abs(from_film), 0, foot)
            from_film = np.where(np.abs(void) < np.abs(from_film), void, np.where(void < 0, void, from_film))
        bar = grow(self.bar)
        return Maps(
            open=_share(-bar, sharp),
            ice_nm=ice,
            film=film,
            crystalline=crystalline,
            stain_nm=nothing if self.stain is None else grow(self.stain) * film,
            lumps_nm=self.lumps[first:last],
            from_film_um=from_film,
            rise_nm=film_ice - foot,
            bar_um=bar,
        )


def _averaged(distances: list[FloatArray], step_um: float) -> FloatArray:
    """Of distances (from where there is none) at places within each point, one that gives their mean share.

    Places are the points' own, or those of parts of equal size.
    """
    if len(distances) == 1:
        return distances[0]
    part = np.float32(len(distances) ** 0.5 / step_um)
    share = np.mean([np.clip(distance * part + np.float32(0.5), 0, 1) for distance in distances], axis=0)
    nearest = np.min(distances, axis=0)
    return np.asarray(np.where(share < 1, (share - 0.5) * step_um, np.maximum(nearest, step_um / 2)), np.float32)


def _share(inside_um: FloatArray, sharp: np.float32) -> FloatArray:
    """Share of a point within an edge, by how far inside it its middle is."""
    share = inside_um * sharp
    share += np.float32(0.5)
    return np.asarray(np.clip(share, 0, 1, out=share))


def _decay(distance: FloatArray, height: np.float32, length: float) -> FloatArray:
    """`height` at 0 and below, falling off over a length; 0 from four lengths on, without an exponential's cost."""
    t = np.maximum(distance, 0)
    t *= np.float32(-0.25 / length)
    t += 1
    np.maximum(t, 0, out=t)
    t *= t
    t *= t
    t *= height
    return t


def _bars(mesh: Mesh, x: FloatArray, y: FloatArray) -> FloatArray:
    """Distance to the nearest metal: bars, the mark in the middle, the rim; negative in openings."""
    _, _, u, v = in_mesh(mesh, x, y)
    return np.asarray(np.maximum(np.maximum(outside_square(mesh, u, v), _rim(mesh, x, y)), _mark(mesh, x, y)))


def _rim(mesh: Mesh, x: FloatArray, y: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(x - np.float32(mesh.x_um), y - np.float32(mesh.y_um)) - np.float32(mesh.rim_um))


def _mark(mesh: Mesh, x: Any, y: Any) -> FloatArray:
    """Distance to the mark in the grid's middle (negative outside of it): an arrow along the mesh's first axis."""
    angle = math.radians(mesh.rotation_deg)
    dx, dy = x - np.float32(mesh.x_um), y - np.float32(mesh.y_um)
    u = dx * np.float32(math.cos(angle)) + dy * np.float32(math.sin(angle))
    v = np.abs(dy * np.float32(math.cos(angle)) - dx * np.float32(math.sin(angle)))
    size = np.float32(0.55 * mesh.pitch_um)
    return np.asarray(np.minimum((size - u) * np.float32(0.5) - v * np.float32(0.87), u + size * np.float32(0.8)))


def _node_step(pixel_um: float) -> int:
    """Points between nodes, so that those lie a micrometre apart at most, and closer in larger images."""
    if pixel_um > 0.1:
        return min(max(round(1.3 / pixel_um), 1), 8)
    return 8 if pixel_um > 0.005 else 16


__all__ = ["Ground", "Maps"]
