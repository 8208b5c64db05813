"""What a driver answers, looked at before it is believed: of the right kind, finite, and possible.

What is not is a failed reading: an InstrumentFaultError that names the driver and the field. A result of an action that
cannot be believed does not say that the action was not done.
"""

import math
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from structloop.core.errors import InstrumentFaultError
from structloop.instruments.microscope import Microscope, Parts, TakenImage
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    Drifting,
    Fault,
    Focused,
    ImageFacts,
    MicroscopeDescription,
    MicroscopeState,
    MoveStage,
    Slot,
    StageLimits,
    StagePosition,
    TiltStage,
)

M = TypeVar("M", bound=BaseModel)

# Beyond these no electron microscope is: whoever tells such a number tells it in another unit.
_REACH = 3.0  # times the limits of the stage
_LARGEST_UM = 10_000.0
_LARGEST_SLIT_EV = 1_000.0
_PIXEL_RATIO = 3.0
_MATRIX_RATIO = 5.0  # a tilted specimen is foreshortened
# So far a stage may stand from where it was told, with backlash and all.
_ARRIVED_UM = 25.0
_ARRIVED_DEG = 2.0


def check_driver(microscope: Microscope) -> None:
    """Make sure that what a driver says of itself can be used.

    Raises:
        InstrumentFaultError: it cannot; the message says what is wrong.
    """
    description, parts = microscope.description, microscope.parts
    name = type(microscope).__name__
    believed(description, MicroscopeDescription, name, "its description")
    if not isinstance(parts, Parts):
        raise InstrumentFaultError(
            f"{name} answered its parts with {_shown(parts)}, not with Parts; its driver is faulty",
            may_have_happened=False,
        )


def believed(answer: object, kind: type[M], driver: str, what: str, *, may_have_happened: bool = False) -> M:
    """An answer of the kind that it should be of, with all its fields possible.

    Raises:
        InstrumentFaultError: it is of another kind, or a field is not possible.
    """
    if not isinstance(answer, kind):
        raise InstrumentFaultError(
            f"driver '{driver}' answered {what} with {_shown(answer)}, not with {kind.__name__}",
            may_have_happened=may_have_happened,
        )
    try:
        return kind.model_validate(answer.model_dump(warnings=False))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        said = f"{field} is {_shown(first['input'])}: {first['msg']}"
    except ValueError as error:
        said = str(error)
    raise InstrumentFaultError(
        f"driver '{driver}' answered {what} with what cannot be: {said}", may_have_happened=may_have_happened
    )


def _shown(value: object) -> str:
    return f"{type(value).__name__} {value!r:.60}" if not isinstance(value, BaseModel) else type(value).__name__


class _Doubt:
    """Raises at the first field that cannot be."""

    def __init__(self, driver: str, what: str, may_have_happened: bool) -> None:
        self._driver = driver
        self._what = what
        self._may = may_have_happened

    def unless(self, possible: bool, field: str, value: object, why: str, fault: Fault = Fault.OTHER) -> None:
        if not possible:
            raise InstrumentFaultError(
                f"driver '{self._driver}' answered {self._what} with {field} {value}: {why}",
                fault=fault,
                may_have_happened=self._may,
            )

    def within(self, value: float | None, largest: float, field: str, unit: str) -> None:
        if value is not None:
            self.unless(
                abs(value) <= largest, field, f"{value:g} {unit}", f"more than {largest:g} {unit}; is the unit right?"
            )

    def stage(self, position: StagePosition, limits: StageLimits, field: str = "") -> None:
        for axis, unit in (("x_um", "um"), ("y_um", "um"), ("z_um", "um"), ("tilt_deg", "deg")):
            limit = getattr(limits, axis)
            largest = _REACH * max(abs(limit.low), abs(limit.high), 10.0)
            self.within(getattr(position, axis), largest, f"{field}{axis}", unit)


def state_told(answer: object, microscope: MicroscopeDescription) -> MicroscopeState:
    """A look at the microscope.

    Raises:
        InstrumentFaultError: it cannot be as told.
    """
    driver, what = microscope.driver, "a look at the microscope"
    state = believed(answer, MicroscopeState, driver, what)
    doubt = _Doubt(driver, what, may_have_happened=False)
    doubt.unless(state.at.utcoffset() is not None, "at", state.at, "a time must say its zone, UTC")
    if state.stage is not None:
        doubt.stage(state.stage, microscope.limits, "stage.")
    for shift in state.image_shift_um or ():
        doubt.within(shift, _LARGEST_UM, "image_shift_um", "um")
    doubt.within(state.defocus_um, _LARGEST_UM, "defocus_um", "um")
    doubt.unless(state.slot is None or state.slot >= 1, "slot", state.slot, "slots count from 1, None is no grid")
    slit = state.slit_width_ev
    doubt.unless(slit is None or 0 < slit <= _LARGEST_SLIT_EV, "slit_width_ev", slit, "None is a slit that is out")
    return state


def position_told(
    answer: object, microscope: MicroscopeDescription, action: Action | None = None, *, may_have_happened: bool = False
) -> StagePosition:
    """Where the stage says it is; after an absolute move, near to where it was told.

    Raises:
        InstrumentFaultError: it cannot be as told; `stage-jam` where the stage is not where it was sent.
    """
    what = "the stage position" if action is None else action.kind
    position = believed(answer, StagePosition, microscope.driver, what, may_have_happened=may_have_happened)
    doubt = _Doubt(microscope.driver, what, may_have_happened)
    doubt.stage(position, microscope.limits)
    if isinstance(action, MoveStage) and not action.relative:
        for axis in ("x_um", "y_um", "z_um"):
            asked, told = getattr(action, axis), getattr(position, axis)
            if asked is not None:
                near = abs(told - asked) <= _ARRIVED_UM
                doubt.unless(near, axis, f"{told:g} um", f"the stage was sent to {asked:g} um", Fault.STAGE_JAM)
    elif isinstance(action, TiltStage):
        told, asked = position.tilt_deg, action.tilt_deg
        near = abs(told - asked) <= _ARRIVED_DEG
        doubt.unless(near, "tilt_deg", f"{told:g} deg", f"the stage was tilted to {asked:g} deg", Fault.STAGE_JAM)
    return position


