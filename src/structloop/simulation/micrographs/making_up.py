"""Specimens made up without a scene around them, with their truth: for pre-training, tests and demonstrations."""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.canvas import Canvas
from structloop.simulation.micrographs.noise import generator_of
from structloop.simulation.micrographs.placing import place, preferred_rotations
from structloop.simulation.micrographs.strong import film_share
from structloop.simulation.molecules import MOLECULES, diameter_angstrom
from structloop.simulation.specimen import Blob, FloatArray, IntArray, Particles, Specimen

_CELLS = 64


@dataclass(frozen=True)
class Recipe:
    """How often, from 0 to 1, made-up specimens have what; and ranges (low, high) that are drawn from.

    Attributes:
        film_edge: The edge of a hole crosses the picture.
        gold: Of films, those of gold instead of carbon.
        film_below: Continuous thin carbon lies under all of it.
        contamination, aggregates, crystalline, beads: Lumps of ice, lumps of protein, crystalline ice, gold beads.
        mixture: There are two or three kinds of molecules.
        denatured: Some molecules came apart.
        preferred: The molecules prefer a few views.
        tilted: The specimen is tilted by 10 to 45 degrees.
        drifting: The stage drifts.
        stained: Heavy stain instead of ice.
        empty: There are no molecules at all.
        ice_nm: Mean thickness.
        coverage: Share of the area that the molecules' circles would cover without overlaps.
        closeness: Least distance between centres, in diameters; below 1 they overlap.
        debris_per_um2: Small pieces of protein between the molecules; a fifth where there are none.
        rough_nm: Unevenness of the ice over some ten nanometres.
    """

    film_edge: float = 0.2
    gold: float = 0.25
    film_below: float = 0.03
    contamination: float = 0.4
    aggregates: float = 0.2
    crystalline: float = 0.05
    beads: float = 0.05
    mixture: float = 0.15
    denatured: float = 0.4
    preferred: float = 0.4
    tilted: float = 0.05
    drifting: float = 0.1
    stained: float = 0.0
    empty: float = 0.03
    ice_nm: tuple[float, float] = (18.0, 80.0)
    coverage: tuple[float, float] = (0.03, 0.5)
    closeness: tuple[float, float] = (0.6, 1.1)
    debris_per_um2: tuple[float, float] = (3e3, 5e4)
    rough_nm: tuple[float, float] = (0.2, 2.0)

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, tuple):
                if not 0 <= value[0] <= value[1]:
                    raise SimulationError(f"{entry.name} is {value}; give (low, high), neither below 0")
            elif not 0 <= value <= 1:
                raise SimulationError(f"{entry.name} is {value}; give a share from 0 to 1")

    @classmethod
    def clean(cls) -> "Recipe":
        """Whole molecules in even vitreous ice and nothing else."""
        return replace(cls.every(0.0), debris_per_um2=(0.0, 0.0), rough_nm=(0.0, 0.0))

    @classmethod
    def every(cls, share: float) -> "Recipe":
        """Every share at one value; the ranges stay."""
        return cls(*(13 * (share,)))


@dataclass(frozen=True)
class ParticleTruth:
    """What there is to find; arrays have one entry per molecule.

    Attributes:
        x_px, y_px: Centres in pixels of the picture, (0, 0) is the centre of the first pixel.
        diameter_px: Largest extent of each.
        kind: Index into `kinds`.
        kinds: Names.
        intact: 1 whole, 0 torn apart.
        on_film: It lies on support film.
        covered: A lump lies over or under it.
        inside: Its centre is in the picture.
        visible: An annotator would be expected to mark it: inside, mostly whole, neither on film nor covered.
    """

    x_px: FloatArray
    y_px: FloatArray
    diameter_px: FloatArray
    kind: IntArray
    kinds: tuple[str, ...]
    intact: FloatArray
    on_film: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    visible: NDArray[np.bool_]

    def binned(self, binning: int) -> "ParticleTruth":
        """The same in pixels of a picture binned by so many."""
        shift = (binning - 1) / 2
        return ParticleTruth(
            ((self.x_px - shift) / binning).astype(np.float32),
            ((self.y_px - shift) / binning).astype(np.float32),
            (self.diameter_px / binning).astype(np.float32),
            self.kind,
            self.kinds,
            self.intact,
            self.on_film,
            self.covered,
            self.inside,
            self.visible,
        )


