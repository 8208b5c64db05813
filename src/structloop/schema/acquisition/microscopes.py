"""What a microscope is and where it stands."""

from datetime import datetime

from pydantic import Field

from structloop.schema.acquisition.vocabulary import Frozen, Tier


class Range(Frozen):
    """From `low` to `high`, both included."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high


class StageLimits(Frozen):
    """How far the stage may go."""

    x_um: Range = Range(low=-1000.0, high=1000.0)
    y_um: Range = Range(low=-1000.0, high=1000.0)
    z_um: Range = Range(low=-375.0, high=375.0)
    tilt_deg: Range = Range(low=-70.0, high=70.0)


class Preset(Frozen):
    """Named settings of optics and camera.

    Attributes:
        pixel_size_angstrom: On the specimen.
        width_px, height_px: Of the stored image.
        exposure_s, dose_e_per_angstrom2: Of one image.
        defocus_um: What it is taken at unless told otherwise.
        frames: Number of frames of a movie.
    """

    name: str = Field(min_length=1)
    magnification: float = Field(gt=0)
    pixel_size_angstrom: float = Field(gt=0)
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    exposure_s: float = Field(gt=0)
    dose_e_per_angstrom2: float | None = Field(default=None, ge=0)
    defocus_um: float = 0.0
    frames: int = Field(default=1, ge=1)


class Slot(Frozen):
    """An autoloader slot. `occupied` is None where the microscope does not know."""

    number: int = Field(ge=1)
    occupied: bool | None = None
    name: str = ""


class StagePosition(Frozen):
    """Where the stage is."""

    x_um: float
    y_um: float
    z_um: float = 0.0
    tilt_deg: float = 0.0


class MicroscopeDescription(Frozen):
    """What a driver says of its microscope once connected.

    Attributes:
        name, driver: The microscope's own name; the driver's name among the plugins.
        operations: Kinds of action it can do (`CAPABILITY_OF` has all of them). Asking for another fails before
            anything moves.
        largest_image_shift_um: How far the image shift reaches, where known.
    """

    name: str
    driver: str
    tier: Tier
    operations: frozenset[str] = frozenset()
    presets: tuple[Preset, ...] = ()
    limits: StageLimits = StageLimits()
    largest_image_shift_um: float | None = Field(default=None, gt=0)
    maintenance_tasks: tuple[str, ...] = ()
    simulated: bool = False

    def preset(self, name: str) -> Preset | None:
        """The preset of that name, if there is one."""
        return next((preset for preset in self.presets if preset.name == name), None)


class MicroscopeState(Frozen):
    """One look at a microscope; what it does not know is None."""

    at: datetime
    stage: StagePosition | None = None
    slot: int | None = None
    preset: str | None = None
    image_shift_um: tuple[float, float] | None = None
    defocus_um: float | None = None
    valves_open: bool | None = None
    beam_on: bool | None = None
    vacuum_ready: bool | None = None
    dewars_filling: bool | None = None
    slit_width_ev: float | None = None


__all__ = [
    "MicroscopeDescription",
    "MicroscopeState",
    "Preset",
    "Range",
    "Slot",
    "StageLimits",
    "StagePosition",
]
