"""Movies in MRC files: one section per frame, of any mode (4-bit included) and byte order."""

import struct
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from structloop.core.errors import MovieError
from structloop.imaging.mrc import read_mrc_header, read_mrc_section
from structloop.imaging.pixel_sizes import believable
from structloop.micrographs.movies.files import MovieFile, MovieHeader, checked_header


class MrcMovie(MovieFile):
    """A movie in an MRC file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        _refuse_no_sections(path)
        self._mrc = read_mrc_header(path, four_bit=True)
        size, remarks = believable(self._mrc.pixel_size_angstrom)
        dtype = self._mrc.dtype.newbyteorder("=")
        self.header = checked_header(
            MovieHeader(path, "MRC", self._mrc.width_px, self._mrc.height_px, self._mrc.sections, dtype, size, remarks)
        )

    def frame(self, number: int) -> NDArray[Any]:
        """See `MovieFile.frame`."""
        return read_mrc_section(self.header.path, self._mrc, number)


def _refuse_no_sections(path: Path) -> None:
    """A program that was killed at the start leaves a header with a size, and no sections."""
    with path.open("rb") as file:
        start = file.read(16)
    if len(start) < 16:
        return
    for order in "<>":
        width, height, sections, mode = struct.unpack(f"{order}4i", start)
        if 0 < width < 1 << 20 and 0 < height < 1 << 20 and sections == 0 and 0 <= mode <= 101:
            raise MovieError(
                f"{path} holds no frames (0 sections of {width} x {height}); leave it out, or copy it again"
            )


__all__ = ["MrcMovie"]