@dataclass(frozen=True)
class MadeUp:
    """A specimen and what there is to find in it."""

    specimen: Specimen
    truth: ParticleTruth


def make_up_specimen(
    seed: int,
    *,
    width_px: int = 4096,
    height_px: int = 4096,
    pixel_size_angstrom: float = 1.06,
    kinds: tuple[str, ...] | None = None,
    recipe: Recipe | None = None,
) -> MadeUp:
    """A specimen drawn at random, the same for the same arguments.

    Args:
        seed: Decides everything.
        width_px, height_px, pixel_size_angstrom: Of the picture.
        kinds: Molecules to draw from (`simulation.molecules.MOLECULES`); all without it.
        recipe: How often what occurs.

    Raises:
        SimulationError: A kind of molecule is unknown, or the recipe is faulty.
    """
    recipe = recipe or Recipe()
    draw = generator_of(seed, 0x3A4E)
    chosen = _kinds(draw, kinds or MOLECULES, recipe)
    field_angstrom = (width_px * pixel_size_angstrom, height_px * pixel_size_angstrom)
    largest_nm = max(diameter_angstrom(name) for name in chosen) / 10
    ice_mean = draw.uniform(*recipe.ice_nm)
    ice_mean = max(ice_mean, 0.7 * largest_nm) if recipe.ice_nm[1] > 0 else 0.0
    ice = _ice(draw, ice_mean)
    film, film_nm, material = _film(draw, recipe, field_angstrom)
    ice = np.asarray(ice * (1 + 0.35 * np.exp(-np.abs(film - 0.5) * 8) * (film > 0)), np.float32)
    stained = draw.random() < recipe.stained
    stain = (
        np.full((_CELLS, _CELLS), draw.uniform(8, 25), np.float32) * (ice / max(ice_mean, 1e-3)) if stained else None
    )
    if stained:
        ice = np.asarray(ice * 0.1, np.float32)
    crystalline = _crystalline(draw) if draw.random() < recipe.crystalline else np.zeros((_CELLS, _CELLS), np.float32)
    blobs = _blobs(draw, recipe, width_px, height_px, pixel_size_angstrom)
    particles = _particles(draw, recipe, chosen, width_px, height_px, pixel_size_angstrom, ice)
    tilted, drifting = draw.random() < recipe.tilted, draw.random() < recipe.drifting
    specimen = Specimen(
        width_px=width_px,
        height_px=height_px,
        pixel_size_angstrom=pixel_size_angstrom,
        ice_nm=ice,
        film=film,
        film_nm=film_nm,
        film_material=material,
        crystalline=crystalline,
        stain_nm=np.zeros((2, 2), np.float32) if stain is None else np.asarray(stain, np.float32),
        particles=particles,
        blobs=blobs,
        tilt_deg=float(draw.uniform(10, 45)) if tilted else 0.0,
        tilt_axis_deg=float(draw.uniform(0, 180)),
        drift_angstrom_per_s=tuple(draw.normal(0, 3, 2).tolist()) if drifting else (0.0, 0.0),
        seed=int(draw.integers(1 << 62)),
        debris_per_um2=_between(seed, 1, recipe.debris_per_um2) * (1.0 if len(particles.x_px) else 0.2),
        rough_nm=_between(seed, 2, recipe.rough_nm),
    )
    return MadeUp(specimen, particle_truth(specimen))


def _between(seed: int, purpose: int, span: tuple[float, float]) -> float:
    """Drawn with an even logarithm; from a generator of its own, so that nothing else is drawn differently."""
    low, high = (max(value, 1e-9) for value in span)
    return float(low * (high / low) ** generator_of(seed, 0xDEB, purpose).random()) if span[1] > 0 else 0.0


