"""Simulated facilities: the imager, the plate type and the habits of one laboratory.

All images of a facility share one `Facility`, as all images of a real imager share its optics, camera, plate and
crop. A classifier that is trained on some and tested on others is therefore tested on imagers that it has never seen.
The ranges are wide on purpose (domain randomisation, Tobin et al. 2017, arXiv:1703.06907): a real imager should be one
more draw from them.
"""

from dataclasses import dataclass

import numpy as np

from structloop.core.errors import SimulationError
from structloop.simulation.drops.draws import chance, log_uniform
from structloop.simulation.drops.styles import CameraStyle, DropStyle, LightStyle, UvStyle, WellShape, WellStyle


@dataclass(frozen=True, slots=True)
class Facility:
    """One laboratory's imager, plates and habits; see `sample_facility`."""

    seed: int
    family: str
    well: WellStyle
    light: LightStyle
    camera: CameraStyle
    uv: UvStyle
    drop: DropStyle

    @property
    def field_um(self) -> tuple[float, float]:
        """Width and height of the visible field in micrometres."""
        return self.camera.width_px * self.camera.um_per_px, self.camera.height_px * self.camera.um_per_px


FAMILIES = ("round-well", "square-well", "close-up", "micro-well", "greyscale", "colour-cast", "free")
_SIZES = (
    (1024, 768),
    (1280, 960),
    (1600, 1200),
    (1600, 1339),
    (1224, 1024),
    (632, 504),
    (640, 480),
    (1280, 1024),
    (1280, 1280),
    (1920, 1080),
    (2560, 1920),
    (1360, 1024),
)


def sample_facility(seed: int, family: str | None = None) -> Facility:
    """Draw a facility.

    Args:
        seed: Non-negative; the same seed gives the same facility.
        family: One of `FAMILIES`, or None to draw that too.

    Raises:
        SimulationError: `seed` is negative or `family` is unknown.
    """
    if seed < 0:
        raise SimulationError(f"facility seed is {seed}; it must be 0 or larger")
    if family is not None and family not in FAMILIES:
        raise SimulationError(f"unknown facility family {family!r}; choose one of {', '.join(FAMILIES)}")
    rng = np.random.default_rng([seed, 101])
    drawn = FAMILIES[int(rng.choice(len(FAMILIES), p=[0.26, 0.14, 0.14, 0.12, 0.12, 0.12, 0.1]))]
    chosen = family or drawn
    width_px, height_px = _SIZES[int(rng.integers(len(_SIZES)))]
    if chosen == "micro-well":
        width_px, height_px = _SIZES[int(rng.choice([5, 6, 7]))]
    short_um = log_uniform(rng, 900, 4000)
    if chosen == "close-up":
        short_um = log_uniform(rng, 700, 2000)
    if chosen == "micro-well":
        short_um = log_uniform(rng, 900, 1800)
    um_per_px = short_um / min(width_px, height_px)
    well = _sample_well(rng, chosen, short_um)
    return Facility(
        seed=seed,
        family=chosen,
        well=well,
        light=_sample_light(rng, chosen),
        camera=_sample_camera(rng, chosen, width_px, height_px, um_per_px),
        uv=_sample_uv(rng, short_um),
        drop=_sample_drop(rng, chosen, well, short_um),
    )


def _sample_well(rng: np.random.Generator, family: str, short_um: float) -> WellStyle:
    shapes = {
        "round-well": WellShape.ROUND,
        "square-well": WellShape.SQUARE,
        "close-up": WellShape.OPEN,
        "micro-well": WellShape.MICRO,
    }
    options = (WellShape.ROUND, WellShape.SQUARE, WellShape.OPEN, WellShape.ROUND)
    shape = shapes.get(family, options[int(rng.integers(len(options)))])
    relative = {
        WellShape.ROUND: rng.uniform(0.38, 0.85),
        WellShape.SQUARE: rng.uniform(0.35, 0.6),
        WellShape.MICRO: rng.uniform(0.36, 0.52),
        WellShape.OPEN: rng.uniform(1.2, 2.5),
    }[shape]
    square = shape is WellShape.SQUARE or (shape is WellShape.MICRO and chance(rng, 0.5))
    ledge = rng.uniform(0.35, 0.95) * short_um * relative * 1.1 if chance(rng, 0.3) else 0.0
    return WellStyle(
        shape=shape,
        half_width_um=relative * short_um,
        aspect=rng.uniform(0.85, 1.2) if chance(rng, 0.3) else 1.0,
        corner=log_uniform(rng, 4, 20) if square else rng.uniform(2.0, 2.4),
        wall_um=short_um * log_uniform(rng, 0.015, 0.25),
        wall_level=log_uniform(rng, 0.01, 0.5),
        wall_shift_um=short_um * rng.uniform(0, 0.06),
        wall_softness_um=log_uniform(rng, 2, 0.08 * short_um),
        outside_level=rng.uniform(0.02, 1.0),
        outside_texture=log_uniform(rng, 0.005, 0.25),
        outside_streak=log_uniform(rng, 0.1, 10.0),
        rim_line=rng.uniform(-0.4, 0.7),
        ledge_um=float(ledge),
        ledge_angle_rad=float(rng.choice([0, 0.5, 1, 1.5]) * np.pi + rng.normal(0, 0.04)),
        ledge_level=log_uniform(rng, 0.02, 0.8),
        ragged_um=log_uniform(rng, 1.5, 12) if chance(rng, 0.25) else 0.0,
        beyond_ledge=float(rng.uniform(0.05, 1.0)) if chance(rng, 0.6) else 1.0,
        rings=log_uniform(rng, 0.005, 0.06) if chance(rng, 0.06) else 0.0,
        roughness=log_uniform(rng, 0.001, 0.03),
        blotches=log_uniform(rng, 0.002, 0.12),
        jitter_um=short_um * rng.uniform(0.01, 0.08),
    )


