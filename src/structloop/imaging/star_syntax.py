"""The syntax of STAR files: blocks of `name value` pairs or of loops. Every value stays the text that it was.

A reader of our own, because a name must never become a number (`0001`, `1e5`), digits must not be lost, an apostrophe
inside a name must stay one, and a second block of the same name must not hide the first: those are the files that lose
a day. Hall, J. Chem. Inf. Comput. Sci. 31 (1991) has the format; RELION writes loops and single values only, so text
blocks between semicolons, `save_` frames and `global_` are refused.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from structloop.core.errors import CoordinateFileError

# Only these part values: a name may hold any other space that Unicode knows.
BLANKS = " \t\r\v\f"
_VALUE = re.compile(f"[^{BLANKS}]+")
_NEEDS_QUOTES = ("'", '"', "#", "_", ";", "data_", "loop_", "save_", "stop_", "global_")


@dataclass(slots=True)
class StarBlock:
    """One `data_` block.

    Attributes:
        name: What follows `data_`; may be empty.
        columns: Names of the loop's columns without the leading underscore; empty where there is no loop.
        rows: One list of texts per row, as long as `columns`.
        lines: The line, from 1, that each row stands on.
        values: The single values, by name without the leading underscore.
    """

    name: str
    columns: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def column(self, name: str) -> list[str] | None:
        """The texts of a column, top to bottom; None where there is no such column."""
        if name not in self.columns:
            return None
        place = self.columns.index(name)
        return [row[place] for row in self.rows]


def parse_star(text: str, path: Path) -> list[StarBlock]:
    """The blocks of a STAR file, in order.

    Args:
        text: All of it.
        path: Its path, for messages.

    Raises:
        CoordinateFileError: it is no STAR file, a row is too short or too long, a column stands twice, or it uses
            what RELION's files never do.
    """
    blocks: list[StarBlock] = []
    looping = in_header = False
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(BLANKS)
        if not stripped or stripped.startswith("#"):
            continue
        where = f"{path}, line {number}"
        if stripped.startswith("data_") and len(_VALUE.findall(stripped)) == 1:
            blocks.append(StarBlock(stripped.removeprefix("data_")))
            looping = in_header = False
            continue
        if not blocks:
            raise CoordinateFileError(f"{where}: a STAR file begins with a data_ block; this is something else")
        block = blocks[-1]
        if stripped == "loop_" or (stripped.startswith("loop_") and stripped[5:].strip(BLANKS).startswith("#")):
            if block.columns:
                raise CoordinateFileError(f"{where}: block data_{block.name} has a second loop_; give it its own block")
            looping = in_header = True
        elif stripped.startswith("_") and (in_header or not looping):
            _read_label(stripped, block, in_header, where)
        elif line.startswith(";") or stripped.startswith(("save_", "global_")):
            raise CoordinateFileError(f"{where}: '{stripped[:20]}' is STAR that RELION does not write, and is not read")
        elif looping and block.columns:
            in_header = False
            values = split_line(stripped, where)
            if len(values) != len(block.columns):
                raise CoordinateFileError(
                    f"{where}: {len(values)} values for {len(block.columns)} columns; the file is cut short or damaged"
                )
            block.rows.append(values)
            block.lines.append(number)
        else:
            raise CoordinateFileError(f"{where}: '{stripped[:40]}' stands outside any loop_")
    if not blocks:
        raise CoordinateFileError(f"{path} has no data_ block; it is no STAR file")
    return blocks


def _read_label(text: str, block: StarBlock, in_header: bool, where: str) -> None:
    # After a column's name only its number and remarks may stand.
    label = _VALUE.findall(text)[0][1:]
    if label in block.columns or label in block.values:
        raise CoordinateFileError(f"{where}: column _{label} stands twice in block data_{block.name}; remove one")
    if in_header:
        block.columns.append(label)
        return
    values = split_line(text[len(label) + 1 :], where)
    if len(values) != 1:
        raise CoordinateFileError(f"{where}: _{label} needs one value, has {len(values)}; the file is damaged")
    block.values[label] = values[0]


def split_line(text: str, where: str) -> list[str]:
    """The values of a line. A quote counts at the start of a value only, so `it's.mrc` is a plain one.

    Raises:
        CoordinateFileError: a quote is not closed.
    """
    if "'" not in text and '"' not in text and "#" not in text:
        return _VALUE.findall(text)
    values = []
    place, end = 0, len(text)
    while place < end:
        if text[place] in BLANKS:
            place += 1
        elif text[place] == "#":
            break
        elif text[place] in "'\"":
            close = _closing_quote(text, place)
            if close is None:
                raise CoordinateFileError(f"{where}: a quote is opened and not closed")
            values.append(text[place + 1 : close])
            place = close + 1
        else:
            start = place
            while place < end and text[place] not in BLANKS:
                place += 1
            values.append(text[start:place])
    return values


def _closing_quote(text: str, opening: int) -> int | None:
    place = text.find(text[opening], opening + 1)
    while place != -1 and place + 1 < len(text) and text[place + 1] not in BLANKS:
        place = text.find(text[opening], place + 1)
    return None if place == -1 else place


def format_loop(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A block with a loop, as RELION writes it.

    Raises:
        CoordinateFileError: a value cannot be written (a line break, or both kinds of quotes in need of quoting).
    """
    lines = [f"data_{name}", "", "loop_", *(f"_{column} #{place}" for place, column in enumerate(columns, start=1))]
    lines.extend(" ".join(map(quoted, row)) for row in rows)
    return "\n".join(lines) + "\n\n"


def format_values(name: str, values: Mapping[str, str]) -> str:
    """A block of single values."""
    return "\n".join([f"data_{name}", "", *(f"_{key} {quoted(value)}" for key, value in values.items())]) + "\n\n"


def quoted(value: str) -> str:
    """A value as it may stand in a STAR file, quoted where it must be.

    Raises:
        CoordinateFileError: it cannot be written.
    """
    if "\n" in value or "\r" in value:
        raise CoordinateFileError(f"{value!r} has a line break, which a STAR file cannot hold; rename it")
    if _VALUE.findall(value) == [value] and not value.startswith(_NEEDS_QUOTES):
        return value
    for quote in ('"', "'"):
        if split_line(f"{quote}{value}{quote}", "") == [value]:
            return f"{quote}{value}{quote}"
    raise CoordinateFileError(f"{value!r} has both kinds of quotes, which a STAR file cannot hold; rename it")


__all__ = ["StarBlock", "format_loop", "format_values", "parse_star", "quoted", "split_line"]
