"""Reading EPU's XML: safely, and by local names, because namespaces and prefixes differ from version to version."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from xml.etree.ElementTree import Element  # the type only; what parses is defusedxml

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from structloop.core.errors import AcquisitionFileError
from structloop.instruments.epu.doubts import doubt
from structloop.schema.acquisition import StagePosition

METRE_UM = 1e6
METRE_ANGSTROM = 1e10
# An atlas with thousands of squares has a few megabytes, a square with thousands of holes some ten.
MAX_XML_BYTES = 256 * 1024 * 1024
# Far above the largest that EPU writes (doses, in electrons per square metre).
_LARGEST = 1e30


@lru_cache(maxsize=8192)
def _plain(name: str) -> str:
    return name.rpartition("}")[2].lstrip("_").lower()


def name_of(element: Element) -> str:
    """The element's name without namespace and leading underscores, in lower case."""
    # Comments have a function instead of a name.
    return _plain(element.tag) if isinstance(element.tag, str) else ""


def parse(data: bytes, what: str) -> Element:
    """The root element of an XML document, with references to short values (`z:Ref`) followed.

    Args:
        what: The file, for messages.

    Raises:
        AcquisitionFileError: it is no well-formed XML, or declares entities or a document type.
    """
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except ParseError as error:
        raise AcquisitionFileError(
            f"{what} is no well-formed XML ({error}); it may not be written to its end yet, else copy it again"
        ) from error
    except DefusedXmlException as error:
        raise AcquisitionFileError(f"{what} declares a document type or entities, as EPU's files never do") from error
    except (ValueError, LookupError) as error:
        raise AcquisitionFileError(f"{what} has an encoding that cannot be read: {error}") from error
    _follow_references(root)
    return root


