"""What a grid is made of, and what was put on it: numbers drawn from a seed."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from structloop.simulation.grids.hashing import key


class GridKind(StrEnum):
    """Kinds of grid that there are."""

    HOLEY_CARBON = "holey-carbon"
    HOLEY_GOLD = "holey-gold"
    LACEY = "lacey"
    NEGATIVE_STAIN = "negative-stain"
    CELLS = "cells"


@dataclass(frozen=True, slots=True)
class Mesh:
    """The metal grid.

    Attributes:
        pitch_um, bar_um: Distance of bars and their width.
        rotation_deg: Of the mesh against the stage's x axis.
        x_um, y_um: Of the grid's centre, where the stage would have to stand to show it.
        corner_um: Radius of the squares' corners.
        ragged_um: How far the bars' edges wander.
        rim_um: Inner radius of the solid rim; the grid's own is `GRID_RADIUS_UM`.
    """

    pitch_um: float
    bar_um: float
    rotation_deg: float
    x_um: float
    y_um: float
    corner_um: float
    ragged_um: float
    rim_um: float


@dataclass(frozen=True, slots=True)
class Film:
    """The support film, one sheet over the whole grid.

    Attributes:
        lattice: "square", "hexagonal", "lacey" (irregular openings) or "none" (no holes).
        hole_um, pitch_um: Diameter and distance of the holes; for lacey, about those of its openings.
        rotation_deg: Of the lattice against the stage's x axis.
        material: "carbon" or "gold".
        thickness_nm: Of the film.
        shift: Of the lattice, in units of its pitch.
    """

    lattice: str
    hole_um: float
    pitch_um: float
    rotation_deg: float
    material: str
    thickness_nm: float
    shift: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Ice:
    """How thick the ice is, and how uneven.

    Attributes:
        median_nm: In the holes.
        wedge: Change of its logarithm per millimetre.
        wedge_deg: Where to it grows.
        grid_sd, square_sd, patch_sd, hole_sd: Standard deviations of its logarithm, at each scale.
        rupture_nm: Where it is thinner, the hole is empty.
        meniscus_nm: How much thicker than film and ice beside it the ice at the rim of a hole may be.
        on_film: Thickness on the film, over that which a wide hole would have.
        collar_nm: How much thicker it is on the film just around a hole.
        lean: How much thicker it is at one side of a hole than in its middle, as a share; mostly towards `wedge_deg`.
        at_bars: How many times thicker it is at the bars.
        bars_um: How far from the bars that reaches.
        crystalline, leopard, ethane: Share of squares (0 to 1) with each.
        dirt: Ice crystals and flakes, 1 for an ordinary grid.
        smudges: Smudges and thin spots, likewise.
    """

    median_nm: float
    wedge: float
    wedge_deg: float
    grid_sd: float
    square_sd: float
    patch_sd: float
    hole_sd: float
    rupture_nm: float
    meniscus_nm: float
    on_film: float
    collar_nm: float
    lean: float
    at_bars: float
    bars_um: float
    crystalline: float
    leopard: float
    ethane: float
    dirt: float
    smudges: float


@dataclass(frozen=True, slots=True)
class Sample:
    """The molecules.

    Attributes:
        molecules: Names, as `simulation.molecules` has them.
        shares: Share of each, adding to 1.
        diameter_nm: Of the largest.
        per_um2: How many there are per square micrometre where the ice is twice as thick as they are.
        at_interface: Share of them that sits at the air-water interface.
        preference: How strongly those there are oriented alike (concentration; 0 for not at all).
        survival: Share of those there that stays whole.
        clustering: 0 for evenly spread, 1 for patchy.
    """

    molecules: tuple[str, ...]
    shares: tuple[float, ...]
    diameter_nm: float
    per_um2: float
    at_interface: float
    preference: float
    survival: float
    clustering: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a grid is drawn from.

    Attributes:
        torn, cracked, contaminated, dry: Shares of squares that are so on the average of the grid.
        bend_um: Height of the grid's bending, edge against middle.
        tilt_deg, tilt_towards_deg: How it lies in its holder.
        cells_per_mm2: Cells grown on it.
    """

    seed: int
    kind: GridKind
    mesh: Mesh
    film: Film
    ice: Ice
    sample: Sample
    torn: float = 0.08
    cracked: float = 0.10
    contaminated: float = 0.10
    dry: float = 0.03
    bend_um: float = 8.0
    tilt_deg: float = 0.4
    tilt_towards_deg: float = 0.0
    cells_per_mm2: float = 0.0


GRID_RADIUS_UM = 1525.0
_HOLES = ((2.0, 4.0), (2.0, 3.0), (1.2, 2.5), (1.2, 3.3), (3.5, 4.5), (1.0, 2.0), (0.6, 1.6))
_MESHES = ((125.0, 36.0), (83.0, 26.0), (62.0, 24.0))
# Diameters in nanometres of some that `simulation.molecules` has.
_MOLECULES = {"globular-100": 8.4, "tetramer-465": 17.4, "barrel-700": 16.1, "shell-480": 13.2, "ribosome-2500": 23.8}


