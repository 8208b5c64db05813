"""Requests of the loop: filling the curators' queue, answering, building data sets."""

from typing import Annotated

from pydantic import Field

from structloop.api.shapes import PersonName, Request, RowId
from structloop.crystals.curation.views import CrystalType, CurationAnswer

Curator = PersonName


class CurationAnswerRequest(Request):
    """One curator's answer to an item of the queue."""

    curator: Curator
    """Until there are users: the name chosen on the page."""
    answer: CurationAnswer
    crystal_type: CrystalType | None = None
    """With the answer `crystal` only."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    """Time from showing the item to the answer."""


class CurationUndoRequest(Request):
    """Whose answer is withdrawn, and which."""

    curator: Curator
    item_id: RowId | None = None
    """The answer to this item; none: the curator's newest answer to any."""


class AskAboutRequest(Request):
    """A drop that curators are to look at."""

    drop_id: RowId
    inspection: Annotated[int, Field(ge=0, le=100_000)]
    """Number of the inspection."""
    answers_needed: Annotated[int, Field(ge=1, le=5)] = 2


class FillQueueRequest(Request):
    """How many drops are to join the queue, and which."""

    size: Annotated[int, Field(ge=1, le=10_000)] = 200
    plate_ids: Annotated[list[RowId], Field(max_length=1000)] = Field(default_factory=list)
    """Only drops of these plates; empty: of all."""
    answers_needed: Annotated[int, Field(ge=1, le=5)] = 2
    """Equal answers that settle an item; 1 where there is one curator."""
    project_share: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.4
    """What part of `size` one project may have in the queue at most."""
    gold: Annotated[int, Field(ge=0, le=1000)] = 0
    """How many settled items are asked again, to see how curators do."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Of the random audit."""


__all__ = ["AskAboutRequest", "CurationAnswerRequest", "CurationUndoRequest", "FillQueueRequest"]
