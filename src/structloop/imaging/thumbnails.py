"""Thumbnails: small JPEG copies, made once per source image and size."""

from functools import partial
from pathlib import Path

from PIL import Image

from structloop.imaging.derived import DerivedFolder
from structloop.imaging.reading import decode
from structloop.imaging.sources import read_unchanged

KIND = "thumbnails"
SUFFIX = ".jpg"
_QUALITY = 85


def thumbnail(files: DerivedFolder, source: Path, sha256: str, longest_px: int) -> Path:
    """The JPEG thumbnail of a source image, made when it does not exist yet.

    Args:
        files: Where derived files lie.
        source: The source image.
        sha256: Digest of its contents when it was imported; a thumbnail is never made of anything else.
        longest_px: Longest side in pixels; smaller images keep their size.

    Raises:
        ImageMissingError, ImageChangedError: the source is not there, or not what was imported.
        ImageTruncatedError, ImageFormatError: it cannot be decoded.
        StoreUnavailableError: the thumbnail cannot be written.
    """
    target = files.path(KIND, files.address(KIND, sha256, longest_px=longest_px), SUFFIX)
    if target.exists():
        return target
    image = decode(read_unchanged(source, sha256), source, at_least_px=longest_px)
    return store_thumbnail(files, image, sha256, longest_px)


def store_thumbnail(files: DerivedFolder, image: Image.Image, sha256: str, longest_px: int) -> Path:
    """As `thumbnail`, from an image (`L` or `RGB`) that is decoded already; it is not changed.

    Raises:
        StoreUnavailableError: the thumbnail cannot be written.
    """
    return files.get_or_make(KIND, sha256, SUFFIX, partial(_write, image, longest_px), longest_px=longest_px)


def _write(image: Image.Image, longest_px: int, target: Path) -> None:
    small = image.copy()
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    small.save(target, "JPEG", quality=_QUALITY)


__all__ = ["KIND", "SUFFIX", "store_thumbnail", "thumbnail"]
