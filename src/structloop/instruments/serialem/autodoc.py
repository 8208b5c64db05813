"""The text format of SerialEM's metadata, and its XML twin, read and written without losing anything.

    key = value              global values, before any section
    [ZValue = 0]             a section: its type and its name
    TiltAngle = 1.5          its values

Line ends, blank lines and comments (#) are kept as they are. The XML twin has a root element, the global values in
`PreData`, and an element per section with its name as the attribute `name`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ParseError  # the type alone; defusedxml parses
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from structloop.core.errors import AcquisitionFileError

MAX_BYTES: Final = 200_000_000
_SECTION: Final = re.compile(r"\[\s*([^=\]]*?)\s*=\s*(.*?)\s*\]\s*$")
_VALUE: Final = re.compile(r"\s*([^=\[#][^=]*?)\s*=(.*)$")
_XML_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*$", re.ASCII)
_PRE_DATA: Final = "PreData"


@dataclass(slots=True)
class Line:
    """One line.

    Attributes:
        key: Of a value; None for a line that is none.
        value: Of the key, without the blanks around it.
        raw: The line as it was read, its end included; None for one that was set since.
    """

    key: str | None
    value: str = ""
    raw: str | None = None

    def text(self, end: str) -> str:
        """As it is written."""
        if self.raw is not None:
            return self.raw
        return f"{self.key} = {self.value}{end}" if self.key is not None else end


@dataclass(slots=True)
class Section:
    """Values under a common heading; the global values of a file are a section without one.

    Attributes:
        kind, name: Of the heading `[kind = name]`; None for the global values.
        line: Of the heading's line, counted from 1; 0 for one that was made since.
        head: The heading as it was read.
    """

    kind: str | None = None
    name: str = ""
    lines: list[Line] = field(default_factory=list)
    line: int = 0
    head: str | None = None
    where: str = ""

    def __iter__(self) -> Iterator[str]:
        return (line.key for line in self.lines if line.key is not None)

    def __contains__(self, key: object) -> bool:
        return any(line.key == key for line in self.lines)

    def __getitem__(self, key: str) -> str:
        value = self.get(key)
        if value is None:
            raise AcquisitionFileError(f"{self.place()}: '{key}' is missing; the file is of another kind, or damaged")
        return value

    def __setitem__(self, key: str, value: str) -> None:
        check_key(key)
        check_value(value)
        for line in self.lines:
            if line.key == key:
                if line.value != value:
                    line.value, line.raw = value, None
                return
        # New values stand before the blank lines that end a section.
        at = len(self.lines)
        while at and self.lines[at - 1].key is None and not (self.lines[at - 1].raw or "").strip():
            at -= 1
        self.lines.insert(at, Line(key, value))

    def __delitem__(self, key: str) -> None:
        self.lines = [line for line in self.lines if line.key != key]

    def get(self, key: str) -> str | None:
        """The value of a key; of several, the first."""
        return next((line.value for line in self.lines if line.key == key), None)

    def items(self) -> list[tuple[str, str]]:
        """All keys and values in order."""
        return [(line.key, line.value) for line in self.lines if line.key is not None]

    def place(self) -> str:
        """Where it is, for messages."""
        heading = "global values" if self.kind is None else f"[{self.kind} = {self.name}]"
        return f"{self.where or 'section'}, {f'line {self.line}, ' if self.line else ''}{heading}"

    def numbers(self, key: str, count: int | None = None) -> tuple[float, ...] | None:
        """The numbers of a value, None where it is missing.

        Args:
            key: Of the value.
            count: How many there must be at least.

        Raises:
            AcquisitionFileError: One is no number, or there are too few.
        """
        value = self.get(key)
        if value is None:
            return None
        try:
            numbers = tuple(float(word) for word in value.split())
        except ValueError as error:
            raise AcquisitionFileError(f"{self.place()}: {key} = {value} has something that is no number") from error
        if count is not None and len(numbers) < count:
            raise AcquisitionFileError(f"{self.place()}: {key} = {value} has {len(numbers)} numbers, not {count}")
        return numbers

    def number(self, key: str) -> float | None:
        """The number of a value, None where it is missing."""
        numbers = self.numbers(key, 1)
        return None if numbers is None else numbers[0]

    def integer(self, key: str) -> int | None:
        """The integer of a value, None where it is missing.

        Raises:
            AcquisitionFileError: It is no integer.
        """
        number = self.number(key)
        if number is None:
            return None
        if not number.is_integer():
            raise AcquisitionFileError(f"{self.place()}: {key} = {self[key]} is no integer")
        return int(number)


@dataclass(slots=True)
class Autodoc:
    """A file.

    Attributes:
        head: The global values.
        sections: In order.
        end: Of lines, `\\n` or `\\r\\n`.
        root: Name of the root element, for one that is XML; None for one that is text.
        whole: The text it was read from, which is written as long as nothing has changed; for XML.
    """

    head: Section = field(default_factory=Section)
    sections: list[Section] = field(default_factory=list)
    end: str = "\n"
    root: str | None = None
    encoding: str = "utf-8"
    whole: str | None = None
    _told: tuple[object, ...] = ()

    def text(self) -> str:
        """As it is written."""
        if self.root is not None:
            return self._xml()
        parts = [line.text(self.end) for line in self.head.lines]
        for section in self.sections:
            if parts and not parts[-1].endswith(("\n", "\r")):
                parts.append(self.end)
            parts.append(section.head or f"[{section.kind} = {section.name}]{self.end}")
            parts += _ended(section.lines, self.end, parts[-1])
        return "".join(parts)

    def _xml(self) -> str:
        if self.whole is not None and self._told == self.told():
            return self.whole
        lines = [f'<?xml version="1.0" encoding="{self.encoding.upper()}"?>', f"<{self.root}>"]
        every = [(_PRE_DATA, None, self.head)] if self.head.items() else []
        named = [(section.kind or _PRE_DATA, section.name, section) for section in self.sections]
        for kind, name, section in [*every, *named]:
            lines.append(f"  <{kind}>" if name is None else f"  <{kind} name={quoteattr(name)}>")
            lines += [f"    <{key}>{escape(value)}</{key}>" for key, value in section.items()]
            lines.append(f"  </{kind}>")
        return self.end.join([*lines, f"</{self.root}>", ""])

    def told(self) -> tuple[object, ...]:
        """All that it says, without how it says it."""
        sections = tuple((each.kind, each.name, tuple(each.items())) for each in self.sections)
        return (tuple(self.head.items()), sections)

    def write(self, path: Path) -> None:
        """Write the file."""
        path.write_bytes(self.text().encode(self.encoding, "surrogateescape" if self.encoding == "utf-8" else "strict"))


def _ended(lines: list[Line], end: str, before: str) -> list[str]:
    parts: list[str] = []
    for line in lines:
        if not (parts[-1] if parts else before).endswith(("\n", "\r")):
            parts.append(end)
        parts.append(line.text(end))
    return parts


def check_key(key: str) -> None:
    """Refuse what cannot be a key.

    Raises:
        ValueError: It cannot.
    """
    if not key or key != key.strip() or "\n" in key or "\r" in key or "=" in key or key[0] in "[#":
        raise ValueError(f"'{key}' cannot be a key of SerialEM's metadata")


def check_value(value: str) -> None:
    """Refuse what cannot be a value.

    Raises:
        ValueError: It cannot.
    """
    if value != value.strip() or len(value.splitlines()) > 1:
        raise ValueError(f"{value!r:.60} cannot be a value of SerialEM's metadata: one line, no blanks around it")


def read_autodoc(path: Path) -> Autodoc:
    """Read a file, text or XML.

    Raises:
        AcquisitionFileError: It cannot be read or understood; the message names the line.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise AcquisitionFileError(f"{path} has more than {MAX_BYTES} bytes; no such file of SerialEM's does")
        data = path.read_bytes()
    except OSError as error:
        raise AcquisitionFileError(f"{path} cannot be read: {error.strerror or error}") from error
    return parse_autodoc(data, str(path))


