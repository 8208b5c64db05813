"""The chain of image directories of a TIFF file, walked without a decoder, so that a cut-off file is noticed.

Decoders end the chain silently where the next directory lies beyond the file's end: a movie would lose frames.
TIFF 6.0 (Adobe, 1992); BigTIFF: https://www.awaresystems.be/imaging/tiff/bigtiff.html
"""

import struct
from pathlib import Path

from structloop.core.errors import ImageTruncatedError

_MOST_DIRECTORIES = 200_000


def count_directories(path: Path) -> int:
    """How many images a TIFF file holds.

    Raises:
        ImageTruncatedError: a directory lies beyond the end of the file, or the chain never ends.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = len(start) == 16 and start[2:4] in (b"+\x00", b"\x00+")
        counting, entry, pointer = ("Q", 20, "Q") if big else ("H", 12, "I")
        if len(start) < 16:
            raise ImageTruncatedError(
                f"{path} ends after {size} bytes, within the header of a TIFF file; copy it again"
            )
        (offset,) = struct.unpack_from(f"{order}{pointer}", start, 8 if big else 4)
        count = 0
        while offset:
            file.seek(offset)
            head = file.read(struct.calcsize(counting))
            if len(head) < struct.calcsize(counting):
                raise _cut_off(path, count, size)
            (entries,) = struct.unpack(f"{order}{counting}", head)
            file.seek(offset + len(head) + entries * entry)
            tail = file.read(struct.calcsize(pointer))
            if len(tail) < struct.calcsize(pointer) or count >= _MOST_DIRECTORIES:
                raise _cut_off(path, count, size)
            (offset,) = struct.unpack(f"{order}{pointer}", tail)
            count += 1
    return count


def _cut_off(path: Path, whole: int, size: int) -> ImageTruncatedError:
    return ImageTruncatedError(
        f"{path} is cut off: {whole} frames are whole in its {size:,} bytes, and it says that there are more; copy it "
        "again, or wait until it is written"
    )


__all__ = ["count_directories"]
