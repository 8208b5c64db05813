"""Data sets as the API shows them, and requests to build them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from structloop.api.shapes import Request
from structloop.crystals.views import View
from structloop.schema.images import Modality
from structloop.schema.loop import LabelSource, Partition


class ReviewTaskView(View):
    """Something that models learn from people."""

    name: str
    title: str
    labels: list[str]
    """A label's place is its class id."""
    positive: str
    """The label that is looked for."""
    modality: Modality | None
    details: dict[str, list[str]]
    """Kinds that curators may tell apart within a label."""
    curated_as: str


class TestSetView(View):
    """A frozen test set: never changed, and nothing of its groups is learnt from."""

    id: int
    task: str
    name: str
    counts: dict[str, Any]
    made_by: str
    why: str
    created_at: datetime


class DatasetView(View):
    """A version of a data set; it is never changed."""

    id: int
    name: str
    """Such as `crystals/visible#3`."""
    task: str
    number: int
    parent_id: int | None
    test_set_id: int | None
    test_set: str | None
    manifest_sha256: str
    """The digest of its manifest: the same rows have the same one."""
    counts: dict[str, Any]
    """`images`, `labels`, `sources`, `details`, `partitions` (each with `images`, `labels`, `groups`), `withheld`."""
    settings: dict[str, Any]
    made_by: str
    why: str
    created_at: datetime


class DatasetRowView(View):
    """An image of a data set."""

    key: str
    partition: Partition
    label: str
    detail: str
    source: LabelSource
    project: str
    group: str
    """The plate's barcode, or what an imported set has kept together."""
    modality: Modality
    sha256: str
    drop_id: int | None
    image_id: int | None
    """The image to show; none where it was imported, or its plate was removed."""
    exposure_id: int | None
    """Of what the image is, where it is one of an exposure."""
    curation_item_id: int | None
    """What curators settled; `/curation/items/{id}` shows it."""
    annotation_id: int | None


class DatasetRowPage(View):
    """Part of the rows of a data set."""

    items: list[DatasetRowView]
    total: int


class ChangedRowView(View):
    """An image that two versions hold differently."""

    key: str
    before: DatasetRowView
    after: DatasetRowView


class DatasetDiffView(View):
    """What differs between two versions; of each kind of change at most the first 200."""

    before: DatasetView
    after: DatasetView
    counts: dict[str, Any]
    """`added` and `removed` by label, `relabelled` and `moved` as `from -> to`, `unchanged`."""
    added: list[DatasetRowView]
    removed: list[DatasetRowView]
    relabelled: list[ChangedRowView]
    moved: list[ChangedRowView]


class LeakView(View):
    """An image to learn from that is, or looks like, an image of a test set."""

    train: DatasetRowView
    test: DatasetRowView
    similarity: float
    same_file: bool


class DatasetPlanView(View):
    """What a new version would hold; nothing was recorded."""

    counts: dict[str, Any]
    withheld: int
    """Images left out because their group is in a test set."""
    without_image: int
    leaks: list[LeakView]
    """At most the first 200."""
    leak_count: int
    freezes_test_set: bool
    """Whether a test set would be frozen, as the task has none yet."""
    test_set: str | None
    group_by: Literal["project", "plate"]
    waiting: int
    """Items that wait with curators; what they settle joins the next version."""


class BuildDatasetRequest(Request):
    """How a version is made."""

    task: Annotated[str, Field(min_length=1, max_length=100)]
    """Such as `crystals/visible`."""
    made_by: Annotated[str, Field(min_length=1, max_length=200)]
    why: Annotated[str, Field(max_length=1000)] = ""
    labels: Literal["curated", "standing", "agreed", "annotated"] = "standing"
    """`curated`: what curators settled; `standing`: and labels that no curator has in hand; `agreed`: and labels with
    which the model agrees; `annotated`: all labels."""
    group_by: Literal["auto", "project", "plate"] = "auto"
    validation_share: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.15
    test_share: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.2
    """For a frozen test set, where the task has none yet."""
    test_set: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Empty: the newest of the task."""
    withhold_leaks: bool = False
    """Leave out what leaks a test set, instead of refusing to build."""
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


__all__ = [
    "BuildDatasetRequest",
    "ChangedRowView",
    "DatasetDiffView",
    "DatasetPlanView",
    "DatasetRowPage",
    "DatasetRowView",
    "DatasetView",
    "LeakView",
    "ReviewTaskView",
    "TestSetView",
]
