"""What actions end in."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from structloop.schema.acquisition.microscopes import StagePosition
from structloop.schema.acquisition.vocabulary import Frozen


class ImageFacts(Frozen):
    """All that is known of an image but its pixels.

    Attributes:
        image_id: Unique within the session.
        image_to_stage_um: Matrix ((a, b), (c, d)), micrometres per pixel: the stage offset of what is seen at pixel
            (x, y) from what is seen at the image's centre ((width - 1) / 2, (height - 1) / 2) is
            (a dx + b dy, c dx + d dy).
        stage: The stage's reading when it was taken.
        image_shift_um: The image shift then; the image's centre shows the specimen at stage + image shift.
        defocus_um: What was set, not what a fit would find.
        frames_path: The movie's file, as the microscope names it.
        column, row: Place in a montage.
    """

    image_id: str = Field(min_length=1)
    preset: str
    width_px: int = Field(gt=0)
    height_px: int = Field(gt=0)
    pixel_size_angstrom: float = Field(gt=0)
    image_to_stage_um: tuple[tuple[float, float], tuple[float, float]]
    stage: StagePosition
    image_shift_um: tuple[float, float] = (0.0, 0.0)
    defocus_um: float | None = None
    exposure_s: float | None = Field(default=None, gt=0)
    dose_e_per_angstrom2: float | None = Field(default=None, ge=0)
    taken_at: datetime
    frames_path: str | None = None
    column: int | None = None
    row: int | None = None


class KeptImage(Frozen):
    """An image's file below the session's folder.

    Attributes:
        binning: How many pixels of the image each stored one stands for, per axis.
    """

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    binning: int = Field(default=1, ge=1)


class Done(Frozen):
    """It was done; there is nothing more to say."""

    kind: Literal["done"] = "done"


class StageMoved(Frozen):
    """Where the stage says it is now."""

    kind: Literal["stage-moved"] = "stage-moved"
    position: StagePosition


class Imaged(Frozen):
    """An image was taken."""

    kind: Literal["imaged"] = "imaged"
    image: ImageFacts
    kept: KeptImage | None = None


class MontageImaged(Frozen):
    """A montage was taken, tile by tile."""

    kind: Literal["montage-imaged"] = "montage-imaged"
    tiles: tuple[Imaged, ...]


class Focused(Frozen):
    """What the defocus was measured to be, and what it is now; or the height found."""

    kind: Literal["focused"] = "focused"
    measured_um: float | None = None
    defocus_um: float | None = None
    z_um: float | None = None


class Drifting(Frozen):
    """The drift after waiting."""

    kind: Literal["drifting"] = "drifting"
    rate_angstrom_per_s: float
    waited_s: float


class Aligned(Frozen):
    """By how much the image was off, on the specimen, before the correction."""

    kind: Literal["aligned"] = "aligned"
    dx_um: float
    dy_um: float


Result: TypeAlias = Annotated[
    Done | StageMoved | Imaged | MontageImaged | Focused | Drifting | Aligned, Field(discriminator="kind")
]
"""What an action ends in."""

RESULT: TypeAdapter[Result] = TypeAdapter(Result)

__all__ = [
    "RESULT",
    "Aligned",
    "Done",
    "Drifting",
    "Focused",
    "ImageFacts",
    "Imaged",
    "KeptImage",
    "MontageImaged",
    "Result",
    "StageMoved",
]
