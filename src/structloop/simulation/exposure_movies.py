"""Movies of a session's exposures, good ones and each of the usual faults, planned and rendered from one seed.

A session goes from square to square. In most, a few of the exposures have a fault; one in four squares is poor as a
whole. What is planned of an exposure does not depend on how many follow, so that a longer session begins with a shorter
one. Movies are rendered without radiation damage: a field of a few hundred pixels shows its rings as a whole camera's
frame does with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.making_up import Recipe, make_up_specimen
from structloop.simulation.micrographs.noise import generator_of
from structloop.simulation.movies import Motion, render_movie
from structloop.simulation.optics import Envelope, Optics
from structloop.simulation.specimen import Blob, Specimen

GOOD = "good"
POOR = "thick-ice"
"""What is wrong with nearly every exposure of a poor square."""
FILES = {
    "cut-off": "the file ends in the middle",
    "no-numbers": "a frame has pixels that are no numbers",
    "no-frames": "the file holds no frames",
    "nothing": "the file is empty (0 bytes)",
}
"""Faults of a movie's file, and what they are in words."""
SEEN = {
    "drift": "the specimen drifts far while it is exposed",
    "empty-hole": "there is no ice in the hole",
    "film": "support film all over, and no hole",
    "contaminated": "lumps of ice lie on the specimen",
    "astigmatic": "astigmatism of half a micrometre",
    "far-from-focus": "focused far from what was asked for",
    "crystalline-ice": "crystalline ice",
    POOR: "ice of some 200 nm",
}
"""Faults that are seen in the picture, and what they are in words."""

PER_SQUARE = 10
_SQUARES_PER_GRID = 3
_POOR_EVERY, _POOR_PLACE = 4, 1
_FAULTS_PER_SQUARE = 3
_POOR_GOOD = 1
_ORDER = ("drift", "cut-off", "empty-hole", "astigmatic", "no-numbers", "contaminated", "far-from-focus", "no-frames",
          "crystalline-ice", "film", "nothing")  # fmt: skip
_SECONDS_EACH, _SECONDS_PER_SQUARE = 42.0, 150.0
_ELECTRONS_PER_ANGSTROM2 = 40.0
_KINDS = ("tetramer-465",)
_CLEAN = replace(
    Recipe.every(0.0), denatured=0.3, ice_nm=(40.0, 60.0), coverage=(0.05, 0.15), debris_per_um2=(2e4, 3e4),
    rough_nm=(0.1, 0.2),
)  # fmt: skip
_OPTICS = Optics(amplitude_contrast=0.1, envelope=Envelope(4.0, 0.005, 20.0))


@dataclass(frozen=True, slots=True)
class PlannedMovie:
    """One exposure of a session before it is rendered.

    Attributes:
        number: From 0, in the order in which they are taken.
        kind: `GOOD`, or one of `SEEN` or `FILES`.
        grid, square, hole: Where, as numbers; squares and holes count through.
        taken_s: Seconds from the start of the session.
        stage_um: Of the hole, x and y.
        target_defocus_um: What was asked for, underfocus positive.
        optics: What there was.
        drift_angstrom: Typical length of the path.
        seed: Of its specimen, motion and noise.
    """

    number: int
    kind: str
    grid: int
    square: int
    hole: int
    taken_s: float
    stage_um: tuple[float, float]
    target_defocus_um: float
    optics: Optics
    drift_angstrom: float
    seed: int

    @property
    def words(self) -> str:
        """What is wrong with it; empty where nothing is."""
        return {**SEEN, **FILES}.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class RenderedMovie:
    """A movie with its truth.

    Attributes:
        frames: (frames, y, x) counts, uint8 or uint16.
        dose_e_per_angstrom2: Of all frames.
        motion_angstrom: Length of the path of the whole.
        ice_nm: Mean thickness.
        particles: Molecules that an annotator would mark.
    """

    frames: NDArray[Any]
    dose_e_per_angstrom2: float
    motion_angstrom: float
    ice_nm: float
    particles: int


