"""What a runner does by itself: blank the beam, close the valves, stop safely, reconnect, restore."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from structloop.core.errors import InstrumentError
from structloop.instruments.answers import check_driver, slots_told, state_told
from structloop.instruments.blocking import Watchman
from structloop.instruments.calling import in_time
from structloop.instruments.clock import Clock
from structloop.instruments.entries import Entry, Noted, SessionStopped, Upkeep
from structloop.instruments.microscope import Microscope
from structloop.instruments.performing import lacking, perform
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import (
    Action,
    LoadGrid,
    MicroscopeState,
    SetBeam,
    SetValves,
    Slot,
    UnloadGrid,
)

T = TypeVar("T")
_log = structlog.get_logger(__name__)

RECONNECTIONS = 4
RECONNECTION_WAIT_S = 5.0
# How often blanking the beam or closing the valves is tried.
TRIES = 3


class Caretaker:
    """The part of a runner that looks after the microscope.

    Args:
        write: Appends an entry to the journal and takes it into the session's record.
    """

    def __init__(
        self,
        microscope: Microscope,
        clock: Clock,
        timeouts: Timeouts,
        write: Callable[[Entry], None],
        watchman: Watchman,
    ) -> None:
        self._microscope = microscope
        self._clock = clock
        self._timeouts = timeouts
        self._write = write
        self._watchman = watchman
        self.reconnections = 0
        """How often the connection was lost and found again."""

    def note(self, text: str) -> None:
        """Write a note."""
        self._write(Noted(at=self._clock.now(), text=text))

    async def timed(self, seconds: float, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Await a call of the driver for so long at most; see `calling.in_time`."""
        return await in_time(self._clock, self._watchman, seconds, what, call)

    async def state(self) -> MicroscopeState:
        """One look at the microscope, in time.

        Raises:
            InstrumentError: it cannot be looked at, or cannot be as its driver says.
        """
        told = await self.timed(self._timeouts.state_s, "a look at the microscope", self._microscope.state)
        return state_told(told, self._microscope.description)

    async def connect(self) -> None:
        """Reach the microscope, if need be trying a few times.

        Raises:
            InstrumentError: it cannot be reached.
        """
        for attempt in range(1, RECONNECTIONS + 1):
            try:
                return await self.timed(self._timeouts.connect_s, "connecting", self._connect)
            except InstrumentError as error:
                if attempt == RECONNECTIONS or error.fault not in {"connection-lost", "timeout"}:
                    raise
                await self.close()
                await self._clock.sleep(RECONNECTION_WAIT_S)
        return None

    async def _connect(self) -> None:
        await self._microscope.connect()
        check_driver(self._microscope)

    async def close(self) -> None:
        """Let go of the microscope; a failure is only noted."""
        try:
            await self.timed(self._timeouts.connect_s, "closing the connection", self._microscope.close)
        except InstrumentError as error:
            self._note_quietly(f"the connection could not be closed: {error}")

    async def reconnect(self) -> None:
        """Close and reach it again.

        Raises:
            InstrumentError: it cannot be reached any more.
        """
        await self.close()
        await self.connect()
        self.reconnections += 1
        self.note("connected again")

    async def abort(self) -> None:
        """Stop what is going on; a failure is only noted."""
        try:
            await self.timed(self._timeouts.abort_s, "aborting", self._microscope.abort)
        except InstrumentError as error:
            self._note_quietly(f"could not abort: {error}")

    async def do(self, action: Action, why: str) -> None:
        """Do something that no caller asked for, and write it down.

        Raises:
            InstrumentError: it failed.
        """
        await self._perform(action, why)
        self._write(Upkeep(at=self._clock.now(), action=action, why=why))

    async def _perform(self, action: Action, why: str) -> None:
        seconds = self._timeouts.of(action, self._microscope.description)
        try:
            await self.timed(seconds, f"{action.kind} ({why})", lambda: perform(self._microscope, action))
        except InstrumentError as error:
            # Whether that can be written down or not: what counts is that it failed.
            self._write_quietly(Upkeep(at=self._clock.now(), action=action, why=why, error=str(error)))
            raise

    def can(self, action: Action) -> bool:
        """Whether the microscope can do that at all."""
        return not lacking(self._microscope, [action])

    async def try_to(self, action: Action, why: str) -> bool:
        """Do it where the microscope can, trying a few times. Says whether it is done."""
        if not self.can(action):
            return True
        for attempt in range(1, TRIES + 1):
            try:
                await self._perform(action, why)
            except InstrumentError as error:
                if attempt == TRIES:
                    return False
                await self._clock.sleep(1.0)
                if error.fault in {"connection-lost", "timeout"}:
                    try:
                        await self.reconnect()
                    except InstrumentError as lost:
                        self._note_quietly(f"could not be reached again: {lost}")
                        return False
            else:
                self._write_quietly(Upkeep(at=self._clock.now(), action=action, why=why))
                return True
        return False

    async def was_done(self, action: Action, loaded: Action | None) -> bool:
        """Whether the microscope stands as a load or unload would leave it, and says so.

        Args:
            loaded: The last load before, if there was one.
        """
        try:
            state = await self.state()
            if isinstance(action, LoadGrid):
                return state.slot == action.slot
            if isinstance(action, UnloadGrid) and isinstance(loaded, LoadGrid) and state.slot is None:
                return await self.in_cassette(loaded.slot)
        except InstrumentError as error:
            self._note_quietly(f"no look at the microscope: {error}")
        return False

    async def slots(self) -> tuple[Slot, ...]:
        """The slots of the autoloader; none where there is none.

        Raises:
            InstrumentError: they cannot be looked at, or cannot be as the driver says.
        """
        loader = self._microscope.parts.autoloader
        if loader is None:
            return ()
        told = await self.timed(self._timeouts.state_s, "a look at the slots", loader.slots)
        return slots_told(told, self._microscope.description)

    async def in_cassette(self, slot: int) -> bool:
        """Whether the microscope says that the grid of a slot lies in it.

        Raises:
            InstrumentError: it cannot be looked at.
        """
        return any(each.number == slot and each.occupied is True for each in await self.slots())

    async def safe_stop(self, reason: str) -> bool:
        """Abort, beam off, valves closed; says whether that is known to have worked."""
        safe = True
        steps: tuple[Action, ...] = (SetBeam(on=False), SetValves(open=False))
        try:
            await self.abort()
        except Exception as error:  # noqa: BLE001  # nothing may keep the beam on and the valves open
            _log.error("aborting failed", exc_info=error)
        for step in steps:
            try:
                safe = await self.try_to(step, f"safe stop: {reason}") and safe
            except Exception as error:  # noqa: BLE001  # as above
                _log.error("a step of the safe stop failed", kind=step.kind, exc_info=error)
                safe = False
        self._write_quietly(SessionStopped(at=self._clock.now(), reason=reason, early=True, safe=safe))
        return safe

    def _note_quietly(self, text: str) -> None:
        self._write_quietly(Noted(at=self._clock.now(), text=text))

    def _write_quietly(self, entry: Entry) -> None:
        try:
            self._write(entry)
        except Exception as error:  # noqa: BLE001  # full, closed, gone: the microscope comes first
            _log.warning("journal not written", error=str(error), entry=entry.entry)


__all__ = ["Caretaker"]