def slots_told(answer: object, microscope: MicroscopeDescription) -> tuple[Slot, ...]:
    """The slots of the autoloader.

    Raises:
        InstrumentFaultError: they cannot be as told.
    """
    driver, what = microscope.driver, "a look at the slots"
    if not isinstance(answer, tuple | list):
        raise InstrumentFaultError(
            f"driver '{driver}' answered {what} with {_shown(answer)}, not with Slots", may_have_happened=False
        )
    return tuple(believed(slot, Slot, driver, what) for slot in answer)


def focused_told(answer: object, action: Action, microscope: MicroscopeDescription) -> Focused:
    """What focusing or finding the height came to.

    Raises:
        InstrumentFaultError: it cannot be as told.
    """
    focused = believed(answer, Focused, microscope.driver, action.kind, may_have_happened=True)
    doubt = _Doubt(microscope.driver, action.kind, may_have_happened=True)
    doubt.within(focused.measured_um, _LARGEST_UM, "measured_um", "um")
    doubt.within(focused.defocus_um, _LARGEST_UM, "defocus_um", "um")
    if focused.z_um is not None:
        doubt.stage(StagePosition(x_um=0.0, y_um=0.0, z_um=focused.z_um), microscope.limits)
    return focused


def drifting_told(answer: object, action: Action, microscope: MicroscopeDescription) -> Drifting:
    """The drift after waiting.

    Raises:
        InstrumentFaultError: it cannot be as told.
    """
    drifting = believed(answer, Drifting, microscope.driver, action.kind, may_have_happened=True)
    doubt = _Doubt(microscope.driver, action.kind, may_have_happened=True)
    rate, waited = drifting.rate_angstrom_per_s, drifting.waited_s
    doubt.unless(rate >= 0, "rate_angstrom_per_s", rate, "a rate is not negative")
    doubt.unless(waited >= 0, "waited_s", waited, "a time is not negative")
    return drifting


def aligned_told(answer: object, action: Action, microscope: MicroscopeDescription) -> Aligned:
    """By how much the image was off.

    Raises:
        InstrumentFaultError: it cannot be as told.
    """
    aligned = believed(answer, Aligned, microscope.driver, action.kind, may_have_happened=True)
    doubt = _Doubt(microscope.driver, action.kind, may_have_happened=True)
    doubt.within(aligned.dx_um, _LARGEST_UM, "dx_um", "um")
    doubt.within(aligned.dy_um, _LARGEST_UM, "dy_um", "um")
    return aligned


def image_told(answer: object, action: Acquire | AcquireMontage, microscope: MicroscopeDescription) -> TakenImage:
    """An image that was taken; its pixels are looked at when they are kept.

    Raises:
        InstrumentFaultError: what is said of it cannot be; it was taken all the same.
    """
    driver = microscope.driver
    if not isinstance(answer, TakenImage) or not callable(answer.read):
        raise InstrumentFaultError(
            f"driver '{driver}' answered {action.kind} with {_shown(answer)}, not with TakenImage",
            may_have_happened=True,
        )
    facts = believed(answer.facts, ImageFacts, driver, action.kind, may_have_happened=True)
    doubt = _Doubt(driver, action.kind, may_have_happened=True)
    doubt.unless(facts.preset == action.preset, "preset", f"'{facts.preset}'", f"'{action.preset}' was asked for")
    doubt.unless(facts.taken_at.utcoffset() is not None, "taken_at", facts.taken_at, "a time must say its zone, UTC")
    doubt.stage(facts.stage, microscope.limits, "stage.")
    for shift in facts.image_shift_um:
        doubt.within(shift, _LARGEST_UM, "image_shift_um", "um")
    doubt.within(facts.defocus_um, _LARGEST_UM, "defocus_um", "um")
    pixel, preset = facts.pixel_size_angstrom, microscope.preset(action.preset)
    if preset is not None:
        ratio = pixel / preset.pixel_size_angstrom
        doubt.unless(
            1 / _PIXEL_RATIO <= ratio <= _PIXEL_RATIO,
            "pixel_size_angstrom",
            f"{pixel:g} A",
            f"the preset has {preset.pixel_size_angstrom:g} A; is the unit right?",
        )
    (a, b), (c, d) = facts.image_to_stage_um
    for side in (math.hypot(a, c), math.hypot(b, d)):
        doubt.unless(
            1 / _MATRIX_RATIO <= side * 1e4 / pixel <= _MATRIX_RATIO,
            "image_to_stage_um",
            facts.image_to_stage_um,
            f"a pixel is {pixel:g} A; is the unit right?",
        )
    if isinstance(action, AcquireMontage):
        for name, place, size in (("column", facts.column, action.columns), ("row", facts.row, action.rows)):
            doubt.unless(place is None or 0 <= place < size, name, place, f"the montage has {size}")
    return TakenImage(facts, answer.read)


__all__ = [
    "aligned_told",
    "believed",
    "check_driver",
    "drifting_told",
    "focused_told",
    "image_told",
    "position_told",
    "slots_told",
    "state_told",
]
