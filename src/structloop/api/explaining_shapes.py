"""Why a score, as the API shows it."""

from typing import Literal

from structloop.crystals.views import ModelReference, View
from structloop.schema.images import Modality
from structloop.schema.loop import LabelSource, Partition


class ProgressView(View):
    """How far an explanation is that is not there yet."""

    done: int
    total: int | None
    message: str


class MattersView(View):
    """The part of an image that matters most in one direction."""

    x: float
    """Its middle, as a share of the width."""
    y: float
    change: float
    """The probability of the whole image less that with the part hidden."""


class OcclusionMapView(View):
    """What hiding parts of an image does to its crystal probability."""

    probability: float
    """Of the whole image, calibrated, as the model says now."""
    scale: float
    """The change that is shown in full colour; the map goes from minus this to this."""
    speaks_for: MattersView | None
    """Hiding it lowers the probability most; none where nothing does."""
    speaks_against: MattersView | None
    says: str
    """In words."""
    caveat: str
    """What such a map does not show."""
    colour_for: str
    colour_against: str
    overlay_url: str
    """A see-through PNG of the image's shape, relative to the server."""


class OcclusionView(View):
    """Where in an image the score comes from, or how far that is."""

    image_id: int
    modality: Modality
    model: ModelReference
    progress: ProgressView | None
    """None when it is there."""
    map: OcclusionMapView | None


class SaidView(View):
    """What one person said of an image."""

    name: str
    part: Literal["curator", "annotator"]
    answer: str


class ExampleView(View):
    """An image that the model finds alike."""

    key: str
    """Such as `PLATE1/A01/1/3/visible`."""
    label: str
    detail: str
    source: LabelSource
    """What the label rests on."""
    said: list[SaidView]
    partition: Partition | None
    """Its part of the data set; none where it is of no data set."""
    distance: float
    """Cosine distance of the model's features, 0 to 2."""
    is_itself: bool
    """Whether it is the very image that is explained."""
    image_id: int | None
    drop_id: int | None
    picture_url: str | None
    """A small picture, relative to the server."""


class NearestExamplesView(View):
    """The images that a model finds most alike to one."""

    origin: Literal["training", "facility", "none"]
    """`training`: it learnt from them; `facility`: people here labelled them, and it has not learnt from them; `none`:
    there is nothing to compare with."""
    dataset_id: int | None
    dataset: str | None
    note: str
    compared: int
    total: int
    unreadable: int
    examples: list[ExampleView]


class NearestView(View):
    """The images most alike to an image, or how far that is."""

    image_id: int
    modality: Modality
    model: ModelReference
    progress: ProgressView | None
    """None when they are there."""
    nearest: NearestExamplesView | None


__all__ = [
    "ExampleView",
    "MattersView",
    "NearestExamplesView",
    "NearestView",
    "OcclusionMapView",
    "OcclusionView",
    "ProgressView",
    "SaidView",
]
