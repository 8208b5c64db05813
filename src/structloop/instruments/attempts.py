"""One action of a session: prepared, attempted, kept, and recovered from when it fails."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from structloop.core.errors import (
    ActionSkippedError,
    ImageError,
    InstrumentError,
    InterlockError,
    NotCapableError,
    SafeStopError,
    SessionFolderError,
)
from structloop.instruments.calling import uninterrupted
from structloop.instruments.caretaking import Caretaker
from structloop.instruments.clock import Clock
from structloop.instruments.entries import (
    ActionDone,
    ActionFailed,
    ActionIntended,
    ActionRetried,
    ActionSkipped,
    Entry,
    TileTaken,
)
from structloop.instruments.folding import SessionRecord
from structloop.instruments.images import Keep, LiveImages, file_name, read_kept
from structloop.instruments.keeping import Keeping
from structloop.instruments.microscope import Microscope, TakenImage
from structloop.instruments.montages import begin, counted, next_image
from structloop.instruments.performing import have, perform
from structloop.instruments.preparing import Prepared, Preparing
from structloop.instruments.recovery import (
    ActionClass,
    Certainty,
    First,
    Recovery,
    Then,
    certainty_of,
    class_of,
    fault_of,
)
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import (
    EXPOSING,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    Done,
    Fault,
    Imaged,
    MicroscopeState,
    MontageImaged,
    Result,
    SetBeam,
    SetValves,
    WaitReady,
)

# Of these a session would not know how they left the microscope without looking.
_LOOK_AFTER = frozenset({"load-grid", "align-to"})

# Before a retry, nothing is gained by a beam on the specimen for so long.
_LONG_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class _Begun:
    attempt: int
    at: datetime
    elapsed_s: float


@dataclass
class Attempts:
    """Does one action at a time.

    Attributes:
        write: Appends an entry to the journal and takes it into `record`.
        image: Finds an earlier image of the session, by key.
        live: Holds the last images as they are taken.
    """

    microscope: Microscope
    caretaker: Caretaker
    clock: Clock
    folder: Path
    record: SessionRecord
    write: Callable[[Entry], None]
    image: Callable[[str], Awaitable[TakenImage]]
    live: LiveImages
    preparing: Preparing
    recovery: Recovery
    timeouts: Timeouts
    keep: Keep
    _in_a_row: Counter[ActionClass] = field(default_factory=Counter)
    _keeping: Keeping = field(init=False)

    def __post_init__(self) -> None:
        self._keeping = Keeping(self.folder, self.keep, self.timeouts, self.caretaker.note)

    async def run(self, key: str, action: Action) -> Result:
        """Do an action under a key, as often as the recovery table allows.

        Raises:
            ActionSkippedError: it was given up.
            SafeStopError: the session was ended.
            InterlockError, NotCapableError: refused; nothing moved and the key is free.
            SessionFolderError: the session's folder cannot be written.
        """
        known = self.record.keys.get(key)
        if known is not None and known.open and action.kind in EXPOSING:
            file = f"; {file_name(key)} is there" if (self.folder / file_name(key)).exists() else ""
            raise self._skip(key, action, f"it may have been taken before the interruption{file}")
        retried: Counter[tuple[str, Fault]] = Counter()
        while True:
            begun = False
            try:
                prepared, template = await self._prepare(key, action)
                begun = True
                return await self._attempt(key, action, prepared, template)
            except ActionSkippedError:
                raise
            except ImageError as error:
                # Of what it was to align to: without it nothing can be done.
                raise self._skip(key, action, str(error)) from error
            except InstrumentError as error:
                step = None if begun else self.preparing.step
                may = begun and self._may_have_happened(key, action, error)
                self._failed(key, error, begun=begun, may=may)
                if begun:
                    self.preparing.look_again()
                if isinstance(error, NotCapableError) and not may:
                    raise
                if isinstance(error, InterlockError) and not begun:
                    raise
                found = await self._recover(key, action, error, retried, may=may, step=step)
                if found is not None:
                    return found

    async def _prepare(self, key: str, action: Action) -> tuple[Prepared, TakenImage | None]:
        # What is wrong with the request is found before anything moves for it, let alone is exposed.
        template = await self._template(key, action) if isinstance(action, AlignTo) else None
        return await self.preparing.ready(key, action), template

    async def _template(self, key: str, action: AlignTo) -> TakenImage:
        known = self.record.keys.get(action.image)
        if known is not None and known.status == "skipped" and not known.tiles:
            raise self._skip(key, action, f"the image to align to, {action.image}, was skipped")
        template = await self.image(action.image)
        self.preparing.check_template(template.facts)
        imaged = known.imaged(None) if known is not None else None
        if self.live.get(action.image, 0) is None and imaged is not None and imaged.kept is not None:
            # A file that is gone or changed is no reason to spend dose.
            await asyncio.to_thread(read_kept, self.folder, imaged.kept)
        return template

    # --- doing ---

    async def _attempt(self, key: str, action: Action, prepared: Prepared, template: TakenImage | None) -> Result:
        target = prepared.target
        known = self.record.keys.get(key)
        attempt = 1 if known is None else known.attempts + 1
        begun = _Begun(attempt, self.clock.now(), self.clock.elapsed_s())
        told = None if target == action else target
        self.write(
            ActionIntended(at=begun.at, key=key, attempt=attempt, action=action, target=told, state=prepared.before)
        )
        seconds = self.timeouts.of(target, self.microscope.description)
        if isinstance(target, AcquireMontage):
            result: Result = await self._montage(key, target, seconds)
        else:
            call = partial(perform, self.microscope, target, template)
            got = await self.caretaker.timed(seconds, f"{action.kind} ({key})", call)
            if isinstance(got, TakenImage):
                # What was exposed is kept and written down whatever happens meanwhile.
                return await uninterrupted(self._taken(key, got, begun))
            result = got
        duration_s = self.clock.elapsed_s() - begun.elapsed_s
        after = await self._look_after(action)
        if isinstance(result, Aligned):
            self.preparing.check_shift(self._shift_after(result, prepared.before, after))
        self._done(key, result, begun, duration_s, after)
        return result

    def _shift_after(
        self, aligned: Aligned, before: MicroscopeState | None, after: MicroscopeState | None
    ) -> tuple[float, float] | None:
        left = replace(self.record.left)
        if before is not None and before.image_shift_um is not None:
            left.shift_um = before.image_shift_um
        return left.aligned(aligned, after)

    async def _montage(self, key: str, action: AcquireMontage, seconds: float) -> MontageImaged:
        tiles: list[Imaged] = []
        camera = have(self.microscope.parts.camera, action.kind)
        images = await self.caretaker.timed(seconds, f"{action.kind} ({key})", partial(begin, camera, action))
        try:
            while True:
                what = f"image {len(tiles) + 1} of {action.kind} ({key})"
                call = partial(next_image, images, action, self.microscope.description)
                taken = await self.caretaker.timed(seconds, what, call)
                if taken is None or len(tiles) == action.columns * action.rows:
                    return counted(key, action, tiles, more=taken is not None)
                tiles.append(await uninterrupted(self._tile_taken(key, len(tiles), taken)))
        finally:
            await self._close(images, key)

    async def _close(self, images: AsyncIterator[TakenImage], key: str) -> None:
        close = getattr(images, "aclose", None)
        if close is None:
            return
        try:
            await self.caretaker.timed(self.timeouts.state_s, f"ending the montage ({key})", close)
        except InstrumentError as error:
            # What ended the montage is what counts, not how it took that.
            self.caretaker.note(f"{key}: the microscope did not end the montage well: {error}")

    async def _tile_taken(self, key: str, tile: int, taken: TakenImage) -> Imaged:
        self.live.put(key, tile, taken)
        try:
            imaged = await self._keeping.kept(file_name(key, tile), taken)
        except SessionFolderError:
            self.write(TileTaken(at=self.clock.now(), key=key, tile=tile, imaged=Imaged(image=taken.facts)))
            raise
        self.write(TileTaken(at=self.clock.now(), key=key, tile=tile, imaged=imaged))
        return imaged

    async def _taken(self, key: str, taken: TakenImage, begun: _Begun) -> Imaged:
        self.live.put(key, 0, taken)
        duration_s = self.clock.elapsed_s() - begun.elapsed_s
        try:
            imaged = await self._keeping.kept(file_name(key), taken)
        except SessionFolderError:
            # The dose is spent: say so, in the room that the journal has in reserve.
            self._done(key, Imaged(image=taken.facts), begun, duration_s)
            self.caretaker.note(f"{key} was taken, and its pixels could not be kept")
            raise
        self._done(key, imaged, begun, duration_s)
        return imaged

    async def _look_after(self, action: Action) -> MicroscopeState | None:
        if action.kind not in _LOOK_AFTER:
            return None
        try:
            return await self.caretaker.state()
        except InstrumentError as error:
            self.caretaker.note(f"no look at the microscope after {action.kind}: {error}")
            return None

    # --- after ---

    def _done(
        self, key: str, result: Result, begun: _Begun, duration_s: float, state: MicroscopeState | None = None
    ) -> None:
        self._in_a_row[class_of(self.record.keys[key].action.kind)] = 0
        self.write(
            ActionDone(
                at=self.clock.now(),
                key=key,
                attempt=begun.attempt,
                result=result,
                started_at=begun.at,
                duration_s=duration_s,
                state=state,
            )
        )

    def _may_have_happened(self, key: str, action: Action, error: InstrumentError) -> bool:
        known = self.record.keys.get(key)
        return certainty_of(error, action.kind) is Certainty.MAYBE or (known is not None and bool(known.tiles))

    def _failed(self, key: str, error: InstrumentError, *, begun: bool, may: bool) -> None:
        attempt = self.record.keys[key].attempts if begun else 0
        self.write(
            ActionFailed(
                at=self.clock.now(),
                key=key,
                attempt=attempt,
                error=type(error).__name__,
                message=str(error),
                fault=fault_of(error),
                may_have_happened=may,
            )
        )

    async def _recover(
        self,
        key: str,
        action: Action,
        error: InstrumentError,
        retried: Counter[tuple[str, Fault]],
        *,
        may: bool,
        step: Action | None,
    ) -> Result | None:
        """Go the way of the table: returns None to try again, or a result where it was done after all.

        Args:
            step: What failed where that was not the action but what the runner does before it by itself; the way is
                then the step's.
        """
        fault, failed = fault_of(error), step or action
        if step is not None:
            may = certainty_of(error, step.kind) is Certainty.MAYBE
        way = self.recovery.way(fault, class_of(failed.kind), Certainty.MAYBE if may else Certainty.NOT_DONE)
        reason = str(error) if step is None else f"{step.kind}, which has to come before, failed: {error}"
        for first in way.first:
            if await self._first(first, key, failed, error):
                # A step that stands after all is found so when the action is prepared again.
                return await self._confirmed(key, action) if step is None else None
        if retried[failed.kind, fault] < way.retries:
            retried[failed.kind, fault] += 1
            known = self.record.keys.get(key)
            attempt = max(2, (known.attempts if known is not None else 0) + 1)
            self.write(ActionRetried(at=self.clock.now(), key=key, attempt=attempt, wait_s=way.wait_s, reason=reason))
            if way.wait_s >= _LONG_WAIT_S and class_of(failed.kind) is not ActionClass.GATING:
                await self.blank("waiting")
            await self.clock.sleep(way.wait_s)
            look = step is None and First.LOOK in way.first
            if look and await self.caretaker.was_done(action, self.record.left.load):
                return await self._confirmed(key, action)
            return None
        if way.then is Then.SKIP:
            skipped = self._skip(key, action, reason)
            if fault is not Fault.LIMIT:
                await self._stop_when_hopeless(action)
            raise skipped from error
        raise await self.stopped(f"{action.kind} ({key}): {reason}") from error

    async def _first(self, first: First, key: str, action: Action, error: InstrumentError) -> bool:
        match first:
            case First.CLOSE_VALVES:
                await uninterrupted(self.caretaker.try_to(SetValves(open=False), f"{fault_of(error)}: {key}"))
            case First.ABORT:
                await self.caretaker.abort()
            case First.RECONNECT:
                try:
                    await self.caretaker.reconnect()
                except InstrumentError as lost:
                    raise await self.stopped(f"the microscope cannot be reached any more: {lost}") from lost
            case First.WAIT_READY:
                await self.caretaker.try_to(WaitReady(timeout_s=300.0), f"{fault_of(error)}: {key}")
            case First.LOOK:
                return await self.caretaker.was_done(action, self.record.left.load)
        return False

    async def _confirmed(self, key: str, action: Action) -> Result:
        self.caretaker.note(f"{key}: the microscope says that {action.kind} was done")
        begun = _Begun(self.record.keys[key].attempts, self.clock.now(), self.clock.elapsed_s())
        result = Done()
        self._done(key, result, begun, 0.0, await self._look_after(action))
        return result

    def _skip(self, key: str, action: Action, reason: str) -> ActionSkippedError:
        self.write(ActionSkipped(at=self.clock.now(), key=key, action=action, reason=reason))
        return ActionSkippedError(f"{key} ({action.kind}) was skipped: {reason}")

    async def _stop_when_hopeless(self, action: Action) -> None:
        group = class_of(action.kind)
        self._in_a_row[group] += 1
        if self._in_a_row[group] >= self.recovery.most_in_a_row:
            raise await self.stopped(
                f"{self._in_a_row[group]} actions in a row were given up ({group}), and it would go on like that"
            )

    async def blank(self, why: str) -> bool:
        """Turn the beam off until it is needed again; what the caller turned off stays as it is.

        Returns:
            Whether it is off, as far as is known.
        """
        if self.record.beam_blanked or self.record.left.beam_on is False:
            return True
        return await self.caretaker.try_to(SetBeam(on=False), why)

    async def stopped(self, reason: str) -> SafeStopError:
        """Stop safely; returns the error that says so."""
        if await uninterrupted(self.caretaker.safe_stop(reason)):
            return SafeStopError(f"stopped safely: {reason}")
        return SafeStopError(
            f"stopped: {reason}; whether beam and valves are safe is not known: look at the microscope"
        )


__all__ = ["Attempts"]