def parse_autodoc(data: bytes, where: str) -> Autodoc:
    """Understand the contents of a file.

    Args:
        data: The contents.
        where: What messages call it.

    Raises:
        AcquisitionFileError: They cannot be understood; the message names the line.
    """
    if not data.strip():
        raise AcquisitionFileError(f"{where} is empty; copy it again")
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise AcquisitionFileError(f"{where}, line {line}: it has bytes that are no text; copy it again")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _parse_xml(data, where)
    return _parse_text(data.decode("utf-8", "surrogateescape"), where)


def _parse_text(text: str, where: str) -> Autodoc:
    document = Autodoc(end="\r\n" if "\r\n" in text else "\n")
    section = document.head
    section.where = where
    for number, raw in enumerate(_lines(text), 1):
        line = raw.lstrip("\ufeff").strip()
        if line.startswith("["):
            found = _SECTION.match(line)
            if found is None:
                raise AcquisitionFileError(
                    f"{where}, line {number}: '{line:.60}' is no heading such as [Item = 1]; it is damaged or cut off"
                )
            section = Section(found[1], found[2], line=number, head=raw, where=where)
            document.sections.append(section)
            continue
        found = _VALUE.match(line) if line and not line.startswith("#") else None
        if found is None and line and not line.startswith("#"):
            raise AcquisitionFileError(
                f"{where}, line {number}: '{line:.60}' is no 'key = value'; it is damaged or cut off, or the file "
                "is of another kind"
            )
        section.lines.append(Line(None, raw=raw) if found is None else Line(found[1], found[2].strip(), raw))
    if not document.told()[0] and not document.sections:
        raise AcquisitionFileError(f"{where} says nothing; the file is of another kind, or cut off")
    return document


def _lines(text: str) -> list[str]:
    """Lines with their ends; only what SerialEM ends lines with counts."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def _parse_xml(data: bytes, where: str) -> Autodoc:
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except ParseError as error:
        line = error.position[0]
        raise AcquisitionFileError(f"{where}, line {line}: {error}; the file is damaged or cut off") from error
    except (DefusedXmlException, ValueError, LookupError) as error:
        raise AcquisitionFileError(f"{where}: it is no XML that is accepted: {error}") from error
    declared = re.match(rb"""[^>]*encoding=["']([\w-]+)""", data[:200])
    encoding = declared[1].decode("ascii").lower() if declared else "utf-8"
    text = data.decode(encoding, "surrogateescape")
    document = Autodoc(root=root.tag, encoding=encoding, whole=text, end="\r\n" if "\r\n" in text else "\n")
    document.head.where = where
    for element in root:
        section = document.head
        if element.tag != _PRE_DATA:
            section = Section(element.tag, element.get("name", ""), where=where)
            document.sections.append(section)
        for value in element:
            if len(value) or _XML_NAME.match(value.tag) is None:
                raise AcquisitionFileError(f"{where}: <{element.tag}> has <{value.tag}>, which is no simple value")
            section.lines.append(Line(value.tag, (value.text or "").strip()))
    document._told = document.told()
    return document


__all__ = ["Autodoc", "Line", "Section", "check_key", "check_value", "parse_autodoc", "read_autodoc"]
