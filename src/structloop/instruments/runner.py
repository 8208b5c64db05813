"""The runner: does actions on a microscope, under interlocks, with a journal, and recovers or stops safely.

`docs/explanations/running-a-microscope.md` says why it works as it does.
"""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Self, overload

from structloop.core.errors import (
    ImageMissingError,
    InstrumentFaultError,
    JournalError,
    NotCapableError,
    SafeStopError,
    SessionFolderError,
)
from structloop.instruments.attempts import Attempts
from structloop.instruments.blocking import Watchman
from structloop.instruments.calling import uninterrupted
from structloop.instruments.caretaking import Caretaker
from structloop.instruments.clock import Clock, WallClock
from structloop.instruments.drivers import OwnTime
from structloop.instruments.entries import Entry, Noted, SessionPaused, SessionResumed, SessionStopped
from structloop.instruments.folding import SessionRecord
from structloop.instruments.images import Keep, LiveImages, kept_image
from structloop.instruments.interlocks import Interlocks
from structloop.instruments.journal import Journal
from structloop.instruments.microscope import Microscope, TakenImage
from structloop.instruments.performing import lacking
from structloop.instruments.preparing import Preparing
from structloop.instruments.recovery import DEFAULT_RECOVERY, Recovery
from structloop.instruments.taking_up import TakingUp
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    AlignZeroLoss,
    ApplyPreset,
    Autofocus,
    Done,
    Drifting,
    FindEucentricHeight,
    Focused,
    Imaged,
    LoadGrid,
    Maintain,
    MontageImaged,
    MoveStage,
    Result,
    SetAperture,
    SetBeam,
    SetDefocus,
    SetEnergyFilter,
    SetValves,
    ShiftImage,
    StageMoved,
    TiltStage,
    UnloadGrid,
    WaitDrift,
    WaitReady,
)

# Kinds of action of which nothing is lost where a power failure takes their last lines.
_NOT_DURABLE = frozenset({"move-stage", "tilt-stage", "shift-image", "set-defocus"})


