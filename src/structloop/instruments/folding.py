"""What a journal amounts to: how each key stands, and how the microscope was left."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from structloop.core.errors import ActionSkippedError, JournalError
from structloop.instruments.entries import (
    KEY_PATTERN,
    LONGEST_KEY,
    ActionDone,
    ActionFailed,
    ActionIntended,
    ActionSkipped,
    Entry,
    SessionBegan,
    TileTaken,
    Upkeep,
)
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Action,
    Aligned,
    AlignTo,
    ApplyPreset,
    Autofocus,
    FindEucentricHeight,
    Focused,
    Imaged,
    LoadGrid,
    MicroscopeState,
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
    StagePosition,
    TiltStage,
    UnloadGrid,
)


@dataclass
class KeyRecord:
    """How a key stands.

    Attributes:
        open: An attempt began of which nothing says that it ended without effect.
        attempts: That were begun.
        tiles: Images of a montage, also of one that was not finished.
    """

    action: Action
    target: Action | None = None
    status: Literal["begun", "done", "skipped"] = "begun"
    open: bool = True
    attempts: int = 0
    result: Result | None = None
    reason: str = ""
    tiles: dict[int, Imaged] = field(default_factory=dict)

    def imaged(self, tile: int | None) -> Imaged | None:
        """The image (or one tile) that was taken under this key, if it was."""
        if isinstance(self.result, Imaged):
            return self.result if tile in (None, 0) else None
        if isinstance(self.result, MontageImaged):
            return self.result.tiles[tile or 0] if (tile or 0) < len(self.result.tiles) else None
        return self.tiles.get(tile or 0)


@dataclass
class Left:
    """How the microscope was left, as far as the session set it or saw it; None is what it never touched."""

    load: LoadGrid | UnloadGrid | None = None
    valves_open: bool | None = None
    beam_on: bool | None = None
    preset: str | None = None
    x_um: float | None = None
    y_um: float | None = None
    z_um: float | None = None
    tilt_deg: float | None = None
    shift_um: tuple[float, float] | None = None
    defocus_um: float | None = None
    apertures: dict[str, SetAperture] = field(default_factory=dict)
    slit: SetEnergyFilter | None = None

    def done(self, action: Action, result: Result, state: MicroscopeState | None) -> None:
        """Take in an action that was done; a relative move as its absolute target."""
        match action:
            case LoadGrid() | UnloadGrid():
                self.load = action
                # Where the stage is after a load is the autoloader's business, and the shift belonged to another grid.
                self.x_um = self.y_um = self.z_um = self.tilt_deg = self.shift_um = None
            case SetValves():
                self.valves_open = action.open
            case SetBeam():
                self.beam_on = action.on
            case ApplyPreset() | Acquire() | AcquireMontage():
                self.preset = action.preset
            case MoveStage():
                self._moved(action, result)
            case TiltStage():
                self.tilt_deg = action.tilt_deg
            case ShiftImage():
                self.shift_um = (action.dx_um, action.dy_um)
            case AlignTo():
                self.shift_um = self.aligned(result, state)
            case SetDefocus():
                self.defocus_um = action.defocus_um
            case Autofocus():
                found = result.defocus_um if isinstance(result, Focused) else None
                self.defocus_um = action.target_um if found is None else found
            case FindEucentricHeight():
                self.z_um = result.z_um if isinstance(result, Focused) and result.z_um is not None else self.z_um
            case SetAperture():
                self.apertures[action.aperture] = action
            case SetEnergyFilter():
                self.slit = action
            case _:
                pass

    def aligned(self, result: Result, state: MicroscopeState | None) -> tuple[float, float] | None:
        """The image shift after an alignment: as the microscope says, or what it was less what was off."""
        if state is not None and state.image_shift_um is not None:
            return state.image_shift_um
        if self.shift_um is None or not isinstance(result, Aligned):
            return self.shift_um
        return self.shift_um[0] - result.dx_um, self.shift_um[1] - result.dy_um

    def stood(self, state: MicroscopeState) -> None:
        """Take in how the microscope stood before an action that did not end well, where the session set nothing."""
        if state.stage is not None:
            for axis in ("x_um", "y_um", "z_um", "tilt_deg"):
                if getattr(self, axis) is None:
                    setattr(self, axis, getattr(state.stage, axis))
        if self.shift_um is None:
            self.shift_um = state.image_shift_um
        if self.preset is None:
            self.preset = state.preset

    def _moved(self, action: MoveStage, result: Result) -> None:
        told = result.position if isinstance(result, StageMoved) and action.relative else StagePosition(x_um=0, y_um=0)
        for axis in ("x_um", "y_um", "z_um"):
            asked = getattr(action, axis)
            if asked is not None:
                setattr(self, axis, getattr(told, axis) if action.relative else asked)

    def steps(self) -> list[Action]:
        """What brings a microscope there, in order; valves and beam are opened only once they are needed."""
        steps: list[Action] = []
        if isinstance(self.load, LoadGrid):
            steps.append(self.load)
        steps += [*self.apertures.values()]
        if self.slit is not None:
            steps.append(self.slit)
        if self.preset is not None:
            steps.append(ApplyPreset(preset=self.preset))
        if (self.x_um, self.y_um, self.z_um) != (None, None, None):
            steps.append(MoveStage(x_um=self.x_um, y_um=self.y_um, z_um=self.z_um))
        if self.tilt_deg is not None:
            steps.append(TiltStage(tilt_deg=self.tilt_deg))
        if self.defocus_um is not None:
            steps.append(SetDefocus(defocus_um=self.defocus_um))
        if self.shift_um is not None:
            steps.append(ShiftImage(dx_um=self.shift_um[0], dy_um=self.shift_um[1]))
        return steps


@dataclass
class SessionRecord:
    """The fold over a journal's entries.

    Attributes:
        began: The first time the session was taken up.
        before: How the microscope stood before the action that was begun last, where that did not end yet.
        beam_blanked, valves_closed: By the runner itself, and not opened since.
        slots: Of the cassette, by number, as the sessions before told them by name.
        counts: Entries by kind.
    """

    began: SessionBegan | None = None
    keys: dict[str, KeyRecord] = field(default_factory=dict)
    left: Left = field(default_factory=Left)
    before: MicroscopeState | None = None
    beam_blanked: bool = False
    valves_closed: bool = False
    slots: dict[int, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _folded: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "SessionRecord":
        """Fold a journal.

        Raises:
            JournalError: its entries do not follow from each other.
        """
        record = cls()
        for number, entry in enumerate(entries, start=1):
            try:
                record.take(entry)
            except KeyError as error:
                raise JournalError(
                    f"entry {number} of the journal says '{entry.entry}' of {error}, which was never intended; the "
                    "journal is damaged: restore it from a copy, or begin a new folder"
                ) from error
        return record

    def settled(self, key: str, action: Action) -> Result | None:
        """What came of an action that was done under a key; None where it is still to be done.

        Raises:
            ActionSkippedError: it was skipped.
            JournalError: the key was used for another action, or is no key.
        """
        if len(key) > LONGEST_KEY or not re.fullmatch(KEY_PATTERN, key):
            raise JournalError(f"'{key}' is no key: write names of letters, digits, '.', '_' and '-', joined by '/'")
        known = self.keys.get(key)
        if known is None:
            self._check_new(key)
            return None
        if known.action != action:
            raise JournalError(
                f"'{key}' is {known.action.model_dump_json(exclude_none=True)} in the journal and "
                f"{action.model_dump_json(exclude_none=True)} in this plan; begin a new folder for another plan"
            )
        if known.status == "skipped":
            raise ActionSkippedError(f"{key} ({action.kind}) was skipped before: {known.reason}")
        return known.result

    def _check_new(self, key: str) -> None:
        """Images are files named after their keys: no two may share a name on any file system."""
        alike = self._folded.get(key.casefold())
        if alike is not None:
            raise JournalError(f"'{key}' differs from the key '{alike}' only in upper and lower case; choose another")
        if any(part.casefold().endswith(".mrc") for part in key.split("/")[:-1]):
            raise JournalError(f"'{key}' is no key: only its last part may end in .mrc, which the files of images do")

    def steps(self) -> list[Action]:
        """What brings a microscope to where the session left it, in order."""
        left = replace(self.left, apertures=dict(self.left.apertures))
        if self.before is not None:
            left.stood(self.before)
        return left.steps()

    def loaded(self) -> set[int]:
        """Slots whose grids the session had, or may have had, on the stage."""
        actions = [record.action for record in self.keys.values() if record.attempts]
        return {action.slot for action in actions if isinstance(action, LoadGrid)}

    def take(self, entry: Entry) -> None:
        """Take in the next entry."""
        self.counts[entry.entry] += 1
        match entry:
            case SessionBegan():
                self._session(entry)
            case ActionIntended():
                record = self._record(entry)
                record.target, record.open = entry.target, True
                self.before = entry.state
                record.attempts = max(record.attempts, entry.attempt)
            case TileTaken():
                self.keys[entry.key].tiles[entry.tile] = entry.imaged
            case ActionDone():
                self._done(entry)
            case ActionFailed():
                if entry.attempt and entry.key in self.keys:
                    self.keys[entry.key].open = entry.may_have_happened
                    if self.before is not None:
                        self.left.stood(self.before)
                        self.before = None
            case ActionSkipped():
                record = self._record(entry)
                record.status, record.reason, record.open = "skipped", entry.reason, False
            case Upkeep():
                self._upkeep(entry)
            case _:
                pass

    def _record(self, entry: ActionIntended | ActionSkipped) -> KeyRecord:
        self._folded.setdefault(entry.key.casefold(), entry.key)
        return self.keys.setdefault(entry.key, KeyRecord(entry.action))

    def _session(self, entry: SessionBegan) -> None:
        if self.before is not None:
            # The process before died within an action.
            self.left.stood(self.before)
            self.before = None
        self.slots.update({slot.number: slot.name for slot in entry.slots if slot.name})
        if self.began is None:
            self.began = entry
            if entry.state is not None:
                self.left.valves_open = entry.state.valves_open
                self.left.beam_on = entry.state.beam_on

    def _done(self, entry: ActionDone) -> None:
        record = self.keys[entry.key]
        record.status, record.result, record.open = "done", entry.result, False
        if self.before is not None:
            # What it did not touch is as it was; the shift of another preset need not be.
            shift = self.before.image_shift_um if isinstance(record.action, AlignTo) else None
            self.left.stood(self.before.model_copy(update={"image_shift_um": shift, "preset": None}))
            self.before = None
        self.left.done(record.target or record.action, entry.result, entry.state)
        if isinstance(record.action, SetBeam):
            self.beam_blanked = False
        if isinstance(record.action, SetValves):
            self.valves_closed = False

    def _upkeep(self, entry: Upkeep) -> None:
        if entry.error is None and isinstance(entry.action, SetBeam):
            self.beam_blanked = not entry.action.on
        if entry.error is None and isinstance(entry.action, SetValves):
            self.valves_closed = not entry.action.open


__all__ = ["KeyRecord", "Left", "SessionRecord"]
