"""Simulated facilities: the imager, the plate type and the habits of one laboratory.

All images of a facility share one `Facility`, as all images of a real imager share its optics, camera, plate and
crop. A classifier that is trained on some and tested on others is therefore tested on imagers that it has never seen.
The ranges are wide on purpose (domain randomisation, Tobin et al. 2017, arXiv:1703.06907): a real imager should be one
more draw from them.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from structloop.simulation.drops.draws import chance, log_uniform
from structloop.simulation.drops.errors import SimulationError


class WellShape(StrEnum):
    """What the drop sits in, as seen from above."""

    ROUND = "round"
    SQUARE = "square"
    MICRO = "micro"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class WellStyle:
    """A plate's well: lengths in micrometres, levels relative to the light through the empty well.

    Attributes:
        shape: Outline; `open` shows no wall at all.
        half_width_um: Half of the inner width.
        aspect: Height over width.
        corner: 2 for an ellipse, larger for a squarer outline.
        wall_um: Width of the dark wall.
        wall_level: Light through the wall.
        wall_shift_um: Offset of the wall's outer border against the inner one (perspective).
        wall_softness_um: Blur of the inner border.
        outside_level: Light beyond the wall.
        outside_texture: Contrast of the moulding marks beyond the wall.
        outside_streak: Height over width of these marks.
        rim_line: Contrast of thin lines along the inner border; negative is bright.
        ledge_um: Distance from the centre to a straight ledge, 0 for none.
        ledge_angle_rad: Direction of the ledge.
        ledge_level: Light through the ledge's edge.
        ragged_um: Roughness of the inner border.
        beyond_ledge: Light beyond the ledge.
        rings: Contrast of turning marks around the centre.
        roughness: Contrast of the floor's fine texture.
        blotches: Contrast of out-of-focus marks on the floor.
        jitter_um: How far the well is off the image's centre.
    """

    shape: WellShape
    half_width_um: float
    aspect: float
    corner: float
    wall_um: float
    wall_level: float
    wall_shift_um: float
    wall_softness_um: float
    outside_level: float
    outside_texture: float
    outside_streak: float
    rim_line: float
    ledge_um: float
    ledge_angle_rad: float
    ledge_level: float
    ragged_um: float
    beyond_ledge: float
    rings: float
    roughness: float
    blotches: float
    jitter_um: float


@dataclass(frozen=True, slots=True)
class LightStyle:
    """Illumination.

    Attributes:
        pupil: Slope of the optical path at which a ray misses the light source; small gives strong relief.
        pupil_power: How sharp the source's border is.
        leak: Part of the light that arrives whatever the slope.
        tilt_x: Offset of the source in x, in units of `pupil`.
        tilt_y: Offset of the source in y.
        dark_field: Part of the light that is seen only where it is deflected.
        level: Brightness of an empty well, 0 to 1.
        gradient: Brightness change across the image.
        gradient_angle_rad: Its direction.
        vignette: Fall of brightness to the corners.
        field_stop: Radius of a round field over half the image diagonal; 0 for none.
        hot_spot: Extra brightness in the middle.
        polarised: Strength of birefringence colours.
        cast_r: Relative red.
        cast_g: Relative green.
        cast_b: Relative blue.
        cast_gradient: Colour change across the image.
    """

    pupil: float
    pupil_power: float
    leak: float
    tilt_x: float
    tilt_y: float
    dark_field: float
    level: float
    gradient: float
    gradient_angle_rad: float
    vignette: float
    field_stop: float
    hot_spot: float
    polarised: float
    cast_r: float
    cast_g: float
    cast_b: float
    cast_gradient: float


@dataclass(frozen=True, slots=True)
class CameraStyle:
    """Optics and camera.

    Attributes:
        width_px: Native width.
        height_px: Native height.
        um_per_px: Native pixel size.
        blur_um: Gaussian blur of the optics.
        defocus_um: Typical distance of the focus from the drop's content; spreads edges.
        chromatic_px: Shift between red and blue, native pixels.
        noise: Standard deviation of the read noise, 0 to 1.
        shot_noise: Standard deviation of the shot noise at full brightness.
        gamma: Output gamma relative to linear light.
        contrast: Strength of an S curve.
        saturation: 0 for a greyscale camera.
        sharpen: Amount of an unsharp mask.
        sharpen_px: Its radius, native pixels.
        jpeg_quality: 1 to 100.
        exposure_spread: Spread of brightness between images.
    """

    width_px: int
    height_px: int
    um_per_px: float
    blur_um: float
    defocus_um: float
    chromatic_px: float
    noise: float
    shot_noise: float
    gamma: float
    contrast: float
    saturation: float
    sharpen: float
    sharpen_px: float
    jpeg_quality: int
    exposure_spread: float


@dataclass(frozen=True, slots=True)
class UvStyle:
    """The ultraviolet path of the imager.

    Attributes:
        absorbance: True for dark crystals on bright ground, false for fluorescence.
        width_px: Native width.
        height_px: Native height.
        field_scale: Field width relative to the visible image.
        shift_x_um: Offset of the field.
        shift_y_um: Offset of the field.
        blur_um: Blur of the optics.
        plastic_glow: Autofluorescence of the plate.
        drop_glow: Fluorescence of dissolved protein.
        gain: Brightness of a thick protein crystal.
        offset: Camera offset.
        noise: Standard deviation of the read noise.
        shot_noise: Standard deviation of the shot noise at full brightness.
        hot_pixels: Expected number of hot pixels.
        border: Width of black, bent borders over the image width, 0 for none.
        vignette: Fall of excitation to the corners.
        jpeg_quality: 1 to 100.
        gamma: Output gamma.
    """

    absorbance: bool
    width_px: int
    height_px: int
    field_scale: float
    shift_x_um: float
    shift_y_um: float
    blur_um: float
    plastic_glow: float
    drop_glow: float
    gain: float
    offset: float
    noise: float
    shot_noise: float
    hot_pixels: float
    border: float
    vignette: float
    jpeg_quality: int
    gamma: float


@dataclass(frozen=True, slots=True)
class DropStyle:
    """How a facility's drops look.

    Attributes:
        radius_um: Typical radius.
        radius_spread: Spread of its logarithm.
        spread_um: Distance from the well's centre.
        contact_low: Smallest edge slope.
        contact_high: Largest edge slope.
        irregular: How far outlines are from round.
        satellites: Probability of several drops.
        fills_well: Probability that the drop fills the well.
        dirt: Rate of dust, fibres and scratches.
        under_oil: Drops lie under oil, which halves their refraction.
    """

    radius_um: float
    radius_spread: float
    spread_um: float
    contact_low: float
    contact_high: float
    irregular: float
    satellites: float
    fills_well: float
    dirt: float
    under_oil: bool


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
