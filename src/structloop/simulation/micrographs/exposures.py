"""Whole micrographs made up from one seed: specimen, microscope, dose, picture and truth."""

from dataclasses import dataclass

import numpy as np

from structloop.simulation.micrographs.detector import Detector
from structloop.simulation.micrographs.making_up import ParticleTruth, Recipe, make_up_specimen
from structloop.simulation.micrographs.noise import generator_of
from structloop.simulation.micrographs.rendering import render_micrograph
from structloop.simulation.optics import Envelope, Optics
from structloop.simulation.specimen import FloatArray, Specimen


@dataclass(frozen=True)
class MadeUpMicrograph:
    """A picture and the truth in its own (binned) pixels.

    Attributes:
        image: Electrons per pixel, float32 (height, width).
        pixel_size_angstrom: Of the picture.
        truth: Molecules, in pixels of the picture.
        specimen, optics, dose_e_per_angstrom2: What it was rendered from; the specimen's frame is not binned.
    """

    image: FloatArray
    pixel_size_angstrom: float
    truth: ParticleTruth
    specimen: Specimen
    optics: Optics
    dose_e_per_angstrom2: float


def make_up_optics(
    seed: int, *, defocus_um: tuple[float, float] = (0.6, 3.2), voltage_kv: float | None = None
) -> Optics:
    """A microscope drawn at random: 200 or 300 kV, well or badly aligned, underfocus in a range."""
    draw = generator_of(seed, 0x09C5)
    voltage = float(voltage_kv or draw.choice([200.0, 300.0], p=[0.3, 0.7]))
    defocus = draw.uniform(*defocus_um)
    astigmatism = min(draw.gamma(1.5, 0.02), 0.25 * defocus)
    plate = draw.random() < 0.03
    return Optics(
        voltage_kv=voltage,
        cs_mm=float(draw.choice([2.7, 2.0, 1.2, 0.01], p=[0.8, 0.08, 0.08, 0.04])),
        amplitude_contrast=float(draw.uniform(0.06, 0.12)),
        defocus_u_um=float(defocus + astigmatism / 2),
        defocus_v_um=float(defocus - astigmatism / 2),
        angle_deg=float(draw.uniform(0, 180)),
        phase_shift_deg=float(draw.uniform(40, 110)) if plate else 0.0,
        envelope=Envelope(float(draw.uniform(3, 8)), float(draw.uniform(0.002, 0.05)), float(draw.gamma(2, 30))),
        energy_filter=bool(draw.random() < 0.6),
    )


def make_up_micrograph(
    seed: int,
    *,
    width_px: int = 4096,
    height_px: int = 4096,
    pixel_size_angstrom: float | None = None,
    binning: int = 1,
    kinds: tuple[str, ...] | None = None,
    recipe: Recipe | None = None,
    optics: Optics | None = None,
    dose_e_per_angstrom2: float | None = None,
) -> MadeUpMicrograph:
    """A micrograph of which everything that is not told is drawn at random; the same for the same arguments."""
    draw = generator_of(seed, 0x41C0)
    drawn_pixel = float(draw.uniform(0.7, 1.8))
    drawn_dose = float(np.exp(draw.uniform(np.log(15), np.log(70))))
    camera = Detector(float(draw.uniform(0.3, 0.65)), float(draw.uniform(0.45, 0.92)), bool(draw.random() < 0.8), 0.0)
    pixel = pixel_size_angstrom or drawn_pixel
    dose = drawn_dose if dose_e_per_angstrom2 is None else dose_e_per_angstrom2
    made = make_up_specimen(
        seed, width_px=width_px, height_px=height_px, pixel_size_angstrom=pixel, kinds=kinds, recipe=recipe
    )
    optics = optics or make_up_optics(seed)
    image = render_micrograph(made.specimen, optics, dose, seed, binning, detector=camera)
    return MadeUpMicrograph(image, pixel * binning, made.truth.binned(binning), made.specimen, optics, dose)


__all__ = ["MadeUpMicrograph", "make_up_micrograph", "make_up_optics"]
