"""What a file says of a drop, before anything is known of the drop itself."""

from dataclasses import dataclass
from datetime import datetime

from structloop.schema.crystals import Well


@dataclass(frozen=True, slots=True)
class LabelClaim:
    """A label as a file gives it: of a drop by its place, or of an image by its contents.

    Attributes:
        where: Where it stands, such as `labels.csv, line 7`.
        text: The label as written.
        scheme: Name of its scheme, where the file says so.
        barcode, well, drop: The drop, where it is named by its place; the drop's number may be left out.
        inspection: Number of the inspection.
        inspection_key: The imager's own identifier of it (a batch), where that is what is known.
        sha256: Digest of the image, where the label is of an image.
        annotator: Who says so, where known.
        given_at: When, where known.
        seconds: How long it took, where known.
        score_visible: Whether the model's score was shown; None where not known.
    """

    where: str
    text: str
    scheme: str = ""
    barcode: str = ""
    well: Well | None = None
    drop: int | None = None
    inspection: int | None = None
    inspection_key: str = ""
    sha256: str = ""
    annotator: str = ""
    given_at: datetime | None = None
    seconds: float | None = None
    score_visible: bool | None = None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that claims nothing usable, and why."""

    where: str
    reason: str


__all__ = ["BadLine", "LabelClaim"]
