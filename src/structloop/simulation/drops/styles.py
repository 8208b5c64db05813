"""What makes one imager, plate type and laboratory differ from another, as frozen numbers."""

from dataclasses import dataclass
from enum import StrEnum


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
        rim_glow: Further brightness along the drop's edge, to which the liquid guides light.
        stripes: Contrast of the sensor's columns.
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
    rim_glow: float
    stripes: float
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
