"""Draws scenes: first everything but the crystals, then, independently, the crystals.

Because crystals are drawn last and from their own random stream, scenes with and without them have the same
distribution of drops, precipitate, skins, dirt and light; the crystals are the only systematic difference.
"""

import math

import numpy as np

from structloop.core.errors import SimulationError
from structloop.simulation.drops.chemistry import (
    sample_bubbles,
    sample_creases,
    sample_highlights,
    sample_oil,
    sample_particles,
    sample_precipitates,
    sample_skin,
    sample_spherulites,
)
from structloop.simulation.drops.contents import (
    Content,
    DropShape,
    Speck,
    Sphere,
    Strand,
)
from structloop.simulation.drops.dirt import add_dirt, sample_fibre, sample_flakes, sample_lumps
from structloop.simulation.drops.draws import Rng, chance, log_uniform, sub_seed
from structloop.simulation.drops.facilities import Facility, sample_facility
from structloop.simulation.drops.liquid import Territory
from structloop.simulation.drops.populations import sample_crystals
from structloop.simulation.drops.scene import DropScene


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
    precipitates = tuple(sample_precipitates(rng)) if drops else ()
    skins = (sample_skin(rng),) if drops and chance(rng, 0.14) else ()
    spheres: list[tuple[Sphere, Content]] = []
    strands: list[tuple[Strand, Content]] = []
    specks: list[tuple[Speck, Content]] = []
    if drops:
        if chance(rng, 0.16):
            spheres += sample_oil(rng, wet)
        if chance(rng, 0.05):
            spheres += sample_bubbles(rng, wet)
        if chance(rng, 0.07):
            spheres += sample_highlights(rng, wet)
        if chance(rng, 0.15):
            strands += sample_creases(rng, wet)
        if chance(rng, 0.05):
            spheres += sample_spherulites(rng, wet)
        if chance(rng, 0.2):
            specks += sample_particles(rng, wet)
        first = drops[0]
        fibres = int(rng.integers(1, 4)) if chance(rng, 0.12) else 0
        strands += [(sample_fibre(rng, first.x_um, first.y_um, first.radius_um), Content.FIBRE) for _ in range(fibres)]
    flakes = sample_flakes(rng, lab, wet) if chance(rng, 0.14) else []
    if wet and chance(rng, 0.14):
        flakes += sample_lumps(rng, wet)
    add_dirt(rng, lab, strands, specks)
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
        flakes=tuple(flakes),
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
