"""What a session's journal is made of: one frozen entry per line, each with its time (UTC)."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from structloop.schema.acquisition import (
    Action,
    Fault,
    Imaged,
    MicroscopeDescription,
    MicroscopeState,
    Result,
    Slot,
)

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"
"""Keys are paths of plain names, such as `slot1/square3/hole2`, because files are named after them."""

LONGEST_KEY = 200

Key: TypeAlias = Annotated[str, Field(min_length=1, max_length=LONGEST_KEY, pattern=KEY_PATTERN)]


def _printable(text: object) -> object:
    """Text as UTF-8 can hold it: what a driver says may hold bytes of a file name that are no characters."""
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


Text: TypeAlias = Annotated[str, BeforeValidator(_printable)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    at: datetime


class SessionBegan(_Entry):
    """A process took the session up, for the first time or again.

    Attributes:
        format: Of the journal.
        state: The microscope as it was then.
        slots: Of the cassette, where the microscope has one and can tell.
        seed: Of a simulated microscope, where told.
        versions: Of structloop and what it stands on.
    """

    entry: Literal["session"] = "session"
    format: Literal[1] = 1
    microscope: MicroscopeDescription
    state: MicroscopeState | None = None
    slots: tuple[Slot, ...] = ()
    seed: int | None = None
    versions: dict[str, str] = Field(default_factory=dict)


class ActionIntended(_Entry):
    """An action is about to be done.

    Attributes:
        action: As it was asked for.
        target: What the microscope is told where that differs: a relative move as the position it leads to, so that
            it can be repeated.
        state: The microscope before it, where the action may leave it elsewhere when it fails.
    """

    entry: Literal["intended"] = "intended"
    key: Key
    attempt: int = Field(ge=1)
    action: Action
    target: Action | None = None
    state: MicroscopeState | None = None


class TileTaken(_Entry):
    """One image of a montage that is going on."""

    entry: Literal["tile"] = "tile"
    key: Key
    tile: int = Field(ge=0)
    imaged: Imaged


class ActionDone(_Entry):
    """An action was done.

    Attributes:
        duration_s: By the session's clock.
        state: The microscope afterwards, where the result does not tell all that changed.
    """

    entry: Literal["done"] = "done"
    key: Key
    attempt: int = Field(ge=1)
    result: Result
    started_at: datetime
    duration_s: float = Field(ge=0)
    state: MicroscopeState | None = None


class ActionFailed(_Entry):
    """An attempt failed, or was refused before anything moved (`attempt` 0)."""

    entry: Literal["failed"] = "failed"
    key: Key
    attempt: int = Field(ge=0)
    error: Text
    message: Text
    fault: Fault
    may_have_happened: bool = False


class ActionRetried(_Entry):
    """It is tried again, after waiting."""

    entry: Literal["retried"] = "retried"
    key: Key
    attempt: int = Field(ge=2)
    wait_s: float = Field(ge=0)
    reason: Text


class ActionSkipped(_Entry):
    """It was given up, for good; the session went on."""

    entry: Literal["skipped"] = "skipped"
    key: Key
    action: Action
    reason: Text


class Upkeep(_Entry):
    """Something that the runner did by itself: blank the beam, close the valves, restore the state.

    Attributes:
        error: Why it did not succeed; None where it did.
    """

    entry: Literal["upkeep"] = "upkeep"
    action: Action
    why: Text
    error: Text | None = None


class SessionPaused(_Entry):
    """No action begins until it is resumed."""

    entry: Literal["paused"] = "paused"


class SessionResumed(_Entry):
    """Actions begin again."""

    entry: Literal["resumed"] = "resumed"


class SessionStopped(_Entry):
    """The session ended.

    Attributes:
        early: False where the caller was done; True after a safe stop.
        safe: Whether beam and valves are known to be as they should.
    """

    entry: Literal["stopped"] = "stopped"
    reason: Text
    early: bool
    safe: bool = True


class Noted(_Entry):
    """Anything else worth knowing later."""

    entry: Literal["note"] = "note"
    text: Text


class ImageObserved(_Entry):
    """An image that somebody else took, seen by an *observe* driver and recorded.

    Attributes:
        level, name, parent, source: As in `instruments.microscope.ObservedImage`.
        imaged: None where only metadata came.
    """

    entry: Literal["observed"] = "observed"
    level: Literal["atlas", "square", "hole", "exposure", "other"]
    name: str
    parent: str | None = None
    source: str
    imaged: Imaged | None = None


Entry: TypeAlias = Annotated[
    SessionBegan
    | ActionIntended
    | TileTaken
    | ActionDone
    | ActionFailed
    | ActionRetried
    | ActionSkipped
    | Upkeep
    | SessionPaused
    | SessionResumed
    | SessionStopped
    | Noted
    | ImageObserved,
    Field(discriminator="entry"),
]
"""Everything that a journal may say."""

ENTRY: TypeAdapter[Entry] = TypeAdapter(Entry)

__all__ = [
    "ENTRY",
    "KEY_PATTERN",
    "LONGEST_KEY",
    "ActionDone",
    "ActionFailed",
    "ActionIntended",
    "ActionRetried",
    "ActionSkipped",
    "Entry",
    "ImageObserved",
    "Key",
    "Noted",
    "SessionBegan",
    "SessionPaused",
    "SessionResumed",
    "SessionStopped",
    "TileTaken",
    "Upkeep",
]
