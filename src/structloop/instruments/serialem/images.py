"""Images as SerialEM's buffers hold them."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ProtocolError
from structloop.instruments.serialem.wire import ImageHeader

BUFFERS: Final = 20
FFT_BUFFERS: Final = 8


class Mode(IntEnum):
    """Type of a pixel, numbered as in MRC files."""

    UINT8 = 0
    INT16 = 1
    FLOAT32 = 2
    UINT16 = 6
    RGB = 16


ITEM_BYTES: Final = {Mode.UINT8: 1, Mode.INT16: 2, Mode.FLOAT32: 4, Mode.UINT16: 2, Mode.RGB: 3}
FORMATS: Final = {Mode.UINT8: "B", Mode.INT16: "h", Mode.FLOAT32: "f", Mode.UINT16: "H", Mode.RGB: "BBB"}
"""How Python's buffer protocol names them, as SerialEM's own module says."""
_DTYPES: Final = {Mode.UINT8: "<u1", Mode.INT16: "<i2", Mode.FLOAT32: "<f4", Mode.UINT16: "<u2", Mode.RGB: "<u1"}


@dataclass(frozen=True, slots=True)
class BufferImage:
    """An image that came out of a buffer.

    Attributes:
        row_bytes: From one row to the next.
        data: The rows one after the other, padding and all; the first is at the top.
    """

    mode: Mode
    width: int
    height: int
    row_bytes: int
    data: bytes | bytearray

    @property
    def item_bytes(self) -> int:
        """Bytes of a pixel."""
        return ITEM_BYTES[self.mode]

    @property
    def format(self) -> str:
        """As Python's buffer protocol names the type of a pixel."""
        return FORMATS[self.mode]

    def array(self) -> NDArray[Any]:
        """The pixels without padding, `(y, x)`, or `(y, x, 3)` where they have colours; read-only."""
        line = self.width * self.item_bytes
        strided: NDArray[np.uint8] = np.ndarray((self.height, line), np.uint8, self.data, strides=(self.row_bytes, 1))
        rows = np.ascontiguousarray(strided)
        shape = (self.height, self.width, 3) if self.mode is Mode.RGB else (self.height, self.width)
        pixels: NDArray[Any] = rows.view(_DTYPES[self.mode]).reshape(shape)
        pixels.flags.writeable = False
        return pixels


def buffer_index(name: str) -> tuple[int, bool]:
    """Index of a buffer, and whether it is one of the Fourier transforms: A to T, AF to HF.

    Raises:
        ValueError: There is no buffer of that name.
    """
    fft = len(name) == 2 and name[1] == "F"
    index = ord(name[0]) - ord("A") if len(name) == 1 or fft else -1
    if not 0 <= index < (FFT_BUFFERS if fft else BUFFERS):
        raise ValueError(f"'{name}' is not a buffer of SerialEM: A to T, or AF to HF for Fourier transforms")
    return index, fft


def mode_of(header: ImageHeader, max_bytes: int) -> Mode:
    """The pixel type of an image that is announced, once everything about it is possible.

    Raises:
        ProtocolError: Something is not.
    """
    try:
        mode = Mode(header.mode)
    except ValueError:
        raise ProtocolError(f"the image has pixels of type {header.mode}, which is none of SerialEM's") from None
    if header.width < 1 or header.height < 1 or header.row_bytes < header.width * ITEM_BYTES[mode]:
        raise ProtocolError(
            f"the image is announced as {header.width} x {header.height} pixels in rows of {header.row_bytes} bytes"
        )
    least = header.row_bytes * (header.height - 1) + header.width * ITEM_BYTES[mode]
    if not least <= header.size <= header.row_bytes * header.height:
        raise ProtocolError(
            f"the image is announced with {header.size} bytes for {header.height} rows of {header.row_bytes}"
        )
    if header.size > max_bytes:
        raise ProtocolError(f"the image has {header.size} bytes, more than the {max_bytes} that are accepted")
    if not 1 <= header.chunks <= header.size:
        raise ProtocolError(f"the image is announced in {header.chunks} pieces")
    return mode


def encode_pixels(pixels: NDArray[Any]) -> tuple[Mode, bytes]:
    """Type and bytes of an image on its way into a buffer.

    Raises:
        ValueError: Shape or type is none that SerialEM has.
    """
    colours = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.dtype == np.uint8
    if (pixels.ndim != 2 and not colours) or not pixels.size:
        raise ValueError(f"an image must have rows and columns, not the shape {pixels.shape}")
    modes = {"u1": Mode.UINT8, "i2": Mode.INT16, "f4": Mode.FLOAT32, "u2": Mode.UINT16}
    mode = Mode.RGB if colours else modes.get(pixels.dtype.str[1:])
    if mode is None:
        raise ValueError(f"SerialEM has no pixels of type {pixels.dtype}; use uint8, int16, uint16 or float32")
    return mode, np.ascontiguousarray(pixels, _DTYPES[mode]).tobytes()


__all__ = [
    "BUFFERS",
    "FFT_BUFFERS",
    "FORMATS",
    "ITEM_BYTES",
    "BufferImage",
    "Mode",
    "buffer_index",
    "encode_pixels",
    "mode_of",
]
