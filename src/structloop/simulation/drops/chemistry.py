"""Draws what forms in drops without being a crystal."""

import math

import numpy as np

from structloop.simulation.drops.contents import Content, Precipitate, PrecipitateKind, Skin, Speck, Sphere, Strand
from structloop.simulation.drops.draws import Rng, chance, log_uniform, sub_seed
from structloop.simulation.drops.populations import Drops

_KINDS = tuple(PrecipitateKind)
_KIND_ODDS = (0.25, 0.11, 0.15, 0.07, 0.08, 0.15, 0.1, 0.05, 0.04)
_COLOURED = (PrecipitateKind.BROWN, PrecipitateKind.HAZE)
_FINE = (PrecipitateKind.GRANULAR, PrecipitateKind.SPECKLED)


def sample_precipitates(rng: Rng) -> list[Precipitate]:
    """Textures of precipitate, possibly none."""
    count = int(rng.choice(4, p=[0.36, 0.34, 0.2, 0.1]))
    found = []
    for _ in range(count):
        kind = _KINDS[int(rng.choice(len(_KINDS), p=_KIND_ODDS))]
        amount = log_uniform(rng, 0.03, 0.9)
        if chance(rng, 0.12):
            amount = log_uniform(rng, 0.9, 2.5)
        if kind is PrecipitateKind.SPECKLED and chance(rng, 0.35):
            amount = -min(amount, 0.5)
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


def sample_skin(rng: Rng) -> Skin:
    """A wrinkled film."""
    return Skin(
        wrinkle_um=log_uniform(rng, 15, 150),
        relief=log_uniform(rng, 0.006, 0.08),
        folds=int(rng.poisson(3)),
        density=log_uniform(rng, 0.01, 0.3),
        cover=rng.uniform(0.3, 1.2),
        overhang=rng.uniform(0, 0.3) if chance(rng, 0.3) else 0.0,
        radial=rng.uniform(0.3, 1.0) if chance(rng, 0.2) else 0.0,
        seed=sub_seed(rng),
    )


def sample_oil(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    """Droplets of a second liquid phase."""
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


def sample_bubbles(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    """Gas bubbles."""
    found = []
    for _ in range(1 + int(rng.poisson(1.5))):
        drop, ground = drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, 1.0)
        radius = drop.radius_um * log_uniform(rng, 0.04, 0.4)
        found.append((Sphere(x, y, radius, -0.34, 1.0, 0.0, 0.0, 0.0, sub_seed(rng)), Content.BUBBLE))
    return found


def sample_highlights(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    """A double ring near the middle of the drop, as of a bubble below the meniscus."""
    drop, ground = drops[0]
    x, y = ground.point(rng, 0.4)
    radius = drop.radius_um * log_uniform(rng, 0.025, 0.12)
    step = log_uniform(rng, 0.02, 0.34) * (1 if chance(rng, 0.5) else -1)
    flat = rng.uniform(0.2, 1.0)
    outer = Sphere(x, y, radius, step, flat, 0.0, 0.0, 0.0, sub_seed(rng))
    inner = Sphere(
        x, y, radius * rng.uniform(0.35, 0.8), -step * rng.uniform(0.3, 1.2), flat, 0.0, 0.0, 0.0, sub_seed(rng)
    )
    return [(outer, Content.BUBBLE), (inner, Content.BUBBLE)]


def sample_creases(rng: Rng, drops: Drops) -> list[tuple[Strand, Content]]:
    """Folds of a film that meet at a point: each a dark line with a bright one beside it."""
    drop, ground = drops[0]
    x, y = ground.point(rng, 0.6)
    size, width = drop.radius_um * log_uniform(rng, 0.06, 0.5), log_uniform(rng, 3, 18)
    dark, relief, blur = log_uniform(rng, 0.1, 1.0), float(rng.normal(0, 0.06)), log_uniform(rng, 0.5, 8)
    turn = rng.uniform(0, 2 * math.pi)
    arms, ragged = int(rng.integers(1, 6)), 0.0
    if chance(rng, 0.4):
        # A tear: thick, black and ragged.
        width, dark, blur = log_uniform(rng, 8, 45), log_uniform(rng, 0.8, 4.0), log_uniform(rng, 0.3, 4)
        arms, ragged = int(rng.integers(1, 4)), rng.uniform(0.2, 1.2)
    found = []
    for arm in range(arms):
        angle = turn + 2 * math.pi * arm / arms + float(rng.normal(0, 0.3))
        length, curl, seed = size * rng.uniform(0.4, 1.0), float(rng.normal(0, 0.5)), sub_seed(rng)
        for density, side in ((dark, 0.0), (-0.6 * min(dark, 1.0), width)):
            strand = Strand(
                x_um=x - side * math.sin(angle),
                y_um=y + side * math.cos(angle),
                length_um=length,
                width_um=width,
                angle_rad=angle,
                curl=curl,
                ragged=ragged,
                density=density,
                index_step=relief,
                colour=-1.0,
                blur_um=blur,
                fluorescence=0.02,
                seed=seed,
            )
            found.append((strand, Content.CREASE))
    return found


def sample_spherulites(rng: Rng, drops: Drops) -> list[tuple[Sphere, Content]]:
    """Spherulites of one size."""
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


def sample_particles(rng: Rng, drops: Drops) -> list[tuple[Speck, Content]]:
    """Particles scattered in the drops."""
    size, count = log_uniform(rng, 3, 25), int(log_uniform(rng, 5, 200))
    density, relief = log_uniform(rng, 0.05, 1.5), log_uniform(rng, 0.02, 1.0)
    blur, glow = log_uniform(rng, 0.5, 8), log_uniform(rng, 0.01, 0.5)
    found = []
    for _ in range(count):
        _, ground = drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, 0.95)
        diameter = size * float(np.exp(rng.normal(0, 0.45)))
        found.append((Speck(x, y, diameter, density, relief, blur, 0.0, glow, sub_seed(rng)), Content.PARTICLES))
    return found
