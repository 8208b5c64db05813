"""Shapes of requests and answers about particle projects; those of the queries are in `particles.projects.views`."""

from typing import Annotated

from pydantic import Field

from structloop.api.shapes import Request
from structloop.particles.projects.views import View

Px = Annotated[float, Field(ge=-1e7, le=1e7, allow_inf_nan=False)]
Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class NewProject(Request):
    """A folder of micrographs, and how large its particle is."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    folder: Annotated[str, Field(min_length=1, max_length=4096)]
    """Absolute path of a folder on the server, inside one of the `import_roots`."""
    pattern: Annotated[str, Field(min_length=1, max_length=200)] = "**/*"
    """Which files below it."""
    diameter_px: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = None
    """Diameter of the particle in pixels of the micrographs; or `diameter_angstrom`."""
    diameter_angstrom: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = None
    pixel_size_angstrom: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None
    """Where the files' headers do not say it, or say it wrongly."""


class ProjectChange(Request):
    """What to change of a project; what is left out stays."""

    diameter_px: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The model whose picks are shown; `pick` makes them where there are none."""


class Place(Request):
    """A place in a micrograph: stored pixels, the centre of the first one is (0, 0)."""

    x_px: Px
    y_px: Px


class ErasedBox(Request):
    """A rectangle in which everything is removed that is shown at a threshold."""

    left_px: Px
    top_px: Px
    right_px: Px
    bottom_px: Px
    threshold: Threshold = 0.0


class Finished(Request):
    """That all particles of a micrograph are marked."""

    threshold: Threshold | None = None
    """Picks that are at least so probable are confirmed as particles; null confirms none."""


class TrainRequest(Request):
    """How long to train."""

    time_limit_s: Annotated[float, Field(ge=10, le=86_400, allow_inf_nan=False)] = 300.0


class PickerView(View):
    """A model that picks particles."""

    name: str
    version: str
    summary: str
    shipped: bool
    """Whether it came with structloop."""


class FolderView(View):
    """A folder that a project may be made of, and what lies in it."""

    roots: list[str]
    """The folders that this server may look into."""
    path: str
    parent: str | None
    """Null where the folder above may not be looked into."""
    folders: list[str]
    micrographs: int
    """Files with a micrograph's ending directly in it."""
    pixel_size_angstrom: float | None
    """What the header of the first one says."""
    width_px: int | None
    height_px: int | None


class PicksView(View):
    """The picks of a micrograph about which nobody has said anything."""

    model: str
    model_version: str | None
    """Null where the model has not picked here yet."""
    diameter_px: float
    count: int
    table: str
    """Base64 of little-endian float32 (count, 3): x, y in stored pixels, probability; best first."""


__all__ = [
    "ErasedBox",
    "Finished",
    "FolderView",
    "NewProject",
    "PickerView",
    "PicksView",
    "Place",
    "ProjectChange",
    "TrainRequest",
]
