"""What curators are shown, and what the API answers about the queue."""

from datetime import datetime
from typing import Literal

from structloop.crystals.views import InspectionView, ModelReference, View
from structloop.schema.loop import CurationReason, CurationState

CurationAnswer = Literal["crystal", "other", "uncertain", "unusable"]
CrystalType = Literal["microcrystals", "1d", "2d", "3d"]


class GivenAnswerView(View):
    """What one curator answered."""

    curator: str
    answer: str
    crystal_type: str | None
    probability_visible: bool
    """Whether the model's probability was shown."""
    seconds: float | None
    created_at: datetime


class CurationItemView(View):
    """A drop at an inspection that curators are asked about. Blind items show neither model nor earlier labels."""

    id: int
    drop_id: int
    plate_id: int
    barcode: str
    well: str
    drop: int
    project: str | None
    inspection: int
    """Number of the inspection that is asked about."""
    inspections: list[InspectionView]
    """All inspections of the plate, oldest first."""
    image_visible_id: int | None
    image_uv_id: int | None
    image_visible_url: str | None
    """Where the source file is served, relative to the server; thumbnails and tiles lie beside it."""
    image_uv_url: str | None
    reason: CurationReason | None
    """Why it is asked about; none where that would give the answer away."""
    drift_of: str | None
    """With the reason `drift`: the imager, or the kind of plate where no imager is named."""
    is_blind: bool
    """Whether model and earlier labels are hidden: an audit, or a gold item."""
    probability: float | None
    """The model's crystal probability when the item joined the queue; none where it is blind."""
    model: ModelReference | None
    human_label: str | None
    """`crystal` or `other`, as a person had said before; none where it is blind."""
    crystal_types: list[str]
    """Types that may be told with the answer `crystal`."""
    answer_count: int
    """Answers given so far; what they are is not shown while the item is open."""
    answers_needed: int
    state: CurationState
    label: str | None
    """What was settled."""
    crystal_type: str | None
    dataset_id: int | None
    """The first data set that rests on it; from then on its answers cannot be undone."""
    answers: list[GivenAnswerView]
    """Who settled it, of a closed item that was asked for by its key; else empty."""
    opened_at: datetime
    closed_at: datetime | None


class CuratorRatesView(View):
    """How one curator answers."""

    curator: str
    answers: int
    agreement: float | None
    """Share of their answers that were settled so."""
    gold_accuracy: float | None
    """Share of gold items answered rightly."""
    gold_answered: int
    gold_crystals_found: int
    gold_crystals: int
    undecided: int
    """Answers `uncertain` or `unusable`."""
    median_seconds: float | None


class CurationQueueView(View):
    """How the queue stands."""

    open: int
    open_by_reason: dict[CurationReason, int]
    """Reasons of which no item waits are left out."""
    open_for_curator: int | None
    """Items that wait for the curator who asks."""
    settled: int
    uncertain: int
    unusable: int
    withdrawn: int
    alpha: float | None
    """Krippendorff's alpha of all answers; none where it is not defined."""
    batch_alpha: float | None
    """The same of items that no data set rests on yet."""
    curators: list[CuratorRatesView]


class CurationAnswerView(View):
    """What an answer came to."""

    decision_id: int
    item: CurationItemView


class CurationNextView(View):
    """The next items of a curator, first what should be looked at first, and how much is left."""

    items: list[CurationItemView]
    open_for_curator: int
    """Items that wait for this curator (for the reason asked for)."""


class FillReportView(View):
    """What filling the queue did."""

    looked_at: int
    """Scored experiments."""
    labelled: int
    """Of these, those that a person has labelled."""
    held_out: int
    """Of the labels, those that were compared with models that had not learnt from them; the others with the score."""
    found: dict[str, int]
    """Items that each reason found, before quotas, caps and look-alikes."""
    added: dict[str, int]
    """Items that joined the queue, by reason."""
    added_count: int
    gold_count: int
    """Settled items that joined the queue again, to see how curators do."""
    cap: int
    """How many items one project may have in the queue."""


__all__ = [
    "CrystalType",
    "CurationAnswer",
    "CurationAnswerView",
    "CurationItemView",
    "CurationNextView",
    "CurationQueueView",
    "CuratorRatesView",
    "FillReportView",
    "GivenAnswerView",
]
