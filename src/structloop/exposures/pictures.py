"""Pictures of an exposure: only files inside its session's folder of results, smaller copies kept as derived files."""

import hashlib
from functools import partial
from pathlib import Path

from PIL import Image

from structloop.core.errors import ImageMissingError, NotFoundError
from structloop.imaging.derived import DerivedFolder
from structloop.imaging.micrograph_pictures import micrograph_picture
from structloop.imaging.reading import decode, read_file

KIND = "exposure-pictures"
_QUALITY = 88
_MICROGRAPHS = {".mrc", ".mrcs"}


def result_file(results: str, name: str | None, what: str) -> Path:
    """A file in a folder of results, links followed.

    Args:
        results: The folder.
        name: Relative to it, as the store has it.
        what: What it is, for messages.

    Raises:
        NotFoundError: there is none, or it would lie outside the folder.
        ImageMissingError: it is not there any more.
    """
    if not name:
        raise NotFoundError(f"this exposure has no {what}; process it again to make one")
    try:
        folder = Path(results).resolve()
        path = (folder / name).resolve()
        outside = not path.is_relative_to(folder)
    except (OSError, ValueError, RuntimeError):
        outside = True
    if outside:
        raise NotFoundError(f"the {what} lies outside the session's folder of results; it is not shown")
    if not path.is_file():
        raise ImageMissingError(f"{path} is not there any more; was it moved or deleted?")
    return path


def fingerprint_of(path: Path) -> str:
    """What copies of a file are kept under: they are made anew when it changes.

    Raises:
        ImageMissingError: it is not there any more.
    """
    try:
        said = path.stat()
    except OSError as error:
        raise ImageMissingError(f"{path} is not there any more; was it moved or deleted?") from error
    return hashlib.sha256(f"{path}\n{said.st_size}\n{said.st_mtime_ns}".encode()).hexdigest()


def shown_picture(files: DerivedFolder, path: Path, fingerprint: str, longest_px: int) -> Path:
    """A JPEG of a picture or a micrograph, no larger than asked; made once and kept.

    Raises:
        ImageError: the file is missing or damaged.
        StoreUnavailableError: the copy cannot be written.
    """
    if path.suffix.lower() in _MICROGRAPHS:
        return micrograph_picture(files, path, fingerprint, longest_px)
    return files.get_or_make(KIND, fingerprint, ".jpg", partial(_write, path, longest_px), longest_px=longest_px)


def _write(path: Path, longest_px: int, target: Path) -> None:
    image = decode(read_file(path), path, at_least_px=longest_px)
    image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS, reducing_gap=2.0)
    image.save(target, "JPEG", quality=_QUALITY)


__all__ = ["KIND", "fingerprint_of", "result_file", "shown_picture"]
