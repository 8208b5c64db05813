"""Micrographs made up in a condition that is told: good ones, and those with each of the usual faults.

The six conditions are those in which facilities sort exposures (`CONDITIONS`). Each is drawn widely, and they meet at
their borders: thick ice and few molecules are decent and not great, a little dirt is forgiven, much is not.
"""

from dataclasses import replace

import numpy as np

from structloop.core.errors import SimulationError
from structloop.simulation.micrographs.detector import Detector
from structloop.simulation.micrographs.exposures import MadeUpMicrograph, make_up_optics
from structloop.simulation.micrographs.making_up import MadeUp, Recipe, make_up_specimen, particle_truth
from structloop.simulation.micrographs.noise import generator_of
from structloop.simulation.micrographs.rendering import render_micrograph
from structloop.simulation.specimen import Blob, FloatArray, Specimen

CONDITIONS = ("great", "decent", "contaminated", "no-ice", "crystalline", "empty-ice")
"""Molecules in thin clean ice; molecules in worse; dirt, aggregates, cracks or drift; no ice; crystalline ice; ice
without molecules."""

_LARGE = ("tetramer-465", "barrel-700", "shell-480", "ribosome-2500", "membrane-300", "rod-220", "capsid-3700")
_CLEAN = Recipe.every(0.0)
_FRAMES = ((4096, 4096), (3840, 3712), (5760, 4096))


def make_up_condition(
    seed: int, condition: str, *, binning: int = 8, frame_px: tuple[int, int] | None = None
) -> MadeUpMicrograph:
    """A micrograph in a condition, everything else drawn at random; the same for the same arguments.

    Args:
        seed: Decides everything.
        condition: One of `CONDITIONS`.
        binning: It is rendered at that size at once.
        frame_px: Width and height before binning; drawn among those of cameras without it.

    Raises:
        SimulationError: there is no such condition.
    """
    if condition not in CONDITIONS:
        raise SimulationError(f"there is no condition '{condition}'; use one of {', '.join(CONDITIONS)}")
    draw = generator_of(seed, 0xC04D, CONDITIONS.index(condition))
    drawn = _FRAMES[int(draw.choice(len(_FRAMES), p=[0.4, 0.4, 0.2]))]
    width, height = frame_px or drawn
    pixel = float(draw.uniform(0.65, 1.6))
    kinds = _LARGE if condition == "great" or draw.random() < 0.6 else None
    recipe = _recipe(draw, condition)
    made = make_up_specimen(
        seed, width_px=width, height_px=height, pixel_size_angstrom=pixel, kinds=kinds, recipe=recipe
    )
    specimen = _with_fault(draw, made, condition)
    lowest = 0.5 if condition in ("decent", "contaminated") else 0.8
    optics = make_up_optics(seed, defocus_um=(lowest, 3.2))
    dose = float(np.exp(draw.uniform(np.log(20), np.log(70))))
    camera = Detector(float(draw.uniform(0.3, 0.65)), float(draw.uniform(0.45, 0.92)), bool(draw.random() < 0.8), 0.0)
    image = render_micrograph(specimen, optics, dose, seed, binning, detector=camera)
    truth = particle_truth(specimen).binned(binning)
    return MadeUpMicrograph(image, pixel * binning, truth, specimen, optics, dose)


def _recipe(draw: np.random.Generator, condition: str) -> Recipe:
    if condition == "great":
        return replace(
            _CLEAN, film_edge=0.08, gold=0.25, contamination=0.1, mixture=0.1, denatured=0.3, preferred=0.4,
            ice_nm=(15.0, 45.0), coverage=(0.1, 0.5), rough_nm=(0.2, 1.0),
        )  # fmt: skip
    if condition == "decent":
        thick = draw.random() < 0.5
        return replace(
            Recipe(), film_edge=0.3, crystalline=0.0, contamination=0.4, aggregates=0.0, tilted=0.1, empty=0.0,
            drifting=0.2, ice_nm=(55.0, 130.0) if thick else (20.0, 70.0),
            coverage=(0.05, 0.4) if thick else (0.01, 0.08),
        )  # fmt: skip
    if condition == "contaminated":
        return replace(Recipe(), film_edge=0.35, crystalline=0.0, empty=0.3, contamination=0.7, ice_nm=(18.0, 110.0))
    if condition == "no-ice":
        return replace(_CLEAN, film_edge=0.6, gold=0.25, empty=1.0, contamination=0.12, ice_nm=(18.0, 40.0))
    if condition == "crystalline":
        return replace(Recipe(), film_edge=0.2, crystalline=1.0, empty=0.4, contamination=0.25, aggregates=0.05)
    return replace(Recipe(), film_edge=0.12, crystalline=0.0, empty=1.0, contamination=0.12, aggregates=0.0, beads=0.0)


