"""A cassette of grids, their squares and their holes: what there is, before anybody looks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np

from structloop.core.errors import SimulationError
from structloop.simulation.grids.hashing import FloatArray, key, normal, uniform
from structloop.simulation.grids.lattices import hole_centre, in_mesh, nearest_hole, outside_square, square_centre
from structloop.simulation.grids.noise import smooth
from structloop.simulation.grids.recipes import GRID_RADIUS_UM, GridKind, Recipe, draw_recipe

THICK_NM = 180.0
_DRY = np.float32(-6.0)


class SquareState(IntEnum):
    """What became of a square."""

    INTACT = 0
    TORN = 1
    CRACKED = 2
    CONTAMINATED = 3
    THICK = 4
    EMPTY = 5


class HoleState(IntEnum):
    """What became of a hole."""

    INTACT = 0
    EMPTY = 1
    BROKEN = 2
    CRYSTALLINE = 3


@dataclass(frozen=True, slots=True)
class SceneHole:
    """One hole of the film.

    Attributes:
        k, m: Indices in the film's lattice, which is one over the whole grid.
        ice_nm: Thickness at its middle; 0 where there is none.
        seen: Share of it that neither bar nor tear hides, 0 to 1, estimated at its middle and rim.
    """

    k: int
    m: int
    x_um: float
    y_um: float
    diameter_um: float
    state: HoleState
    ice_nm: float
    seen: float


@dataclass(frozen=True, slots=True)
class SceneSquare:
    """One opening of the mesh.

    Attributes:
        column, row: In the mesh; 0, 0 is the grid's centre.
        size_um: Of the opening, along its side.
        rotation_deg: Of its sides against the stage's x axis.
        ice_nm: About how thick the ice in its holes is, over the square.
        quality: Of the neighbourhood: standard normal, larger is better.
    """

    grid: "SceneGrid"
    column: int
    row: int
    x_um: float
    y_um: float
    size_um: float
    rotation_deg: float
    state: SquareState
    ice_nm: float
    quality: float

    @property
    def name(self) -> str:
        """As `c+03r-05`."""
        return f"c{self.column:+03d}r{self.row:+03d}"

    def holes(self) -> list[SceneHole]:
        """Its holes whose middle lies in the opening, row by row; none where the film has no lattice."""
        return self.grid.holes_within(self.x_um, self.y_um, self.size_um * 0.71, square=(self.column, self.row))


class SceneGrid:
    """One grid. Nothing but its recipe is kept; whatever else it has is worked out when it is asked for."""

    def __init__(self, recipe: Recipe, slot: int = 1) -> None:
        self.recipe = recipe
        self.slot = slot
        self.seed = recipe.seed

    def __repr__(self) -> str:
        return f"SceneGrid(slot={self.slot}, kind={self.kind.value!r}, seed={self.seed})"

    @property
    def kind(self) -> GridKind:
        """What kind of grid it is."""
        return self.recipe.kind

    @property
    def name(self) -> str:
        """As `grid-2`."""
        return f"grid-{self.slot}"

    @property
    def centre_um(self) -> tuple[float, float]:
        """Stage position of its centre."""
        return self.recipe.mesh.x_um, self.recipe.mesh.y_um

    def height_um(self, x_um: Any, y_um: Any) -> Any:
        """Height of the film over the stage's plane, micrometres: the grid is bent and lies a little tilted."""
        mesh = self.recipe.mesh
        dx, dy = (x_um - mesh.x_um) / GRID_RADIUS_UM, (y_um - mesh.y_um) / GRID_RADIUS_UM
        towards = math.radians(self.recipe.tilt_towards_deg)
        slope = math.tan(math.radians(self.recipe.tilt_deg)) * GRID_RADIUS_UM
        height = self.recipe.bend_um * (dx * dx + dy * dy) + slope * (math.cos(towards) * dx + math.sin(towards) * dy)
        offset = 30.0 * float(normal(key(self.seed, "height"), 0))
        wave = smooth(key(self.seed, "waves"), np.asarray(x_um, np.float32), np.asarray(y_um, np.float32), 300.0)
        height = height + offset + 1.5 * wave
        return float(height) if np.ndim(height) == 0 else height

    # --- Squares ---------------------------------------------------------------------------------------------------

    def squares(self) -> list[SceneSquare]:
        """All squares that neither the rim nor the mark in the middle hides, row by row."""
        return _squares(self)

    def square(self, column: int, row: int) -> SceneSquare:
        """One square, whether the rim hides it or not."""
        return _square(self, np.array([column]), np.array([row]))[0]

    def square_at(self, x_um: float, y_um: float) -> SceneSquare | None:
        """The square whose opening holds a place, if any does."""
        column, row, u, v = in_mesh(self.recipe.mesh, np.float32(x_um), np.float32(y_um))
        if float(outside_square(self.recipe.mesh, u, v)) > 0:
            return None
        return self.square(int(column), int(row))

    def square_table(self, column: Any, row: Any) -> tuple[Any, FloatArray]:
        """State (codes of `SquareState`) and log deviation of the ice, for squares by their indices."""
        recipe = self.recipe
        x, y = square_centre(recipe.mesh, np.asarray(column), np.asarray(row))
        quality = self.quality(x, y)
        deviation = recipe.ice.square_sd * normal(key(self.seed, "square-ice"), column, row)
        thickness = np.exp(self._log_ice_of_grid(x, y) + deviation)
        spoilt = np.exp(np.float32(-0.8) * quality)
        chance = uniform(key(self.seed, "square-state"), column, row)
        torn = recipe.torn * spoilt
        cracked = torn + recipe.cracked * spoilt
        dirty = cracked + recipe.contaminated * spoilt
        dry = uniform(key(self.seed, "square-dry"), column, row) < recipe.dry * spoilt
        dry |= thickness < recipe.ice.rupture_nm
        thick = (thickness > THICK_NM) & (self.kind not in (GridKind.CELLS, GridKind.NEGATIVE_STAIN))
        state = np.select(
            [chance < torn, chance < cracked, chance < dirty, dry, thick],
            [SquareState.TORN, SquareState.CRACKED, SquareState.CONTAMINATED, SquareState.EMPTY, SquareState.THICK],
            SquareState.INTACT,
        )
        deviation = np.where(state == SquareState.EMPTY, _DRY, deviation)
        return state.astype(np.int8), np.asarray(deviation, np.float32)

    def quality(self, x_um: Any, y_um: Any) -> FloatArray:
        """How well this part of the grid turned out: a smooth standard normal field."""
        return smooth(key(self.seed, "quality"), np.asarray(x_um, np.float32), np.asarray(y_um, np.float32), 420.0)

    # --- Ice -------------------------------------------------------------------------------------------------------

    def _log_ice_of_grid(self, x_um: Any, y_um: Any) -> FloatArray:
        ice, mesh = self.recipe.ice, self.recipe.mesh
        towards = math.radians(ice.wedge_deg)
        along = ((x_um - mesh.x_um) * math.cos(towards) + (y_um - mesh.y_um) * math.sin(towards)) * 1e-3
        x, y = np.asarray(x_um, np.float32), np.asarray(y_um, np.float32)
        drift = smooth(key(self.seed, "grid-ice"), x, y, 550.0)
        return np.asarray(math.log(ice.median_nm) + ice.wedge * along + ice.grid_sd * drift, np.float32)

    def ice_scale_nm(self, x_um: Any, y_um: Any) -> FloatArray:
        """Thickness of ice that a hole at each place would have by rights (before its own chance), nanometres."""
        recipe = self.recipe
        x, y = np.asarray(x_um, np.float32), np.asarray(y_um, np.float32)
        column, row, u, v = in_mesh(recipe.mesh, x, y)
        low, high = (int(column.min()), int(row.min())), (int(column.max()), int(row.max()))
        table = self.square_table(np.arange(low[0], high[0] + 1)[None, :], np.arange(low[1], high[1] + 1)[:, None])[1]
        log_ice = self._log_ice_of_grid(x, y) + table[row - low[1], column - low[0]]
        log_ice = log_ice + recipe.ice.patch_sd * smooth(key(self.seed, "patch-ice"), x, y, 13.0)
        from_bar = np.minimum(outside_square(recipe.mesh, u, v), 0)
        wander = np.exp(0.7 * smooth(key(self.seed, "bar-ice"), x, y, 30.0))
        at_bars = 1 + recipe.ice.at_bars * wander * np.exp(from_bar / np.float32(recipe.ice.bars_um))
        return np.asarray(np.exp(log_ice) * at_bars, np.float32)

    # --- Holes -----------------------------------------------------------------------------------------------------

    def warp_um(self, x_um: Any, y_um: Any) -> tuple[FloatArray, FloatArray]:
        """How far the film is stretched away from its perfect lattice at each place, micrometres."""
        x, y = np.asarray(x_um, np.float32), np.asarray(y_um, np.float32)
        size = np.float32(0.04 * self.recipe.film.pitch_um)
        return (
            np.asarray(size * smooth(key(self.seed, "warp-x"), x, y, 45.0)),
            np.asarray(size * smooth(key(self.seed, "warp-y"), x, y, 45.0)),
        )

    def hole_table(self, k: Any, m: Any) -> dict[str, Any]:
        """All that there is to know of holes, by their indices (broadcast against each other).

        Returns:
            Arrays `x`, `y` (micrometres), `radius` (micrometres), `state` (codes of `HoleState`), `ice`, `rim` and
            `level` (thickness at the middle, at the edge and on the film around, nanometres).
        """
        film, ice = self.recipe.film, self.recipe.ice
        x, y = hole_centre(film, np.asarray(k, np.float64), np.asarray(m, np.float64))
        shift_x, shift_y = self.warp_um(x, y)
        x, y = x + shift_x, y + shift_y
        radius = film.hole_um / 2 * (1 + 0.015 * normal(key(self.seed, "hole-radius"), k, m))
        scale = self.ice_scale_nm(x, y)
        free = scale * np.exp(ice.hole_sd * normal(key(self.seed, "hole-ice"), k, m))
        # The surfaces are flat across the film: between two of them there is no more ice than film and ice beside it.
        rim = scale * ice.on_film + film.thickness_nm + ice.meniscus_nm
        thickness = (free**-4.0 + rim**-4.0) ** -0.25
        chance = uniform(key(self.seed, "hole-state"), k, m)
        broken = chance < 0.004 * np.exp(-0.8 * self.quality(x, y))
        crystalline = self.crystallinity(x, y) * (chance > 0.3) > 0.5
        state = np.select(
            [broken, thickness < ice.rupture_nm, crystalline],
            [HoleState.BROKEN, HoleState.EMPTY, HoleState.CRYSTALLINE],
            HoleState.INTACT,
        )
        if self.kind is GridKind.NEGATIVE_STAIN:
            state = np.zeros_like(state)
        gone = (state == HoleState.BROKEN) | (state == HoleState.EMPTY)
        return {
            "x": x,
            "y": y,
            "radius": np.asarray(radius, np.float32),
            "state": state.astype(np.int8),
            "ice": np.asarray(np.where(gone, 0, thickness), np.float32),
            "level": np.minimum(scale * np.float32(ice.on_film), np.float32(4000)),
            "rim": np.asarray(np.where(gone, 0, rim), np.float32),
        }

    def crystallinity(self, x_um: Any, y_um: Any) -> FloatArray:
        """Share of the ice that is crystalline, 0 to 1, at each place."""
        x, y = np.asarray(x_um, np.float32), np.asarray(y_um, np.float32)
        field = smooth(key(self.seed, "crystalline"), x, y, 90.0) + 0.4 * smooth(key(self.seed, "crystals"), x, y, 6.0)
        level = np.float32(_tail(self.recipe.ice.crystalline) * 1.08)
        return np.asarray(np.clip((field - level) / 0.2 + 0.5, 0, 1), np.float32)

    def holes_within(
        self, x_um: float, y_um: float, radius_um: float, *, square: tuple[int, int] | None = None
    ) -> list[SceneHole]:
        """Holes whose middle lies within a distance of a place and in an opening (or in that of one square)."""
        film, mesh = self.recipe.film, self.recipe.mesh
        if film.lattice not in ("square", "hexagonal"):
            return []
        k0, m0, _, _ = nearest_hole(film, np.float32(x_um), np.float32(y_um))
        reach = int(radius_um / film.pitch_um * 1.2) + 2
        ks, ms = np.meshgrid(np.arange(k0 - reach, k0 + reach + 1), np.arange(m0 - reach, m0 + reach + 1))
        k, m = ks.ravel(), ms.ravel()
        table = self.hole_table(k, m)
        x, y = table["x"], table["y"]
        column, row, u, v = in_mesh(mesh, x, y)
        edge = outside_square(mesh, u, v)
        keep = (edge < 0) & (np.hypot(x - x_um, y - y_um) <= radius_um)
        if square is not None:
            keep &= (column == square[0]) & (row == square[1])
        return [
            SceneHole(
                int(k[n]),
                int(m[n]),
                float(x[n]),
                float(y[n]),
                2 * float(table["radius"][n]),
                HoleState(int(table["state"][n])),
                float(table["ice"][n]),
                float(np.clip(0.5 - edge[n] / (2 * table["radius"][n]), 0, 1)),
            )
            for n in np.flatnonzero(keep)
        ]


