"""What people are shown of plates: the shapes of the read-only queries, and of the API's answers.

One definition serves both, so the command line, the API and its OpenAPI file never drift apart. Wells are written
`A01`, rows and columns counted from 0, drops numbered as the imager's file names number them. Times are UTC.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from structloop.schema.crystals import CombinationRule
from structloop.schema.images import Focus, Modality


class View(BaseModel):
    """Base of the views: frozen, and its fields' docstrings go into the OpenAPI file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PlateFilter(StrEnum):
    """Which plates a list holds."""

    ALL = "all"
    UNSCORED = "unscored"
    SCORED = "scored"
    HITS = "hits"
    PROBLEMS = "problems"


class PlateOrder(StrEnum):
    """How a list of plates is sorted; plates that lack the value come last."""

    NEWEST_HIT = "newest-hit"
    IMPORTED = "imported"
    BARCODE = "barcode"
    BEST = "best"


class PlateState(StrEnum):
    """How far the scoring of a plate is."""

    UNSCORED = "unscored"
    PARTLY_SCORED = "partly-scored"
    SCORED = "scored"


class ModelReference(View):
    """A version of a model, as a score points to it."""

    name: str
    version: str


class ScoringView(View):
    """One way a plate was scored: which model per modality, how the two are combined, and from where it is an alarm."""

    id: int
    rule: CombinationRule
    model_visible: ModelReference | None
    model_uv: ModelReference | None
    alarm_threshold: float
    """A crystal probability at or above it makes a drop a hit."""
    is_current: bool
    """Whether it is the plate's newest scoring: the one shown where none is asked for."""
    created_at: datetime
    updated_at: datetime


class InspectionView(View):
    """One round of imaging of a plate."""

    id: int
    number: int
    imager: str | None
    taken_at: datetime | None
    image_count: int


class PlateSummary(View):
    """A plate as lists show it."""

    id: int
    barcode: str
    project: str | None
    layout: str
    rows: int
    columns: int
    drops: list[int]
    """Numbers of the drops of a well, in order, as the file names write them."""
    state: PlateState
    inspection_count: int
    image_count: int
    experiment_count: int
    """Pairs of drop and inspection with at least one image."""
    scored_count: int
    """Of these, those that the current scoring holds a result for."""
    hit_count: int
    """Drops whose best probability so far reaches the alarm threshold."""
    best_probability: float | None
    newest_hit_at: datetime | None
    problem_count: int
    """Files of this plate that could not be imported."""
    imported_at: datetime
    """When an image last joined the plate."""
    created_at: datetime


class PlatePage(View):
    """Part of the list of plates."""

    items: list[PlateSummary]
    total: int
    """Plates that match, on all pages."""


class PlateDetail(PlateSummary):
    """A plate with its inspections and the ways it was scored."""

    inspections: list[InspectionView]
    scorings: list[ScoringView]


class DisagreementState(StrEnum):
    """What became of a disagreement between a person and the model.

    Attributes:
        UNASKED: It is in no queue.
        QUEUED: It waits for curators.
        SETTLED: Curators agree on a label.
        UNDECIDED: Curators could not tell.
    """

    UNASKED = "unasked"
    QUEUED = "queued"
    SETTLED = "settled"
    UNDECIDED = "undecided"

    @property
    def is_open(self) -> bool:
        """Whether curators have not answered it yet."""
        return self in (DisagreementState.UNASKED, DisagreementState.QUEUED)


class DisagreementView(View):
    """A person and the model say different things of a drop at one inspection."""

    inspection: int
    """Number of the inspection that the person looked at."""
    human_label: str
    """`crystal` or `other`: what the person's newest label of it means."""
    probability: float
    """What the model says of the same inspection."""
    state: DisagreementState
    curation_item_id: int | None
    """What waits for curators; none where it is asked about blind."""
    settled_label: str | None
    """`crystal` or `other`, where curators settled it."""


class PlateMapCell(View):
    """A drop on the plate map. A drop that was never imaged has no cell."""

    drop_id: int
    well: str
    row: int
    column: int
    drop: int
    probability: float | None
    """Calibrated crystal probability of the experiment: the best so far, or at the inspection asked for."""
    visible_probability: float | None
    uv_probability: float | None
    inspection: int | None
    """Number of the inspection that probability and images come from; none when the drop has no image there."""
    image_visible_id: int | None
    image_uv_id: int | None
    error: str | None
    """Why there is no probability, or why a modality is missing from it."""
    label: str | None
    """What a person said last (`crystal`, `other`, or a grade's number), kept apart from the model's score."""
    label_scheme: str | None
    label_is_crystal: bool | None
    disagreement: DisagreementView | None
    """Where person and model say different things: at the inspection asked for, or at any; an open one first."""


