"""The pixels of EPU's images (JPEG, TIFF, MRC): their size and wholeness from the header, and the pixels when asked."""

import io
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from structloop.core.errors import AcquisitionFileError, ImageError, ImageFormatError, ImageMissingError
from structloop.imaging.reading import read_file
from structloop.instruments.microscope import Pixels

_MRC_HEADER_BYTES = 1024
_MRC_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_MOST_PIXELS = 16384 * 16384
_JPEG_END = b"\xff\xd9"
# How far before its end a JPEG's end marker may stand; some programs add a few bytes.
_TAIL_BYTES = 64
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
    tifffile.TiffFileError,
)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """What a picture's header tells."""

    width_px: int
    height_px: int
    is_reduced: bool


def probe_picture(path: Path, what: str) -> PictureFile:
    """Size of a picture, and whether its file is whole as far as header and length tell; pixels are not read.

    Args:
        what: The file, for messages.

    Raises:
        AcquisitionFileError: it cannot be read, is no picture, or ends too early.
    """
    try:
        if path.suffix.lower() == ".mrc":
            mrc = _probe_mrc(path, what)
            width, height = mrc.width_px, mrc.height_px
        else:
            width, height = _probe_other(path, what)
    except _DAMAGE as error:
        if isinstance(error, AcquisitionFileError):
            raise
        raise AcquisitionFileError(f"{what} is no whole picture ({error}); it may not be written to its end yet") from (
            error
        )
    if not 0 < width * height <= _MOST_PIXELS:
        raise AcquisitionFileError(f"{what} claims {width} x {height} pixels, as no picture of EPU's has")
    return PictureFile(width, height, path.suffix.lower() in {".jpg", ".jpeg", ".png"})


@dataclass(frozen=True, slots=True)
class _Mrc:
    """Where the pixels of an MRC file's first section are, and what they are."""

    width_px: int
    height_px: int
    kind: np.dtype[np.generic]
    offset: int


def _probe_mrc(path: Path, what: str) -> _Mrc:
    with path.open("rb") as file:
        header = file.read(_MRC_HEADER_BYTES)
        length = file.seek(0, io.SEEK_END)
    if len(header) < _MRC_HEADER_BYTES:
        raise AcquisitionFileError(f"{what} ends within its header; it may not be written to its end yet")
    order = ">" if header[212:214] == b"\x11\x11" else "<"
    width, height, sections, mode = struct.unpack(f"{order}4i", header[:16])
    (extended,) = struct.unpack(f"{order}i", header[92:96])
    if mode not in _MRC_TYPES or min(width, height, sections) < 1 or extended < 0:
        raise AcquisitionFileError(f"{what} is no MRC file of one image (mode {mode}, {width} x {height} x {sections})")
    kind = np.dtype(order + _MRC_TYPES[mode])
    if length < _MRC_HEADER_BYTES + extended + width * height * kind.itemsize:
        raise AcquisitionFileError(f"{what} is shorter than its header says; it may not be written to its end yet")
    return _Mrc(width, height, kind, _MRC_HEADER_BYTES + extended)


def _read_mrc(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    found = _probe_mrc(path, str(path))
    pixels = np.fromfile(path, found.kind, found.width_px * found.height_px, offset=found.offset)
    return pixels.reshape(found.height_px, found.width_px).astype(found.kind.newbyteorder("="))


def _probe_other(path: Path, what: str) -> tuple[int, int]:
    with path.open("rb") as file:
        start = file.read(4)
        if start[:2] in {b"II", b"MM"}:
            file.seek(0)
            with tifffile.TiffFile(file) as tiff:
                page = tiff.pages[0]
                return int(page.shape[1]), int(page.shape[0])
        if start[:2] == _JPEG_END[:1] + b"\xd8":
            file.seek(max(0, file.seek(0, io.SEEK_END) - _TAIL_BYTES))
            if _JPEG_END not in file.read(_TAIL_BYTES):
                raise AcquisitionFileError(f"{what} has no end marker; it may not be written to its end yet")
    with Image.open(path, formats=("JPEG", "PNG")) as image:
        return image.size


def read_pixels(path: Path, binning: int = 1) -> Pixels:
    """The pixels of a picture, `(y, x)`, averaged over blocks; rows as the file stores them.

    Colour (some versions write RGB) is made grey. Averages of 8 and 16 bit pixels are float32.

    Raises:
        ImageMissingError, ImageFormatError, ImageError: it is not there, is no picture, is damaged.
        ValueError: the binning is below 1 or larger than the image.
    """
    if not path.is_file():
        raise ImageMissingError(f"{path} is not there any more; was it moved or deleted?")
    try:
        if path.suffix.lower() == ".mrc":
            array = _read_mrc(path)
        else:
            data = read_file(path)
            if data[:2] in {b"II", b"MM"}:
                with tifffile.TiffFile(io.BytesIO(data)) as tiff:
                    array = np.asarray(tiff.pages[0].asarray())
            else:
                with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
                    array = np.asarray(image.convert("L"))
    except ImageError:
        raise
    except AcquisitionFileError as error:
        raise ImageFormatError(f"{error}; copy it again") from error
    except (*_DAMAGE, AttributeError, RuntimeError) as error:
        raise ImageFormatError(f"{path} is damaged, or no picture of EPU's: {error}; copy it again") from error
    if array.ndim == 3:
        array = array[..., :3].mean(axis=-1)
    return _binned(_plain(array), binning)


def _plain(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Pixels:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array, dtype=np.uint8)
    if array.dtype == np.uint16:
        return np.ascontiguousarray(array, dtype=np.uint16)
    if array.dtype == np.int16:
        return np.ascontiguousarray(array, dtype=np.int16)
    return np.ascontiguousarray(array, dtype=np.float32)


def _binned(array: Pixels, binning: int) -> Pixels:
    height, width = array.shape
    if not 1 <= binning <= min(height, width):
        raise ValueError(f"binning {binning} is not between 1 and the {min(height, width)} pixels of the image")
    if binning == 1:
        return array
    rows, columns = height // binning, width // binning
    blocks = array[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


__all__ = ["PictureFile", "probe_picture", "read_pixels"]
