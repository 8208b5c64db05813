"""Trainings, roles of models and where a score comes from, as the API shows them, and requests for them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from structloop.api.dataset_shapes import DatasetView
from structloop.api.shapes import Request
from structloop.crystals.views import View
from structloop.schema.images import Modality
from structloop.schema.loop import LabelSource, Partition

Task = Annotated[str, Field(min_length=1, max_length=100)]
ModelName = Annotated[str, Field(min_length=1, max_length=200)]
Who = Annotated[str, Field(min_length=1, max_length=200)]
Why = Annotated[str, Field(max_length=1000)]


class TrainingRunView(View):
    """A training."""

    id: int
    task: str
    method: str
    dataset_id: int | None
    dataset: str | None
    """Such as `crystals/visible#3`."""
    start: str
    """The model or checkpoint that it began with."""
    name: str
    """Of the model to be."""
    seed: int
    state: Literal["running", "finished", "stopped", "failed"]
    model: str | None
    """What came of it, as `name@version`."""
    problem: str | None
    course: dict[str, Any]
    """What was measured on the way, and at the end `verdict` and `comparison`."""
    created_at: datetime
    finished_at: datetime | None


class RoleEventView(View):
    """A model version was given a role. Events are only ever added."""

    id: int
    model: str
    """As `name@version`."""
    role: Literal["candidate", "shadow", "production", "retired"]
    goes_back: bool
    """In production again, as what came after was given up."""
    who: str
    why: str
    at: datetime
    evidence: dict[str, Any]
    """The gate's `verdict` with its checks, and the `comparison` that it saw; empty where nothing was judged."""


class ModelRolesView(View):
    """Which model does the work of a task, what it replaced, and what waits."""

    task: str
    default_model: str
    """What does the work while nothing is promoted."""
    production: RoleEventView | None
    before: list[RoleEventView]
    """The ways back, the latest first."""
    shadows: list[RoleEventView]
    candidates: list[RoleEventView]
    history: list[RoleEventView]
    """Every event, the newest first, without its evidence."""


class TrainModelRequest(Request):
    """What is trained, and from what."""

    task: Task
    dataset: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """A version, such as `crystals/visible#3`; none: the newest."""
    method: Literal["fast-head", "lora"] = "fast-head"
    start: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Name of a model to begin with; none: what is in production, or the default."""
    epochs: Annotated[int, Field(ge=1, le=100)] = 1
    """Of `lora`."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class RoleRequest(Request):
    """Whose role changes, who does it, and why."""

    task: Task
    model: ModelName
    who: Who
    why: Why = ""


class PromoteRequest(RoleRequest):
    """A promotion."""

    dataset: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Whose frozen test set judges; none: the newest."""
    despite_gate: bool = False
    """Promote although the gate refuses; `why` is needed."""


class RollBackRequest(Request):
    """A way back."""

    task: Task
    who: Who
    why: Why = ""


class ContributionView(View):
    """What one person gave to a data set."""

    name: str
    part: Literal["curator", "annotator"]
    images: int
    """Images that rest on it, too."""


class LearntImageView(View):
    """This very image, as a data set holds it."""

    partition: Partition
    label: str
    source: LabelSource
    curation_item_id: int | None
    annotation_id: int | None


class ModelStepView(View):
    """A model version and what it rests on."""

    name: str
    version: str
    summary: str
    trained_on: str
    """As its card says."""
    synthetic: bool
    """Whether it was trained on simulated images only."""
    run: TrainingRunView | None
    """None where it was not trained here."""
    dataset: DatasetView | None
    people: list[ContributionView]
    """Whose answers the data set holds, the busiest first."""
    learnt: LearntImageView | None
    """Where the data set holds the scored image itself."""
    events: list[RoleEventView]
    """The roles it was given, without their evidence."""


class ScoreLineageView(View):
    """Where the score of an image comes from."""

    image_id: int
    modality: Modality
    probability: float | None
    error: str | None
    scored_at: datetime
    is_current: bool
    """Whether the score that lists and maps show rests on it."""
    steps: list[ModelStepView]
    """The model that made it, what its training began with, and so on."""


class DropLineageView(View):
    """Where the scores of a drop at an inspection come from."""

    drop_id: int
    plate_id: int
    barcode: str
    well: str
    drop: int
    inspection: int
    probability: float | None
    rule: str | None
    """How visible and UV became one."""
    scores: list[ScoreLineageView]
    """By modality, the newest first."""


__all__ = [
    "ContributionView",
    "DropLineageView",
    "LearntImageView",
    "ModelRolesView",
    "ModelStepView",
    "PromoteRequest",
    "RoleEventView",
    "RoleRequest",
    "RollBackRequest",
    "ScoreLineageView",
    "TrainModelRequest",
    "TrainingRunView",
]