class Cassette:
    """Grids in the slots of an autoloader, counted from 1."""

    def __init__(self, grids: Sequence[SceneGrid]) -> None:
        self._grids = {grid.slot: grid for grid in grids}

    @classmethod
    def from_seed(cls, seed: int, grids: int = 4, kinds: Sequence[GridKind | str] | None = None) -> "Cassette":
        """A cassette of `grids` grids.

        Args:
            seed: Makes it reproducible, whatever else is asked of it and in which order.
            grids: How many, in slots 1, 2, ...
            kinds: Their kinds, repeated as often as needed; carbon and gold by turns where left out.

        Raises:
            SimulationError: fewer than one grid, or a kind that there is not.
        """
        if grids < 1:
            raise SimulationError(f"grids {grids}: a cassette holds at least one; give 1 or more")
        known = [kind.value for kind in GridKind]
        for kind in kinds or ():
            if kind not in known:
                raise SimulationError(f"kinds: no kind of grid is called {kind!r}; there are {', '.join(known)}")
        wanted = [GridKind(kind) for kind in kinds] if kinds else [GridKind.HOLEY_CARBON, GridKind.HOLEY_GOLD]
        return cls(
            [
                SceneGrid(draw_recipe(key(seed, "slot", slot), wanted[(slot - 1) % len(wanted)]), slot)
                for slot in range(1, grids + 1)
            ]
        )

    @property
    def slots(self) -> tuple[int, ...]:
        """Slots that hold a grid."""
        return tuple(self._grids)

    def grid(self, slot: int) -> SceneGrid:
        """The grid in a slot.

        Raises:
            KeyError: the slot is empty.
        """
        try:
            return self._grids[slot]
        except KeyError:
            raise KeyError(f"slot {slot} is empty; there are grids in {', '.join(map(str, self.slots))}") from None