def particle_truth(specimen: Specimen) -> ParticleTruth:
    """What there is to find in a specimen, made up or of a scene."""
    particles = specimen.particles
    x, y = particles.x_px, particles.y_px
    sizes = np.array([diameter_angstrom(name) for name in particles.kinds] or [0.0], np.float32)
    diameter = sizes[particles.kind] / np.float32(specimen.pixel_size_angstrom)
    inside = (x >= -0.5) & (y >= -0.5) & (x < specimen.width_px - 0.5) & (y < specimen.height_px - 0.5)
    on_film = _at(specimen, x, y) > 0.5
    covered = np.zeros(len(x), np.bool_)
    for blob in specimen.blobs:
        reach = blob.radius_px * (1 + 0.3 * blob.roughness) + 0.25 * diameter
        covered |= np.hypot(x - blob.x_px, y - blob.y_px) < reach
    visible = inside & ~on_film & ~covered & (particles.intact >= 0.5)
    return ParticleTruth(
        x,
        y,
        diameter.astype(np.float32),
        particles.kind,
        particles.kinds,
        particles.intact,
        on_film,
        covered,
        inside,
        visible,
    )


def _at(specimen: Specimen, x: FloatArray, y: FloatArray) -> FloatArray:
    """Share of film at places, with the sharp edges of the picture."""
    step = max(1, round(4 / specimen.pixel_size_angstrom))
    while min(specimen.width_px, specimen.height_px) // step < 8:
        step -= 1
    canvas = Canvas.of(specimen, step)
    share = film_share(specimen, canvas)
    if share is None or len(x) == 0:
        return np.zeros(len(x), np.float32)
    column = np.clip(np.rint(canvas.to_here(x)).astype(int), 0, canvas.width - 1)
    row = np.clip(np.rint(canvas.to_here(y)).astype(int), 0, canvas.height - 1)
    return np.asarray(share[row, column], np.float32)


def _kinds(draw: np.random.Generator, among: tuple[str, ...], recipe: Recipe) -> tuple[str, ...]:
    count = int(draw.integers(2, 4)) if draw.random() < recipe.mixture else 1
    picked = draw.choice(len(among), size=min(count, len(among)), replace=False)
    return tuple(among[int(index)] for index in picked)


def _smooth(draw: np.random.Generator, waves: int = 3) -> FloatArray:
    """Random smooth map of about unit variance over the field of view."""
    y, x = np.mgrid[:_CELLS, :_CELLS] / _CELLS
    total = np.zeros((_CELLS, _CELLS))
    for _ in range(6):
        u, v = draw.uniform(-waves, waves, 2)
        total += draw.normal() * np.cos(2 * np.pi * (u * x + v * y) + draw.uniform(0, 2 * np.pi))
    return np.asarray(total / 3**0.5, np.float32)


def _ice(draw: np.random.Generator, mean_nm: float) -> FloatArray:
    y, x = np.mgrid[:_CELLS, :_CELLS] / _CELLS - 0.5
    turn = draw.uniform(0, 2 * np.pi)
    gradient = draw.gamma(1.5, 0.12) * (np.cos(turn) * x + np.sin(turn) * y)
    waves = draw.gamma(1.5, 0.015) * _smooth(draw)
    return np.asarray(np.maximum(mean_nm * (1 + gradient + waves), 0.2 * mean_nm), np.float32)


def _film(
    draw: np.random.Generator, recipe: Recipe, field_angstrom: tuple[float, float]
) -> tuple[FloatArray, float, str]:
    """Film share, thickness and material: the edge of a round hole, a thin continuous film, or none."""
    has_edge, below = draw.random() < recipe.film_edge, draw.random() < recipe.film_below
    gold = draw.random() < recipe.gold
    radius = draw.uniform(3000, 10000)
    inward, turn = draw.uniform(-0.45, 0.45), draw.uniform(0, 2 * np.pi)
    carbon_nm, gold_nm = draw.uniform(10, 22), draw.uniform(35, 55)
    if below and not has_edge:
        return np.ones((_CELLS, _CELLS), np.float32), float(draw.uniform(2, 4)), "carbon"
    if not has_edge:
        return np.zeros((_CELLS, _CELLS), np.float32), 0.0, "carbon"
    wide, tall = field_angstrom
    y, x = (np.mgrid[:_CELLS, :_CELLS] + 0.5) / _CELLS - 0.5
    x, y = x * wide, y * tall
    offset = radius - inward * min(wide, tall)
    distance = np.hypot(x - np.cos(turn) * offset, y - np.sin(turn) * offset) - radius
    soft = 3 * max(wide, tall) / _CELLS
    return (
        np.asarray(np.clip(0.5 + distance / soft, 0, 1), np.float32),
        float(gold_nm if gold else carbon_nm),
        ("gold" if gold else "carbon"),
    )


