"""Numbers in text files: read with the place of the fault, written so that they are read as the same."""

import math

from structloop.core.errors import CoordinateFileError
from structloop.schema.particles import MAX_COORDINATE_PX

MISSING = ("<NA>", "NA", "nan", "NaN", "NAN", "None", "null", "")
"""How files say that a value is absent."""


def number(text: str, where: str, what: str) -> float:
    """A finite number.

    Args:
        text: As it stands in the file.
        where: File and line, for the message.
        what: Name of the column, for the message.

    Raises:
        CoordinateFileError: it is none.
    """
    try:
        # Python reads 1_000 as a number, and digits of other scripts; the programs of this field do not.
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise CoordinateFileError(f"{where}: {what} '{text[:40]}' is not a finite number; correct or remove that line")
    return value


def coordinate(text: str, where: str, what: str) -> float:
    """A coordinate in pixels: finite, and not farther out than any detector reaches.

    Raises:
        CoordinateFileError: it is none.
    """
    value = number(text, where, what)
    if abs(value) > MAX_COORDINATE_PX:
        raise CoordinateFileError(
            f"{where}: {what} {text[:40]} lies beyond any micrograph; correct or remove that line"
        )
    return value


def optional_number(text: str, where: str, what: str) -> float:
    """A number, or NaN where the file says that there is none.

    Raises:
        CoordinateFileError: it is neither.
    """
    return math.nan if text in MISSING else number(text, where, what)


def shown(value: float) -> str:
    """The shortest text that reads as the same number; whole numbers without a fraction."""
    number_ = float(value)
    return (
        str(int(number_)) if number_.is_integer() and abs(number_) < 1e15 and str(number_) != "-0.0" else repr(number_)
    )


__all__ = ["MISSING", "coordinate", "number", "optional_number", "shown"]
