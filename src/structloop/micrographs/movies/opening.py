"""Opening a movie by what its file holds, whatever it is called."""

from pathlib import Path

from structloop.core.errors import ImageError, ImageFormatError
from structloop.micrographs.movies.eer import EerGrouping, EerMovie, holds_events
from structloop.micrographs.movies.files import MovieFile, identity_of
from structloop.micrographs.movies.mrc import MrcMovie
from structloop.micrographs.movies.tiff import TiffMovie

MOVIE_ENDINGS = frozenset({".mrc", ".mrcs", ".tif", ".tiff", ".eer"})
_TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def open_movie(path: Path, *, eer: EerGrouping | None = None) -> MovieFile:
    """Opens a movie: MRC or MRCS of any mode and byte order, TIFF (plain, LZW, deflate, ...; 8 to 32 bits), EER.

    Args:
        path: The file.
        eer: How the many frames of an EER file are grouped; other formats have no use for it.

    Raises:
        ImageMissingError: there is no such file.
        ImageTruncatedError: it is empty, or ends too early.
        ImageFormatError: it is of no format that is read.
        MovieError: it holds no frames, one only, or frames of several sizes.
        ImageError: it cannot be read.
    """
    identity_of(path)
    try:
        with path.open("rb") as file:
            start = file.read(216)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror or error}; check its permissions") from error
    if start.startswith(_TIFF_STARTS):
        return EerMovie(path, eer or EerGrouping()) if holds_events(path) else TiffMovie(path)
    if start[208:212] == b"MAP " or path.suffix.lower() in {".mrc", ".mrcs", ".st"}:
        return MrcMovie(path)
    raise ImageFormatError(f"{path} is no movie that is read; supported: MRC, MRCS, TIFF, EER")


__all__ = ["MOVIE_ENDINGS", "open_movie"]
