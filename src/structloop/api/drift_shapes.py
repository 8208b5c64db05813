"""Drift as the API shows it, and requests for it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from structloop.api.shapes import Request, RowId
from structloop.crystals.views import View
from structloop.schema.loop import CurationReason


class DriftRequest(Request):
    """What to look at."""

    task: Annotated[str, Field(min_length=1, max_length=100)]
    """Such as `crystals/visible`."""
    by: Literal["imager", "kind"] = "imager"
    """Imagers, or kinds of plates."""
    dataset: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """What the model learnt from; none: the newest."""
    count: Annotated[int, Field(ge=1, le=1000)] = 40
    """Images to ask for where something looks new."""


class DriftSourceView(View):
    """What was said of an imager or a kind of plates."""

    source: str
    alarm: bool
    """Whether it looks new."""
    possible: bool
    """Whether there were plates enough to tell."""
    plates: int
    message: str
    to_label: list[str]
    """Images to label, the most different first, such as `PLATE1/A01/1/3/visible`."""


class DriftFindingView(View):
    """What the last look found."""

    job_id: str | None
    """None where nobody has looked yet."""
    finished_at: datetime | None
    sources: list[DriftSourceView]


class QueueDriftRequest(Request):
    """Whose images join the queue."""

    job_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
    """The job that looked."""
    source: Annotated[str, Field(min_length=1, max_length=200)]
    """The imager or kind of plates."""
    answers_needed: Annotated[int, Field(ge=1, le=5)] = 2


class QueueItemKey(Request):
    """A drop at an inspection."""

    drop_id: RowId
    inspection_id: RowId


class QueuedDriftView(View):
    """What became of images to label."""

    joined: list[QueueItemKey]
    known: int
    """Of the others: they wait there already, or curators have answered them."""


class WithdrawRequest(Request):
    """Which drops are taken out of the queue."""

    items: Annotated[list[QueueItemKey], Field(min_length=1, max_length=1000)]
    reason: CurationReason | None = None
    """Only those that are there for this reason."""


class WithdrawnView(View):
    """What was taken out."""

    withdrawn: int


__all__ = [
    "DriftFindingView",
    "DriftRequest",
    "DriftSourceView",
    "QueueDriftRequest",
    "QueueItemKey",
    "QueuedDriftView",
    "WithdrawRequest",
    "WithdrawnView",
]
