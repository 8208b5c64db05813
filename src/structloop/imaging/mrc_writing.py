"""Writing pictures as MRC files (MRC2014), with their pixel size, whole or not at all."""

import os
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ImageError

_HEADER_BYTES = 1024


def write_mrc(path: Path, picture: NDArray[np.float32], pixel_size_angstrom: float | None) -> None:
    """Writes a picture (y, x) as 32-bit floating-point numbers, row 0 first.

    The file appears under its name when all of it is written.

    Args:
        path: The file; one that is there is replaced.
        picture: Finite numbers.
        pixel_size_angstrom: None leaves the header's cell at 0, which says that it is not known.

    Raises:
        ImageError: the folder cannot be written, or its disk is full.
    """
    height, width = picture.shape
    values = np.ascontiguousarray(picture, "<f4")
    header = bytearray(_HEADER_BYTES)
    struct.pack_into("<10i", header, 0, width, height, 1, 2, 0, 0, 0, width, height, 1)
    size = pixel_size_angstrom or 0.0
    struct.pack_into("<6f", header, 40, width * size, height * size, size, 90.0, 90.0, 90.0)
    statistics = float(values.min()), float(values.max()), float(values.mean(dtype=np.float64))
    struct.pack_into("<3i3f", header, 64, 1, 2, 3, *statistics)
    # NVERSION of MRC2014; the label says who wrote it.
    struct.pack_into("<i", header, 108, 20141)
    header[208:216] = b"MAP " + bytes((0x44, 0x44, 0, 0))
    # Below 0: the deviation was not worked out.
    struct.pack_into("<f", header, 216, -1.0)
    label = b"structloop"
    struct.pack_into("<i", header, 220, 1)
    header[224 : 224 + len(label)] = label
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(header)
            file.write(values.tobytes())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ImageError(
            f"{path} cannot be written: {error.strerror or error}; check the folder and its disk"
        ) from error


__all__ = ["write_mrc"]
