"""SerialEM's Navigator files (`.nav`, text or XML), read and written without losing anything.

So a session can go on in plain SerialEM: what structloop found is added as items, and everything that SerialEM wrote
stays as it was, known or not.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, NoReturn

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.serialem.autodoc import Autodoc, Line, Section, parse_autodoc, read_autodoc

ITEM: Final = "Item"
VERSION: Final = "2.00"
_IDS: Final = ("MapID", "GroupID", "DrawnID", "SamePosId")
_FIRST_ID: Final = 1000
_BEYOND_IDS: Final = 2**31


class ItemType(IntEnum):
    """What an item is."""

    POINT = 0
    POLYGON = 1
    MAP = 2
    IMPORTED = 3
    ANCHOR = 4


class Colour(IntEnum):
    """How an item is drawn."""

    RED = 0
    GREEN = 1
    BLUE = 2
    YELLOW = 3
    MAGENTA = 4
    BLACK = 5


@dataclass(slots=True)
class NavigatorItem:
    """One item: a view of its section; what is set goes into the file.

    Attributes:
        section: Everything that the file says of it, by SerialEM's own keys.
    """

    section: Section

    @property
    def label(self) -> str:
        """What SerialEM shows it as."""
        return self.section.name

    @property
    def kind(self) -> ItemType | int:
        """What it is; a number where SerialEM has a type that is not known here."""
        number = self._integer("Type")
        return ItemType(number) if number in set(ItemType) else number

    @property
    def stage_um(self) -> tuple[float, float, float]:
        """Its stage position x, y, z."""
        x, y, z = (self.section.numbers("StageXYZ", 3) or self._missing("StageXYZ"))[:3]
        return x, y, z

    @stage_um.setter
    def stage_um(self, position: tuple[float, float, float]) -> None:
        self.section["StageXYZ"] = _told(position)

    @property
    def points_um(self) -> tuple[tuple[float, float], ...]:
        """Its corners, or its one point, on the stage.

        Raises:
            AcquisitionFileError: There are not as many as the item says.
        """
        xs, ys = (self.section.numbers(key) or () for key in ("PtsX", "PtsY"))
        count = self.section.integer("NumPts")
        if len(xs) != len(ys) or (count is not None and count != len(xs)):
            raise AcquisitionFileError(
                f"{self.section.place()}: it has {len(xs)} PtsX and {len(ys)} PtsY, and NumPts says {count}; the file "
                "is damaged or cut off"
            )
        return tuple(zip(xs, ys, strict=True))

    @points_um.setter
    def points_um(self, points: Sequence[tuple[float, float]]) -> None:
        self.section["NumPts"] = str(len(points))
        self.section["PtsX"] = _told([x for x, _ in points])
        self.section["PtsY"] = _told([y for _, y in points])

    @property
    def colour(self) -> int:
        """How it is drawn, see `Colour`."""
        return self._integer("Color")

    @colour.setter
    def colour(self, colour: int) -> None:
        self.section["Color"] = str(int(colour))

    @property
    def registration(self) -> int:
        """Items of one registration belong together; 1 where the file does not say."""
        return self.section.integer("Regis") or 1

    @property
    def note(self) -> str:
        """What somebody wrote to it."""
        return self.section.get("Note") or ""

    @note.setter
    def note(self, note: str) -> None:
        self.section["Note"] = note

    @property
    def acquire(self) -> bool:
        """Whether SerialEM is to take images there."""
        return bool(self.section.integer("Acquire"))

    @acquire.setter
    def acquire(self, acquire: bool) -> None:
        if acquire:
            self.section["Acquire"] = "1"
        elif "Acquire" in self.section:
            del self.section["Acquire"]

    @property
    def group_id(self) -> int | None:
        """The group that it belongs to."""
        return self.section.integer("GroupID")

    @property
    def drawn_id(self) -> int | None:
        """The `map_id` of the map that it was drawn on."""
        return self.section.integer("DrawnID")

    @property
    def map_id(self) -> int | None:
        """Its own id; all items may have one, not only maps."""
        return self.section.integer("MapID")

    @property
    def map_file(self) -> str | None:
        """The image file of a map, as SerialEM's machine has it."""
        return self.section.get("MapFile")

    @property
    def map_is_montage(self) -> bool:
        """Whether the map is a montage."""
        return bool(self.section.integer("MapMontage"))

    @property
    def map_size_px(self) -> tuple[int, int] | None:
        """Width and height of a map."""
        size = self.section.numbers("MapWidthHeight", 2)
        return None if size is None else (int(size[0]), int(size[1]))

    @property
    def stage_to_map(self) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Matrix from micrometres on the stage to pixels of a map, its y pointing up."""
        scale = self.section.numbers("MapScaleMat", 4)
        return None if scale is None else ((scale[0], scale[1]), (scale[2], scale[3]))

    def check(self) -> None:
        """Make sure of what every item has.

        Raises:
            AcquisitionFileError: Something is missing or damaged.
        """
        _ = self.kind, self.stage_um, self.points_um

    def _integer(self, key: str) -> int:
        number = self.section.integer(key)
        return self._missing(key) if number is None else number

    def _missing(self, key: str) -> NoReturn:
        raise AcquisitionFileError(f"{self.section.place()}: {key} is missing; the file is damaged or cut off")


class Navigator:
    """A Navigator file.

    Args:
        document: What was read; an empty file without it.
        xml: Whether an empty file is to be XML.
    """

    def __init__(self, document: Autodoc | None = None, *, xml: bool = False) -> None:
        self.document = document or Autodoc(root="navigator" if xml else None)
        if document is None:
            self.document.head["AdocVersion"] = VERSION
        # What the first `_looked_at` sections say: looked at once, so that adding many items takes linear time.
        self._looked_at = 0
        self._used: set[int] = set()
        self._highest = 0
        self._lowest = 1
        self._registration = 1

    @classmethod
    def read(cls, path: Path) -> "Navigator":
        """Read a file.

        Raises:
            AcquisitionFileError: It is no Navigator file, damaged, or cut off; the message names the line.
        """
        return cls._checked(read_autodoc(path), str(path))

    @classmethod
    def parse(cls, data: bytes, where: str = "the Navigator file") -> "Navigator":
        """Understand the contents of a file; see `read`."""
        return cls._checked(parse_autodoc(data, where), where)

    @classmethod
    def _checked(cls, document: Autodoc, where: str) -> "Navigator":
        navigator = cls(document)
        if "AdocVersion" not in document.head:
            raise AcquisitionFileError(f"{where}: it has no AdocVersion, so it is no Navigator file of SerialEM")
        for item in navigator:
            item.check()
        return navigator

    def __iter__(self) -> Iterator[NavigatorItem]:
        return (NavigatorItem(section) for section in self.document.sections if section.kind == ITEM)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def items(self) -> tuple[NavigatorItem, ...]:
        """All items in order."""
        return tuple(self)

    @property
    def maps(self) -> tuple[NavigatorItem, ...]:
        """The items that are maps."""
        return tuple(item for item in self if item.kind == ItemType.MAP)

    def item(self, label: str) -> NavigatorItem | None:
        """The first item of that label."""
        return next((item for item in self if item.label == label), None)

    def drawn_on(self, map_item: NavigatorItem) -> tuple[NavigatorItem, ...]:
        """The items that were drawn on a map."""
        return tuple(item for item in self if map_item.map_id is not None and item.drawn_id == map_item.map_id)

    def add_point(
        self,
        label: str,
        stage_um: tuple[float, float, float],
        *,
        note: str = "",
        acquire: bool = False,
        colour: int = Colour.RED,
        drawn_on: NavigatorItem | None = None,
        group_id: int | None = None,
    ) -> NavigatorItem:
        """Add a point at the end."""
        return self.add_polygon(
            label,
            [stage_um[:2]],
            stage_um,
            kind=ItemType.POINT,
            note=note,
            acquire=acquire,
            colour=colour,
            drawn_on=drawn_on,
            group_id=group_id,
        )

    def add_polygon(
        self,
        label: str,
        points_um: Sequence[tuple[float, float]],
        stage_um: tuple[float, float, float],
        *,
        kind: ItemType = ItemType.POLYGON,
        note: str = "",
        acquire: bool = False,
        colour: int = Colour.GREEN,
        drawn_on: NavigatorItem | None = None,
        group_id: int | None = None,
    ) -> NavigatorItem:
        """Add an outline at the end; its first corner is its last one, too, where it is closed.

        Raises:
            ValueError: The label or the note cannot be written.
        """
        if not label or label != label.strip() or len(label.splitlines()) > 1 or "]" in label:
            raise ValueError(f"{label!r:.60} cannot be the label of a Navigator item: one line without ]")
        section = Section(ITEM, label, where=self.document.head.where)
        item = NavigatorItem(section)
        item.colour = colour
        item.stage_um = stage_um
        section["NumPts"] = str(len(points_um))
        section["Regis"] = str(drawn_on.registration if drawn_on is not None else self._latest_registration())
        section["Type"] = str(int(kind))
        if note:
            item.note = note
        item.acquire = acquire
        if group_id is not None:
            section["GroupID"] = str(group_id)
        if drawn_on is not None and drawn_on.map_id is not None:
            section["DrawnID"] = str(drawn_on.map_id)
        section["MapID"] = str(self.unused_id())
        item.points_um = points_um
        if self.document.root is None:
            section.lines.append(_blank(self.document.end))
            self._blank_line_before()
        self.document.sections.append(section)
        return item

    def remove(self, item: NavigatorItem) -> None:
        """Take an item out."""
        kept = [section for section in self.document.sections if section is not item.section]
        self._looked_at = max(self._looked_at - (len(self.document.sections) - len(kept)), 0)
        self.document.sections = kept

    def unused_id(self) -> int:
        """An id that no item has, nor had when it was added or read.

        Ids that were written into a section by hand since are not looked at again.
        """
        self._look()
        if not self._used:
            return _FIRST_ID
        if self._highest + 1 < _BEYOND_IDS:
            return self._highest + 1
        # SerialEM's ids are drawn at random, so the highest may be the last that there is.
        while self._lowest in self._used:
            self._lowest += 1
        return self._lowest

    def _latest_registration(self) -> int:
        self._look()
        return self._registration

    def _look(self) -> None:
        """Take in what the sections say that have come since."""
        sections = self.document.sections
        for section in sections[min(self._looked_at, len(sections)) :]:
            ids = [number for key in _IDS if (number := section.integer(key)) is not None]
            self._used.update(ids)
            self._highest = max(self._highest, *ids, 0)
            if section.kind == ITEM:
                self._registration = max(self._registration, NavigatorItem(section).registration)
        self._looked_at = len(sections)

    def _blank_line_before(self) -> None:
        last = self.document.sections[-1] if self.document.sections else self.document.head
        if not last.lines or last.lines[-1].key is not None:
            last.lines.append(_blank(self.document.end))

    def text(self) -> str:
        """As it is written."""
        return self.document.text()

    def write(self, path: Path) -> None:
        """Write the file."""
        self.document.write(path)


def _blank(end: str) -> Line:
    return Line(None, raw=end)


def _told(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.7g}" for number in numbers)


__all__ = ["Colour", "ItemType", "Navigator", "NavigatorItem"]
