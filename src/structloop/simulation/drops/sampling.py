"""Draws scenes: first everything but the crystals, then, independently, the crystals.

Because crystals are drawn last and from their own random stream, scenes with and without them have the same
distribution of drops, precipitate, skins, dirt and light; the crystals are the only systematic difference.
"""

import math

import numpy as np

from structloop.simulation.drops.contents import (
    Content,
    DropShape,
    Precipitate,
    PrecipitateKind,
    Skin,
    Speck,
    Sphere,
    Strand,
)
from structloop.simulation.drops.draws import Rng, chance, log_uniform, sub_seed
from structloop.simulation.drops.errors import SimulationError
from structloop.simulation.drops.facilities import Facility, sample_facility
from structloop.simulation.drops.liquid import Territory
from structloop.simulation.drops.populations import Drops, sample_crystals
from structloop.simulation.drops.scene import DropScene

_KINDS = tuple(PrecipitateKind)
_KIND_ODDS = (0.25, 0.11, 0.15, 0.07, 0.08, 0.15, 0.1, 0.05, 0.04)
_COLOURED = (PrecipitateKind.BROWN, PrecipitateKind.HAZE)
_FINE = (PrecipitateKind.GRANULAR, PrecipitateKind.SPECKLED)


def sample_scene(
    seed: int, *, facility: Facility | None = None, prevalence: float = 0.5, empty_wells: float = 0.03
) -> DropScene:
    """Draw a scene.

    Args:
        seed: Non-negative; with the same facility it gives the same scene.
        facility: Whose imager and plates; by default one drawn from the seed.
        prevalence: Probability that a drop holds crystals. It changes nothing else: with the same seed, the scene
            that gets crystals at one prevalence is the same one, less its crystals, at a lower one.
        empty_wells: Probability of a well without a drop (and so without crystals).

    Raises:
        SimulationError: A probability is not between 0 and 1, or the seed is negative.
    """
    if seed < 0:
        raise SimulationError(f"scene seed is {seed}; it must be 0 or larger")
    for name, value in (("prevalence", prevalence), ("empty_wells", empty_wells)):
        if not 0.0 <= value <= 1.0:
            raise SimulationError(f"{name} is {value}; it must lie between 0 and 1")
    lab = facility or sample_facility(seed)
    rng = np.random.default_rng([seed, lab.seed, 202])
    jitter = lab.well.jitter_um
    well_x, well_y = float(rng.normal(0, jitter)), float(rng.normal(0, jitter))
    drops = () if chance(rng, empty_wells) else _sample_drops(rng, lab, well_x, well_y)
    wet = [(drop, Territory(drop, lab.well, well_x, well_y)) for drop in drops]
    precipitates = tuple(_sample_precipitates(rng)) if drops else ()
    skins = (_sample_skin(rng),) if drops and chance(rng, 0.14) else ()
    spheres: list[tuple[Sphere, Content]] = []
    strands: list[tuple[Strand, Content]] = []
    specks: list[tuple[Speck, Content]] = []
    if drops:
        if chance(rng, 0.16):
            spheres += _sample_oil(rng, wet)
        if chance(rng, 0.05):
            spheres += _sample_bubbles(rng, wet)
        if chance(rng, 0.05):
            spheres += _sample_spherulites(rng, wet)
        if chance(rng, 0.2):
            specks += _sample_particles(rng, wet)
        if chance(rng, 0.07):
            strands.append((_sample_fibre(rng, drops[0].x_um, drops[0].y_um, drops[0].radius_um), Content.FIBRE))
    _add_dirt(rng, lab, strands, specks)
    crystal_rng = np.random.default_rng([seed, lab.seed, 303])
    wanted = crystal_rng.random() < prevalence
    crystals = tuple(sample_crystals(crystal_rng, wet)) if drops and wanted else ()
    return DropScene(
        seed=seed,
        facility=lab,
        well_x_um=well_x,
        well_y_um=well_y,
        exposure=float(np.exp(rng.normal(0, lab.camera.exposure_spread))),
        focus=log_uniform(rng, 0.7, 1.5) if chance(rng, 0.8) else log_uniform(rng, 1.5, 4.0),
        drops=drops,
        precipitates=precipitates,
        skins=skins,
        spheres=tuple(sphere for sphere, _ in spheres),
        sphere_contents=tuple(kind for _, kind in spheres),
        strands=tuple(strand for strand, _ in strands),
        strand_contents=tuple(kind for _, kind in strands),
        specks=tuple(speck for speck, _ in specks),
        speck_contents=tuple(kind for _, kind in specks),
        crystals=crystals,
    )


