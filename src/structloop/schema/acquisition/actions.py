"""Everything that can be asked of a microscope."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from structloop.schema.acquisition.vocabulary import Capability, Frozen


class LoadGrid(Frozen):
    """Put the grid of an autoloader slot (counted from 1) onto the stage; one that is there goes back first."""

    kind: Literal["load-grid"] = "load-grid"
    slot: int = Field(ge=1)


class UnloadGrid(Frozen):
    """Put the grid on the stage back into its slot."""

    kind: Literal["unload-grid"] = "unload-grid"


class SetValves(Frozen):
    """Open or close the column valves."""

    kind: Literal["set-valves"] = "set-valves"
    open: bool


class SetBeam(Frozen):
    """Let the beam through to the specimen, or blank it."""

    kind: Literal["set-beam"] = "set-beam"
    on: bool


class WaitReady(Frozen):
    """Wait until vacuum and dewars are ready."""

    kind: Literal["wait-ready"] = "wait-ready"
    timeout_s: float = Field(default=1800.0, gt=0)


class ApplyPreset(Frozen):
    """Set magnification, illumination and camera to those of a preset (atlas, square, hole, record, focus, ...)."""

    kind: Literal["apply-preset"] = "apply-preset"
    preset: str = Field(min_length=1)


class MoveStage(Frozen):
    """Move the stage; axes left out stay where they are."""

    kind: Literal["move-stage"] = "move-stage"
    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    relative: bool = False


class TiltStage(Frozen):
    """Tilt the stage to an angle."""

    kind: Literal["tilt-stage"] = "tilt-stage"
    tilt_deg: float


class ShiftImage(Frozen):
    """Set the image shift: where on the specimen, from the stage position, the beam and the camera look."""

    kind: Literal["shift-image"] = "shift-image"
    dx_um: float
    dy_um: float
    settle_s: float = Field(default=0.0, ge=0)


class SetDefocus(Frozen):
    """Set the defocus the next image is taken at."""

    kind: Literal["set-defocus"] = "set-defocus"
    defocus_um: float


class Autofocus(Frozen):
    """Measure the defocus and correct it to a target."""

    kind: Literal["autofocus"] = "autofocus"
    target_um: float


class FindEucentricHeight(Frozen):
    """Move the stage in z until the image stays in place when it tilts."""

    kind: Literal["find-eucentric-height"] = "find-eucentric-height"
    method: Literal["rough", "fine"] = "rough"


class WaitDrift(Frozen):
    """Wait until the specimen drifts more slowly than a rate."""

    kind: Literal["wait-drift"] = "wait-drift"
    rate_angstrom_per_s: float = Field(gt=0)
    timeout_s: float = Field(default=120.0, gt=0)


class Acquire(Frozen):
    """Take one image, or one movie where `save_frames`."""

    kind: Literal["acquire"] = "acquire"
    preset: str = Field(min_length=1)
    save_frames: bool = False


class AcquireMontage(Frozen):
    """Take `columns` x `rows` overlapping images around the present stage position."""

    kind: Literal["acquire-montage"] = "acquire-montage"
    preset: str = Field(min_length=1)
    columns: int = Field(ge=1)
    rows: int = Field(ge=1)


class AlignTo(Frozen):
    """Take an image and move the image shift so that it shows what an earlier image of the session showed.

    Attributes:
        image: Key under which the earlier image was taken.
    """

    kind: Literal["align-to"] = "align-to"
    image: str = Field(min_length=1)


class SetAperture(Frozen):
    """Put an aperture in, by its diameter, or take it out (None)."""

    kind: Literal["set-aperture"] = "set-aperture"
    aperture: Literal["condenser", "objective"]
    size_um: float | None = Field(default=None, gt=0)


class SetEnergyFilter(Frozen):
    """Put the energy slit in, with its width, or take it out (None)."""

    kind: Literal["set-energy-filter"] = "set-energy-filter"
    slit_width_ev: float | None = Field(default=None, gt=0)


class AlignZeroLoss(Frozen):
    """Centre the energy slit on the zero-loss peak."""

    kind: Literal["align-zero-loss"] = "align-zero-loss"


class Maintain(Frozen):
    """Do a piece of maintenance; the driver says which ones it knows."""

    kind: Literal["maintain"] = "maintain"
    task: str = Field(min_length=1)


Action: TypeAlias = Annotated[
    LoadGrid
    | UnloadGrid
    | SetValves
    | SetBeam
    | WaitReady
    | ApplyPreset
    | MoveStage
    | TiltStage
    | ShiftImage
    | SetDefocus
    | Autofocus
    | FindEucentricHeight
    | WaitDrift
    | Acquire
    | AcquireMontage
    | AlignTo
    | SetAperture
    | SetEnergyFilter
    | AlignZeroLoss
    | Maintain,
    Field(discriminator="kind"),
]
"""Everything that can be asked of a microscope."""

ACTION: TypeAdapter[Action] = TypeAdapter(Action)

CAPABILITY_OF: dict[str, Capability] = {
    "load-grid": Capability.AUTOLOADER,
    "unload-grid": Capability.AUTOLOADER,
    "set-valves": Capability.VACUUM,
    "wait-ready": Capability.VACUUM,
    "set-beam": Capability.OPTICS,
    "apply-preset": Capability.OPTICS,
    "move-stage": Capability.STAGE,
    "tilt-stage": Capability.STAGE,
    "shift-image": Capability.IMAGE_SHIFT,
    "set-defocus": Capability.FOCUS,
    "autofocus": Capability.FOCUS,
    "find-eucentric-height": Capability.FOCUS,
    "wait-drift": Capability.FOCUS,
    "acquire": Capability.CAMERA,
    "acquire-montage": Capability.CAMERA,
    "align-to": Capability.CAMERA,
    "set-aperture": Capability.APERTURES,
    "set-energy-filter": Capability.ENERGY_FILTER,
    "align-zero-loss": Capability.ENERGY_FILTER,
    "maintain": Capability.MAINTENANCE,
}
"""The capability that each kind of action needs."""

EXPOSING = frozenset({"acquire", "acquire-montage", "align-to"})
"""Kinds of action that put dose on the specimen: never repeated unless it is certain that they did not happen."""

__all__ = [
    "ACTION",
    "CAPABILITY_OF",
    "EXPOSING",
    "Acquire",
    "AcquireMontage",
    "Action",
    "AlignTo",
    "AlignZeroLoss",
    "ApplyPreset",
    "Autofocus",
    "FindEucentricHeight",
    "LoadGrid",
    "Maintain",
    "MoveStage",
    "SetAperture",
    "SetBeam",
    "SetDefocus",
    "SetEnergyFilter",
    "SetValves",
    "ShiftImage",
    "TiltStage",
    "UnloadGrid",
    "WaitDrift",
    "WaitReady",
]
