"""Draws what does not belong to the experiment: fibres, pieces of film, dust and scratches."""

import math

from structloop.simulation.drops.contents import Content, Flake, Speck, Strand
from structloop.simulation.drops.draws import Rng, chance, log_uniform, sub_seed
from structloop.simulation.drops.facilities import Facility
from structloop.simulation.drops.populations import Drops


def sample_fibre(rng: Rng, x: float, y: float, reach: float) -> Strand:
    """A fibre or hair that passes near a place."""
    length = reach * log_uniform(rng, 0.2, 2.5)
    angle = rng.uniform(0, 2 * math.pi)
    return Strand(
        x_um=x + float(rng.normal(0, 0.5)) * reach - 0.5 * length * math.cos(angle),
        y_um=y + float(rng.normal(0, 0.5)) * reach - 0.5 * length * math.sin(angle),
        length_um=length,
        width_um=log_uniform(rng, 4, 22),
        angle_rad=angle,
        curl=float(rng.normal(0, 1.6)),
        ragged=0.0,
        density=log_uniform(rng, 0.05, 2.0),
        index_step=float(rng.normal(0, 0.1)),
        colour=rng.random() if chance(rng, 0.35) else -1.0,
        blur_um=log_uniform(rng, 0.5, 20),
        fluorescence=log_uniform(rng, 0.005, 0.8),
        seed=sub_seed(rng),
    )


def sample_flakes(rng: Rng, lab: Facility, drops: Drops) -> list[Flake]:
    """Pieces of dried film, mostly near the drop."""
    width, height = lab.field_um
    found = []
    for _ in range(int(rng.integers(1, 4))):
        x, y = float(rng.uniform(-0.45, 0.45) * width), float(rng.uniform(-0.45, 0.45) * height)
        if drops and chance(rng, 0.6):
            x, y = drops[0][1].point(rng, 1.3)
        found.append(
            Flake(
                x_um=x,
                y_um=y,
                size_um=min(width, height) * log_uniform(rng, 0.04, 0.3),
                slim=rng.uniform(0.3, 0.9),
                angle_rad=rng.uniform(0, 2 * math.pi),
                bite=rng.uniform(0.35, 1),
                ragged=rng.uniform(0.08, 0.2),
                layers=log_uniform(rng, 1.5, 25),
                relief=log_uniform(rng, 0.01, 0.3),
                density=log_uniform(rng, 0.02, 0.6),
                fluorescence=log_uniform(rng, 0.01, 0.4),
                seed=sub_seed(rng),
            )
        )
    return found


def sample_lumps(rng: Rng, drops: Drops) -> list[Flake]:
    """Dark lumps in the drop, mostly a single one."""
    count = 1 if chance(rng, 0.7) else int(rng.integers(2, 5))
    found = []
    for _ in range(count):
        drop, ground = drops[0]
        x, y = ground.point(rng, 0.9)
        found.append(
            Flake(
                x_um=x,
                y_um=y,
                size_um=drop.radius_um * log_uniform(rng, 0.03, 0.35),
                slim=rng.uniform(0.25, 1.0),
                angle_rad=rng.uniform(0, 2 * math.pi),
                bite=0.0 if chance(rng, 0.7) else rng.uniform(0.2, 0.7),
                ragged=log_uniform(rng, 0.1, 0.6),
                layers=log_uniform(rng, 0.5, 8),
                relief=log_uniform(rng, 0.01, 0.4),
                density=log_uniform(rng, 0.3, 3.0),
                fluorescence=log_uniform(rng, 0.01, 0.5),
                seed=sub_seed(rng),
            )
        )
    return found


def _sample_dust(rng: Rng, x: float, y: float) -> Speck:
    """A grain: sharp and dark on the floor, or a soft disk or ring where it is out of focus."""
    sharp = chance(rng, 0.5)
    return Speck(
        x_um=x,
        y_um=y,
        size_um=log_uniform(rng, 3, 40),
        density=log_uniform(rng, 0.5, 3.0) if sharp else log_uniform(rng, 0.05, 1.5),
        relief=log_uniform(rng, 0.02, 1.0),
        blur_um=log_uniform(rng, 0.3, 3) if sharp else log_uniform(rng, 2, 35),
        ring=rng.uniform(0.2, 1.0) if not sharp and chance(rng, 0.4) else 0.0,
        fluorescence=log_uniform(rng, 0.005, 0.6),
        seed=sub_seed(rng),
    )


def _sample_fragment(rng: Rng, x: float, y: float) -> Strand:
    """A short dark piece of a hair, or a splinter."""
    straight = chance(rng, 0.3)
    return Strand(
        x_um=x,
        y_um=y,
        length_um=log_uniform(rng, 25, 350),
        width_um=log_uniform(rng, 2.5, 14),
        angle_rad=rng.uniform(0, 2 * math.pi),
        curl=float(rng.normal(0, 0.1 if straight else 2.0)),
        ragged=0.0,
        density=log_uniform(rng, 0.3, 3.0),
        index_step=float(rng.normal(0, 0.05)),
        colour=-1.0,
        blur_um=log_uniform(rng, 0.3, 6),
        fluorescence=log_uniform(rng, 0.005, 0.3),
        seed=sub_seed(rng),
    )


def add_dirt(
    rng: Rng, lab: Facility, strands: list[tuple[Strand, Content]], specks: list[tuple[Speck, Content]]
) -> None:
    """Add the facility's dust, fibres and scratches anywhere in the field."""
    width, height = lab.field_um
    dirt = lab.drop.dirt

    def anywhere() -> tuple[float, float]:
        return float(rng.uniform(-0.5, 0.5) * width), float(rng.uniform(-0.5, 0.5) * height)

    grains, fragments = int(rng.poisson(4.0 * dirt)), int(rng.poisson(0.4 * dirt))
    specks += [(_sample_dust(rng, *anywhere()), Content.DUST) for _ in range(grains)]
    strands += [(_sample_fragment(rng, *anywhere()), Content.FIBRE) for _ in range(fragments)]
    for _ in range(int(rng.poisson(0.15 * dirt))):
        x, y = anywhere()
        strands.append((sample_fibre(rng, x, y, 0.25 * min(width, height)), Content.FIBRE))
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
                    ragged=0.0,
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
