"""Draws the crystals of a drop."""

import math
from collections.abc import Sequence

import numpy as np

from structloop.simulation.drops.contents import Crystal, DropShape, Habit
from structloop.simulation.drops.draws import Rng, log_uniform
from structloop.simulation.drops.liquid import Territory

Drops = Sequence[tuple[DropShape, Territory]]

_SINGLE = (
    Habit.BLOCK,
    Habit.RHOMB,
    Habit.HEXAGONAL,
    Habit.BIPYRAMID,
    Habit.OCTAHEDRON,
    Habit.TETRAHEDRON,
    Habit.LATTICE,
    Habit.ROD,
)
_SINGLE_ODDS = (0.16, 0.16, 0.12, 0.14, 0.06, 0.03, 0.2, 0.13)


def sample_crystals(rng: Rng, drops: Drops) -> list[Crystal]:
    """One population of crystals, sometimes two, placed in the drops (at least one crystal)."""
    crystals = _population(rng, drops)
    if rng.random() < 0.15:
        crystals += _population(rng, drops)
    return crystals


def _population(rng: Rng, drops: Drops) -> list[Crystal]:
    kind = str(
        rng.choice(
            ["single", "few", "many", "micro", "cluster", "plates", "stack", "needles", "bundle", "urchin", "dendrite"],
            p=[0.11, 0.17, 0.1, 0.17, 0.1, 0.1, 0.04, 0.08, 0.06, 0.05, 0.02],
        )
    )
    radius = drops[0][0].radius_um
    habit = _SINGLE[int(rng.choice(len(_SINGLE), p=_SINGLE_ODDS))]
    count, size, spread = 1, log_uniform(rng, 0.12, 0.75) * radius, 0.25
    if kind == "few":
        count, size = int(rng.integers(2, 12)), log_uniform(rng, 0.08, 0.45) * radius
    elif kind == "many":
        count, size = int(log_uniform(rng, 10, 80)), log_uniform(rng, 0.04, 0.16) * radius
    elif kind == "micro":
        count, size = int(log_uniform(rng, 25, 400)), log_uniform(rng, 0.018, 0.055) * radius
    elif kind in ("plates", "stack"):
        habit, count = Habit.PLATE, int(log_uniform(rng, 1, 15))
        size = log_uniform(rng, 0.1, 0.6) * radius
    elif kind == "needles":
        habit, count = Habit.NEEDLE, int(log_uniform(rng, 1, 60))
        size, spread = log_uniform(rng, 0.12, 1.0) * radius, 0.4
    elif kind == "bundle":
        habit, count, size = Habit.BUNDLE, int(log_uniform(rng, 1, 8)), log_uniform(rng, 0.2, 1.0) * radius
    elif kind == "urchin":
        habit, count, size = Habit.URCHIN, int(log_uniform(rng, 1, 25)), log_uniform(rng, 0.1, 0.7) * radius
    elif kind == "dendrite":
        habit, count, size = Habit.DENDRITE, int(log_uniform(rng, 1, 6)), log_uniform(rng, 0.15, 0.6) * radius
    elif kind == "cluster":
        size = log_uniform(rng, 0.05, 0.3) * radius
        count = int(log_uniform(rng, 1, 20))
    size = min(max(size, 4.0), 600.0)
    return _place(rng, drops, habit, count, size, spread, kind)


def _place(rng: Rng, drops: Drops, habit: Habit, count: int, size: float, spread: float, kind: str) -> list[Crystal]:
    salt = bool(rng.random() < 0.12)
    shapes = [int(rng.integers(1 << 31)) for _ in range(min(count, 10))]
    index_step = log_uniform(rng, 0.1, 0.2) if salt else log_uniform(rng, 0.05, 0.18)
    faint = rng.random() < 0.18
    if faint:
        index_step = log_uniform(rng, 0.015, 0.05)
    birefringence = 0.0 if rng.random() < 0.2 else log_uniform(rng, 0.002, 0.05 if salt else 0.015)
    density = log_uniform(rng, 0.001, 0.02) if faint else log_uniform(rng, 0.005, 0.3)
    edge, rounding = rng.uniform(0.0, 1.0), size * rng.uniform(0.0, 0.03)
    rough = log_uniform(rng, 0.001, 0.03)
    glow = log_uniform(rng, 0.001, 0.02) if salt else log_uniform(rng, 0.25, 1.5)
    blur = log_uniform(rng, 0.3, 6.0)
    reach = float(rng.choice([0.45, 0.75, 0.9, 1.0], p=[0.2, 0.35, 0.27, 0.18]))
    if rng.random() < 0.8:
        reach = max(reach - 0.5 * size / drops[0][0].radius_um, 0.1)
    focal_point = drops[0][1].point(rng, reach)
    gathered = rng.random() < 0.2
    crystals: list[Crystal] = []
    for index in range(count):
        _, ground = drops[0] if index == 0 else drops[int(rng.integers(len(drops)))]
        x, y = ground.point(rng, reach)
        if gathered:
            x, y = 0.7 * focal_point[0] + 0.3 * x, 0.7 * focal_point[1] + 0.3 * y
        own = min(size * float(np.exp(rng.normal(0, spread))), 700.0)
        members = 1
        angle = rng.uniform(0, 2 * math.pi)
        if kind == "cluster":
            members = int(rng.integers(3, 14))
        elif kind == "stack":
            members = int(rng.integers(2, 6))
        for member in range(members):
            if kind == "cluster":
                dx, dy = rng.normal(0, 0.45 * own, 2)
                turn, scale = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 1.2)
            else:
                dx, dy = rng.normal(0, 0.12 * own, 2) if member else (0.0, 0.0)
                turn, scale = angle + float(rng.normal(0, 0.15)) * (member > 0), rng.uniform(0.7, 1.0)
            crystals.append(
                Crystal(
                    habit=habit,
                    x_um=x + float(dx),
                    y_um=y + float(dy),
                    size_um=own * scale,
                    angle_rad=turn,
                    shape_seed=shapes[int(rng.integers(len(shapes)))],
                    index_step=index_step,
                    birefringence=birefringence,
                    density=density,
                    edge=float(edge),
                    rounding_um=rounding,
                    rough=rough,
                    blur_um=blur * float(np.exp(rng.normal(0, 0.5))),
                    fluorescence=glow * float(np.exp(rng.normal(0, 0.15))),
                    salt=salt,
                )
            )
        if len(crystals) > 420:
            break
    return crystals