def _sample_drops(rng: Rng, lab: Facility, well_x: float, well_y: float) -> tuple[DropShape, ...]:
    style = lab.drop
    fills = chance(rng, style.fills_well)
    refraction = 0.45 if style.under_oil else 1.0
    count = 1 + (int(rng.integers(1, 4)) if chance(rng, style.satellites) and not fills else 0)
    base_angle = rng.uniform(0, 2 * math.pi)
    drops: list[DropShape] = []
    for index in range(count):
        radius = style.radius_um * float(np.exp(rng.normal(0, style.radius_spread)))
        x = well_x + float(rng.normal(0, style.spread_um))
        y = well_y + float(rng.normal(0, style.spread_um))
        if index > 0:
            radius *= log_uniform(rng, 0.08, 0.8)
            away = drops[0].radius_um * rng.uniform(0.8, 1.3) + radius
            turn = base_angle + index * rng.uniform(0.8, 2.0)
            x, y = drops[0].x_um + away * math.cos(turn), drops[0].y_um + away * math.sin(turn)
        if fills:
            x, y, radius = well_x, well_y, lab.well.half_width_um * rng.uniform(0.97, 1.01)
        slope = log_uniform(rng, style.contact_low, style.contact_high) * refraction
        drops.append(
            DropShape(
                x_um=x,
                y_um=y,
                radius_um=radius,
                elongation=1.0 if fills else float(np.exp(abs(rng.normal(0, 0.18)))),
                angle_rad=rng.uniform(0, math.pi),
                irregular=0.0 if fills else style.irregular * log_uniform(rng, 0.5, 1.6),
                corners=int(rng.poisson(1.0)) if not fills and chance(rng, 0.4) else 0,
                nicks=int(rng.poisson(1.5)) if not fills and chance(rng, 0.4) else 0,
                edge_slope=slope,
                flatness=log_uniform(rng, 2.0, 10.0),
                lumps=log_uniform(rng, 0.02, 0.5),
                haze=log_uniform(rng, 0.005, 0.2),
                rim_line=rng.uniform(0, 0.7),
                film_um=radius * rng.uniform(0.04, 0.25) if chance(rng, 0.12) else 0.0,
                with_well=fills,
                seed=sub_seed(rng),
            )
        )
    return tuple(drops)


def _sample_precipitates(rng: Rng) -> list[Precipitate]:
    count = int(rng.choice(4, p=[0.36, 0.34, 0.2, 0.1]))
    found = []
    for _ in range(count):
        kind = _KINDS[int(rng.choice(len(_KINDS), p=_KIND_ODDS))]
        amount = log_uniform(rng, 0.03, 0.9)
        if chance(rng, 0.12):
            amount = log_uniform(rng, 0.9, 2.5)
        if kind in (PrecipitateKind.RINGS, PrecipitateKind.STRINGY):
            amount = log_uniform(rng, 0.03, 0.35)
        grain = log_uniform(rng, 3, 14) if kind in _FINE else log_uniform(rng, 5, 40)
        if kind in (PrecipitateKind.GEL, PrecipitateKind.HAZE):
            amount = log_uniform(rng, 0.02, 0.5)
        found.append(
            Precipitate(
                kind=kind,
                amount=amount,
                grain_um=grain,
                relief=log_uniform(rng, 0.001, 0.05),
                cover=rng.uniform(0.15, 1.0),
                patch_um=log_uniform(rng, 60, 500),
                brown=rng.uniform(0.2, 1.0) if kind in _COLOURED else rng.uniform(0, 0.25),
                centre=float(rng.normal(0, 0.9)),
                fluorescence=log_uniform(rng, 0.01, 0.5),
                seed=sub_seed(rng),
            )
        )
    return found


def _sample_skin(rng: Rng) -> Skin:
    return Skin(
        wrinkle_um=log_uniform(rng, 15, 150),
        relief=log_uniform(rng, 0.006, 0.08),
        folds=int(rng.poisson(3)),
        density=log_uniform(rng, 0.01, 0.3),
        cover=rng.uniform(0.3, 1.2),
        overhang=rng.uniform(0, 0.3) if chance(rng, 0.3) else 0.0,
        seed=sub_seed(rng),
    )


def _sample_oil(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    count = int(log_uniform(rng, 2, 260))
    step = log_uniform(rng, 0.01, 0.1) * (1 if chance(rng, 0.7) else -1)
    largest = drops[0][0].radius_um * log_uniform(rng, 0.03, 0.35)
    flat, glow = rng.uniform(0.2, 1.0), log_uniform(rng, 0.02, 0.4)
    power = rng.uniform(0.8, 2.5)
    density = log_uniform(rng, 0.005, 0.1)
    found = []
    for index in range(count):
        _, ground = drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, 0.95)
        radius = max(largest * (index + 1.0) ** (-1.0 / power) * rng.uniform(0.7, 1.3), 2.0)
        sphere = Sphere(x, y, radius, step, flat, density, glow, 0.0, sub_seed(rng))
        found.append((sphere, Content.PHASE_SEPARATION))
    return found


