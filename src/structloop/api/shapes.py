"""Shapes of requests and answers that belong to the API alone; those of plates and drops are in `crystals.views`."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from structloop.crystals.views import View
from structloop.schema.crystals import CombinationRule
from structloop.schema.events import JobState
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""A key of the database."""
PersonName = Annotated[str, Field(min_length=1, max_length=200)]
"""Until there are users: the name that a person gives."""


class Problem(View):
    """What went wrong, as RFC 9457 (`application/problem+json`) has it."""

    type: str
    """Stable name of the kind of problem, such as `urn:structloop:not-found`."""
    title: str
    status: int
    detail: str
    remedy: str | None
    """What to do about it, where that is known."""


class Request(BaseModel):
    """Base of the bodies of requests; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Health(View):
    """That the server answers, and with what."""

    status: Literal["ok"]
    version: str
    time: datetime
    database: Literal["sqlite", "postgresql"]
    interface_built: bool
    """Whether the browser interface is part of this installation."""


class Info(View):
    """What the interface needs to know of this installation."""

    version: str
    default_model: str
    default_model_version: str | None
    """None when the model is not installed."""
    default_model_caution: str | None
    """What the default model was trained on and where it fails; to be shown beside its scores."""
    combination_rules: list[CombinationRule]
    default_combination_rule: CombinationRule
    import_allowed: bool
    """Whether the browser may import, which it may only from the folders in `import_roots`."""
    import_roots: list[str]
    annotator: str
    """Who human scores are recorded for where nobody gives a name."""


class ModelSummary(View):
    """An installed model, in short."""

    name: str
    version: str
    summary: str
    family: str
    modalities: list[Modality]
    alarm_threshold: float
    licence: str
    is_default: bool
    synthetic: bool
    """Whether it was trained on simulated images only."""
    limitations: list[str]


class ModelDetail(ModelSummary):
    """An installed model with its card."""

    card: ModelCard


class LayoutView(View):
    """A way of naming image files that can be imported."""

    name: str
    """For `layout` of an import."""
    title: str
    """For people."""
    description: str


class JobView(View):
    """A job: what it does and how far it is."""

    id: str
    kind: str
    """Such as `crystals.score` or `crystals.import`."""
    subject: str
    """What it works on, for people: a plate's barcode, a folder."""
    state: JobState
    done: int
    total: int | None
    """None while unknown."""
    message: str
    """What it is doing, or why it failed."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobList(View):
    """The newest jobs, newest first."""

    items: list[JobView]


class ScoreRequest(Request):
    """How to score a plate; nothing given means the default model and rule."""

    models: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default_factory=list, max_length=4)
    """Names of models; for each modality the first one that serves it is used. Empty: the default model."""
    rule: CombinationRule | None = None
    """Empty: the rule from the settings."""


class ImportRequest(Request):
    """Which folder to import, and how its files are named."""

    path: Annotated[str, Field(min_length=1, max_length=4096)]
    """Absolute path of a folder or CSV manifest on the server, inside one of the `import_roots`."""
    layout: Annotated[str, Field(min_length=1, max_length=100)] = "auto"
    """Name of a layout; `auto` recognises it."""


class PreviewCell(View):
    """A drop that an import would fill."""

    row: int
    column: int
    drop: int
    image_count: int


class PreviewPlate(View):
    """A plate that an import would make or add to."""

    barcode: str
    is_new: bool
    rows: int
    columns: int
    drops: list[int]
    inspections: list[int]
    modalities: list[Modality]
    image_count: int
    cells: list[PreviewCell]


class PreviewProblem(View):
    """A file that an import would leave out, or left out."""

    path: str
    reason: str


class ImportPreview(View):
    """What an import would do; nothing was changed."""

    layout: str
    why: str
    """Why this layout was chosen."""
    image_count: int
    plates: list[PreviewPlate]
    problems: list[PreviewProblem]
    """At most the first 200."""
    problem_count: int


class ImportedPlateView(View):
    """A plate that an import added images to."""

    id: RowId
    barcode: str
    added: int


class ImportOutcome(View):
    """What an import did."""

    layout: str
    found: int
    """Image files looked at."""
    added: int
    """New images."""
    known: int
    """Images known already: unchanged, moved, or copies of known ones."""
    plates: list[ImportedPlateView]
    problems: list[PreviewProblem]
    """Files that were left out, and why: at most the first 200."""
    problem_count: int
    stopped: bool
    """Whether it was stopped before the end; importing again does the rest."""


class WithdrawalRequest(Request):
    """Who takes a label back."""

    annotator: PersonName | None = None
    """None: the account that runs the server."""


class AnnotationRequest(Request):
    """One person's label of a drop at one inspection."""

    drop_id: RowId
    inspection: Annotated[int, Field(ge=0, le=100_000)]
    """Number of the inspection that was looked at."""
    scheme: Literal["ispyb-grade", "axis", "marco", "crystal-type"]
    label: Annotated[str, Field(min_length=1, max_length=100)]
    """`ispyb-grade`: a grade's number, `0` to `9`. `axis`: `crystal`, `other`, `uncertain` or `unusable`. `marco`:
    `crystals`, `precipitate`, `clear` or `other`. `crystal-type`: `microcrystals`, `1d`, `2d` or `3d`."""
    score_visible: bool
    """Whether the model's score was shown when the person answered."""
    annotator: PersonName | None = None
    """Who says so; none: the account that runs the server."""
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    """Time from showing the drop to the answer."""


class PlatesChanged(View):
    """Event `plates`: these plates are new or have changed; fetch them again."""

    plate_ids: list[int]


class ExposuresChanged(View):
    """Event `exposures`: exposures of these sessions were processed, or their state or limits changed."""

    session_ids: list[int]


class Resync(View):
    """Event `resync`: events may have been missed; fetch everything shown again."""

    reason: str


__all__ = [
    "AnnotationRequest",
    "ExposuresChanged",
    "Health",
    "ImportOutcome",
    "ImportPreview",
    "ImportRequest",
    "ImportedPlateView",
    "Info",
    "JobList",
    "JobView",
    "LayoutView",
    "ModelDetail",
    "ModelSummary",
    "PersonName",
    "PlatesChanged",
    "PreviewCell",
    "PreviewPlate",
    "PreviewProblem",
    "Problem",
    "Request",
    "Resync",
    "RowId",
    "ScoreRequest",
    "WithdrawalRequest",
]
