"""Indicators of a whole session's exposures, made up without any movies: for trying out, for tests, for timing.

Squares differ in their ice, the stage drifts after each move, the focus wanders and is set again, and now and then a
square is poor as a whole. The numbers are plausible, not measured.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError

_PER_SQUARE = 45
_SECONDS_EACH = 7.2
_NO_RINGS_ICE_NM = 150.0
_POOR = 0.12
_SQUARE_UM, _SQUARES_ACROSS = 95.0, 9
_HOLE_UM, _HOLES_ACROSS = 2.5, 8


@dataclass(frozen=True, slots=True)
class MadeUpExposure:
    """What processing would say of one exposure; None where it would not know.

    Attributes:
        name: Of the movie, without ending.
        grid, square, hole: Where it was taken.
        stage_x_um, stage_y_um: The same, of the stage.
        taken_s: Seconds from the start of the session.
        failed: Why its movie could not be processed; None where it could.
        track_angstrom: (frames, 2) where the specimen went, from the first frame.
    """

    name: str
    grid: str
    square: str
    hole: str
    stage_x_um: float
    stage_y_um: float
    taken_s: float
    failed: str | None = None
    total_motion_angstrom: float | None = None
    early_motion_angstrom: float | None = None
    late_motion_angstrom: float | None = None
    defocus_u_um: float | None = None
    defocus_v_um: float | None = None
    astigmatism_angle_deg: float | None = None
    rings_seen: bool | None = None
    ctf_resolution_angstrom: float | None = None
    ctf_confidence: float | None = None
    film_poses: bool | None = None
    crystalline_ice: bool | None = None
    ice_nm: float | None = None
    particles: int | None = None
    particles_per_um2: float | None = None
    particle_overlap: float | None = None
    empty_fraction: float | None = None
    condition: str | None = None
    condition_probability: float | None = None
    track_angstrom: tuple[tuple[float, float], ...] = ()


def make_up_exposures(count: int, seed: int = 0) -> list[MadeUpExposure]:
    """Exposures of a session in the order in which they were taken; the same seed, the same session.

    Raises:
        SimulationError: `count` is below 1.
    """
    if count < 1:
        raise SimulationError(f"count is {count}; give 1 or more")
    rng = np.random.default_rng(seed)
    found: list[MadeUpExposure] = []
    square = 0
    while len(found) < count:
        square += 1
        here = min(count - len(found), int(rng.integers(_PER_SQUARE // 2, _PER_SQUARE * 3 // 2)))
        found += _square(rng, square, len(found), here)
    return found


def _square(rng: np.random.Generator, square: int, first: int, count: int) -> list[MadeUpExposure]:
    ice = float(np.clip(rng.lognormal(np.log(34), 0.45), 8, 180))
    crowded = float(np.clip(rng.lognormal(np.log(95), 0.5), 4, 400))
    poor = rng.random() < _POOR
    film = rng.random() < 0.12
    found = []
    for place in range(count):
        number = first + place
        name = f"FoilHole_{210000 + number * 7}_Data_{1 + number % 4:02d}"
        at: dict[str, Any] = {
            "name": name,
            "grid": f"Grid {1 + square // 60}",
            "square": f"Square {square:03d}",
            "hole": f"Hole {1 + place // 2:03d}",
            "stage_x_um": square % _SQUARES_ACROSS * _SQUARE_UM + place // 2 % _HOLES_ACROSS * _HOLE_UM,
            "stage_y_um": square // _SQUARES_ACROSS * _SQUARE_UM + place // 2 // _HOLES_ACROSS * _HOLE_UM,
            "taken_s": number * _SECONDS_EACH + square * 90.0,
        }
        if rng.random() < 0.006:
            reason = rng.choice(
                ["the file ends after frame 12 of 40; copy it again", "frame 3 has pixels that are NaN"]
            )
            found.append(MadeUpExposure(**at, failed=f"{name}.tiff: {reason}"))
            continue
        found.append(_exposure(rng, at, number, place, ice, crowded, poor=poor, film=film))
    return found


def _exposure(
    rng: np.random.Generator,
    at: dict[str, Any],
    number: int,
    place: int,
    ice: float,
    crowded: float,
    *,
    poor: bool,
    film: bool,
) -> MadeUpExposure:
    nm = float(np.clip(ice * rng.lognormal(0, 0.16) * (2.1 if poor and rng.random() < 0.7 else 1), 6, 260))
    settled = 1 + 2.6 * np.exp(-place / 3)
    early = float(rng.lognormal(np.log(3.4), 0.35) * settled)
    late = float(rng.lognormal(np.log(6.5), 0.4) * settled**0.7)
    aim = 0.9 + 0.3 * (number % 5)
    defocus = float(max(aim + 0.12 * np.sin(number / 260) + rng.normal(0, 0.07), 0.15))
    astigmatism = float(abs(rng.normal(0.03, 0.02)) + 0.05 * (1 + np.sin(number / 900)) * (rng.random() < 0.2))
    seen = bool(nm < _NO_RINGS_ICE_NM and rng.random() > 0.004)
    blur = (early + late) / 14
    resolution = 3.1 + 0.35 * blur + 1.6 * (nm / 90) ** 2 + float(rng.gamma(2.0, 0.11))
    crystalline = bool(rng.random() < (0.12 if nm > 100 else 0.008))
    poses = bool(film and rng.random() < 0.5)
    density = crowded * float(rng.lognormal(0, 0.2)) * (0.25 if nm > 110 else 1.0)
    condition, sure = _condition(rng, nm, crystalline=crystalline)
    return MadeUpExposure(
        **at,
        total_motion_angstrom=early + late,
        early_motion_angstrom=early,
        late_motion_angstrom=late,
        defocus_u_um=defocus + astigmatism / 2 if seen else None,
        defocus_v_um=defocus - astigmatism / 2 if seen else None,
        astigmatism_angle_deg=float((35 + rng.normal(0, 12)) % 180) if seen else None,
        rings_seen=seen,
        ctf_resolution_angstrom=resolution if seen else None,
        ctf_confidence=float(np.clip(1.06 - 0.03 * resolution - rng.exponential(0.03), 0, 1)) if seen else 0.03,
        film_poses=poses,
        crystalline_ice=crystalline,
        ice_nm=nm,
        particles=round(density * 0.16),
        particles_per_um2=density,
        particle_overlap=float(np.clip(density / 900 + rng.normal(0, 0.02), 0, 1)),
        empty_fraction=float(np.clip(0.75 - density / 260 + rng.normal(0, 0.06), 0, 1)),
        condition=condition,
        condition_probability=sure,
        track_angstrom=_track(rng, early, late),
    )


def _condition(rng: np.random.Generator, nm: float, *, crystalline: bool) -> tuple[str, float]:
    if crystalline:
        name = "crystalline ice"
    elif nm > 110:
        name = "thick ice"
    elif rng.random() < 0.03:
        name = "contamination"
    else:
        name = "good"
    return name, float(np.clip(rng.normal(0.88, 0.08), 0.4, 0.99))


def _track(rng: np.random.Generator, early: float, late: float, frames: int = 24) -> tuple[tuple[float, float], ...]:
    """A path whose first steps are `early` long in all, the others `late`."""
    first = 4
    turn = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.35, frames - 1))
    lengths: NDArray[np.float64] = np.concatenate(
        [np.linspace(2, 1, first) * early / (1.5 * first), np.full(frames - 1 - first, late / (frames - 1 - first))]
    )
    steps = np.stack([lengths * np.cos(turn), lengths * np.sin(turn)], axis=1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    return tuple((round(float(x), 2), round(float(y), 2)) for x, y in path)


__all__ = ["MadeUpExposure", "make_up_exposures"]