def _sample_bubbles(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    found = []
    for _ in range(1 + int(rng.poisson(1.5))):
        drop, ground = drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, 1.0)
        radius = drop.radius_um * log_uniform(rng, 0.04, 0.4)
        found.append((Sphere(x, y, radius, -0.34, 1.0, 0.0, 0.0, 0.0, sub_seed(rng)), Content.BUBBLE))
    return found


def _sample_spherulites(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    size = drops[0][0].radius_um * log_uniform(rng, 0.03, 0.2)
    density, step, fibres = log_uniform(rng, 0.1, 1.2), log_uniform(rng, 0.01, 0.06), log_uniform(rng, 0.05, 1.0)
    glow = log_uniform(rng, 0.1, 0.8)
    found = []
    for _ in range(1 + int(log_uniform(rng, 1, 40))):
        _, ground = drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, 0.85)
        radius = size * float(np.exp(rng.normal(0, 0.2)))
        sphere = Sphere(x, y, radius, step, 0.7, density, glow, fibres, sub_seed(rng))
        found.append((sphere, Content.SPHERULITES))
    return found


def _sample_particles(rng: Rng, drops: Drops) -> list[tuple[Speck, Content]]:
    size, count = log_uniform(rng, 3, 25), int(log_uniform(rng, 5, 200))
    density, relief = log_uniform(rng, 0.05, 1.5), log_uniform(rng, 0.02, 1.0)
    blur, glow = log_uniform(rng, 0.5, 8), log_uniform(rng, 0.01, 0.5)
    found = []
    for _ in range(count):
        _, ground = drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, 0.95)
        diameter = size * float(np.exp(rng.normal(0, 0.45)))
        found.append((Speck(x, y, diameter, density, relief, blur, glow, sub_seed(rng)), Content.PARTICLES))
    return found


def _sample_fibre(rng: Rng, x: float, y: float, reach: float) -> Strand:
    length = reach * log_uniform(rng, 0.2, 2.5)
    angle = rng.uniform(0, 2 * math.pi)
    return Strand(
        x_um=x + float(rng.normal(0, 0.5)) * reach - 0.5 * length * math.cos(angle),
        y_um=y + float(rng.normal(0, 0.5)) * reach - 0.5 * length * math.sin(angle),
        length_um=length,
        width_um=log_uniform(rng, 4, 22),
        angle_rad=angle,
        curl=float(rng.normal(0, 1.6)),
        density=log_uniform(rng, 0.05, 2.0),
        index_step=float(rng.normal(0, 0.1)),
        colour=rng.random() if chance(rng, 0.35) else -1.0,
        blur_um=log_uniform(rng, 0.5, 20),
        fluorescence=log_uniform(rng, 0.005, 0.8),
        seed=sub_seed(rng),
    )


def _add_dirt(
    rng: Rng, lab: Facility, strands: list[tuple[Strand, Content]], specks: list[tuple[Speck, Content]]
) -> None:
    width, height = lab.field_um
    dirt = lab.drop.dirt

    def anywhere() -> tuple[float, float]:
        return float(rng.uniform(-0.5, 0.5) * width), float(rng.uniform(-0.5, 0.5) * height)

    for _ in range(int(rng.poisson(3.0 * dirt))):
        x, y = anywhere()
        size = log_uniform(rng, 3, 40)
        speck = Speck(
            x,
            y,
            size,
            log_uniform(rng, 0.05, 2.0),
            log_uniform(rng, 0.02, 1.0),
            log_uniform(rng, 0.5, 30),
            log_uniform(rng, 0.005, 0.6),
            sub_seed(rng),
        )
        specks.append((speck, Content.DUST))
    for _ in range(int(rng.poisson(0.15 * dirt))):
        x, y = anywhere()
        strands.append((_sample_fibre(rng, x, y, 0.25 * min(width, height)), Content.FIBRE))
    for _ in range(int(rng.poisson(0.2 * dirt))):
        x, y = anywhere()
        strands.append(
            (
                Strand(
                    x_um=x,
                    y_um=y,
                    length_um=width * log_uniform(rng, 0.03, 0.8),
                    width_um=log_uniform(rng, 1.5, 8),
                    angle_rad=rng.uniform(0, 2 * math.pi),
                    curl=float(rng.normal(0, 0.15)),
                    density=float(rng.normal(0, 0.35)),
                    index_step=float(rng.normal(0, 0.08)),
                    colour=-1.0,
                    blur_um=log_uniform(rng, 0.5, 12),
                    fluorescence=log_uniform(rng, 0.002, 0.05),
                    seed=sub_seed(rng),
                ),
                Content.SCRATCH,
            )
        )
