"""What every movie file offers, and the watch over it: that it is there, whole, and the same to the end."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import ImageChangedError, ImageError, ImageMissingError, ImageTruncatedError, MovieError

MIN_SIDE_PX = 64
# A super-resolution frame of the largest camera has 94 million.
MAX_FRAME_PIXELS = 300_000_000


@dataclass(frozen=True, slots=True)
class MovieHeader:
    """What a movie's file says of itself.

    Attributes:
        path: The file.
        format: `MRC`, `TIFF` or `EER`.
        width_px, height_px: Of each frame, as stored.
        frames: How many are read; of an EER file, after grouping.
        dtype: NumPy type of the pixels that `frame` gives.
        pixel_size_angstrom: Where the header gives one that can be true, else None.
        remarks: What people should know of it.
    """

    path: Path
    format: str
    width_px: int
    height_px: int
    frames: int
    dtype: np.dtype
    pixel_size_angstrom: float | None = None
    remarks: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a frame."""
        return self.height_px, self.width_px

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in memory, as it is stored."""
        return self.width_px * self.height_px * self.dtype.itemsize


class MovieFile:
    """A movie that is open for reading; each format is a subclass. Row 0 of a frame is the first stored row.

    `frame` may be called from several threads.
    """

    header: MovieHeader

    def __init__(self, path: Path) -> None:
        self._identity = identity_of(path)

    def frame(self, number: int) -> NDArray[Any]:
        """Frame `number` (from 0) as it is stored, (y, x).

        Raises:
            ImageTruncatedError: its data end too early.
            ImageError: it cannot be read.
        """
        raise NotImplementedError

    def check_unchanged(self) -> None:
        """Looks whether the file is still the one that was opened (size, time of change, inode).

        Raises:
            ImageChangedError: it is not.
            ImageMissingError: it is gone.
        """
        if identity_of(self.header.path) != self._identity:
            raise ImageChangedError(
                f"{self.header.path} changed while it was read: its frames do not belong together; process it again "
                "when it is written to its end"
            )

    def close(self) -> None:
        """Closes the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def identity_of(path: Path) -> tuple[int, int, int]:
    """Size, time of change (ns) and inode of a file.

    Raises:
        ImageMissingError: there is no such file.
        ImageTruncatedError: it is empty.
        ImageError: it cannot be looked at.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise ImageMissingError(f"{path} is not there; was it moved or deleted?") from error
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    if found.st_size == 0:
        raise ImageTruncatedError(f"{path} is empty (0 bytes); copy it again, or wait until it is written")
    return found.st_size, found.st_mtime_ns, found.st_ino


def checked_header(header: MovieHeader) -> MovieHeader:
    """`header`, where a movie can have it.

    Raises:
        MovieError: no frames, only one, or frames too small or too large to be a movie's.
    """
    if header.frames < 1:
        raise MovieError(f"{header.path} holds no frames: the movie is empty; leave it out, or copy it again")
    if header.frames == 1:
        raise MovieError(f"{header.path} holds a single frame: a micrograph, not a movie; motion needs two or more")
    if min(header.shape) < MIN_SIDE_PX or header.width_px * header.height_px > MAX_FRAME_PIXELS:
        raise MovieError(
            f"{header.path} has frames of {header.width_px} x {header.height_px} pixels; a movie's have at least "
            f"{MIN_SIDE_PX} along each side, and at most {MAX_FRAME_PIXELS // 1_000_000} million"
        )
    return header


__all__ = ["MovieFile", "MovieHeader", "checked_header", "identity_of"]