class PlateMap(View):
    """Every drop of a plate with its probability, at the best inspection of each drop or at one inspection."""

    plate_id: int
    barcode: str
    rows: int
    columns: int
    drops: list[int]
    inspection: int | None
    """The inspection shown; none when each drop shows its best so far."""
    inspections: list[InspectionView]
    scoring: ScoringView | None
    """The scoring shown; none when the plate was not scored."""
    scorings: list[ScoringView]
    cells: list[PlateMapCell]
    """In plate order: along rows, then by drop."""


class ImageScoreView(View):
    """What one version of a model says of one image."""

    model: ModelReference
    probability: float | None
    """Calibrated crystal probability."""
    error: str | None
    created_at: datetime


class ImageView(View):
    """A source image. It is referred to, never moved or written."""

    id: int
    drop_id: int
    inspection: int
    modality: Modality
    profile: str
    """The imager's own name for how it was taken."""
    focus: Focus
    width_px: int
    height_px: int
    um_per_pixel: float | None
    taken_at: datetime | None
    imported_at: datetime
    path: str
    size_bytes: int
    sha256: str
    superseded_by_id: int | None
    """The image that replaced this one when the imager wrote it again."""


class ScoredImageView(ImageView):
    """A source image with what the models say of it, newest first."""

    scores: list[ImageScoreView]


class ExperimentScoreView(View):
    """The score of a drop at one inspection, visible and UV combined."""

    probability: float | None
    visible_probability: float | None
    uv_probability: float | None
    image_visible_id: int | None
    image_uv_id: int | None
    error: str | None


class DropInspectionView(View):
    """A drop at one inspection: its images and its score."""

    id: int
    number: int
    imager: str | None
    taken_at: datetime | None
    score: ExperimentScoreView | None
    images: list[ScoredImageView]


class AnnotationView(View):
    """What one person said of a drop."""

    id: int
    drop_id: int
    inspection: int | None
    """Number of the inspection that was looked at."""
    scheme: str
    label: str
    is_crystal: bool | None
    """Whether the label counts as crystal in the two-class scheme; none when it says neither."""
    annotator: str
    score_visible: bool
    """Whether the model's score was shown when the person answered."""
    seconds: float | None
    """Time from showing the drop to the answer."""
    withdrawn: bool
    created_at: datetime


class DropDetail(View):
    """A drop with everything known of it, and its neighbours in plate order."""

    id: int
    plate_id: int
    barcode: str
    well: str
    row: int
    column: int
    drop: int
    position: int
    """Place in plate order, from 1."""
    drop_count: int
    """Drops of the plate."""
    inspections: list[DropInspectionView]
    """All inspections of the plate, oldest first; one without an image of this drop has no images."""
    best_inspection: int | None
    """Number of the inspection with the best probability so far."""
    scoring: ScoringView | None
    scorings: list[ScoringView]
    annotations: list[AnnotationView]
    """What people said, newest first, withdrawn ones included."""
    disagreements: list[DisagreementView]
    """Inspections of which person and model say different things, oldest first."""
    previous_drop_id: int | None
    next_drop_id: int | None
    previous_well_drop_id: int | None
    """The same drop (or else the first) of the previous well that has one."""
    next_well_drop_id: int | None


class HitView(View):
    """A drop in the ranked list, at its best inspection so far."""

    rank: int
    """From 1."""
    drop_id: int
    plate_id: int
    barcode: str
    well: str
    drop: int
    probability: float
    visible_probability: float | None
    uv_probability: float | None
    inspection: int
    image_visible_id: int | None
    image_uv_id: int | None
    is_hit: bool
    """Whether the probability reaches the alarm threshold of its scoring."""
    label: str | None
    label_scheme: str | None
    label_is_crystal: bool | None


class HitPage(View):
    """Part of the ranked list of drops, the likeliest crystals first."""

    items: list[HitView]
    has_more: bool
    total: int | None
    """Drops in the whole list; none where counting them would take too long."""


class ImportProblemView(View):
    """A file that was left out of an import, and why."""

    id: int
    plate_id: int | None
    path: str
    reason: str
    seen_at: datetime


class ImportProblemPage(View):
    """Part of the list of files that were left out."""

    items: list[ImportProblemView]
    total: int = Field(ge=0)


__all__ = [
    "AnnotationView",
    "DisagreementState",
    "DisagreementView",
    "DropDetail",
    "DropInspectionView",
    "ExperimentScoreView",
    "HitPage",
    "HitView",
    "ImageScoreView",
    "ImageView",
    "ImportProblemPage",
    "ImportProblemView",
    "InspectionView",
    "ModelReference",
    "PlateDetail",
    "PlateFilter",
    "PlateMap",
    "PlateMapCell",
    "PlateOrder",
    "PlatePage",
    "PlateState",
    "PlateSummary",
    "ScoredImageView",
    "ScoringView",
    "View",
]
