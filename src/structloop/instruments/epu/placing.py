"""Images in an order that can be understood: each after what it lies in, whatever order their files come in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from structloop.instruments.epu.atlas_list import AtlasFile
from structloop.instruments.epu.contents import Contents, Junk
from structloop.instruments.epu.joining import group_of, join_image
from structloop.instruments.epu.names import FileName
from structloop.instruments.epu.session_list import SessionFile
from structloop.instruments.epu.square_list import SquareFile
from structloop.schema.grids import ImageLevel, ImageRecord

_Group: TypeAlias = tuple[ImageLevel, str, str]
_ORDER = {level: place for place, level in enumerate(ImageLevel)}
_NEVER = datetime.max.replace(tzinfo=UTC)
_ABOVE = {ImageLevel.EXPOSURE: ImageLevel.HOLE, ImageLevel.HOLE: ImageLevel.SQUARE}


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """An image whose place is known.

    Attributes:
        shows: Key of the square, hole, exposure, tile or atlas that it shows.
        parent: Key of what that lies in: a square's hole, a hole's exposure; an atlas's tile or square where known.
        orphan: What it lies in is known by name only, and was waited for in vain.
    """

    shows: str
    parent: str | None
    image: ImageRecord
    orphan: bool = False


class Placing:
    """Holds images back until what they lie in is known and all that belongs to them has come."""

    def __init__(self) -> None:
        self._files: dict[_Group, dict[str, tuple[FileName, Contents]]] = {}
        self._since_s: dict[_Group, float] = {}
        self._placed: set[_Group] = set()
        self._shown: set[tuple[ImageLevel | None, str | None]] = set()
        self._squares: set[str] = set()
        self._square_of_hole: dict[str, str] = {}
        self._holes: set[str] = set()
        self._atlas_of_folder: dict[str, str] = {}
        self._atlas_of_square: dict[str, str] = {}

    @property
    def waiting(self) -> int:
        """How many images are held back."""
        return len(self._files)

    def put(self, name: FileName, contents: Contents, at_s: float = 0.0) -> None:
        """Takes a file; the same one again replaces what it told before."""
        match contents:
            case SessionFile():
                self._squares.update(contents.squares)
                for inline in contents.inline:
                    self._take_list(inline)
            case AtlasFile():
                self._atlas_of_folder[name.folder] = contents.atlas.key
                self._squares.update(contents.squares)
                self._atlas_of_square.update(dict.fromkeys(contents.squares, contents.atlas.key))
            case SquareFile():
                self._take_list(contents)
            case Junk():
                pass
            case _ if name.key and group_of(name) not in self._placed:
                group = group_of(name)
                self._files.setdefault(group, {})[name.path] = (name, contents)
                self._since_s.setdefault(group, at_s)
            case _:
                pass

    def _take_list(self, contents: SquareFile) -> None:
        self._squares.add(contents.square.key)
        self._holes.update(hole.key for hole in contents.holes)
        self._square_of_hole.update((hole.key, hole.square_key or contents.square.key) for hole in contents.holes)

    def ready(self, now_s: float = 0.0, *, patience_s: float = 0.0, final: bool = False) -> list[PlacedImage]:
        """The images that can be told of now, earlier ones first; each is told once.

        Args:
            patience_s: How long an image waits for what it lies in and for its missing files.
            final: Nothing more will come; all that is left is told, what lies nowhere as orphans.
        """
        waiting = [(group, *join_image(files.values())[:2]) for group, files in self._files.items()]
        waiting.sort(key=lambda item: (item[2].taken_at or _NEVER, _ORDER[item[0][0]], item[0]))
        placed: list[PlacedImage] = []
        while True:
            left = []
            coming = {(name.level, _shows(name)) for _, name, _ in waiting}
            for group, name, image in waiting:
                overdue = final or now_s - self._since_s[group] > patience_s
                is_whole = image.metadata_path is not None and image.picture_path is not None
                # An image of what this one lies in is there and was not told yet: it goes first.
                above = _ABOVE.get(name.level), self._parent(name)
                is_first = above not in coming or above in self._shown
                if is_first and self._is_known(name) and (is_whole or overdue):
                    placed.append(self._place(group, name, image, orphan=False))
                else:
                    left.append((group, name, image, overdue))
            if len(left) == len(waiting):
                # Nothing moves on by itself: orphans are told, those first that others may lie in.
                highest = min((_ORDER[group[0]] for group, _, _, overdue in left if overdue), default=None)
                if highest is None:
                    return placed
                for group, name, image, overdue in left:
                    if overdue and _ORDER[group[0]] == highest:
                        placed.append(self._place(group, name, image, orphan=True))
            waiting = [item[:3] for item in left if item[0] in self._files]

    def _is_known(self, name: FileName) -> bool:
        if name.level is ImageLevel.HOLE:
            return self._square(name) in self._squares
        if name.level is ImageLevel.EXPOSURE:
            return name.hole in self._holes and self._square(name) in self._squares
        return name.level is not ImageLevel.SQUARE or name.square is not None

    def _parent(self, name: FileName) -> str | None:
        return name.hole if name.level is ImageLevel.EXPOSURE else self._square(name)

    def _square(self, name: FileName) -> str | None:
        return name.square or self._square_of_hole.get(name.hole or "")

    def _place(self, group: _Group, name: FileName, image: ImageRecord, *, orphan: bool) -> PlacedImage:
        del self._files[group], self._since_s[group]
        self._placed.add(group)
        self._shown.add((name.level, _shows(name)))
        match name.level:
            case ImageLevel.SQUARE:
                if name.square is not None:
                    self._squares.add(name.square)
                return PlacedImage(_shows(name), self._atlas_of_square.get(name.square or ""), image, orphan)
            case ImageLevel.HOLE:
                self._holes.add(name.hole or "")
                return PlacedImage(_shows(name), self._square(name), image, orphan)
            case ImageLevel.EXPOSURE:
                return PlacedImage(name.key, name.hole, image, orphan)
            case _:
                return PlacedImage(name.key, self._atlas_of_folder.get(name.folder), image, orphan)


def _shows(name: FileName) -> str:
    """Key of what an image shows."""
    shown = {ImageLevel.SQUARE: name.square, ImageLevel.HOLE: name.hole}.get(name.level)
    return shown or name.key


__all__ = ["PlacedImage", "Placing"]
