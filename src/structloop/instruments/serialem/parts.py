"""The parts that take no images: stage, autoloader, optics, image shift, apertures, filter, vacuum, maintenance."""

from typing import Literal

import numpy as np

from structloop.core.errors import InstrumentFaultError, InstrumentTimeoutError, NotCapableError
from structloop.instruments.serialem.description import TASKS
from structloop.instruments.serialem.session import LONG_S, TASK_S, Session
from structloop.schema.acquisition import Fault, Slot, StagePosition

MOVE_S = 300.0
_APERTURES = {"condenser": 1, "objective": 2}


class SerialEMStage:
    """Moves the specimen."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def position(self) -> StagePosition:
        """See `Stage.position`."""
        return await self._session.stage()

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        """See `Stage.move`. SerialEM moves x and y together, so an axis left out is sent where it is."""
        session = self._session
        if relative:
            moved = (x_um or 0.0, y_um or 0.0, *(() if z_um is None else (z_um,)))
        else:
            now = await session.stage()
            x, y = now.x_um if x_um is None else x_um, now.y_um if y_um is None else y_um
            moved = (x, y, *(() if z_um is None else (z_um,)))
        if (x_um, y_um, z_um) != (None, None, None):
            name = "MoveStage" if relative else "MoveStageTo"
            await session.run(name, *moved, timeout_s=MOVE_S, fault=Fault.STAGE_JAM)
        return await session.stage()

    async def tilt(self, tilt_deg: float) -> StagePosition:
        """See `Stage.tilt`."""
        await self._session.run("TiltTo", tilt_deg, timeout_s=MOVE_S, fault=Fault.STAGE_JAM)
        return await self._session.stage()


class SerialEMAutoloader:
    """Changes grids.

    Args:
        session: The session.
        slots: How many slots are looked at.
    """

    def __init__(self, session: Session, slots: int) -> None:
        self._session = session
        self._slots = slots

    async def slots(self) -> tuple[Slot, ...]:
        """See `Autoloader.slots`."""
        return tuple([await self._slot(number) for number in range(1, self._slots + 1)])

    async def _slot(self, number: int) -> Slot:
        """One slot: SerialEM answers with 1, 2 or 6 values, by vendor and by what it could find out."""
        try:
            told = await self._session.client.call("ReportSlotStatus", number)
        except InstrumentFaultError:
            return Slot(number=number)
        if len(told) >= 6:  # JEOL: id, station, slot, type, angle, name
            name = told[5] if isinstance(told[5], str) else ""
            return Slot(number=number, occupied=told[0] != -1, name=name)
        status = told[0] if told else -1
        occupied = {0.0: False, 1.0: True}.get(status) if isinstance(status, float) else None
        name = told[1] if len(told) > 1 and isinstance(told[1], str) else ""
        return Slot(number=number, occupied=occupied, name=name)

    async def load(self, slot: int) -> None:
        """See `Autoloader.load`.

        Raises:
            InstrumentFaultError: SerialEM says that it failed, or that another grid is on the stage afterwards.
        """
        session = self._session
        if await self._loaded() == slot:
            return
        await session.run("LoadCartridge", slot, timeout_s=LONG_S, fault=Fault.AUTOLOADER)
        loaded = await self._loaded()
        if loaded not in (None, slot):
            raise InstrumentFaultError(
                f"SerialEM loaded slot {slot} and reports slot {loaded} on the stage",
                fault=Fault.AUTOLOADER,
                may_have_happened=True,
            )

    async def unload(self) -> None:
        """See `Autoloader.unload`."""
        if await self._loaded() != 0:
            await self._session.run("UnloadCartridge", timeout_s=LONG_S, fault=Fault.AUTOLOADER)

    async def _loaded(self) -> int | None:
        told = await self._session.asked("ReportLoadedSlot")
        return None if told is None else int(told[0])


class SerialEMOptics:
    """Sets magnification and illumination."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def apply_preset(self, preset: str) -> None:
        """See `Optics.apply_preset`."""
        await self._session.go_to(self._session.place(preset))
        self._session.preset = preset

    async def set_beam(self, on: bool) -> None:
        """See `Optics.set_beam`."""
        await self._session.run("SetBeamBlank", int(not on))
        self._session.beam_on = on