def plan_movies(count: int, seed: int = 0) -> list[PlannedMovie]:
    """Exposures of a session in the order in which they are taken; the same for the same seed, however many.

    Raises:
        SimulationError: `count` is below 1.
    """
    if count < 1:
        raise SimulationError(f"count is {count}; give 1 or more")
    kinds: list[str] = []
    dealt = 0
    for square in range(-(-count // PER_SQUARE)):
        draw = generator_of(seed, 0xE590, square)
        poor = square % _POOR_EVERY == _POOR_PLACE
        here = [POOR if poor else GOOD] * PER_SQUARE
        for place in draw.choice(PER_SQUARE, _POOR_GOOD if poor else _FAULTS_PER_SQUARE, replace=False):
            here[int(place)] = GOOD if poor else _ORDER[dealt % len(_ORDER)]
            dealt += not poor
        kinds += here
    return [_planned(number, kind, seed) for number, kind in enumerate(kinds[:count])]


def _planned(number: int, kind: str, seed: int) -> PlannedMovie:
    draw = generator_of(seed, 0xE591, number)
    square, place = divmod(number, PER_SQUARE)
    target = 1.2 + 0.2 * (number % 5)
    defocus = target + float(draw.normal(0, 0.05)) + (3.6 if kind == "far-from-focus" else 0.0)
    astigmatism = 0.5 if kind == "astigmatic" else float(draw.uniform(0.005, 0.06))
    optics = replace(
        _OPTICS,
        defocus_u_um=defocus + astigmatism / 2,
        defocus_v_um=defocus - astigmatism / 2,
        angle_deg=float(draw.uniform(0, 180)),
    )
    return PlannedMovie(
        number=number,
        kind=kind,
        grid=1 + square // _SQUARES_PER_GRID,
        square=1 + square,
        hole=1 + number,
        taken_s=number * _SECONDS_EACH + square * _SECONDS_PER_SQUARE,
        stage_um=(round(95.0 * square + 9.6 * (place % 4), 2), round(-60.0 + 9.6 * (place // 4), 2)),
        target_defocus_um=round(target, 2),
        optics=optics,
        drift_angstrom=90.0 if kind == "drift" else float(draw.uniform(5, 10)),
        seed=int(draw.integers(1 << 31)),
    )


def render_planned(plan: PlannedMovie, size_px: int, frames: int, pixel_size_angstrom: float) -> RenderedMovie:
    """The movie of a planned exposure: `size_px` x `size_px` pixels, about 40 e/A^2 in all.

    Faults of files are not in it: it is what the file would hold.

    Raises:
        SimulationError: the size, the pixel size, or the number of frames is out of range.
    """
    if size_px < 128 or frames < 2 or not 0.3 <= pixel_size_angstrom <= 5:
        raise SimulationError(
            f"{frames} frames of {size_px} pixels of {pixel_size_angstrom:g} angstrom are not rendered; give 2 frames "
            "or more, 128 pixels or more, 0.3 to 5 angstrom"
        )
    made = make_up_specimen(
        plan.seed,
        width_px=size_px,
        height_px=size_px,
        pixel_size_angstrom=pixel_size_angstrom,
        kinds=_KINDS,
        recipe=_recipe(plan.kind),
    )
    specimen = _specimen(plan, made.specimen)
    drift_px, bend_px = plan.drift_angstrom / pixel_size_angstrom, 0.8 / pixel_size_angstrom
    motion = Motion.realistic(plan.seed, frames, size_px, size_px, drift_px=drift_px, bend_px=bend_px)
    length = float(np.hypot(*np.diff(motion.drift_px, axis=0).T).sum()) * pixel_size_angstrom
    # Motion is drawn; that it is far, or not, is what this exposure is for.
    scale = plan.drift_angstrom / max(length, 1e-6)
    motion = replace(motion, drift_px=motion.drift_px * scale)
    dose = _ELECTRONS_PER_ANGSTROM2 / frames * pixel_size_angstrom**2
    rendered = render_movie(specimen, plan.optics, dose, frames, motion, plan.seed, damage=False)
    return RenderedMovie(
        np.stack(list(rendered)),
        _ELECTRONS_PER_ANGSTROM2,
        plan.drift_angstrom,
        float(specimen.ice_nm.mean()),
        int(made.truth.visible.sum()) if len(specimen.particles.x_px) else 0,
    )


def _recipe(kind: str) -> Recipe:
    changed: dict[str, dict[str, Any]] = {
        "empty-hole": {"empty": 1.0},
        "film": {"film_below": 1.0, "empty": 1.0},
        "crystalline-ice": {"crystalline": 1.0},
        POOR: {"ice_nm": (190.0, 230.0)},
    }
    return replace(_CLEAN, **changed.get(kind, {}))


def _specimen(plan: PlannedMovie, specimen: Specimen) -> Specimen:
    if plan.kind == "empty-hole":
        return replace(specimen, ice_nm=np.zeros_like(specimen.ice_nm), debris_per_um2=0.0)
    if plan.kind == "film":
        return replace(specimen, film_nm=18.0, ice_nm=specimen.ice_nm * np.float32(0.2))
    if plan.kind == "crystalline-ice":
        return replace(specimen, crystalline=np.maximum(specimen.crystalline, np.float32(0.7)))
    if plan.kind == "contaminated":
        return replace(specimen, blobs=tuple(_lumps(plan.seed, specimen)))
    return specimen


def _lumps(seed: int, specimen: Specimen) -> Iterator[Blob]:
    draw = generator_of(seed, 0xE592)
    for _ in range(3):
        yield Blob(
            x_px=float(draw.uniform(0, specimen.width_px)),
            y_px=float(draw.uniform(0, specimen.height_px)),
            radius_px=float(specimen.width_px * draw.uniform(0.12, 0.3)),
            thickness_nm=float(draw.uniform(60, 150)),
            material="ice",
            roughness=float(draw.uniform(0.3, 0.9)),
            seed=int(draw.integers(1 << 30)),
        )


__all__ = ["FILES", "GOOD", "PER_SQUARE", "POOR", "SEEN", "PlannedMovie", "RenderedMovie", "plan_movies",
           "render_planned"]  # fmt: skip
