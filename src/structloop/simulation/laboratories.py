"""Three simulated laboratories that no model of structloop was trained on, and one that is like the training set.

The embedded default learnt from facilities drawn by `sample_facility`. These three are not draws: each is one facility
of a number that training never used, with several traits of imager, plate and drops moved beyond the ranges that draws
come from. What a model gets right there it has not seen before.
"""

from dataclasses import replace

from structloop.core.errors import SimulationError
from structloop.simulation.drops import Facility, sample_facility

TRAINING_FACILITIES = range(10_000, 10_400)
"""Numbers of the facilities that `drops-compact` was trained on, as its card says."""

LABORATORIES = ("grainy", "steep", "hazy")
"""The three withheld laboratories; see `laboratory`."""

DEVELOPMENT = ("dim", "glare")
"""Two more withheld laboratories, on which rules of the loop are chosen; numbers come from `LABORATORIES`."""

FAMILIAR = "familiar"
"""A laboratory whose imager and drops are one of the training set's."""


def laboratory(name: str) -> Facility:
    """A laboratory by name.

    `grainy`: an old camera on round wells, with noise, a lifted tone curve, heavy compression and dirty plates.
    `steep`: square wells, light from one side, strong relief, drops with steep edges in several pieces.
    `hazy`: small wells under oil, with stray light, colour fringes, strong contrast and ragged, blotchy floors.
    `dim`: close-up views in little light, with noise, weak contrast and untidy, dirty drops.
    `glare`: a grey camera, light from one side with a bright spot, heavy sharpening, drops in several pieces.
    `familiar`: facility 10,007, which the embedded default was trained on.

    Raises:
        SimulationError: the name is unknown.
    """
    if name == "grainy":
        base = sample_facility(1_300_001, "round-well")
        camera = replace(
            base.camera, noise=0.028, shot_noise=0.03, gamma=1.2, jpeg_quality=34, saturation=0.0, exposure_spread=0.22
        )
        drop = replace(base.drop, dirt=5.5, radius_spread=0.32)
        return replace(base, camera=camera, drop=drop, light=replace(base.light, vignette=0.65))
    if name == "steep":
        base = sample_facility(1_300_002, "square-well")
        light = replace(base.light, tilt_x=0.7, tilt_y=0.3, pupil=0.35, gradient=0.38, level=0.75, dark_field=0.0)
        drop = replace(base.drop, contact_low=0.52, contact_high=1.2, satellites=0.45, irregular=0.14)
        return replace(base, light=light, drop=drop, camera=replace(base.camera, sharpen=1.9, sharpen_px=2.0))
    if name == "hazy":
        base = sample_facility(1_300_003, "micro-well")
        light = replace(base.light, leak=0.42, hot_spot=0.5, cast_gradient=0.16, dark_field=0.0)
        camera = replace(base.camera, chromatic_px=2.4, contrast=0.75, gamma=0.6, noise=0.004)
        well = replace(base.well, blotches=0.16, roughness=0.04, ragged_um=15.0)
        drop = replace(base.drop, under_oil=True, fills_well=0.95)
        return replace(base, light=light, camera=camera, well=well, drop=drop)
    if name == "dim":
        base = sample_facility(1_300_004, "close-up")
        camera = replace(base.camera, noise=0.024, shot_noise=0.022, gamma=1.12, jpeg_quality=40, exposure_spread=0.2)
        light = replace(base.light, level=0.19, vignette=0.58)
        return replace(base, camera=camera, light=light, drop=replace(base.drop, dirt=4.8, irregular=0.13))
    if name == "glare":
        base = sample_facility(1_300_005, "greyscale")
        light = replace(base.light, hot_spot=0.48, gradient=0.33, tilt_x=-0.6, tilt_y=0.4)
        camera = replace(base.camera, sharpen=1.8, contrast=0.66)
        drop = replace(base.drop, satellites=0.4, radius_spread=0.3)
        return replace(base, light=light, camera=camera, drop=drop, well=replace(base.well, blotches=0.15))
    if name == FAMILIAR:
        return sample_facility(10_007)
    raise SimulationError(f"unknown laboratory {name!r}; choose one of {', '.join(_ALL)}")


_ALL = (*LABORATORIES, *DEVELOPMENT, FAMILIAR)

__all__ = ["DEVELOPMENT", "FAMILIAR", "LABORATORIES", "TRAINING_FACILITIES", "laboratory"]
