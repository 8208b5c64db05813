"""What the curation of exposures sends and takes."""

from typing import Annotated

from pydantic import Field

from structloop.api.loop_shapes import Curator
from structloop.api.shapes import Request, RowId
from structloop.crystals.views import View
from structloop.schema.loop import CurationReason, CurationState


class ConditionChoiceView(View):
    """Something that a curator may answer."""

    answer: str
    """A label of `micrographs/quality`, or `uncertain` or `unusable`."""
    title: str
    key: str
    """On the keyboard."""


class ConditionItemView(View):
    """An exposure in the queue."""

    id: int
    exposure_id: int
    session_id: int
    session: str
    name: str
    grid: str | None
    square: str | None
    hole: str | None
    reason: CurationReason | None
    """Null where it is asked blind: an audit and a known answer must not be told apart."""
    is_blind: bool
    condition: str | None
    """What the model says; null where it says nothing or the item is blind."""
    probability: float | None
    answers_needed: int
    answer_count: int
    state: CurationState
    label: str | None
    """What was settled."""


class ConditionNextView(View):
    """What a curator should look at next."""

    items: list[ConditionItemView]
    open_for_curator: int
    """How many wait."""


class ConditionQueueView(View):
    """How the queue of exposures stands."""

    choices: list[ConditionChoiceView]
    open: int
    open_for_curator: int | None
    settled: int
    undecided: int
    """Items of which curators cannot tell, or agree, what they are."""
    alpha: float | None
    """Krippendorff's alpha of all answers."""
    curators: list[str]
    settled_by_label: dict[str, int]


class ConditionAnswerRequest(Request):
    """One curator's answer."""

    curator: Curator
    answer: Annotated[str, Field(min_length=1, max_length=100)]
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    """Time from showing the item to the answer."""


class ConditionUndoRequest(Request):
    """Whose newest answer is withdrawn."""

    curator: Curator


class ConditionFillRequest(Request):
    """How many exposures are to join the queue, and which."""

    size: Annotated[int, Field(ge=1, le=10_000)] = 60
    session_ids: Annotated[list[RowId], Field(max_length=1000)] = Field(default_factory=list)
    """Only exposures of these sessions; empty: of all."""
    answers_needed: Annotated[int, Field(ge=1, le=5)] = 2
    """Equal answers that settle an item; 1 where there is one curator."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class ConditionFillView(View):
    """What joined the queue."""

    looked_at: int
    added: dict[CurationReason, int]
    added_count: int


__all__ = [
    "ConditionAnswerRequest",
    "ConditionChoiceView",
    "ConditionFillRequest",
    "ConditionFillView",
    "ConditionItemView",
    "ConditionNextView",
    "ConditionQueueView",
    "ConditionUndoRequest",
]
