"""What is done when something goes wrong: a table over what failed, what was being done, and what is known of it.

Read it as a page in `docs/reference/recovery.md`, which is made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from types import MappingProxyType
from typing import TypeAlias

from structloop.core.errors import InstrumentError
from structloop.schema.acquisition import CAPABILITY_OF, EXPOSING, Fault


class ActionClass(StrEnum):
    """Kinds of action that fail alike."""

    EXPOSING = "exposing"
    MOVING = "moving"
    LOADING = "loading"
    GATING = "gating"
    OTHER = "other"


MOVING = frozenset({"move-stage", "tilt-stage", "shift-image"})
LOADING = frozenset({"load-grid", "unload-grid"})
# What lets the beam reach the specimen: a session that goes on without it goes on in vain.
GATING = frozenset({"set-valves", "set-beam"})


def class_of(kind: str) -> ActionClass:
    """The class of a kind of action."""
    if kind in EXPOSING:
        return ActionClass.EXPOSING
    if kind in MOVING:
        return ActionClass.MOVING
    if kind in GATING:
        return ActionClass.GATING
    return ActionClass.LOADING if kind in LOADING else ActionClass.OTHER


KINDS_BY_CLASS: Mapping[ActionClass, tuple[str, ...]] = MappingProxyType(
    {each: tuple(kind for kind in CAPABILITY_OF if class_of(kind) is each) for each in ActionClass}
)
"""All kinds of action, by class."""


class Certainty(StrEnum):
    """What is known of an action that failed."""

    NOT_DONE = "certainly not done"
    MAYBE = "may have happened"


class First(StrEnum):
    """What is done at once, before anything else."""

    CLOSE_VALVES = "close the valves"
    RECONNECT = "reconnect"
    ABORT = "abort"
    WAIT_READY = "wait until vacuum and dewars are ready"
    LOOK = "look whether it was done after all"


class Then(StrEnum):
    """What is done when retries, if any, are used up."""

    SKIP = "skip"
    STOP = "safe stop"


@dataclass(frozen=True, slots=True)
class Way:
    """The way on after a failure.

    Attributes:
        then: What it ends in where nothing else helps.
        retries: How often it is tried again, at most, for this fault.
        wait_s: Before each of them.
        first: What is done at once, in order, after each failure.
    """

    then: Then
    retries: int = 0
    wait_s: float = 0.0
    first: tuple[First, ...] = ()

    def __str__(self) -> str:
        parts = [each.value for each in self.first]
        if self.retries:
            times = "once" if self.retries == 1 else f"up to {self.retries} times"
            parts.append(f"retry {times}" + (f" after {self.wait_s:g} s" if self.wait_s else ""))
        return ", ".join([*parts, f"then {self.then}" if parts else self.then.value])


Cell: TypeAlias = tuple[Fault, ActionClass, Certainty]
CELLS: tuple[Cell, ...] = tuple(product(Fault, ActionClass, Certainty))


@dataclass(frozen=True, slots=True)
class Recovery:
    """The table, complete.

    Attributes:
        ways: The way on for every cell.
        most_in_a_row: So many actions of one class skipped one after the other, and the session stops safely: a
            microscope that cannot expose any more should not go on all night.
    """

    ways: Mapping[Cell, Way]
    most_in_a_row: int = 20

    def __post_init__(self) -> None:
        missing = [cell for cell in CELLS if cell not in self.ways]
        if missing:
            fault, action, certainty = missing[0]
            raise ValueError(f"the recovery table says nothing of {fault}, {action}, {certainty}")
        for (fault, action, certainty), way in self.ways.items():
            if action is ActionClass.EXPOSING and certainty is Certainty.MAYBE and way.retries:
                raise ValueError(f"{fault}: an exposure that may have happened is never repeated")

    def way(self, fault: Fault, action: ActionClass, certainty: Certainty) -> Way:
        """The way on."""
        return self.ways[fault, action, certainty]


def fault_of(error: InstrumentError) -> Fault:
    """The fault an error tells of; what no driver of ours knows is `other`."""
    try:
        return Fault(error.fault)
    except ValueError:
        return Fault.OTHER


def certainty_of(error: InstrumentError, kind: str) -> Certainty:
    """What an error says of the action that failed; where it does not say, an exposure may have happened."""
    may = kind in EXPOSING if error.may_have_happened is None else error.may_have_happened
    return Certainty.MAYBE if may else Certainty.NOT_DONE


_FIRST: Mapping[Fault, tuple[First, ...]] = {
    Fault.CONNECTION_LOST: (First.RECONNECT,),
    Fault.CAMERA_TIMEOUT: (First.ABORT,),
    Fault.TIMEOUT: (First.ABORT,),
    Fault.VACUUM: (First.CLOSE_VALVES,),
    Fault.DEWAR_FILLING: (First.WAIT_READY,),
}

# Fault: (retries, seconds before each, what then) where it was certainly not done, by class of action.
_NOT_DONE: Mapping[Fault, Mapping[ActionClass, tuple[int, float, Then]]] = {
    Fault.STAGE_JAM: {
        ActionClass.EXPOSING: (1, 5.0, Then.SKIP),
        ActionClass.MOVING: (2, 5.0, Then.SKIP),
        ActionClass.LOADING: (1, 30.0, Then.STOP),
        ActionClass.OTHER: (1, 5.0, Then.SKIP),
    },
    Fault.AUTOLOADER: {
        ActionClass.EXPOSING: (1, 30.0, Then.SKIP),
        ActionClass.MOVING: (1, 30.0, Then.SKIP),
        ActionClass.LOADING: (1, 30.0, Then.SKIP),
        ActionClass.OTHER: (1, 30.0, Then.SKIP),
    },
    Fault.CONNECTION_LOST: dict.fromkeys(ActionClass, (3, 5.0, Then.STOP)),
    Fault.CAMERA_TIMEOUT: dict.fromkeys(ActionClass, (2, 10.0, Then.SKIP)),
    Fault.TIMEOUT: {
        ActionClass.EXPOSING: (1, 10.0, Then.SKIP),
        ActionClass.MOVING: (2, 5.0, Then.SKIP),
        ActionClass.LOADING: (1, 30.0, Then.SKIP),
        ActionClass.OTHER: (1, 5.0, Then.SKIP),
    },
    Fault.VACUUM: dict.fromkeys(ActionClass, (0, 0.0, Then.STOP)),
    Fault.DEWAR_FILLING: dict.fromkeys(ActionClass, (20, 60.0, Then.STOP)),
    Fault.USER_STOP: dict.fromkeys(ActionClass, (0, 0.0, Then.STOP)),
    Fault.LIMIT: dict.fromkeys(ActionClass, (0, 0.0, Then.SKIP)),
    Fault.OTHER: {
        ActionClass.EXPOSING: (1, 5.0, Then.SKIP),
        ActionClass.MOVING: (2, 5.0, Then.SKIP),
        ActionClass.LOADING: (1, 30.0, Then.SKIP),
        ActionClass.OTHER: (1, 5.0, Then.SKIP),
    },
}


def _default_way(fault: Fault, action: ActionClass, certainty: Certainty) -> Way:
    retries, wait_s, then = _NOT_DONE[fault][ActionClass.OTHER if action is ActionClass.GATING else action]
    first = _FIRST.get(fault, ())
    if action is ActionClass.GATING:
        then = Then.STOP
    if certainty is Certainty.MAYBE and action is ActionClass.EXPOSING:
        # Dose is never given twice: the place is lost, the session goes on.
        retries, wait_s, then = 0, 0.0, then if fault in {Fault.VACUUM, Fault.USER_STOP} else Then.SKIP
    elif certainty is Certainty.MAYBE and action is ActionClass.LOADING and (retries or then is Then.SKIP):
        # A cartridge may be between slot and stage: unless the microscope says that it arrived, a person must look.
        first, then = (*first, First.LOOK), Then.STOP if fault is not Fault.LIMIT else then
        if fault is Fault.CONNECTION_LOST:
            wait_s = 120.0  # the autoloader works on without us
        elif fault is not Fault.DEWAR_FILLING:
            retries, wait_s = 0, 0.0
    # Moves are to positions, not by distances, and settings are to values: repeating them changes nothing.
    return Way(then, retries, wait_s, first)


DEFAULT_RECOVERY = Recovery(MappingProxyType({cell: _default_way(*cell) for cell in CELLS}))
"""What holds unless a session is given another."""

__all__ = [
    "CELLS",
    "DEFAULT_RECOVERY",
    "KINDS_BY_CLASS",
    "ActionClass",
    "Cell",
    "Certainty",
    "First",
    "Recovery",
    "Then",
    "Way",
    "certainty_of",
    "class_of",
    "fault_of",
]
