"""What happens before an action: restoring, absolute targets, interlocks, beam and valves, room on the disk."""

from dataclasses import dataclass, field
from pathlib import Path

from structloop.core.errors import InterlockError, NotCapableError
from structloop.instruments.answers import position_told
from structloop.instruments.caretaking import Caretaker
from structloop.instruments.folding import SessionRecord
from structloop.instruments.images import Keep, check_binning, check_space
from structloop.instruments.interlocks import NEEDS_BEAM, Interlocks
from structloop.instruments.microscope import Microscope
from structloop.instruments.performing import have
from structloop.instruments.restoring import already_so, needed_before
from structloop.instruments.timeouts import Timeouts
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    ImageFacts,
    LoadGrid,
    MicroscopeState,
    MoveStage,
    SetBeam,
    SetValves,
)

# These do not depend on where the microscope was left by the process before.
_NEEDS_NO_RESTORING = frozenset({"set-valves", "set-beam", "wait-ready"})
# What an action may leave elsewhere when it fails; a look at the microscope shows it.
_SEEN = frozenset({"apply-preset", "move-stage", "tilt-stage", "set-defocus", "shift-image"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """An action that may begin.

    Attributes:
        target: What the microscope is to be told.
        before: How it stands, where that was looked at.
    """

    target: Action
    before: MicroscopeState | None = None


@dataclass
class Preparing:
    """Makes a microscope ready for one action after the other.

    Attributes:
        to_restore: Steps that bring the microscope to where the session left it; done before the next action.
        taken_up: No image was taken yet since a session that was interrupted goes on.
        step: What the runner does by itself for the action that is being prepared, while it does it.
    """

    microscope: Microscope
    caretaker: Caretaker
    folder: Path
    record: SessionRecord
    interlocks: Interlocks
    timeouts: Timeouts
    keep: Keep
    to_restore: list[Action] = field(default_factory=list)
    taken_up: bool = False
    step: Action | None = None
    _why: str = "restored after an interruption"
    _reconnections: int = 0
    _loaded_here: bool = False

    def go_on(self) -> None:
        """The session was interrupted, and others may have used the microscope since."""
        self.taken_up, self._why = True, "restored after an interruption"
        self.to_restore[:] = self.record.steps()

    def look_again(self) -> None:
        """An action did not end well: what it may have moved is put back before the next one."""
        if not self.to_restore:
            self._why = "put back after a failure"
        there = {step.kind for step in self.to_restore}
        self.to_restore += [step for step in self.record.steps() if step.kind in _SEEN - there]

    async def ready(self, key: str, action: Action) -> Prepared:
        """Make ready for an action.

        Raises:
            InterlockError: it is refused; nothing moved for it.
            NotCapableError: its images could not be kept.
            SessionFolderError: they would find no room.
            InstrumentError: the microscope could not be made ready; the action was not begun. `step` says at what.
        """
        self.step = None
        if self._reconnections != self.caretaker.reconnections:
            # An instrument that was restarted meanwhile stands elsewhere, and says so only when it is asked.
            self._reconnections = self.caretaker.reconnections
            self._loaded_here = self._loaded_here or not any(isinstance(step, LoadGrid) for step in self.to_restore)
            self.taken_up, self._why = True, "restored after the connection was lost"
            self.to_restore[:] = self.record.steps()
        if self.to_restore and action.kind not in _NEEDS_NO_RESTORING:
            self.to_restore[:] = needed_before(self._known_target(key, action), self.to_restore)
            await self._restore()
        target = await self._target(key, action)
        self.interlocks.check(target, self.microscope.description)
        before = None
        if action.kind in NEEDS_BEAM:
            self._check_images(action)
            before = await self._make_ready(action)
        elif isinstance(action, SetValves) and action.open:
            self.interlocks.check_state(action, await self.caretaker.state())
        elif action.kind in {"move-stage", "tilt-stage", "shift-image"} and not self._knows_where(action):
            before = await self.caretaker.state()
        return Prepared(target, before)

    def check_template(self, template: ImageFacts) -> None:
        """Make sure, before anything is exposed, that an image to align to is one of this microscope's.

        Raises:
            NotCapableError: it is of no preset that the microscope has.
        """
        description = self.microscope.description
        if description.preset(template.preset) is None:
            known = ", ".join(preset.name for preset in description.presets) or "none"
            raise NotCapableError(
                f"image {template.image_id} is of preset '{template.preset}', which {description.name} does not have "
                f"(presets: {known}); align to another image"
            )

    def check_shift(self, shift_um: tuple[float, float] | None) -> None:
        """Make sure that the image shift an alignment ended in is within the limits.

        Raises:
            InterlockError: it is not; the image was taken all the same.
        """
        if shift_um is None:
            return
        try:
            self.interlocks.check_shift(*shift_um, self.microscope.description)
        except InterlockError as error:
            raise InterlockError(
                f"the alignment ended out of reach: {error}; move the stage nearer", may_have_happened=True
            ) from error

    def _knows_where(self, action: Action) -> bool:
        left = self.record.left
        if action.kind == "shift-image":
            return left.shift_um is not None
        return None not in (left.x_um, left.y_um, left.z_um, left.tilt_deg)

    async def _restore(self) -> None:
        state = await self.caretaker.state()
        while self.to_restore:
            step = self.to_restore[0]
            if not await self._stands(step, state) and self.caretaker.can(step):
                self.interlocks.check(step, self.microscope.description)
                await self._do(step, self._why)
            self.to_restore.pop(0)

    async def _stands(self, step: Action, state: MicroscopeState) -> bool:
        if isinstance(step, LoadGrid) and state.slot is None and self._loaded_here:
            # Within a process a grid is where it was put, unless the microscope knows better.
            return not await self.caretaker.in_cassette(step.slot)
        return already_so(step, state)

    async def _do(self, step: Action, why: str) -> None:
        self.step = step
        await self.caretaker.do(step, why)
        self.step = None

    def _known_target(self, key: str, action: Action) -> Action:
        known = self.record.keys.get(key)
        return known.target if known is not None and known.target is not None else action

    async def _target(self, key: str, action: Action) -> Action:
        """A relative move as the position it leads to: that can be repeated."""
        known = self._known_target(key, action)
        if not isinstance(action, MoveStage) or not action.relative or known is not action:
            return known
        stage = have(self.microscope.parts.stage, action.kind)
        told = await self.caretaker.timed(self.timeouts.state_s, "reading the stage position", stage.position)
        now = position_told(told, self.microscope.description)
        moves = {axis: getattr(action, axis) for axis in ("x_um", "y_um", "z_um")}
        return MoveStage(**{axis: getattr(now, axis) + by for axis, by in moves.items() if by is not None})

    async def _make_ready(self, action: Action) -> MicroscopeState:
        """Undo what the runner itself did for safety, and see that it is safe to expose."""
        state = await self.caretaker.state()
        left = self.record.left
        reopen = self._may_undo(left.valves_open, self.record.valves_closed)
        unblank = self._may_undo(left.beam_on, self.record.beam_blanked)
        why = self._why if self.taken_up else "ended by the runner before"
        if reopen and state.valves_open is not True:
            self.interlocks.check_state(SetValves(open=True), state)
            await self._do(SetValves(open=True), why)
        if unblank and state.beam_on is not True:
            await self._do(SetBeam(on=True), why)
        if reopen or unblank:
            state = await self.caretaker.state()
        self.taken_up = False
        self.interlocks.check_state(action, state, self.microscope.description)
        return state

    def _may_undo(self, left_open: bool | None, by_runner: bool) -> bool:
        return left_open is not False and (by_runner or (self.taken_up and left_open is True))

    def _check_images(self, action: Action) -> None:
        if not isinstance(action, Acquire | AcquireMontage):
            return
        preset = self.microscope.description.preset(action.preset)
        binning = self.keep.binning(action.preset)
        if preset is not None and binning is not None:
            check_binning(preset, binning)
            images = action.columns * action.rows if isinstance(action, AcquireMontage) else 1
            check_space(self.folder, images * (preset.width_px // binning) * (preset.height_px // binning))


__all__ = ["Prepared", "Preparing"]
