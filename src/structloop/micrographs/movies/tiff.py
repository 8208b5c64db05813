"""Movies in TIFF files: one page per frame, compressed in any way that imagecodecs knows."""

import struct
import zlib
from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray

from structloop.core.errors import ImageFormatError, ImageTruncatedError, MovieError
from structloop.imaging.micrographs import tiff_pixel_size
from structloop.imaging.pixel_sizes import believable
from structloop.micrographs.movies.directories import count_directories
from structloop.micrographs.movies.files import MovieFile, MovieHeader, checked_header

# What tifffile and its decoders raise on files that are damaged in one way or another.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class TiffMovie(MovieFile):
    """A movie in a TIFF file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        count = count_directories(path)
        if count == 0:
            raise MovieError(f"{path} holds no frames; leave it out, or copy it again")
        try:
            self._file = tifffile.TiffFile(path)
            # Frames are read by several threads, and tifffile seeks and reads in two steps.
            self._file.filehandle.set_lock(True)
            self._pages = [page.aspage() for page in self._file.pages]
        except DECODER_ERRORS as error:
            raise ImageTruncatedError(f"{path} is damaged ({error}); copy it again") from error
        try:
            self.header = self._looked_at(path, count)
        except BaseException:
            self._file.close()
            raise

    def _looked_at(self, path: Path, count: int) -> MovieHeader:
        pages = self._pages
        if len(pages) != count:
            raise ImageTruncatedError(f"{path} is cut off: {len(pages)} of {count} frames can be read; copy it again")
        first = pages[0]
        if len(first.shape) != 2 or first.dtype is None or first.dtype.kind not in "iuf":
            raise ImageFormatError(
                f"{path} holds {first.dtype} values of shape {first.shape}; a movie's frames are grey pictures"
            )
        end = path.stat().st_size
        for number, page in enumerate(pages):
            if page.shape != first.shape or page.dtype != first.dtype:
                raise MovieError(
                    f"{path}: frame {number + 1} is {page.shape[1]} x {page.shape[0]} {page.dtype}, the first is "
                    f"{first.shape[1]} x {first.shape[0]} {first.dtype}; frames of one movie are alike"
                )
            if any(at + length > end for at, length in zip(page.dataoffsets, page.databytecounts, strict=True)):
                raise ImageTruncatedError(
                    f"{path} is cut off: the data of frame {number + 1} of {count} lie beyond its {end:,} bytes; copy "
                    "it again, or wait until it is written"
                )
        size, remarks = believable(tiff_pixel_size(first, self._file.imagej_metadata or {}))
        height, width = first.shape
        return checked_header(
            MovieHeader(path, "TIFF", width, height, count, first.dtype.newbyteorder("="), size, remarks)
        )

    def frame(self, number: int) -> NDArray[Any]:
        """See `MovieFile.frame`."""
        try:
            pixels: NDArray[Any] = self._pages[number].asarray(maxworkers=1)
        except DECODER_ERRORS as error:
            raise ImageTruncatedError(
                f"{self.header.path}: frame {number + 1} is damaged ({error}); copy the movie again"
            ) from error
        return pixels

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


__all__ = ["DECODER_ERRORS", "TiffMovie"]
