"""What a file of an EPU session is, by its name and its folders; nothing is opened."""

import re
from dataclasses import dataclass
from enum import Enum

from structloop.schema.grids import ImageLevel

_FRAMES = r"(?P<frames>[_-](?:fractions|frames|eer)|-\d+)?"
_STAMP = r"(?P<date>\d{8})_(?P<time>\d{4,9})"
_STEMS = (
    (
        ImageLevel.EXPOSURE,
        re.compile(
            rf"(?P<key>FoilHole_(?P<hole>\d+)_Data_(?P<area>\d+)(?:_(?P<number>\d+))?_{_STAMP}){_FRAMES}",
            re.IGNORECASE,
        ),
    ),
    (ImageLevel.HOLE, re.compile(rf"(?P<key>FoilHole_(?P<hole>\d+)_{_STAMP}){_FRAMES}", re.IGNORECASE)),
    (ImageLevel.SQUARE, re.compile(rf"(?P<key>GridSquare_(?:(?P<square>\d+)_)?{_STAMP}){_FRAMES}", re.IGNORECASE)),
    (ImageLevel.TILE, re.compile(rf"(?P<key>Tile_(?P<tile>\d+)(?:_\d+)*){_FRAMES}", re.IGNORECASE)),
    (ImageLevel.ATLAS, re.compile(rf"(?P<key>Atlas_(?P<atlas>\d+)(?:_\d+)*){_FRAMES}", re.IGNORECASE)),
)
_SQUARE_LIST = re.compile(r"GridSquare_(\d+)\.dm", re.IGNORECASE)
_SQUARE_FOLDER = re.compile(r"GridSquare_(\d+)", re.IGNORECASE)
_PICTURES = frozenset({"jpg", "jpeg", "png", "tif", "tiff", "mrc"})
_MOVIES = frozenset({"mrc", "mrcs", "tif", "tiff", "eer"})
_LONGEST_PATH = 1024
# Digits of a time with seconds.
_SECONDS = 6


class Role(Enum):
    """What a file is for."""

    SESSION = "session"
    ATLAS = "atlas"
    SQUARE = "square"
    METADATA = "metadata"
    PICTURE = "picture"
    FRAMES = "frames"
    FRAMES_METADATA = "frames-metadata"
    JUNK = "junk"


@dataclass(frozen=True, slots=True)
class FileName:
    """What a file's path says.

    Attributes:
        path: Relative to the session's root, with `/`.
        key: Of the image: the name that all its files share.
        square, hole, area, number: Ids, where the path tells them.
        stamp: Date and time in the name, as digits, for sorting; the microscope's own time zone.
        reason: Why it is junk.
    """

    path: str
    role: Role
    level: ImageLevel = ImageLevel.OTHER
    key: str = ""
    square: str | None = None
    hole: str | None = None
    area: str | None = None
    number: int | None = None
    stamp: str = ""
    reason: str = ""

    @property
    def folder(self) -> str:
        """The folder that the file lies in; empty for the root."""
        return self.path.rpartition("/")[0]


def name_file(path: str) -> FileName:
    """What a file is, by its path relative to the session's root."""
    folder, _, name = path.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    ending = ending.lower()
    if len(path) > _LONGEST_PATH:
        return FileName(path, Role.JUNK, reason="its path is longer than any of EPU's")
    if not dot or not stem:
        return FileName(path, Role.JUNK, reason="EPU writes no such file")
    if ending in {"nav", "mdoc"}:
        return FileName(path, Role.JUNK, reason="it is SerialEM's, not EPU's: no part of this session")
    if ending == "dm":
        return _metadata_list(path, name)
    for level, pattern in _STEMS:
        match = pattern.fullmatch(stem)
        if match is not None:
            return _image_file(path, folder, ending, level, match)
    return FileName(path, Role.JUNK, reason="its name is none that EPU gives to images")


def _metadata_list(path: str, name: str) -> FileName:
    if name.lower() == "epusession.dm":
        return FileName(path, Role.SESSION)
    if name.lower() == "atlas.dm":
        return FileName(path, Role.ATLAS)
    match = _SQUARE_LIST.fullmatch(name)
    if match is not None:
        return FileName(path, Role.SQUARE, square=match[1])
    return FileName(path, Role.JUNK, reason="this list of EPU's is not needed")


def _image_file(path: str, folder: str, ending: str, level: ImageLevel, match: re.Match[str]) -> FileName:
    parts = match.groupdict()
    is_movie = parts["frames"] is not None
    if ending == "xml":
        role = Role.FRAMES_METADATA if is_movie else Role.METADATA
    elif (is_movie and ending in _MOVIES) or ending in {"eer", "mrcs"}:
        role = Role.FRAMES
    elif not is_movie and ending in _PICTURES:
        role = Role.PICTURE
    else:
        return FileName(path, Role.JUNK, reason=f"EPU's images have no files that end in .{ending}")
    square = parts.get("square")
    for part in folder.split("/"):
        in_folder = _SQUARE_FOLDER.fullmatch(part)
        if in_folder is not None:
            square = in_folder[1]
    key = parts["key"]
    if level is ImageLevel.SQUARE and square is not None and len(parts["time"]) < _SECONDS:
        # Two squares may be imaged within the same minute.
        key = f"GridSquare_{square}_{parts['date']}_{parts['time']}"
    return FileName(
        path,
        role,
        level,
        key=key,
        square=square,
        hole=parts.get("hole"),
        area=parts.get("area"),
        number=_as_int(parts.get("number")),
        stamp=(parts.get("date") or "") + (parts.get("time") or ""),
    )


def _as_int(digits: str | None) -> int | None:
    return int(digits) if digits is not None and len(digits) < 19 else None


__all__ = ["FileName", "Role", "name_file"]
