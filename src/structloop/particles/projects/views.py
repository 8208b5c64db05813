"""What people are shown of particle projects: the shapes of the queries here and of the API's answers."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """Base of the views: frozen, and its fields' docstrings go into the OpenAPI file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ParticleProjectView(View):
    """A project: one kind of particle in one folder of micrographs."""

    id: int
    name: str
    folder: str
    pattern: str
    diameter_px: float
    """Diameter of the particle, in pixels of the micrographs."""
    pixel_size_angstrom: float | None
    """Told by a person; null: what the files say."""
    model: str
    """The model whose picks are shown."""
    model_version: str | None
    """The newest version of it that has picked here; null where it has not."""
    micrographs: int
    picked: int
    """Micrographs that it has picked as they are now, with this diameter."""
    labelled: int
    """Micrographs with at least one mark, or that were said to be finished."""
    marked_particles: int
    problems: int
    """Micrographs that cannot be used, or could not be picked."""
    created_at: datetime


class MicrographView(View):
    """A micrograph of a project."""

    id: int
    project_id: int
    name: str
    """Its path below the project's folder."""
    width_px: int | None
    height_px: int | None
    pixel_size_angstrom: float | None
    problem: str | None
    """Why it cannot be used, or could not be picked."""
    picks: int | None
    """Picks that reach the threshold; null where nothing was picked yet."""
    marked: int
    """Particles that people marked or confirmed."""
    finished: bool
    """Whether somebody said that all its particles are marked."""


class PointView(View):
    """A place in a micrograph: stored pixels, the centre of the first one is (0, 0)."""

    x_px: float
    y_px: float


class MarksView(View):
    """What people said of a micrograph."""

    particles: list[PointView]
    others: list[PointView]
    """Places where somebody said that there is no particle."""
    finished: bool
    can_undo: bool
    can_redo: bool


class ThresholdPoint(View):
    """What is to be expected of all picks that are at least so probable, with 95 % intervals."""

    threshold: float
    precision: float
    precision_low: float
    precision_high: float
    recall: float
    recall_low: float
    recall_high: float


class ExpectedView(View):
    """What a model is expected to do at each threshold."""

    model: str
    version: str
    threshold: float
    """The one to begin with: of the best expected F1."""
    points: list[ThresholdPoint]
    """By rising threshold; empty where nothing was measured."""
    limitations: list[str]
    """Where the model fails, in plain words."""


class SuggestionView(View):
    """A micrograph to label next."""

    micrograph_id: int
    name: str
    reason: str


__all__ = [
    "ExpectedView",
    "MarksView",
    "MicrographView",
    "ParticleProjectView",
    "PointView",
    "SuggestionView",
    "ThresholdPoint",
    "View",
]
