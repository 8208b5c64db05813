"""Images and where they come from."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class Modality(StrEnum):
    """How a drop was lit and recorded; or that electrons made the picture, of a cryo-EM exposure."""

    VISIBLE = "visible"
    UV = "uv"
    UV_TPEF = "uv-tpef"
    SHG = "shg"
    ELECTRONS = "electrons"


class Focus(StrEnum):
    """How one image stands to the focal planes of the drop."""

    SINGLE = "single"
    EXTENDED = "extended"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source image as it was when it was read; it is never moved, renamed or written.

    Attributes:
        path: Absolute path.
        size_bytes: Length of the file.
        sha256: Hex digest of its contents.
        modified_at: Its modification time (UTC).
    """

    path: Path
    size_bytes: int
    sha256: str
    modified_at: datetime


__all__ = ["Focus", "Modality", "SourceFile"]
