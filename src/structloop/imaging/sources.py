"""Source images: read once, hashed, and checked to be what was imported."""

import hashlib
from pathlib import Path

from structloop.core.errors import ImageChangedError
from structloop.imaging.reading import read_file


def read_unchanged(path: Path, sha256: str) -> bytes:
    """The bytes of a source image, if they still are what was imported.

    Raises:
        ImageMissingError: the file was moved or deleted.
        ImageChangedError: its contents are others; importing its folder again records the new ones.
        ImageError: it cannot be read.
    """
    data = read_file(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ImageChangedError(f"{path} has changed since it was imported; import its folder again")
    return data


__all__ = ["read_unchanged"]
