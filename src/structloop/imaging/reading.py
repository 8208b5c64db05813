"""Reading image files: by what they hold, not by what they are called, and with errors that name the file.

JPEG, PNG, TIFF (any depth), BMP, GIF and WebP are read; of files with several pictures, the first. Pixels stay where
the file stores them: an EXIF orientation is ignored, because coordinates refer to the stored pixels and imagers do not
turn their cameras.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from structloop.core.errors import ImageError, ImageFormatError, ImageMissingError, ImageTruncatedError
from structloop.imaging.pixels import to_8bit

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP")
ENDINGS: dict[str, tuple[str, ...]] = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}
IMAGE_ENDINGS = frozenset(ending for endings in ENDINGS.values() for ending in endings)

# Pillow's own limit against decompression bombs; the largest drop images have a quarter of that.
MAX_PIXELS = 89_478_485
MAX_FILE_BYTES = 512 * 1024 * 1024
# Smaller than any drop image: icons and placeholders.
MIN_SIDE_PX = 32

_PLAIN_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"})
# What Pillow's decoders raise on files that are damaged in one way or another.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    zlib.error,
)
_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True, slots=True)
class ImageProbe:
    """What a file was found to hold, after all of it was decoded once.

    Attributes:
        width_px, height_px: Size as stored.
        format: `JPEG`, `PNG`, `TIFF`, ...
        remarks: What people should know although the image is usable, such as that it is not what its name says.
    """

    width_px: int
    height_px: int
    format: str
    remarks: tuple[str, ...] = ()


def read_file(path: Path) -> bytes:
    """All bytes of an image file.

    Raises:
        ImageMissingError: there is no such file.
        ImageTruncatedError: it is empty.
        ImageFormatError: it is larger than any image that is read (512 MiB).
        ImageError: it cannot be read (permissions, a broken disk).
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        raise ImageMissingError(f"{path} is not there any more; was it moved or deleted?") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    if not data:
        raise ImageTruncatedError(f"{path} is empty (0 bytes); copy it again from the imager")
    if len(data) > MAX_FILE_BYTES:
        raise ImageFormatError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB; no drop image is")
    return data


def read_image(path: Path) -> Image.Image:
    """The image in `path`, fully decoded, as 8-bit grey (`L`) or colour (`RGB`).

    Deeper images are scaled to 8 bits as `pixels.to_8bit` says. Palettes, CMYK and 1-bit images are converted;
    transparency is composed over black.

    Raises:
        ImageMissingError, ImageTruncatedError, ImageFormatError, ImageError: as `read_file` and `decode`.
    """
    return decode(read_file(path), path)


def probe_image(path: Path) -> ImageProbe:
    """Decodes `path` once, at reduced size where its format allows, to see that it is whole and usable.

    Raises:
        ImageMissingError, ImageTruncatedError, ImageFormatError, ImageError: as `read_file` and `decode`; also where a
            side is shorter than 32 pixels.
    """
    return probe(read_file(path), path)[0]


def decode(data: bytes, path: Path, *, at_least_px: int | None = None) -> Image.Image:
    """The image in `data`, as `read_image` gives it; `path` is only named in errors.

    Args:
        at_least_px: Lets formats that can (JPEG) decode at 1/2, 1/4 or 1/8 of the size, as long as the longer side
            keeps this many pixels. None: full size.

    Raises:
        ImageTruncatedError: the data end too early.
        ImageFormatError: they are no image that is read, or one of more than 89 million pixels.
    """
    image = _open(data, path)
    if image is None:
        return _from_array(_decode_tiff(data, path), path)
    if at_least_px is not None and image.format == "JPEG":
        # Pillow keeps both sides at or above what is asked, so the shorter one must not hold it back.
        scale = at_least_px / max(image.size)
        image.draft(None, (max(1, int(image.width * scale)), max(1, int(image.height * scale))))
    if image.format == "TIFF" and _is_deep(image, data):
        # Pillow keeps only the upper byte of 16-bit colour, which leaves a 12-bit camera's images nearly black.
        return _from_array(_decode_tiff(data, path), path)
    _load(image, data, path)
    if image.mode not in _PLAIN_MODES:
        return _from_array(np.asarray(image), path)
    return _plain(image)