def _tail(share: float) -> float:
    """Where to cut a standard normal so that `share` lies above; a good approximation."""
    share = min(max(share, 1e-4), 0.9999)
    t = math.sqrt(-2 * math.log(min(share, 1 - share)))
    value = t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t)
    return value if share < 0.5 else -value


def _square(grid: SceneGrid, column: Any, row: Any) -> list[SceneSquare]:
    mesh = grid.recipe.mesh
    x, y = square_centre(mesh, column, row)
    state, deviation = grid.square_table(column, row)
    ice = np.exp(grid._log_ice_of_grid(x, y) + deviation)
    quality = grid.quality(x, y)
    return [
        SceneSquare(
            grid,
            int(column[n]),
            int(row[n]),
            float(x[n]),
            float(y[n]),
            mesh.pitch_um - mesh.bar_um,
            mesh.rotation_deg,
            SquareState(int(state[n])),
            float(ice[n]),
            float(quality[n]),
        )
        for n in range(len(column))
    ]


def _squares(grid: SceneGrid) -> list[SceneSquare]:
    mesh = grid.recipe.mesh
    reach = int(GRID_RADIUS_UM / mesh.pitch_um) + 1
    column, row = np.meshgrid(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1))
    half = (mesh.pitch_um - mesh.bar_um) / 2
    corner = np.hypot(np.abs(column) * mesh.pitch_um + half, np.abs(row) * mesh.pitch_um + half)
    # The rim hides some, the mark the one in the middle.
    keep = (corner < mesh.rim_um) & ((column != 0) | (row != 0))
    return _square(grid, column[keep], row[keep])


__all__ = ["THICK_NM", "Cassette", "HoleState", "SceneGrid", "SceneHole", "SceneSquare", "SquareState"]
