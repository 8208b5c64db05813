"""A microscope through SerialEM."""

import secrets
from datetime import UTC, datetime

from structloop.core.errors import InstrumentConnectionError, InstrumentError
from structloop.instruments.microscope import Parts
from structloop.instruments.serialem.camera import SerialEMCamera
from structloop.instruments.serialem.client import SerialEMClient
from structloop.instruments.serialem.description import capabilities, describe, read_presets
from structloop.instruments.serialem.focus import SerialEMFocus
from structloop.instruments.serialem.parts import (
    SerialEMApertures,
    SerialEMAutoloader,
    SerialEMEnergyFilter,
    SerialEMImageShift,
    SerialEMMaintenance,
    SerialEMOptics,
    SerialEMStage,
    SerialEMVacuum,
)
from structloop.instruments.serialem.places import Place
from structloop.instruments.serialem.session import Session
from structloop.schema.acquisition import Capability, MicroscopeDescription, MicroscopeState


class SerialEMMicroscope:
    """See `instruments.microscope.Microscope`.

    Args:
        client: Of SerialEM's socket; errors of commands do not open message boxes there while it has control.
        places: Where each preset is in SerialEM.
        folder: Folder on SerialEM's machine for montages.
        slots: How many slots the autoloader has.
    """

    def __init__(self, client: SerialEMClient, places: dict[str, Place], *, folder: str = "", slots: int = 12) -> None:
        self._session = Session(client, dict(places), secrets.token_hex(4))
        self._folder = folder
        self._slots = slots
        self._description: MicroscopeDescription | None = None
        self._parts: Parts | None = None

    @property
    def description(self) -> MicroscopeDescription:
        """See `Microscope.description`."""
        if self._description is None:
            raise InstrumentConnectionError(
                f"SerialEM at {self._session.client.where} was not connected yet; connect()"
            )
        return self._description

    @property
    def parts(self) -> Parts:
        """See `Microscope.parts`."""
        if self._parts is None:
            raise InstrumentConnectionError(
                f"SerialEM at {self._session.client.where} was not connected yet; connect()"
            )
        return self._parts

    def _not_connected(self) -> InstrumentConnectionError:
        return InstrumentConnectionError(f"SerialEM at {self._session.client.where} was not connected yet; connect()")

    async def connect(self) -> None:
        """See `Microscope.connect`. The first time, low-dose areas and imaging states are visited to read the presets.

        Raises:
            InstrumentConnectionError: Nothing listens there, or SerialEM is busy.
            NotCapableError: SerialEM has nothing that could be a preset.
        """
        session = self._session
        await session.client.connect()
        if self._description is not None:
            return
        try:
            has = await capabilities(session)
            await read_presets(session)
            description = await describe(session, has)
        except InstrumentError:
            await session.client.close()
            raise
        self._parts, self._description = self._make(has), description

    def _make(self, has: frozenset[Capability]) -> Parts:
        session = self._session
        return Parts(
            stage=SerialEMStage(session),
            autoloader=SerialEMAutoloader(session, self._slots) if Capability.AUTOLOADER in has else None,
            optics=SerialEMOptics(session),
            image_shift=SerialEMImageShift(session),
            camera=SerialEMCamera(session, self._folder),
            focus=SerialEMFocus(session),
            apertures=SerialEMApertures(session) if Capability.APERTURES in has else None,
            energy_filter=SerialEMEnergyFilter(session) if Capability.ENERGY_FILTER in has else None,
            vacuum=SerialEMVacuum(session),
            maintenance=SerialEMMaintenance(session),
        )

    async def close(self) -> None:
        """See `Microscope.close`."""
        await self._session.client.close()

    async def abort(self) -> None:
        """See `Microscope.abort`. SerialEM has no second way in: it ends its script when the connection is cut."""
        if self._session.client.busy:
            self._session.client.abandon()

    async def state(self) -> MicroscopeState:
        """See `Microscope.state`; whether the beam is on is what this driver has set, as SerialEM does not say."""
        session = self._session
        slot = await session.asked("ReportLoadedSlot")
        shift = await session.asked("ReportSpecimenShift", least=2)
        defocus = await session.asked("ReportDefocus")
        valves = await session.asked("ReportColumnOrGunValve")
        filling = await session.asked("AreDewarsFilling")
        slit = await session.asked("ReportEnergyFilter", least=3)
        return MicroscopeState(
            at=datetime.now(UTC),
            stage=await session.stage(),
            slot=int(slot[0]) if slot and slot[0] > 0 else None,
            preset=await self._preset(),
            image_shift_um=None if shift is None else await session.image_shift(),
            defocus_um=None if defocus is None else session.zero_um - defocus[0],
            valves_open=valves[0] == 1 if valves and valves[0] >= 0 else None,
            beam_on=session.beam_on,
            vacuum_ready=await session.vacuum_ready(),
            dewars_filling=None if filling is None else filling[0] != 0,
            slit_width_ev=slit[0] if slit and slit[2] and slit[0] > 0 else None,
        )

    async def _preset(self) -> str | None:
        """The preset that was applied last, unless somebody has gone elsewhere since."""
        session = self._session
        if session.preset is None:
            return None
        place = session.places[session.preset]
        low_dose, area = await session.area()
        if place.state:
            return None if low_dose else session.preset
        if not low_dose:
            return None
        return session.preset if area in (place.area, "") else self._preset_of(area)

    def _preset_of(self, area: str) -> str | None:
        session = self._session
        places = ((name, session.places[name]) for name in session.presets)
        return next((name for name, place in places if not place.state and place.area == area), None)


__all__ = ["SerialEMMicroscope"]