class Runner:
    """Runs a session on a microscope: `async with Runner(microscope, journal) as runner: await runner.run(...)`.

    Entering connects; leaving turns the beam off, and leaving by an error or a cancellation also aborts what is going
    on and closes the valves. Actions are done one after the other, whoever asks.

    Args:
        microscope: Not connected yet.
        journal: Open; the session resumes where it says it was.
        clock: That timeouts and waits are measured on; the microscope's own where it has one, else the wall clock.
        seed: Of a simulated microscope, for the record.
    """

    def __init__(
        self,
        microscope: Microscope,
        journal: Journal,
        *,
        clock: Clock | None = None,
        interlocks: Interlocks | None = None,
        recovery: Recovery = DEFAULT_RECOVERY,
        timeouts: Timeouts | None = None,
        keep: Keep | None = None,
        seed: int | None = None,
    ) -> None:
        self.microscope = microscope
        self.journal = journal
        own = microscope.clock if isinstance(microscope, OwnTime) and isinstance(microscope.clock, Clock) else None
        self.clock: Clock = clock or own or WallClock()
        self.record = SessionRecord.of(journal.entries)
        self._seed = seed
        self._interlocks = interlocks or Interlocks()
        timeouts = timeouts or Timeouts()
        self._watchman = Watchman(self._note_from_outside)
        self._caretaker = Caretaker(microscope, self.clock, timeouts, self._write, self._watchman)
        keep = keep or Keep()
        self._live = LiveImages()
        self._preparing = Preparing(
            microscope=microscope,
            caretaker=self._caretaker,
            folder=journal.folder,
            record=self.record,
            interlocks=self._interlocks,
            timeouts=timeouts,
            keep=keep,
        )
        self._attempts = Attempts(
            microscope=microscope,
            caretaker=self._caretaker,
            clock=self.clock,
            folder=journal.folder,
            record=self.record,
            write=self._write,
            image=self.image,
            live=self._live,
            preparing=self._preparing,
            recovery=recovery,
            timeouts=timeouts,
            keep=keep,
        )
        self._lock = asyncio.Lock()
        self._unpaused = asyncio.Event()
        self._unpaused.set()
        self._current: asyncio.Task[Result] | None = None
        self._stopping: str | None = None
        self._ended = True
        self._watching: asyncio.Task[None] | None = None
        self._active_s = 0.0

    async def __aenter__(self) -> Self:
        self._watchman.begin()
        try:
            await self._caretaker.connect()
            taking_up = TakingUp(self.record, self.journal, self._caretaker, self.clock, self._write)
            if await taking_up.done(self.microscope.description, self._seed):
                self._preparing.go_on()
        except BaseException:
            await uninterrupted(self._caretaker.close())
            self._watchman.end()
            raise
        self._ended, self._stopping = False, None
        self._active_s = self.clock.elapsed_s()
        self._watching = asyncio.create_task(self._watch_idle())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await uninterrupted(self._leave(error))

    async def _leave(self, error: BaseException | None) -> None:
        reason = "finished" if error is None else f"{type(error).__name__}: {error}".removesuffix(": ")
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        # Nobody else may be at the microscope while it is left, nor come to it afterwards.
        self._end_actions(reason)
        async with self._lock:
            try:
                if not self._ended and error is None:
                    await self._finish(reason)
                elif not self._ended:
                    await self._caretaker.safe_stop(reason)
            finally:
                self._ended = True
                await self._caretaker.close()
                self._watchman.end()

    async def _finish(self, reason: str) -> None:
        safe = await self._caretaker.try_to(SetBeam(on=False), "the session ended")
        if not safe:
            await self._caretaker.try_to(SetValves(open=False), "the beam could not be turned off")
        self._write(SessionStopped(at=self.clock.now(), reason=reason, early=False, safe=safe))
        if not safe:
            raise InstrumentFaultError("the session ended and the beam could not be turned off: look at the microscope")

    def _end_actions(self, reason: str) -> None:
        self._stopping = self._stopping or reason
        self._unpaused.set()
        if self._current is not None:
            self._current.cancel()

    # --- what is asked ---

    def require(self, actions: Iterable[Action | type[Action] | str], presets: Iterable[str] = ()) -> None:
        """Make sure, before anything moves, that the microscope can do all of this.

        Args:
            actions: Actions, classes of actions, or kinds.
            presets: Names of presets that it must have.

        Raises:
            NotCapableError: it lacks some; the message lists all of it.
        """
        reasons = lacking(self.microscope, [*actions, *(ApplyPreset(preset=preset) for preset in presets)])
        if reasons:
            raise NotCapableError(f"{self.microscope.description.name} cannot do this: {'; '.join(reasons)}")

    @overload
    async def run(self, key: str, action: Acquire) -> Imaged: ...
    @overload
    async def run(self, key: str, action: AcquireMontage) -> MontageImaged: ...
    @overload
    async def run(self, key: str, action: AlignTo) -> Aligned: ...
    @overload
    async def run(self, key: str, action: MoveStage | TiltStage) -> StageMoved: ...
    @overload
    async def run(self, key: str, action: Autofocus | FindEucentricHeight) -> Focused: ...
    @overload
    async def run(self, key: str, action: WaitDrift) -> Drifting: ...
    @overload
    async def run(
        self,
        key: str,
        action: (
            LoadGrid
            | UnloadGrid
            | SetValves
            | SetBeam
            | WaitReady
            | ApplyPreset
            | ShiftImage
            | SetDefocus
            | SetAperture
            | SetEnergyFilter
            | AlignZeroLoss
            | Maintain
        ),
    ) -> Done: ...
    @overload
    async def run(self, key: str, action: Action) -> Result: ...

    async def run(self, key: str, action: Action) -> Result:
        """Do an action, or return what came of it where the journal says that it was done under this key.

        Args:
            key: A path of plain names, such as `slot1/square3/hole2`; unique in the session.

        Raises:
            ActionSkippedError: it was given up, now or before.
            SafeStopError: the session ended.
            InterlockError, NotCapableError: refused before anything moved; the key may be used again.
            JournalError: the key was used for another action, or is no key.
        """
        settled = self.record.settled(key, action)
        if settled is not None:
            return settled
        async with self._lock:
            await self._until_resumed()
            settled = self.record.settled(key, action)
            if settled is not None:
                return settled
            self.require([action])
            self._current = asyncio.create_task(self._attempts.run(key, action))
            try:
                return await self._current
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._stopping is None or (task is not None and task.cancelling()):
                    await uninterrupted(self._caretaker.abort())
                    self._preparing.look_again()
                    raise
                raise await self._attempts.stopped(self._stopping) from None
            except SessionFolderError as error:
                raise await self._attempts.stopped(str(error)) from error
            finally:
                self._current = None
                self._active_s = self.clock.elapsed_s()

    async def image(self, key: str, tile: int | None = None) -> TakenImage:
        """An image of the session, now or read back from where it is kept.

        Args:
            tile: Which one of a montage, counted from 0 in the order they were taken.

        Raises:
            JournalError: none was taken under that key.
            ImageMissingError: it was taken and not kept.
        """
        known = self.record.keys.get(key)
        imaged = known.imaged(tile) if known is not None else None
        which = key if tile is None else f"{key}, tile {tile}"
        if imaged is None:
            raise JournalError(f"the session took no image under {which}")
        live = self._live.get(key, tile or 0)
        taken = live if live is not None else kept_image(self.journal.folder, imaged)
        if taken is None:
            raise ImageMissingError(f"the image {which} was taken and not kept; keep images of its preset (Keep)")
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait on the session's clock; the beam goes off once that counts as idle."""
        idle_s = self._interlocks.idle_s
        if seconds > idle_s:
            await self.clock.sleep(idle_s)
            async with self._lock:
                await self._blank("idle")
            seconds -= idle_s
        await self.clock.sleep(seconds)

    # --- pausing and stopping ---

    def pause(self) -> None:
        """Let the action that is going on finish, and begin no other until `resume`; the beam goes off meanwhile."""
        if self._unpaused.is_set() and not self._ended:
            self._unpaused.clear()
            self._write(SessionPaused(at=self.clock.now()))

    def resume(self) -> None:
        """Go on after `pause`."""
        if not self._unpaused.is_set():
            self._unpaused.set()
            if not self._ended:
                self._write(SessionResumed(at=self.clock.now()))

    async def stop(self, reason: str) -> None:
        """Abort what is going on and stop safely; whoever waits for an action gets SafeStopError."""
        if self._ended:
            return
        self._end_actions(reason)
        async with self._lock:
            if not self._ended:
                await self._attempts.stopped(reason)

    async def _until_resumed(self) -> None:
        self._check_running()
        if not self._unpaused.is_set():
            await self._blank("paused")
            await self._unpaused.wait()
            self._check_running()

    def _check_running(self) -> None:
        if self._stopping is not None:
            raise SafeStopError(f"the session was stopped: {self._stopping}")
        if self._ended:
            raise SafeStopError("the session has ended; open its journal in a new runner to go on")

    async def _watch_idle(self) -> None:
        try:
            reason = await self._keep_dark()
        except Exception as error:  # noqa: BLE001  # nobody awaits this task: what goes wrong must end the session here
            reason = f"watching for an idle microscope failed: {type(error).__name__}: {error}"
        if reason is not None:
            await self.stop(reason)

    async def _keep_dark(self) -> str | None:
        """Blank the beam whenever nothing is asked for; returns why the session must end, None where it has ended."""
        # Looks at the session's clock without waiting on it: a virtual clock would run away.
        while not self._ended:
            await asyncio.sleep(min(0.5, self._interlocks.idle_s))
            why = "idle" if self._unpaused.is_set() else "paused"
            if (
                why == "paused" or self.clock.elapsed_s() - self._active_s >= self._interlocks.idle_s
            ) and not self._lock.locked():
                async with self._lock:
                    if not self._ended and not await self._attempts.blank(why):
                        return f"the beam could not be turned off while the microscope was {why}"
                    self._active_s = self.clock.elapsed_s()
        return None

    async def _blank(self, why: str) -> None:
        if not self._ended:
            await self._attempts.blank(why)

    def _note_from_outside(self, text: str) -> None:
        """A note from another thread, while this one is held up."""
        self.journal.append(Noted(at=self.clock.now(), text=text))

    def _write(self, entry: Entry) -> None:
        kind = self._kind_of(entry)
        self.journal.append(entry, durable=kind not in _NOT_DURABLE)
        self.record.take(entry)
        if isinstance(entry, SessionStopped):
            self._ended = True

    def _kind_of(self, entry: Entry) -> str:
        if entry.entry == "intended":
            return entry.action.kind
        known = self.record.keys.get(entry.key) if entry.entry == "done" else None
        return known.action.kind if known is not None else ""


__all__ = ["Runner"]
