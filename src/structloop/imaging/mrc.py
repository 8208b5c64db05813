"""Headers of MRC files (MRC2014, and what programs wrote before it), read without warnings that many threads share.

Cheng et al., J. Struct. Biol. 192 (2015) 146; IMOD's additions at https://bio3d.colorado.edu/imod/doc/mrc_format.txt
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ImageFormatError, ImageTruncatedError

HEADER_BYTES = 1024
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {3: "complex integers (a transform)", 4: "complex numbers (a transform)", 101: "4-bit pixels"}
_FOUR_BIT = 101
_IMOD_STAMP = 1146047817
_LONGEST_SIDE_PX = 1 << 20


@dataclass(frozen=True, slots=True)
class MrcHeader:
    """What the header of an MRC file says.

    Attributes:
        width_px, height_px, sections: Its size.
        dtype: NumPy type of the stored pixels, with their byte order.
        offset: Bytes before the first pixel.
        pixel_size_angstrom: (x, y); None where it is not set.
        four_bit: Two pixels stand in each stored byte, the lower bits first (mode 101).
    """

    width_px: int
    height_px: int
    sections: int
    dtype: np.dtype
    offset: int
    pixel_size_angstrom: tuple[float, float] | None
    four_bit: bool = False

    @property
    def data_bytes(self) -> int:
        """Bytes of one section."""
        if self.four_bit:
            return (self.width_px + 1) // 2 * self.height_px
        return self.width_px * self.height_px * self.dtype.itemsize


def read_mrc_header(path: Path, *, four_bit: bool = False) -> MrcHeader:
    """The header of `path`; that the pixels are all there is checked, too.

    Args:
        path: The file.
        four_bit: Whether pixels of 4 bits (mode 101, movies) are taken.

    Raises:
        ImageTruncatedError: the file is shorter than its header says.
        ImageFormatError: it is no MRC file, or its pixels are of a kind that no micrograph has.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(HEADER_BYTES)
        size = file.seek(0, 2)
    if len(start) < HEADER_BYTES:
        raise ImageTruncatedError(f"{path} ends after {size} bytes, within the header of an MRC file; copy it again")
    header = _parsed(start, path, four_bit)
    needed = header.offset + header.data_bytes * header.sections
    if size < needed:
        raise ImageTruncatedError(
            f"{path} is cut off: {size:,} bytes where its header asks for {needed:,} "
            f"({header.width_px} x {header.height_px} pixels); copy it again, or wait until it is written"
        )
    return header


def read_mrc_section(path: Path, header: MrcHeader, section: int) -> NDArray[Any]:
    """A section of `path` as it is stored, (y, x), in this machine's byte order; 4-bit pixels become uint8.

    Raises:
        ImageTruncatedError: the file became shorter since its header was read.
        OSError: it cannot be read.
    """
    count = header.data_bytes // header.dtype.itemsize
    stored = np.fromfile(path, header.dtype, count, offset=header.offset + section * header.data_bytes)
    if stored.size < count:
        raise ImageTruncatedError(f"{path} became shorter while it was read: section {section} is not there any more")
    if header.four_bit:
        rows = stored.reshape(header.height_px, -1)
        pixels = np.empty((header.height_px, 2 * rows.shape[1]), np.uint8)
        pixels[:, 0::2] = rows & 15
        pixels[:, 1::2] = rows >> 4
        return pixels[:, : header.width_px]
    return stored.reshape(header.height_px, header.width_px).astype(header.dtype.newbyteorder("="), copy=False)


def read_mrc_pixels(path: Path, header: MrcHeader) -> NDArray[np.float32]:
    """The first section of `path`, (y, x), the first stored row first.

    Raises:
        OSError: it cannot be read.
    """
    pixels = np.fromfile(path, header.dtype, header.width_px * header.height_px, offset=header.offset)
    return pixels.reshape(header.height_px, header.width_px).astype(np.float32)


def _parsed(start: bytes, path: Path, four_bit: bool) -> MrcHeader:
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        width, height, sections, mode = struct.unpack_from(f"{order}4i", start)
        if mode in {*_DTYPES, *_REFUSED} and all(0 < side < _LONGEST_SIDE_PX for side in (width, height, sections)):
            break
    else:
        raise ImageFormatError(f"{path} is not an MRC file: its header gives no size and pixel type that could be true")
    packed = mode == _FOUR_BIT and four_bit
    if mode in _REFUSED and not packed:
        raise ImageFormatError(
            f"{path} holds {_REFUSED[mode]} (MRC mode {mode}); give the micrograph as 8-, 16- or 32-bit numbers"
        )
    (extended,) = struct.unpack_from(f"{order}i", start, 92)
    stamp, flags = struct.unpack_from(f"{order}2i", start, 152)
    kind = "u1" if packed else _DTYPES[mode]
    if mode == 0 and stamp == _IMOD_STAMP and not flags & 1:
        # IMOD's flag: bytes are unsigned unless it says that they are signed.
        kind = "u1"
    return MrcHeader(
        width,
        height,
        sections,
        np.dtype(kind).newbyteorder(order),
        HEADER_BYTES + max(extended, 0),
        _pixel_size(start, order),
        packed,
    )


def _pixel_size(start: bytes, order: str) -> tuple[float, float] | None:
    columns, rows = struct.unpack_from(f"{order}2i", start, 28)
    cell_x, cell_y = struct.unpack_from(f"{order}2f", start, 40)
    if columns <= 0 or rows <= 0 or not (np.isfinite(cell_x) and np.isfinite(cell_y)):
        return None
    sizes = (cell_x / columns, cell_y / rows)
    return sizes if min(sizes) > 0 else None


__all__ = ["HEADER_BYTES", "MrcHeader", "read_mrc_header", "read_mrc_pixels", "read_mrc_section"]
