"""What one file of a session tells, read once; from here on nobody opens it again but for pixels."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu import documents
from structloop.instruments.epu.atlas_list import AtlasFile, atlas_of
from structloop.instruments.epu.doubts import doubting
from structloop.instruments.epu.images import image_of
from structloop.instruments.epu.names import FileName, Role
from structloop.instruments.epu.pictures import PictureFile, probe_picture
from structloop.instruments.epu.session_list import SessionFile, session_of
from structloop.instruments.epu.square_list import SquareFile, square_of
from structloop.schema.grids import ImageRecord


@dataclass(frozen=True, slots=True)
class FramesFile:
    """A movie's file; it is not opened."""


@dataclass(frozen=True, slots=True)
class FramesMetadata:
    """What the XML beside a movie tells (EPU 2)."""

    image: ImageRecord


@dataclass(frozen=True, slots=True)
class Junk:
    """No file of an acquisition."""

    reason: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A file that should tell something and cannot be read, or not yet."""

    reason: str


Contents: TypeAlias = (
    SessionFile | AtlasFile | SquareFile | ImageRecord | PictureFile | FramesFile | FramesMetadata | Junk | Damaged
)


def read_contents(root: Path, name: FileName) -> Contents:
    """What a file tells. Faulty files are `Damaged`: nothing is raised, and other files go on.

    Single values that are no numbers or times are unknown; the contents say which (`garbled`).
    """
    with doubting() as doubts:
        contents = _read(root / name.path, name)
    garbled = doubts.told()
    match contents:
        case _ if not garbled:
            return contents
        case SessionFile() | AtlasFile() | SquareFile() | ImageRecord():
            return replace(contents, garbled=garbled)
        case FramesMetadata():
            return FramesMetadata(replace(contents.image, garbled=garbled))
        case _:
            return contents


def garbled_in(contents: Contents) -> tuple[str, ...]:
    """What could not be understood in a file that was read."""
    match contents:
        case SessionFile() | AtlasFile() | SquareFile() | ImageRecord():
            return contents.garbled
        case FramesMetadata():
            return contents.image.garbled
        case _:
            return ()


def _read(path: Path, name: FileName) -> Contents:
    try:
        match name.role:
            case Role.SESSION:
                return session_of(documents.read(path, name.path), name.path)
            case Role.ATLAS:
                return atlas_of(documents.read(path, name.path), name.path)
            case Role.SQUARE:
                return square_of(documents.read(path, name.path), name.path, name.square)
            case Role.METADATA:
                return image_of(documents.read(path, name.path), name.key, name.level, name.path)
            case Role.FRAMES_METADATA:
                return FramesMetadata(image_of(documents.read(path, name.path), name.key, name.level, name.path))
            case Role.PICTURE:
                return probe_picture(path, name.path)
            case Role.FRAMES:
                return FramesFile()
            case Role.JUNK:
                return Junk(name.reason)
    except AcquisitionFileError as error:
        return Damaged(str(error))


__all__ = ["Contents", "Damaged", "FramesFile", "FramesMetadata", "Junk", "garbled_in", "read_contents"]
