"""The presets of the simulated microscope: what is set, what it is calibrated to, and what it really is."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.flaws import Flaws, Matrix
from structloop.schema.acquisition import Preset

Mode: TypeAlias = Literal["low", "medium", "high"]
"""Lens modes: the objective lens nearly off, a weak and a strong projector. A change between them takes longest."""


@dataclass(frozen=True)
class _Design:
    name: str
    mode: Mode
    magnification: float
    pixel_size_angstrom: float  # of 4096 pixels
    rotation_deg: float
    exposure_s: float
    electrons_per_px: float  # of 4096 pixels
    defocus_um: float
    frames: int
    centre_error_um: float
    largest_px: int = 8192  # Along an edge: read out binned on a larger camera.


_DESIGNS = (
    _Design("atlas", "low", 135, 1100.0, 6.0, 1.0, 260.0, 0.0, 1, 3.0, largest_px=2048),
    _Design("search", "low", 250, 600.0, 5.5, 1.0, 220.0, 0.0, 1, 1.5),
    _Design("square", "low", 580, 240.0, 5.0, 1.0, 220.0, 0.0, 1, 0.5),
    _Design("hole", "medium", 6500, 22.0, 84.0, 1.0, 160.0, 30.0, 1, 0.1),
    _Design("view", "medium", 6500, 22.0, 84.0, 1.0, 160.0, 30.0, 1, 0.1),
    _Design("focus", "high", 130000, 1.06, 86.0, 1.0, 11.0, 2.0, 1, 0.0),
    _Design("preview", "high", 130000, 1.06, 86.0, 1.0, 11.0, 2.5, 1, 0.0),
    _Design("record", "high", 130000, 1.06, 86.0, 3.0, 56.0, 1.2, 40, 0.0),
)


@dataclass(frozen=True)
class SimulatedPreset:
    """A preset as it is sold and as it is.

    Attributes:
        preset: What the description says.
        mode: Its lens mode.
        image_to_stage_um: The calibration, micrometres per pixel, untilted.
        calibrated_rotation_deg: The calibration's rotation.
        pixel_size_angstrom, rotation_deg: What is true.
        centre_um: Where the image's centre really looks, from where it should.
    """

    preset: Preset
    mode: Mode
    image_to_stage_um: Matrix
    calibrated_rotation_deg: float
    pixel_size_angstrom: float
    rotation_deg: float
    centre_um: tuple[float, float]

    @property
    def electrons(self) -> bool:
        """Whether single molecules and Thon rings are seen: an exposure, not a picture of the support."""
        return self.mode == "high"


def image_to_stage_um(pixel_size_angstrom: float, rotation_deg: float, tilt_deg: float = 0.0) -> Matrix:
    """Micrometres on the specimen per pixel, as `schema.acquisition.ImageFacts` and `simulation.grids.View` have it."""
    step, stretch = pixel_size_angstrom * 1e-4, 1 / max(math.cos(math.radians(tilt_deg)), 0.05)
    cos, sin = math.cos(math.radians(rotation_deg)), math.sin(math.radians(rotation_deg))
    return ((step * cos, step * sin), (step * sin * stretch, -step * cos * stretch))


def presets(seed: int, flaws: Flaws, camera_px: int) -> dict[str, SimulatedPreset]:
    """All presets by name, in order of magnification.

    Args:
        seed: Of what is wrong with their calibrations.
        flaws: How wrong they may be.
        camera_px: Pixels along an edge; the field of view does not depend on it. An atlas is read out binned on a
            camera of more than 2048.
    """
    made = {}
    for design in _DESIGNS:
        # Presets of one magnification have one calibration.
        first = next(i for i, other in enumerate(_DESIGNS) if other.magnification == design.magnification)
        rng = draw(seed, "preset", first)
        scale, turn = rng.normal(0, flaws.scale_error), rng.normal(0, flaws.rotation_error_deg)
        centre = rng.normal(0, design.centre_error_um * flaws.preset_offset, 2)
        px = min(camera_px, design.largest_px)
        pixel_size = design.pixel_size_angstrom * 4096 / px
        preset = Preset(
            name=design.name,
            magnification=design.magnification,
            pixel_size_angstrom=pixel_size,
            width_px=px,
            height_px=px,
            exposure_s=design.exposure_s,
            dose_e_per_angstrom2=design.electrons_per_px / design.pixel_size_angstrom**2,
            defocus_um=design.defocus_um,
            frames=design.frames,
        )
        made[design.name] = SimulatedPreset(
            preset=preset,
            mode=design.mode,
            image_to_stage_um=image_to_stage_um(pixel_size, design.rotation_deg),
            calibrated_rotation_deg=design.rotation_deg,
            pixel_size_angstrom=pixel_size * math.exp(float(scale)),
            rotation_deg=design.rotation_deg + float(turn),
            centre_um=(float(centre[0]), float(centre[1])),
        )
    return made


__all__ = ["Mode", "SimulatedPreset", "image_to_stage_um", "presets"]
