"""What the parts of a SerialEM microscope share: the client, what is known of the instrument, what its errors mean."""

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import InstrumentError, InstrumentFaultError, NotCapableError
from structloop.instruments.serialem.client import SerialEMClient
from structloop.instruments.serialem.places import AREAS, Place
from structloop.instruments.serialem.wire import Value
from structloop.schema.acquisition import Fault, Preset, StagePosition

LONG_S: Final = 1800.0
"""Longest time for what takes minutes: loading a grid, filling dewars."""
TASK_S: Final = 600.0
"""Longest time for a routine that takes several images."""
SHOT_S: Final = 120.0
"""Longest time for one image, besides its exposure."""

_WORDS: Final = (
    (Fault.DEWAR_FILLING, re.compile(r"dewar|nitrogen|refill", re.I)),
    (Fault.VACUUM, re.compile(r"vacuum|column valve|gun valve", re.I)),
    (Fault.AUTOLOADER, re.compile(r"cartridge|autoloader|cassette", re.I)),
    (Fault.CAMERA_TIMEOUT, re.compile(r"camera", re.I)),
    (Fault.STAGE_JAM, re.compile(r"stage|goniometer", re.I)),
)


@dataclass(slots=True)
class Session:
    """Everything that is known while connected.

    Attributes:
        places: Where each preset is in SerialEM; only those that it has, once connected.
        presets: Their properties, as the instrument told them.
        preset: What was applied last.
        low_dose: Whether low dose was on when last set or asked.
        zero_um: What SerialEM's defocus reads in focus, as far as autofocus has told.
        saving: For each camera parameter set, whether it saves frames, where this driver has set it.
        taken: Images so far.
        token: Distinguishes the images of this session from others'.
    """

    client: SerialEMClient
    places: dict[str, Place]
    token: str
    presets: dict[str, Preset] = field(default_factory=dict)
    preset: str | None = None
    low_dose: bool | None = None
    beam_on: bool | None = None
    zero_um: float = 0.0
    saving: dict[str, bool] = field(default_factory=dict)
    taken: int = 0

    # --- Calls -------------------------------------------------------------------------------------------------------

    async def run(
        self, name: str, *arguments: object, timeout_s: float | None = None, fault: Fault = Fault.OTHER
    ) -> tuple[Value, ...]:
        """Run a command; where SerialEM says that it failed, find out what kind of fault that is.

        Args:
            name: Of the command.
            arguments: Its arguments.
            timeout_s: Longest time.
            fault: What it is when nothing else can be found out.

        Raises:
            InstrumentError: See `SerialEMClient.call`.
        """
        try:
            return await self.client.call(name, *arguments, timeout_s=timeout_s)
        except InstrumentFaultError as error:
            error.fault = await self._fault(str(error), fault)
            raise

    async def numbers(self, name: str, *arguments: object, least: int = 1) -> tuple[float, ...]:
        """Run a command that returns numbers.

        Raises:
            InstrumentFaultError: It returned fewer, or texts.
        """
        values = await self.run(name, *arguments)
        told = tuple(value for value in values if not isinstance(value, str))
        if len(told) < max(least, len(values)):
            raise InstrumentFaultError(f"SerialEM answered {name} with {values!r}, not with {least} numbers or more")
        return told

    async def number(self, name: str, *arguments: object) -> float:
        """The first number that a command returns."""
        return (await self.numbers(name, *arguments))[0]

    async def asked(self, name: str, *arguments: object, least: int = 1) -> tuple[float, ...] | None:
        """As `numbers`; None where this SerialEM or microscope cannot say."""
        try:
            values = await self.client.call(name, *arguments)
        except InstrumentFaultError:
            return None
        told = tuple(value for value in values if not isinstance(value, str))
        return told if len(told) >= least else None

    async def _fault(self, message: str, default: Fault) -> Fault:
        """What kind of fault it is: as dewars and vacuum say, as SerialEM's message says, or the default."""
        try:
            if await self.filling():
                return Fault.DEWAR_FILLING
            if await self.vacuum_ready() is False:
                return Fault.VACUUM
        except InstrumentError:
            return default
        return next((fault for fault, words in _WORDS if words.search(message)), default)

    async def filling(self) -> bool:
        """Whether dewars are being filled; no where nobody knows."""
        told = await self.asked("AreDewarsFilling")
        return told is not None and told[0] != 0

    async def vacuum_ready(self) -> bool | None:
        """Whether the vacuum is good; None where nobody knows."""
        told = await self.asked("ReportVacuumStatus")
        return None if told is None else told[0] < 2

    async def ready_to_expose(self) -> None:
        """Refuse, with nothing done, while dewars are being filled or the vacuum is bad.

        Raises:
            InstrumentFaultError: They are, or it is.
        """
        if await self.filling():
            raise InstrumentFaultError(
                "SerialEM: dewars are being filled; wait", fault=Fault.DEWAR_FILLING, may_have_happened=False
            )
        if await self.vacuum_ready() is False:
            raise InstrumentFaultError(
                "SerialEM: the vacuum is not ready; wait", fault=Fault.VACUUM, may_have_happened=False
            )

    # --- Where things are --------------------------------------------------------------------------------------------

    async def stage(self) -> StagePosition:
        """Where the stage says it is."""
        x, y, z = (await self.numbers("ReportStageXYZ", least=3))[:3]
        return StagePosition(x_um=x, y_um=y, z_um=z, tilt_deg=await self.number("ReportTiltAngle"))

    async def specimen_to_stage(self) -> NDArray[np.float64]:
        """Matrix from the axes in which SerialEM tells image shifts, X along the tilt axis, to the stage's."""
        told = await self.asked("SpecimenToStageMatrix", 0, least=4)
        matrix = np.eye(2) if told is None else np.array(told[:4]).reshape(2, 2)
        return matrix if abs(np.linalg.det(matrix)) > 1e-6 else np.eye(2)

    async def image_shift(self) -> tuple[float, float]:
        """The image shift on the specimen, in the stage's axes, um."""
        told = (await self.numbers("ReportSpecimenShift", least=2))[:2]
        x, y = await self.specimen_to_stage() @ np.array(told)
        return float(x), float(y)

    async def defocus(self) -> float:
        """The defocus, underfocus positive, um."""
        return self.zero_um - await self.number("ReportDefocus")

    # --- Presets -----------------------------------------------------------------------------------------------------

    def place(self, preset: str) -> Place:
        """Where a preset is.

        Raises:
            NotCapableError: There is none of that name.
        """
        if preset not in self.presets:
            there = ", ".join(self.presets) or "none"
            raise NotCapableError(f"SerialEM at {self.client.where} has no preset '{preset}'; there are {there}")
        return self.places[preset]

    async def go_to(self, place: Place) -> None:
        """Set the microscope to a place.

        Raises:
            InstrumentFaultError: SerialEM could not.
        """
        if place.state:
            code = await self.number("GoToImagingState", place.state)
            if code:
                raise InstrumentFaultError(
                    f"SerialEM could not go to the imaging state '{place.state}' (code {code:g}); is there one?",
                    may_have_happened=False,
                )
            self.low_dose = False
            return
        await self.low_dose_on()
        await self.run("GoToLowDoseArea", place.area)

    async def low_dose_on(self) -> None:
        """Turn low dose on, where it is not."""
        on = await self.numbers("ReportLowDose", least=2)
        if not on[0]:
            await self.run("SetLowDoseMode", 1)
        self.low_dose = True

    async def area(self) -> tuple[bool, str]:
        """Whether low dose is on, and in which area; empty where in none."""
        told = await self.asked("ReportLowDose", least=2)
        if told is None:
            return False, ""
        index = int(told[1])
        return told[0] != 0, AREAS[index] if told[0] and 0 <= index < len(AREAS) else ""


__all__ = ["LONG_S", "SHOT_S", "TASK_S", "Session"]
