"""Movies of electron events (EER): each frame a list of places where an electron was counted; frames are grouped.

The container is a BigTIFF whose pages hold run lengths of 8 or 7 bits (compressions 65000, 65001), or of as many as
tags 65007 to 65009 say (65002). Guo et al., IUCrJ 7 (2020) 860. imagecodecs decodes a page; its sub-pixel places are
not used: pixels are the physical ones of the camera.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from structloop.core.errors import ImageTruncatedError, MovieError
from structloop.micrographs.movies.directories import count_directories
from structloop.micrographs.movies.files import MovieFile, MovieHeader, checked_header
from structloop.micrographs.movies.tiff import DECODER_ERRORS

_COMPRESSIONS = {65000, 65001, 65002}
_SKIP_BITS, _X_BITS, _Y_BITS = 65007, 65008, 65009
_DEFAULT_GROUP = 40


@dataclass(frozen=True, slots=True)
class EerGrouping:
    """How many frames of an EER file become one: by number, or by dose.

    Attributes:
        frames: So many become one. None: as the dose says; 40 where that is not given either.
        dose_per_frame: Electrons per square Angstrom that each group should have.
        total_dose: Electrons per square Angstrom of the whole movie.
    """

    frames: int | None = None
    dose_per_frame: float | None = None
    total_dose: float | None = None

    def size(self, stored: int, path: Path) -> int:
        """Frames per group, of a file that stores `stored` frames.

        Raises:
            MovieError: the grouping is impossible, or leaves less than two groups.
        """
        group = self.frames
        if group is None and self.dose_per_frame is not None:
            if self.total_dose is None or not 0 < self.dose_per_frame <= self.total_dose:
                raise MovieError(
                    f"{path}: to group {stored} frames to {self.dose_per_frame:g} e/A^2 each, give the whole movie's "
                    f"dose as well; got {self.total_dose}"
                )
            group = max(1, round(stored * self.dose_per_frame / self.total_dose))
        if group is None:
            group = min(_DEFAULT_GROUP, max(1, stored // 2))
        if not 1 <= group <= stored // 2:
            raise MovieError(
                f"{path} stores {stored} frames; groups of {group} leave less than two: give 1 to {max(stored // 2, 1)}"
            )
        return group


def holds_events(path: Path) -> bool:
    """Whether a TIFF file is an EER file.

    Raises:
        ImageTruncatedError: its first directory cannot be read.
    """
    try:
        with tifffile.TiffFile(path) as file:
            # The first page may be the sum of all, stored plainly.
            return any(
                int(file.pages[index].aspage().compression) in _COMPRESSIONS for index in range(min(2, len(file.pages)))
            )
    except DECODER_ERRORS as error:
        raise ImageTruncatedError(f"{path} is damaged near its start ({error}); copy it again") from error


class EerMovie(MovieFile):
    """A movie in an EER file; `frame` gives groups, uint8 or uint16 counts."""

    def __init__(self, path: Path, grouping: EerGrouping) -> None:
        super().__init__(path)
        count = count_directories(path)
        try:
            with tifffile.TiffFile(path) as file:
                pages = [page.aspage() for page in file.pages]
        except DECODER_ERRORS as error:
            raise ImageTruncatedError(f"{path} is damaged ({error}); copy it again") from error
        if len(pages) != count:
            raise ImageTruncatedError(f"{path} is cut off: {len(pages)} of {count} pages can be read; copy it again")
        self._pages = [page for page in pages if int(page.compression) in _COMPRESSIONS]
        end = path.stat().st_size
        first = self._pages[0]
        for number, page in enumerate(self._pages):
            if page.shape != first.shape:
                raise MovieError(
                    f"{path}: frame {number + 1} is {page.shape[1]} x {page.shape[0]}, the first {first.shape[1]} x "
                    f"{first.shape[0]}; frames of one movie are alike"
                )
            if any(at + length > end for at, length in zip(page.dataoffsets, page.databytecounts, strict=True)):
                raise ImageTruncatedError(
                    f"{path} is cut off: the events of frame {number + 1} of {len(self._pages)} lie beyond its end; "
                    "copy it again"
                )
        self._group = grouping.size(len(self._pages), path)
        self._bits = _bits_of(first)
        groups, left = divmod(len(self._pages), self._group)
        remarks = [f"{len(self._pages)} frames are stored; each {self._group} became one"]
        if left:
            remarks.append(f"the last {left}, too few for another, were left out")
        height, width = first.shape
        kind = np.dtype(np.uint8 if self._group < 256 else np.uint16)
        self.header = checked_header(MovieHeader(path, "EER", width, height, groups, kind, None, tuple(remarks)))

    def frame(self, number: int) -> NDArray[Any]:
        """See `MovieFile.frame`; the sum of a group."""
        total = np.zeros(self.header.shape, self.header.dtype)
        with self.header.path.open("rb") as file:
            for stored in range(number * self._group, (number + 1) * self._group):
                page = self._pages[stored]
                parts = []
                for at, length in zip(page.dataoffsets, page.databytecounts, strict=True):
                    file.seek(at)
                    parts.append(file.read(length))
                data = b"".join(parts)
                if len(data) < sum(page.databytecounts):
                    raise ImageTruncatedError(f"{self.header.path} became shorter while it was read; copy it again")
                # The decoder wants whole 16-bit words.
                data += bytes(len(data) % 2)
                try:
                    total += imagecodecs.eer_decode(data, self.header.shape, *self._bits)
                except (RuntimeError, ValueError) as error:
                    raise ImageTruncatedError(
                        f"{self.header.path}: the events of frame {stored + 1} are damaged ({error}); copy it again"
                    ) from error
        return total


def _bits_of(page: tifffile.TiffPage) -> tuple[int, int, int]:
    """Bits of a run, and of the place within a pixel in x and y."""
    if int(page.compression) == 65000:
        return 8, 2, 2
    if int(page.compression) == 65001:
        return 7, 2, 2
    found = [int(page.tags.valueof(tag, usual)) for tag, usual in ((_SKIP_BITS, 7), (_X_BITS, 2), (_Y_BITS, 2))]
    return found[0], found[1], found[2]


__all__ = ["EerGrouping", "EerMovie", "holds_events"]