def read(path: Path, what: str) -> Element:
    """The root element of an XML file.

    Raises:
        AcquisitionFileError: it cannot be read, is empty or far too large, or as `parse`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_XML_BYTES + 1)
    except OSError as error:
        raise AcquisitionFileError(f"{what} cannot be read: {error.strerror or error}") from error
    if not data.strip(b"\0 \r\n\t"):
        raise AcquisitionFileError(f"{what} is empty; it may not be written yet")
    if len(data) > MAX_XML_BYTES:
        raise AcquisitionFileError(f"{what} has more than {MAX_XML_BYTES // 2**20} MiB, as no file of EPU's has")
    return parse(data, what)


def _follow_references(root: Element) -> None:
    """Puts values that the serialiser wrote once and then referred to where they are referred to.

    Only values without depth (texts, lists of numbers): others may hold themselves.
    """
    known: dict[str, Element] = {}
    referring: list[tuple[Element, str]] = []
    for element in root.iter():
        for name, value in element.attrib.items():
            plain = _plain(name)
            if plain == "id":
                known[value] = element
            elif plain == "ref":
                referring.append((element, value))
    for element, reference in referring:
        target = known.get(reference)
        if target is None or any(True for value in target for _ in value) or any(True for _ in element):
            continue
        element.text = target.text
        element.attrib = {}
        element.extend(list(target))


def child(element: Element | None, *path: str) -> Element | None:
    """The element down a path of names (plain, lower case), the first where there are several; else None."""
    for name in path:
        if element is None:
            return None
        element = next((part for part in element if name_of(part) == name), None)
    return element


def parts(element: Element | None, *path: str) -> Iterator[Element]:
    """The children of an element, or of the one down a path; none where there is no such element."""
    found = child(element, *path)
    return iter(()) if found is None else iter(found)


def text(element: Element | None, *path: str) -> str | None:
    """The text of an element, or of the one down a path; None where there is none."""
    found = child(element, *path)
    if found is None or found.text is None:
        return None
    return found.text.strip() or None


def number(element: Element | None, *path: str, called: str = "") -> float | None:
    """A finite number, else None; what is written there and is no number is taken down as doubtful.

    Args:
        called: What to call it then, instead of its own name.
    """
    found = child(element, *path)
    value = text(found)
    parsed = as_number(value)
    if found is not None and parsed is None and _should_say(found):
        doubt(called or _where(element, found), value, id(found))
    return parsed


def as_number(value: str | None) -> float | None:
    """The finite number that a text says, else None; one beyond all that is measured is none either."""
    # Python reads 1_000 as a number; nobody else does.
    if value is None or len(value) > 64 or "_" in value:
        return None
    try:
        parsed = float(value)
    except ValueError:
        return None
    return parsed if abs(parsed) < _LARGEST else None


def integer(element: Element | None, *path: str) -> int | None:
    """A whole number, else None."""
    value = number(element, *path)
    if value is None:
        return None
    if value == int(value) and abs(value) < 2**63:
        return int(value)
    found = child(element, *path)
    if found is not None:
        doubt(_where(element, found), found.text, id(found))
    return None


def _should_say(element: Element) -> bool:
    """Whether an element without a number should have one: it holds nothing else, and is not said to be nothing."""
    return len(element) == 0 and not any(
        _plain(name) == "nil" and value.strip().lower() in {"true", "1"} for name, value in element.attrib.items()
    )


def _where(element: Element | None, found: Element) -> str:
    """The name of an element as the file writes it, after that of what it was looked for in."""
    own = _written(found)
    return own if element is None or element is found else f"{_written(element)}/{own}"


def _written(element: Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def flag(element: Element | None, *path: str) -> bool | None:
    """Yes or no, else None."""
    value = (text(element, *path) or "").lower()
    return {"true": True, "1": True, "false": False, "0": False}.get(value)


def moment(element: Element | None, *path: str) -> datetime | None:
    """A time, in UTC; one without an offset is taken as UTC, and what is no time is taken down as doubtful."""
    found = child(element, *path)
    value = text(found)
    if found is None or value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value) if len(value) <= 64 else None
        # .NET writes year 1 for "never".
        if parsed is not None and parsed.year < 1970:
            return None
        if parsed is not None:
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    doubt(_where(element, found), value, id(found))
    return None


def pair(element: Element | None, first: str = "x", second: str = "y") -> tuple[float, float] | None:
    """Two numbers of an element, else None."""
    one, other = number(element, first), number(element, second)
    return None if one is None or other is None else (one, other)


def micrometres(value: float | None) -> float | None:
    """Metres as micrometres."""
    return None if value is None else value * METRE_UM


def pair_um(element: Element | None, first: str = "x", second: str = "y") -> tuple[float, float] | None:
    """Two numbers in metres, as micrometres."""
    found = pair(element, first, second)
    return None if found is None else (found[0] * METRE_UM, found[1] * METRE_UM)


def stage_position(element: Element | None) -> StagePosition | None:
    """A stage position: in micrometres and degrees; None where x or y is missing or any is no number."""
    at = pair_um(element)
    # A height or tilt that is written but no number is not zero: the place is unknown, and replaces no known one.
    garbled = any(text(element, axis) is not None and number(element, axis) is None for axis in ("z", "a"))
    if at is None or garbled:
        return None
    return StagePosition(
        x_um=at[0],
        y_um=at[1],
        z_um=(number(element, "z") or 0.0) * METRE_UM,
        tilt_deg=math.degrees(number(element, "a") or 0.0),
    )


def set_position(element: Element | None) -> StagePosition | None:
    """A stage position; zeros throughout mean that none was set."""
    at = stage_position(element)
    return None if at is None or (at.x_um, at.y_um, at.z_um) == (0.0, 0.0, 0.0) else at


def positive(value: float | None) -> float | None:
    """The value where it is above zero, else None."""
    return value if value is not None and value > 0 else None


def expect(root: Element, path: str, name: str, *holding: str) -> None:
    """Refuses a document that is another one than its file's name promises.

    Args:
        name: Of the root.
        holding: Names of elements of which any one, as a child of the root, will do as well: versions rename roots.

    Raises:
        AcquisitionFileError: with the file's name and what it holds.
    """
    if name_of(root) != name and all(child(root, part) is None for part in holding):
        raise AcquisitionFileError(f"{path} holds {name_of(root)}, not {name} as its name promises")


__all__ = [
    "MAX_XML_BYTES",
    "METRE_ANGSTROM",
    "METRE_UM",
    "Element",
    "as_number",
    "child",
    "expect",
    "flag",
    "integer",
    "micrometres",
    "moment",
    "name_of",
    "number",
    "pair",
    "pair_um",
    "parse",
    "parts",
    "positive",
    "read",
    "set_position",
    "stage_position",
    "text",
]