def _sample_light(rng: np.random.Generator, family: str) -> LightStyle:
    red, green, blue = np.exp(rng.normal(0, 0.05, 3))
    if family == "colour-cast" or chance(rng, 0.25):
        red, green, blue = np.exp(rng.normal(0, 0.16, 3))
    tilt = rng.uniform(0.1, 0.8) if chance(rng, 0.45) else rng.uniform(0, 0.1)
    angle = rng.uniform(0, 2 * np.pi)
    return LightStyle(
        pupil=log_uniform(rng, 0.05, 0.32),
        pupil_power=log_uniform(rng, 1.5, 6.0),
        leak=rng.uniform(0.0, 0.3),
        tilt_x=float(tilt * np.cos(angle)),
        tilt_y=float(tilt * np.sin(angle)),
        dark_field=rng.uniform(0.5, 1.0) if chance(rng, 0.06) else 0.0,
        level=rng.uniform(0.3, 0.95) / float(max(red, green, blue)),
        gradient=rng.uniform(0, 0.25),
        gradient_angle_rad=rng.uniform(0, 2 * np.pi),
        vignette=rng.uniform(0, 0.5),
        field_stop=rng.uniform(0.62, 0.95) if chance(rng, 0.1) else 0.0,
        hot_spot=rng.uniform(0, 0.4) if chance(rng, 0.4) else 0.0,
        polarised=rng.uniform(0.2, 1.0) if chance(rng, 0.25) else 0.0,
        cast_r=float(red),
        cast_g=float(green),
        cast_b=float(blue),
        cast_gradient=rng.uniform(0, 0.1),
    )


def _sample_camera(rng: np.random.Generator, family: str, width: int, height: int, um_per_px: float) -> CameraStyle:
    grey = family == "greyscale" or chance(rng, 0.12)
    return CameraStyle(
        width_px=width,
        height_px=height,
        um_per_px=um_per_px,
        blur_um=um_per_px * log_uniform(rng, 0.4, 2.2),
        defocus_um=log_uniform(rng, 2, 40),
        chromatic_px=rng.uniform(0, 1.5) if chance(rng, 0.5) else 0.0,
        noise=log_uniform(rng, 0.001, 0.02),
        shot_noise=log_uniform(rng, 0.001, 0.02),
        gamma=rng.uniform(0.45, 1.05),
        contrast=rng.uniform(0, 0.6),
        saturation=0.0 if grey else rng.uniform(0.3, 1.4),
        sharpen=rng.uniform(0.2, 1.5) if chance(rng, 0.4) else 0.0,
        sharpen_px=rng.uniform(0.8, 3.0),
        jpeg_quality=int(rng.integers(45, 97)),
        exposure_spread=rng.uniform(0.01, 0.15),
    )


def _sample_uv(rng: np.random.Generator, short_um: float) -> UvStyle:
    sizes = ((1280, 960), (1600, 1282), (1024, 768), (1392, 1040), (640, 480), (1024, 1024))
    width, height = sizes[int(rng.integers(len(sizes)))]
    return UvStyle(
        absorbance=chance(rng, 0.15),
        width_px=width,
        height_px=height,
        field_scale=rng.uniform(0.75, 1.4),
        shift_x_um=short_um * float(rng.normal(0, 0.05)),
        shift_y_um=short_um * float(rng.normal(0, 0.05)),
        blur_um=log_uniform(rng, 1.5, 9),
        plastic_glow=log_uniform(rng, 0.005, 0.15),
        drop_glow=log_uniform(rng, 0.02, 0.35),
        rim_glow=log_uniform(rng, 0.1, 2.0) if chance(rng, 0.5) else 0.0,
        stripes=log_uniform(rng, 0.002, 0.015) if chance(rng, 0.3) else 0.0,
        gain=log_uniform(rng, 0.4, 2.5),
        offset=rng.uniform(0, 0.12),
        noise=log_uniform(rng, 0.002, 0.025),
        shot_noise=log_uniform(rng, 0.01, 0.08),
        hot_pixels=log_uniform(rng, 0.1, 30),
        border=rng.uniform(0.01, 0.06) if chance(rng, 0.2) else 0.0,
        vignette=rng.uniform(0, 0.6),
        jpeg_quality=int(rng.integers(60, 97)),
        gamma=rng.uniform(0.5, 1.0),
    )


def _sample_drop(rng: np.random.Generator, family: str, well: WellStyle, short_um: float) -> DropStyle:
    room = min(well.half_width_um, 0.62 * short_um)
    low = log_uniform(rng, 0.05, 0.5)
    return DropStyle(
        radius_um=room * rng.uniform(0.4, 0.85 if family != "close-up" else 1.0),
        radius_spread=rng.uniform(0.05, 0.25),
        spread_um=room * rng.uniform(0.02, 0.4),
        contact_low=low,
        contact_high=low * rng.uniform(1.5, 4.0),
        irregular=log_uniform(rng, 0.015, 0.11),
        satellites=rng.uniform(0, 0.25),
        fills_well=rng.uniform(0.2, 0.9) if family == "micro-well" else rng.choice([0.0, 0.0, 0.05, 0.5]),
        dirt=log_uniform(rng, 0.2, 4.0),
        under_oil=family == "micro-well" and chance(rng, 0.7),
    )
