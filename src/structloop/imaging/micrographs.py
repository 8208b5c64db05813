"""Reading micrographs: MRC, TIFF, JPEG and PNG, 8 to 32 bits, by what a file holds, with errors that name the file.

Pixels come as they are stored: row 0 is the first stored row, nothing is turned, flipped or scaled.
"""

import io
import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from structloop.core.errors import ImageError, ImageFormatError, ImageMissingError, ImageTruncatedError
from structloop.imaging.mrc import read_mrc_header, read_mrc_pixels
from structloop.imaging.pixel_sizes import believable

MICROGRAPH_ENDINGS = frozenset({".mrc", ".mrcs", ".map", ".tif", ".tiff", ".jpg", ".jpeg", ".png"})
MIN_SIDE_PX = 64
# The largest camera's super-resolution pictures have 94 million.
MAX_PIXELS = 300_000_000
# Dead pixels that a gain reference turned into NaN are mended; a picture with more of them is not one.
_MENDED_SHARE = 1e-3
_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
# What decoders raise on files that are damaged in one way or another.
_DECODER_ERRORS = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error)
_UNITS_ANGSTROM = {"a": 1.0, "å": 1.0, "angstrom": 1.0, "nm": 10.0, "um": 1e4, "µm": 1e4, "μm": 1e4, "micron": 1e4}


@dataclass(frozen=True, slots=True)
class MicrographHeader:
    """What a micrograph's file says of itself before its pixels are read.

    Attributes:
        path: The file.
        format: `MRC`, `TIFF`, `JPEG` or `PNG`.
        width_px, height_px: Size as stored.
        pixel_size_angstrom: Where the header gives one that can be true, else None.
        remarks: What people should know of it.
    """

    path: Path
    format: str
    width_px: int
    height_px: int
    pixel_size_angstrom: float | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Micrograph:
    """A micrograph in memory.

    Attributes:
        pixels: (y, x), finite, not all the same.
        header: What its file says; its remarks with those that reading added.
    """

    pixels: NDArray[np.float32]
    header: MicrographHeader


def probe_micrograph(path: Path) -> MicrographHeader:
    """Reads a micrograph's header; of an MRC file, also that all its pixels are there.

    Raises:
        ImageMissingError: there is no such file.
        ImageTruncatedError: it is empty, or ends too early.
        ImageFormatError: it is no micrograph: another format, a movie or stack, too small or too large.
        ImageError: it cannot be read.
    """
    start = _start(path)
    try:
        if start.startswith(_TIFF_STARTS):
            header = _tiff_header(path)
        elif start.startswith((b"\xff\xd8\xff", b"\x89PNG")):
            with Image.open(path, formats=("JPEG", "PNG")) as image:
                header = MicrographHeader(path, str(image.format), image.width, image.height)
        else:
            header = _mrc_header(path, start)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageFormatError(f"{path} claims more pixels than any micrograph has; is it one?") from error
    except _DECODER_ERRORS as error:
        raise ImageTruncatedError(f"{path} is damaged near its start ({error}); copy it again") from error
    if min(header.width_px, header.height_px) < MIN_SIDE_PX or header.width_px * header.height_px > MAX_PIXELS:
        raise ImageFormatError(
            f"{path} has {header.width_px} x {header.height_px} pixels; a micrograph has at least {MIN_SIDE_PX} along "
            f"each side, and at most {MAX_PIXELS // 1_000_000} million"
        )
    return header


def read_micrograph(path: Path) -> Micrograph:
    """The micrograph in `path`, as 32-bit floating-point numbers.

    Colour becomes grey (mean of the channels). A few values that are no numbers (up to 0.1 %, dead pixels) are
    replaced by the median, with a remark.

    Raises:
        ImageMissingError, ImageTruncatedError, ImageFormatError, ImageError: as `probe_micrograph`; also where its
            pixels are all the same, or not numbers.
    """
    header = probe_micrograph(path)
    try:
        if header.format == "MRC":
            pixels = read_mrc_pixels(path, read_mrc_header(path))
        elif header.format == "TIFF":
            pixels = _grey(tifffile.imread(path, key=0), path)
        else:
            pixels = _grey(_decoded(path), path)
    except ImageError:
        raise
    except _DECODER_ERRORS as error:
        raise ImageTruncatedError(f"{path} is damaged or cut off ({error}); copy it again") from error
    remarks = list(header.remarks)
    finite = np.isfinite(pixels)
    bad = pixels.size - int(np.count_nonzero(finite))
    if bad > _MENDED_SHARE * pixels.size:
        raise ImageFormatError(
            f"{path}: {bad:,} of {pixels.size:,} pixels are no numbers (NaN or infinite); make the micrograph again "
            "from its movie, or leave it out"
        )
    if bad:
        pixels = np.where(finite, pixels, np.median(pixels[finite])).astype(np.float32)
        remarks.append(f"{bad} pixels that are no numbers were replaced by the median")
    if pixels.min() == pixels.max():
        raise ImageFormatError(
            f"{path}: all pixels are {float(pixels.flat[0]):g}; there is no picture in it: leave it out, or export it "
            "again"
        )
    return Micrograph(pixels, replace(header, remarks=tuple(remarks)))


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(216)
    except FileNotFoundError as error:
        raise ImageMissingError(f"{path} is not there; was it moved or deleted?") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    if not start:
        raise ImageTruncatedError(f"{path} is empty (0 bytes); copy it again, or wait until it is written")
    return start