def _crystalline(draw: np.random.Generator) -> FloatArray:
    patches = _smooth(draw, 2) + draw.uniform(-0.5, 1.5)
    return np.asarray(np.clip(patches, 0, 1) * draw.uniform(0.3, 1.0), np.float32)


def _blobs(
    draw: np.random.Generator, recipe: Recipe, width: int, height: int, pixel_angstrom: float
) -> tuple[Blob, ...]:
    found: list[Blob] = []

    def add(count: int, material: str, size: tuple[float, float], thick: tuple[float, float], rough: float) -> None:
        for _ in range(count):
            radius = float(np.exp(draw.uniform(np.log(size[0]), np.log(size[1]))))
            nm = min(draw.uniform(*thick), radius / 10 * 1.6)
            found.append(
                Blob(
                    x_px=float(draw.uniform(0, width)),
                    y_px=float(draw.uniform(0, height)),
                    radius_px=radius / pixel_angstrom,
                    thickness_nm=float(nm),
                    material=material,
                    roughness=float(np.clip(draw.normal(rough, 0.15), 0, 1)),
                    seed=int(draw.integers(1 << 30)),
                )
            )

    if draw.random() < recipe.contamination:
        add(1 + int(draw.poisson(6)), "ice", (50, 320), (8, 55), draw.choice([0.05, 0.5]))
    if draw.random() < recipe.aggregates:
        add(1 + int(draw.poisson(1.5)), "protein", (150, 800), (8, 30), 0.9)
    if draw.random() < recipe.beads:
        add(1 + int(draw.poisson(4)), "gold", (25, 60), (5, 12), 0.0)
    return tuple(found)


def _particles(
    draw: np.random.Generator,
    recipe: Recipe,
    kinds: tuple[str, ...],
    width: int,
    height: int,
    pixel_angstrom: float,
    ice: FloatArray,
) -> Particles:
    diameters = np.array([diameter_angstrom(name) for name in kinds]) / pixel_angstrom
    empty = draw.random() < recipe.empty
    low, high = recipe.coverage
    coverage = float(np.exp(draw.uniform(np.log(max(low, 1e-4)), np.log(max(high, 1e-4)))))
    area = np.pi / 4 * float(np.mean(diameters**2))
    margin = float(diameters.max()) / 2
    wanted = 0 if empty else round(coverage * (width + 2 * margin) * (height + 2 * margin) / area)
    shares = draw.dirichlet(np.full(len(kinds), 3.0))
    kind = draw.choice(len(kinds), size=wanted, p=shares).astype(np.int32)
    density = np.exp(draw.gamma(1.0, 0.4) * _smooth(draw, 2))
    closeness = draw.uniform(*recipe.closeness)
    x, y, kept = place(draw, width, height, diameters[kind], closeness, density)
    kind = kind[kept]
    count = len(x)
    half = np.maximum(_near(ice, x, y, width, height) * 5 - 0.4 * diameters[kind] * pixel_angstrom, 0) / 10
    at_surface = draw.random(count) < draw.uniform(0.2, 0.9)
    z = np.where(at_surface, np.sign(draw.random(count) - draw.uniform(0.2, 0.8)), draw.uniform(-1, 1, count)) * half
    intact = np.ones(count)
    if draw.random() < recipe.denatured:
        torn = draw.random(count) < draw.uniform(0.02, 0.3)
        intact = np.where(torn, draw.uniform(0, 0.9, count), 1.0)
    return Particles(
        x_px=x.astype(np.float32),
        y_px=y.astype(np.float32),
        z_nm=z.astype(np.float32),
        rotation=preferred_rotations(draw, count, draw.random() < recipe.preferred),
        kind=kind,
        intact=intact.astype(np.float32),
        kinds=kinds,
    )


def _near(coarse: FloatArray, x: NDArray[np.float64], y: NDArray[np.float64], width: int, height: int) -> FloatArray:
    rows, columns = coarse.shape
    row = np.clip((y / height * rows).astype(int), 0, rows - 1)
    return np.asarray(coarse[row, np.clip((x / width * columns).astype(int), 0, columns - 1)], np.float32)


__all__ = ["MadeUp", "ParticleTruth", "Recipe", "make_up_specimen", "particle_truth"]