def _with_fault(draw: np.random.Generator, made: MadeUp, condition: str) -> Specimen:
    specimen = made.specimen
    if condition == "no-ice":
        bare = np.zeros_like(specimen.ice_nm)
        if not specimen.film.any() and draw.random() < 0.6:
            # Bare film all over, or what is left of a broken one.
            film = np.ones_like(specimen.film) if draw.random() < 0.5 else _torn(draw, specimen.film.shape)
            return replace(specimen, ice_nm=bare, film=film, film_nm=float(draw.uniform(6, 22)))
        # A trace of ice may be left on the film's side.
        trace = np.asarray(specimen.film * draw.uniform(0, 8) * (draw.random() < 0.3), np.float32)
        return replace(specimen, ice_nm=bare + trace)
    if condition != "contaminated":
        return specimen
    fault = draw.choice(["dirt", "aggregates", "crack", "drift"], p=[0.45, 0.2, 0.2, 0.15])
    if fault == "dirt":
        large, count = float(draw.uniform(250, 1200)), 4 + int(draw.poisson(10))
        return replace(specimen, blobs=(*specimen.blobs, *_lumps(draw, specimen, count, "ice", large, (20, 150))))
    if fault == "aggregates":
        count = 3 + int(draw.poisson(6))
        return replace(specimen, blobs=(*specimen.blobs, *_lumps(draw, specimen, count, "protein", 1200, (15, 60))))
    if fault == "crack":
        keep = 1 - _torn(draw, specimen.film.shape)
        film = np.asarray(np.maximum(specimen.film, draw.random() < 0.5) * keep, np.float32)
        return replace(
            specimen,
            ice_nm=np.asarray(specimen.ice_nm * keep, np.float32),
            film=film,
            film_nm=specimen.film_nm or float(draw.uniform(8, 20)),
        )
    angle, speed = draw.uniform(0, 2 * np.pi), draw.uniform(15, 80)
    return replace(specimen, drift_angstrom_per_s=(float(speed * np.cos(angle)), float(speed * np.sin(angle))))


def _lumps(
    draw: np.random.Generator,
    specimen: Specimen,
    count: int,
    material: str,
    largest_angstrom: float,
    thickness_nm: tuple[float, float],
) -> list[Blob]:
    radii = np.exp(draw.uniform(np.log(120), np.log(largest_angstrom), count))
    return [
        Blob(
            x_px=float(draw.uniform(0, specimen.width_px)),
            y_px=float(draw.uniform(0, specimen.height_px)),
            radius_px=float(radius / specimen.pixel_size_angstrom),
            thickness_nm=float(min(draw.uniform(*thickness_nm), radius / 10 * 1.6)),
            material=material,
            roughness=float(np.clip(draw.normal(0.6, 0.3), 0, 1)),
            seed=int(draw.integers(1 << 30)),
        )
        for radius in radii
    ]


def _torn(draw: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """1 on one side of a wandering line, or along it, 0 elsewhere; soft over a cell or two."""
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / shape[0] - 0.5
    turn = draw.uniform(0, 2 * np.pi)
    along, across = np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x
    line = draw.uniform(-0.3, 0.3) + sum(
        draw.normal(0, 0.05) * np.sin(2 * np.pi * waves * along + draw.uniform(0, 2 * np.pi)) for waves in (1, 2, 4)
    )
    distance = across - line
    if draw.random() < 0.5:
        distance = draw.uniform(0.02, 0.12) - np.abs(distance)
    return np.asarray(np.clip(0.5 + distance * shape[0] / 3, 0, 1), np.float32)


__all__ = ["CONDITIONS", "make_up_condition"]