class SerialEMImageShift:
    """Looks beside the stage position."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        """See `ImageShifting.shift`. SerialEM shifts by a difference, with its calibrated coma correction.

        Raises:
            InstrumentFaultError: It is over SerialEM's limit, so SerialEM did nothing (fault `limit`).
        """
        session = self._session
        to_stage = await session.specimen_to_stage()
        wanted = np.linalg.solve(to_stage, np.array([dx_um, dy_um]))
        now = np.array((await session.numbers("ReportSpecimenShift", least=2))[:2])
        # Without a calibration of coma against image shift, asking for the correction is an error.
        coma = await session.asked("ReportComaVsISmatrix", least=4)
        correct = int(coma is not None and any(coma))
        x, y = (float(value) for value in wanted - now)
        over = await session.numbers("ImageShiftByMicrons", x, y, 1.0, correct)
        if over[0]:
            raise InstrumentFaultError(
                f"an image shift of ({dx_um:.2f}, {dy_um:.2f}) um is over SerialEM's limit and was not done; move the "
                "stage instead",
                fault=Fault.LIMIT,
                may_have_happened=False,
            )
        if settle_s:
            await session.run("Delay", settle_s, "sec", timeout_s=settle_s + 60)


class SerialEMApertures:
    """Changes apertures."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def set_aperture(self, aperture: Literal["condenser", "objective"], size_um: float | None) -> None:
        """See `Apertures.set_aperture`."""
        await self._session.run("SetApertureSize", _APERTURES[aperture], round(size_um or 0), timeout_s=MOVE_S)


class SerialEMEnergyFilter:
    """Sets the energy slit."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def set_slit(self, width_ev: float | None) -> None:
        """See `EnergyFilter.set_slit`."""
        if width_ev is None:
            await self._session.run("SetSlitIn", 0)
            return
        await self._session.run("SetSlitWidth", width_ev)
        await self._session.run("SetSlitIn", 1)

    async def align_zero_loss(self) -> None:
        """See `EnergyFilter.align_zero_loss`."""
        await self._session.run("RefineZLP", timeout_s=TASK_S)


class SerialEMVacuum:
    """Separates column and specimen."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def set_valves(self, open: bool) -> None:  # noqa: A002  # the field's word
        """See `Vacuum.set_valves`.

        Raises:
            InstrumentFaultError: SerialEM says that it failed, or that they are not as they should be.
        """
        await self._session.run("SetColumnOrGunValve", int(open), timeout_s=MOVE_S, fault=Fault.VACUUM)
        told = await self._session.asked("ReportColumnOrGunValve")
        if told is not None and told[0] != int(open):
            raise InstrumentFaultError(
                f"SerialEM was told to {'open' if open else 'close'} the column valves, and they are not",
                fault=Fault.VACUUM,
            )

    async def wait_ready(self, timeout_s: float) -> None:
        """See `Vacuum.wait_ready`. SerialEM's own clock counts."""
        session = self._session
        began = await session.number("ReportTickTime")
        while await session.filling() or await session.vacuum_ready() is False:
            left = timeout_s - (await session.number("ReportTickTime") - began)
            if left <= 0:
                raise InstrumentTimeoutError(f"vacuum and dewars were not ready after {timeout_s:g} s")
            await session.run("Delay", min(10.0, max(left, 0.1)), "sec", timeout_s=60)


class SerialEMMaintenance:
    """What a microscope needs from time to time."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def maintain(self, task: str) -> None:
        """See `Maintenance.maintain`.

        Raises:
            NotCapableError: There is no such task.
        """
        if task not in TASKS:
            raise NotCapableError(f"SerialEM has no maintenance task '{task}'; there are {', '.join(TASKS)}")
        await self._session.run("LongOperation", TASKS[task], "0", timeout_s=2 * LONG_S)


__all__ = [
    "SerialEMApertures",
    "SerialEMAutoloader",
    "SerialEMEnergyFilter",
    "SerialEMImageShift",
    "SerialEMMaintenance",
    "SerialEMOptics",
    "SerialEMStage",
    "SerialEMVacuum",
]
