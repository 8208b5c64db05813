"""Frames of SerialEM's Python socket, what stands in them, and the numbers with a meaning.

A frame is int32 total bytes (itself included), then int32 longs, int32 booleans, float64 doubles and, for some, an
array of 4-byte words whose length is the last of the longs; all little-endian. A request's first long is its function,
a reply's its return value. Sources: SerialEM's public documentation, and what its own module sends.
"""

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

from structloop.core.errors import ProtocolError

Value: TypeAlias = float | str


class Function(IntEnum):
    """What a request asks for."""

    REGULAR_COMMAND = 1
    CHUNK_HANDSHAKE = 2
    OK_TO_RUN = 3
    GET_BUFFER_IMAGE = 4
    PUT_IMAGE = 5


class Refusal(IntEnum):
    """Return values below zero: they come alone, in 8 bytes."""

    UNKNOWN_FUNCTION = -1
    NO_MEMORY = -2
    REPLY_TOO_BIG = -3
    TOO_SHORT = -4
    TOO_BIG = -5
    WRONG_LENGTH = -6
    NO_CONTROL = -9
    STOP_PENDING = -10


REFUSED: Final = {
    Refusal.UNKNOWN_FUNCTION: "it does not know the function; SerialEM may be too old",
    Refusal.NO_MEMORY: "it had no memory for it",
    Refusal.REPLY_TOO_BIG: "its reply would not fit",
    Refusal.TOO_SHORT: "the request was too short",
    Refusal.TOO_BIG: "the request was too big",
    Refusal.WRONG_LENGTH: "the request had the wrong length",
    Refusal.NO_CONTROL: "it cannot start external control; it is busy with something else",
    Refusal.STOP_PENDING: "STOP was pressed",
}

ERROR_WORD: Final = 1
EXIT_WORD: Final = -123456
EXIT_QUIETLY_WORD: Final = -654321
STOP_WORD: Final = -234561

MAX_ITEMS: Final = 20
"""Of a command, the empty one at index 0 included."""
MAX_VALUES: Final = 6
"""Of a reply."""
NOT_GIVEN: Final = -1e8
"""What stands for an optional number that was not given."""
NOT_GIVEN_BELOW: Final = -9e7
MAX_FRAME: Final = 1 << 20
"""Largest frame that is sent or accepted, bytes; pixels travel outside frames."""

OK_TO_RUN_REPLY: Final = 12
IMAGE_HEADER: Final = 32

_INT: Final = struct.Struct("<i")
_NUMBER_AT_THE_START: Final = re.compile(
    r"[ \t\n\v\f\r]*([+-]?(?:0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?\d+)?"
    r"|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan))",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Item:
    """One argument of a command, as it travels: twice."""

    number: float = 0.0
    text: str = ""

    @property
    def given(self) -> bool:
        """Whether it stands for something; an optional number that was not given is below -9e7."""
        return not self.number < NOT_GIVEN_BELOW


def number_item(value: float) -> Item:
    """A floating-point argument: the number exactly, the text with six decimals less the zeros at its end."""
    return Item(float(value), f"{value:f}".rstrip("0"))


def integer_item(value: int) -> Item:
    """An integer argument."""
    return Item(float(value), str(value))


def text_item(value: str) -> Item:
    """A text argument: the number is the one that it begins with, 0 where it begins with none (what C's atof does)."""
    return Item(leading_number(value), value)


def leading_number(text: str) -> float:
    """The number that a text begins with, or 0."""
    found = _NUMBER_AT_THE_START.match(text)
    if found is None:
        return 0.0
    literal = found[1].lower()
    try:
        return float.fromhex(literal) if "0x" in literal else float(literal)
    except OverflowError:
        return -math.inf if literal.startswith("-") else math.inf


# --- Frames ----------------------------------------------------------------------------------------------------------


def frame(longs: Sequence[int], bools: Sequence[bool] = (), doubles: Sequence[float] = (), array: bytes = b"") -> bytes:
    """A whole frame."""
    body = struct.pack(f"<{len(longs)}i{len(bools)}i{len(doubles)}d", *longs, *bools, *doubles) + array
    return _INT.pack(4 + len(body)) + body


def ints(body: bytes) -> tuple[int, ...]:
    """All words of a body, as integers; what does not fill a word is left out."""
    return struct.unpack_from(f"<{len(body) // 4}i", body)


def packed_array(numbers: Sequence[int], doubles: Sequence[float], texts: Sequence[bytes]) -> bytes:
    """An array of whole words: integers, numbers and texts, each text ended by a NUL."""
    if any(b"\0" in text for text in texts):
        raise ProtocolError("a text has a NUL character, which ends texts on this socket; leave it out")
    packed = struct.pack(f"<{len(numbers)}i{len(doubles)}d", *numbers, *doubles)
    packed += b"".join(text + b"\0" for text in texts)
    words = (len(packed) + 5) // 4
    return packed.ljust(words * 4, b"\0")


def unpacked_texts(packed: bytes, count: int, what: str) -> list[str]:
    """So many texts, each ended by a NUL.

    Raises:
        ProtocolError: There are fewer.
    """
    texts = packed.split(b"\0", count)
    if len(texts) <= count:
        raise ProtocolError(f"{what} ends within a text; the other side speaks another protocol")
    return [decode_text(text) for text in texts[:count]]


def decode_text(text: bytes) -> str:
    """Text as SerialEM sends it: UTF-8, or what a Western Windows writes."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


__all__ = [
    "ERROR_WORD",
    "EXIT_QUIETLY_WORD",
    "EXIT_WORD",
    "IMAGE_HEADER",
    "MAX_FRAME",
    "MAX_ITEMS",
    "MAX_VALUES",
    "NOT_GIVEN",
    "NOT_GIVEN_BELOW",
    "OK_TO_RUN_REPLY",
    "REFUSED",
    "STOP_WORD",
    "Function",
    "Item",
    "Refusal",
    "Value",
    "decode_text",
    "frame",
    "integer_item",
    "ints",
    "leading_number",
    "number_item",
    "packed_array",
    "text_item",
    "unpacked_texts",
]