def _mrc_header(path: Path, start: bytes) -> MicrographHeader:
    ending = path.suffix.lower()
    if start[208:212] != b"MAP " and ending not in {".mrc", ".mrcs", ".map", ".st", ".rec"}:
        raise ImageFormatError(f"{path} is no micrograph that is read; supported: MRC, TIFF, JPEG, PNG")
    header = read_mrc_header(path)
    if header.sections > 1:
        raise ImageFormatError(
            f"{path} holds {header.sections} pictures: a movie or a stack; give the motion-corrected micrograph"
        )
    size, remarks = believable(header.pixel_size_angstrom)
    return MicrographHeader(path, "MRC", header.width_px, header.height_px, size, remarks)


def _tiff_header(path: Path) -> MicrographHeader:
    with tifffile.TiffFile(path) as file:
        if len(file.pages) > 1:
            raise ImageFormatError(
                f"{path} holds {len(file.pages)} pictures: a movie or a stack; give the motion-corrected micrograph"
            )
        page = file.pages.first
        if file.is_imagej and int((file.imagej_metadata or {}).get("images", 1)) > 1:
            raise ImageFormatError(f"{path} holds a stack of ImageJ; give one micrograph per file")
        size, remarks = believable(tiff_pixel_size(page, file.imagej_metadata or {}))
        return MicrographHeader(path, "TIFF", page.imagewidth, page.imagelength, size, remarks)


def tiff_pixel_size(page: Any, imagej: dict[str, Any]) -> tuple[float, float] | None:
    """Pixel size (x, y) in Angstrom by a page's resolution tags and ImageJ's unit; None where they give none."""
    tags = page.tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    ratios = [tags[name].value for name in ("XResolution", "YResolution")]
    if any(not isinstance(ratio, tuple) or ratio[0] <= 0 or ratio[1] <= 0 for ratio in ratios):
        return None
    unit_angstrom = _UNITS_ANGSTROM.get(str(imagej.get("unit", "")).replace("\\u00B5", "µ").lower())
    if unit_angstrom is None:
        unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
        unit_angstrom = {2: 2.54e8, 3: 1e8}.get(unit)
    if unit_angstrom is None:
        return None
    x, y = (unit_angstrom * ratio[1] / ratio[0] for ratio in ratios)
    return x, y


def _decoded(path: Path) -> NDArray[Any]:
    data = path.read_bytes()
    # Decoders accept data that go on as zeros, as they do in a file whose space was reserved but not yet filled.
    end = b"IEND" if data.startswith(b"\x89PNG") else b"\xff\xd9"
    if end not in data[len(data) // 2 :]:
        raise ImageTruncatedError(f"{path} is cut off: its end marker is missing; copy it again")
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
        return np.asarray(image.convert("RGB") if image.mode in {"P", "CMYK"} else image)


def _grey(values: NDArray[Any], path: Path) -> NDArray[np.float32]:
    if values.ndim == 3 and values.shape[2] in {3, 4}:
        # An alpha channel says nothing of the specimen.
        values = values[..., :3].astype(np.float32).mean(axis=2)
    elif values.ndim == 3 and values.shape[2] == 2:
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "iufb":
        raise ImageFormatError(
            f"{path} holds {values.dtype} values of shape {values.shape}; a micrograph is one grey picture"
        )
    return np.ascontiguousarray(values, dtype=np.float32)


__all__ = [
    "MICROGRAPH_ENDINGS",
    "Micrograph",
    "MicrographHeader",
    "probe_micrograph",
    "read_micrograph",
    "tiff_pixel_size",
]