def probe(data: bytes, path: Path, *, at_least_px: int = 1) -> tuple[ImageProbe, Image.Image]:
    """As `probe_image`, for data that were read already; also gives the decoded image, at reduced size (`decode`).

    Raises:
        ImageTruncatedError, ImageFormatError: as `decode`; also where a side is shorter than 32 pixels.
    """
    header = _open(data, path)
    image = decode(data, path, at_least_px=at_least_px)
    size = image.size if header is None else header.size
    kind = "TIFF" if header is None else _format_of(header)
    if min(size) < MIN_SIDE_PX:
        raise ImageFormatError(
            f"{path} is only {size[0]} x {size[1]} pixels; a drop image has at least {MIN_SIDE_PX} x {MIN_SIDE_PX}"
        )
    remarks = []
    if path.suffix.lower() not in ENDINGS[kind]:
        remarks.append(f"is a {kind} file although its name ends in '{path.suffix}'; it is read by its contents")
    if header is None or _is_deep(header, data):
        remarks.append("has more than 8 bits per pixel; for viewing and scoring it is scaled to 8 bits")
    return ImageProbe(size[0], size[1], kind, tuple(remarks)), image


def _open(data: bytes, path: Path) -> Image.Image | None:
    """The image with only its header read; None for a TIFF file that Pillow cannot name but tifffile may read."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data.startswith(_TIFF_STARTS):
            return None
        raise ImageFormatError(
            f"{path} holds no image that is read ({_what_it_is(data)}); supported: {', '.join(FORMATS)}"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageFormatError(f"{path} claims more than {MAX_PIXELS:,} pixels; no drop image has so many") from error
    except _DECODER_ERRORS as error:
        raise ImageTruncatedError(
            f"{path} is damaged near its start: {error}; copy it again from the imager"
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageFormatError(f"{path} has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are read")
    return image


def _load(image: Image.Image, data: bytes, path: Path) -> None:
    kind = _format_of(image)
    # Decoders accept data that go on as zeros, as they do in a file whose space was reserved but not yet filled.
    if (kind == "JPEG" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")) or (
        kind == "PNG" and b"IEND" not in data
    ):
        raise ImageTruncatedError(f"{path} is cut off: its end marker is missing; copy it again from the imager")
    try:
        image.load()
    except _DECODER_ERRORS as error:
        raise ImageTruncatedError(f"{path} is cut off or damaged: {error}; copy it again from the imager") from error


def _is_deep(image: Image.Image, data: bytes) -> bool:
    """Whether the file stores more than 8 bits per channel."""
    if image.mode not in _PLAIN_MODES:
        return True
    if isinstance(image, TiffImageFile):
        bits = image.tag_v2.get(258, (1,))
        return any(int(channel) > 8 for channel in (bits if isinstance(bits, tuple) else (bits,)))
    return image.format == "PNG" and len(data) > 24 and data[24] == 16


def _format_of(image: Image.Image) -> str:
    # Pillow calls a JPEG file that carries further pictures (previews, depth) MPO.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _decode_tiff(data: bytes, path: Path) -> NDArray[Any]:
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            if page.shape and int(np.prod(page.shape[:2])) > MAX_PIXELS:
                raise ImageFormatError(f"{path} has {page.shape} pixels; at most {MAX_PIXELS:,} are read")
            array: NDArray[Any] = page.asarray()
    except ImageFormatError:
        raise
    except (*_DECODER_ERRORS, RuntimeError, tifffile.TiffFileError) as error:
        raise ImageTruncatedError(
            f"{path} is a TIFF file that is damaged or compressed in a way that is not read: {error}"
        ) from error
    if array.ndim == 3 and array.shape[0] in (3, 4) and array.shape[2] not in (3, 4):
        array = np.moveaxis(array, 0, -1)
    return array


def _from_array(array: NDArray[Any], path: Path) -> Image.Image:
    """8-bit grey or colour from an array (y, x) or (y, x, channels); channels beyond the third are left out."""
    if array.ndim == 3 and array.shape[2] in (1, 2):
        array = array[:, :, 0]
    elif array.ndim == 3 and array.shape[2] >= 3:
        array = array[:, :, :3]
    if array.ndim not in (2, 3) or array.size == 0:
        raise ImageFormatError(f"{path} holds an array of shape {array.shape}, not a picture")
    try:
        return Image.fromarray(np.ascontiguousarray(to_8bit(array)))
    except ValueError as error:
        raise ImageFormatError(f"{path} cannot be shown: {error}") from error


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in ("L", "RGB"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, (0, 0, 0, 255)), coloured).convert("RGB")
    return image.convert("RGB")


def _what_it_is(data: bytes) -> str:
    for start, name in (
        (b"%PDF", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"<?xml", "XML"),
        (b"<", "markup, such as a web page"),
        (b"\x00" * 16, "zeros only: its copy was never finished"),
    ):
        if data.startswith(start):
            return f"it is {name}"
    return "its contents are unknown"


__all__ = [
    "ENDINGS",
    "IMAGE_ENDINGS",
    "MAX_PIXELS",
    "MIN_SIDE_PX",
    "ImageProbe",
    "decode",
    "probe",
    "probe_image",
    "read_file",
    "read_image",
]
