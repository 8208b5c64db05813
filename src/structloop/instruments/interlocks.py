"""What is refused before anything moves."""

import math
from dataclasses import dataclass

from structloop.core.errors import InterlockError
from structloop.schema.acquisition import (
    EXPOSING,
    AcquireMontage,
    Action,
    MicroscopeDescription,
    MicroscopeState,
    MoveStage,
    Range,
    SetValves,
    ShiftImage,
    StageLimits,
    TiltStage,
)

NEEDS_BEAM = EXPOSING | {"autofocus", "find-eucentric-height", "wait-drift", "align-zero-loss"}
"""Kinds of action that look at the specimen, or at the beam."""


@dataclass(frozen=True, slots=True)
class Interlocks:
    """Limits of a session, within those of the microscope.

    Attributes:
        stage: Narrower limits of the stage; None leaves it to the microscope's own.
        largest_image_shift_um: Likewise for the image shift.
        idle_s: The beam is blanked once nothing was asked for so long.
    """

    stage: StageLimits | None = None
    largest_image_shift_um: float | None = None
    idle_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuse limits that would hold nothing back.

        Raises:
            ValueError: a limit is no number, or not positive.
        """
        largest = self.largest_image_shift_um
        if largest is not None and not (math.isfinite(largest) and largest >= 0):
            raise ValueError(f"largest_image_shift_um must be a length in micrometres, not {largest}")
        if not self.idle_s > 0:
            raise ValueError(f"idle_s must be a positive number of seconds, not {self.idle_s}")

    def check(self, action: Action, microscope: MicroscopeDescription) -> None:
        """Make sure that an action stays within the limits. Moves must be absolute.

        Raises:
            InterlockError: it does not; the message names the axis and the limit.
        """
        every = [microscope.limits] if self.stage is None else [microscope.limits, self.stage]
        if isinstance(action, MoveStage):
            for limits in every:
                _within("x", action.x_um, limits.x_um, "um")
                _within("y", action.y_um, limits.y_um, "um")
                _within("z", action.z_um, limits.z_um, "um")
        elif isinstance(action, TiltStage):
            for limits in every:
                _within("tilt", action.tilt_deg, limits.tilt_deg, "deg")
        elif isinstance(action, ShiftImage):
            self.check_shift(action.dx_um, action.dy_um, microscope)

    def check_shift(self, dx_um: float, dy_um: float, microscope: MicroscopeDescription) -> None:
        """Make sure that an image shift is within the limits: one that is asked for, or that an alignment has set.

        Raises:
            InterlockError: it is not.
        """
        length = math.hypot(dx_um, dy_um)
        for largest in (microscope.largest_image_shift_um, self.largest_image_shift_um):
            if largest is not None and not length <= largest:
                raise InterlockError(f"an image shift of {length:.3f} um is longer than the limit, {largest:g} um")

    def check_extent(self, action: AcquireMontage, state: MicroscopeState, microscope: MicroscopeDescription) -> None:
        """Make sure that the stage stays within its limits at every tile of a montage around where it is.

        How the camera is turned is not known here: each axis is checked for the longer side of the montage. Tiles are
        taken to overlap by nothing.

        Raises:
            InterlockError: it would not; the message names the axis and the limit.
        """
        preset, stage = microscope.preset(action.preset), state.stage
        if preset is None or stage is None:
            return
        pixel_um = preset.pixel_size_angstrom * 1e-4
        across, down = (action.columns - 1) * preset.width_px, (action.rows - 1) * preset.height_px
        half_um = max(across, down) * pixel_um / 2
        for limits in [microscope.limits] if self.stage is None else [microscope.limits, self.stage]:
            for axis, at_um, limit in (("x", stage.x_um, limits.x_um), ("y", stage.y_um, limits.y_um)):
                if half_um and not (limit.low <= at_um - half_um and at_um + half_um <= limit.high):
                    raise InterlockError(
                        f"a montage of {action.columns} x {action.rows} around {axis} {at_um:g} um reaches "
                        f"{half_um:.0f} um to either side, beyond the stage's limits, {limit.low:g} to {limit.high:g} "
                        "um: take fewer tiles, or move nearer to the middle"
                    )

    def check_state(
        self, action: Action, state: MicroscopeState, microscope: MicroscopeDescription | None = None
    ) -> None:
        """Make sure that an action is safe as the microscope stands; what it does not know counts as safe.

        Args:
            microscope: Where it is given, the extent of a montage is checked as well.

        Raises:
            InterlockError: it is not; the message says what to do first.
        """
        if action.kind in NEEDS_BEAM:
            if state.valves_open is False:
                raise InterlockError(f"the column valves are closed: open them (set-valves) before {action.kind}")
            if state.beam_on is False:
                raise InterlockError(f"the beam is off: let it through (set-beam) before {action.kind}")
        if isinstance(action, AcquireMontage) and microscope is not None:
            self.check_extent(action, state, microscope)
        if isinstance(action, SetValves) and action.open and state.vacuum_ready is False:
            raise InterlockError("the vacuum is not ready: wait for it (wait-ready) before the valves are opened")


def _within(axis: str, value: float | None, limit: Range, unit: str) -> None:
    if value is not None and not limit.holds(value):
        raise InterlockError(
            f"stage {axis} {value:g} {unit} lies outside of its limits, {limit.low:g} to {limit.high:g} {unit}"
        )


__all__ = ["NEEDS_BEAM", "Interlocks"]
