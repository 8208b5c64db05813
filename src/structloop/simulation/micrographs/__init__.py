"""Simulated high-magnification exposures with known truth, with or without a scene around them.

    made = make_up_specimen(7, kinds=("tetramer-465",))               # .specimen and .truth
    image = render_micrograph(made.specimen, Optics(), 40.0, seed=1)  # electrons per pixel, float32 (y, x)
    small = render_micrograph(made.specimen, Optics(), 40.0, seed=1, binning=4)
    picture = Look.empiar_10017()(image, made.specimen.pixel_size_angstrom)
    whole = make_up_micrograph(7, binning=4)                          # all of it from one seed: .image, .truth, ...

How it is computed, and where that is an approximation, is in docs/explanations/simulated-micrographs.md.
"""

from structloop.simulation.micrographs.detector import Detector
from structloop.simulation.micrographs.exposures import MadeUpMicrograph, make_up_micrograph, make_up_optics
from structloop.simulation.micrographs.looks import Look
from structloop.simulation.micrographs.making_up import (
    MadeUp,
    ParticleTruth,
    Recipe,
    make_up_specimen,
    particle_truth,
)
from structloop.simulation.micrographs.rendering import expected_micrograph, height_um_at, render_micrograph

__all__ = [
    "Detector",
    "Look",
    "MadeUp",
    "MadeUpMicrograph",
    "ParticleTruth",
    "Recipe",
    "expected_micrograph",
    "height_um_at",
    "make_up_micrograph",
    "make_up_optics",
    "make_up_specimen",
    "particle_truth",
    "render_micrograph",
]