def draw_recipe(seed: int, kind: GridKind) -> Recipe:
    """A grid of a kind, with everything else drawn from the seed."""
    rng = np.random.default_rng(key(seed, "recipe"))
    pitch, bar = _MESHES[int(rng.choice(3, p=(0.35, 0.5, 0.15)))]
    mesh = Mesh(
        pitch,
        bar * rng.uniform(0.85, 1.15),
        rng.uniform(-45, 45),
        rng.normal(0, 25),
        rng.normal(0, 25),
        rng.uniform(0.04, 0.16) * pitch,
        rng.uniform(0.03, 0.3),
        rng.uniform(1280, 1380),
    )
    name = str(rng.choice(list(_MOLECULES)))
    hole, hole_pitch = _HOLES[int(rng.integers(len(_HOLES)))]
    lattice = "hexagonal" if rng.random() < 0.25 else "square"
    film = Film(
        lattice,
        hole * rng.uniform(0.95, 1.1),
        hole_pitch,
        rng.uniform(-30, 30),
        "carbon",
        rng.uniform(10, 22),
        (rng.random(), rng.random()),
    )
    median = float(np.exp(rng.normal(math.log(45), 0.5)))
    ice = Ice(
        median_nm=float(np.clip(median, 16, 250)),
        wedge=rng.uniform(0.0, 0.8),
        wedge_deg=rng.uniform(0, 360),
        grid_sd=rng.uniform(0.25, 0.7),
        square_sd=rng.uniform(0.10, 0.35),
        patch_sd=rng.uniform(0.08, 0.25),
        hole_sd=rng.uniform(0.08, 0.3),
        rupture_nm=rng.uniform(7, 13),
        meniscus_nm=rng.uniform(0, 6),
        on_film=rng.uniform(0.6, 1.3),
        collar_nm=rng.uniform(4, 35),
        lean=rng.uniform(0, 0.25),
        at_bars=rng.uniform(1.5, 8.0),
        bars_um=rng.uniform(1.0, 5.0),
        crystalline=rng.uniform(0.02, 0.12),
        leopard=rng.uniform(0.02, 0.15),
        ethane=rng.uniform(0.01, 0.08),
        dirt=float(np.exp(rng.normal(-0.9, 0.8))),
        smudges=float(np.exp(rng.normal(-0.4, 0.9))),
    )
    diameter = _MOLECULES[name]
    sample = Sample(
        (name,),
        (1.0,),
        diameter,
        float(np.exp(rng.normal(math.log(600), 0.6))) * (14 / diameter) ** 1.5,
        rng.uniform(0.3, 0.9),
        float(rng.choice((0.0, 2.0, 8.0))),
        rng.uniform(0.5, 1.0),
        rng.uniform(0.0, 0.6),
    )
    recipe = Recipe(
        key(seed, "grid"),
        kind,
        mesh,
        film,
        ice,
        sample,
        torn=rng.uniform(0.02, 0.15),
        cracked=rng.uniform(0.03, 0.18),
        contaminated=rng.uniform(0.03, 0.15),
        dry=rng.uniform(0.01, 0.08),
        bend_um=rng.uniform(-15, 15),
        tilt_deg=abs(rng.normal(0, 0.5)),
        tilt_towards_deg=rng.uniform(0, 360),
    )
    return _of_kind(recipe, rng)


def _of_kind(recipe: Recipe, rng: np.random.Generator) -> Recipe:
    film, ice = recipe.film, recipe.ice
    if recipe.kind is GridKind.HOLEY_GOLD:
        thickness = rng.uniform(40, 55)
        lattice = "hexagonal" if rng.random() < 0.4 else "square"
        return replace(recipe, film=replace(film, lattice=lattice, material="gold", thickness_nm=thickness))
    if recipe.kind is GridKind.LACEY:
        film = replace(film, lattice="lacey", hole_um=rng.uniform(1.0, 3.0), thickness_nm=rng.uniform(20, 40))
        return replace(recipe, film=replace(film, pitch_um=film.hole_um * 1.25))
    if recipe.kind is GridKind.NEGATIVE_STAIN:
        film = replace(film, lattice="none", thickness_nm=rng.uniform(8, 15))
        return replace(recipe, film=film, ice=replace(ice, dirt=0.4 * ice.dirt))
    if recipe.kind is GridKind.CELLS:
        ice = replace(ice, median_nm=rng.uniform(90, 220), rupture_nm=5.0)
        sample = Sample(
            ("ribosome-2500",), (1.0,), _MOLECULES["ribosome-2500"], rng.uniform(150, 400), 0.0, 0.0, 1.0, 0.3
        )
        film = replace(film, hole_um=2.0, pitch_um=float(rng.choice((3.0, 4.0))))
        return replace(recipe, film=film, ice=ice, sample=sample, cells_per_mm2=rng.uniform(80, 250))
    return recipe


__all__ = ["GRID_RADIUS_UM", "Film", "GridKind", "Ice", "Mesh", "Recipe", "Sample", "draw_recipe"]
