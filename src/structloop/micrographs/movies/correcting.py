"""Raw frames to corrected ones: gain, defects, and pixels that are no numbers."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import GainReferenceError, MovieError
from structloop.micrographs.movies.defects import BoolArray
from structloop.micrographs.movies.files import MovieHeader

FloatArray = NDArray[np.float32]

MOST_DEFECTS = 0.05
"""Share of a camera that may be defective."""

MOST_NOT_NUMBERS = 1e-3
"""Share of a frame's pixels that may be NaN or infinite, and are mended."""

_REACH_PX = 12
_TRIES = 60


@dataclass(frozen=True)
class Correction:
    """What is done to every frame of a movie.

    Attributes:
        name: Of the movie, for errors.
        shape: (height, width).
        gain: Factors, NaN where the camera is defective; or None.
        bad: Flat indices of defective pixels.
        source: For each of them the flat index of a good neighbour whose value it takes, the same in every frame:
            mended pixels have the noise of good ones, and none of it stands still between frames.
        mended: Pixels that were no numbers, counted by frame while frames are corrected.
    """

    name: str
    shape: tuple[int, int]
    gain: FloatArray | None = None
    bad: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    source: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    mended: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        header: MovieHeader,
        *,
        gain: FloatArray | None = None,
        defects: BoolArray | None = None,
    ) -> "Correction":
        """The correction of a movie.

        Args:
            header: Of the movie.
            gain: Factors (y, x); see `read_gain`.
            defects: Defective pixels (y, x); those without a gain are added.

        Raises:
            GainReferenceError: the gain is of another size than the frames.
            MovieError: the defects are, or more than 5 % of the pixels are defective.
        """
        if gain is not None and gain.shape != header.shape:
            raise GainReferenceError(
                f"the gain reference is {gain.shape[1]} x {gain.shape[0]}, the frames of {header.path} are "
                f"{header.width_px} x {header.height_px}; give the reference of this camera and binning"
                + (", or turn it by 90 degrees" if gain.shape == header.shape[::-1] else "")
            )
        bad = np.zeros(header.shape, np.bool_) if defects is None else defects
        if bad.shape != header.shape:
            raise MovieError(
                f"the defects are of {bad.shape[1]} x {bad.shape[0]} pixels, the frames of {header.path} of "
                f"{header.width_px} x {header.height_px}"
            )
        if gain is not None:
            bad = bad | ~np.isfinite(gain)
        return cls(str(header.path), header.shape, gain)._with_bad(bad)

    def with_defects(self, found: BoolArray) -> "Correction":
        """The same, with further defects.

        Raises:
            MovieError: more than 5 % of the pixels are defective now.
        """
        bad = found.copy()
        bad.flat[self.bad] = True
        return self._with_bad(bad)

    def _with_bad(self, bad: BoolArray) -> "Correction":
        indices = np.flatnonzero(bad)
        if len(indices) > MOST_DEFECTS * bad.size:
            raise MovieError(
                f"{self.name}: {len(indices):,} of {bad.size:,} pixels count as defective, more than 5 %; does the "
                "gain reference or the list of defects belong to this camera?"
            )
        return replace(self, bad=indices, source=_sources(bad, indices))

    @property
    def defects(self) -> BoolArray:
        """Defective pixels (y, x)."""
        defects = np.zeros(self.shape, np.bool_)
        defects.flat[self.bad] = True
        return defects

    def apply(self, raw: NDArray[Any], number: int) -> FloatArray:
        """A corrected frame, a new array.

        Args:
            raw: As it is stored, (y, x).
            number: Of the frame, from 0.

        Raises:
            MovieError: the frame is of another size, or more than 0.1 % of its pixels are no numbers.
        """
        if raw.shape != self.shape:
            raise MovieError(
                f"{self.name}: frame {number + 1} is {raw.shape[1]} x {raw.shape[0]}, the first was "
                f"{self.shape[1]} x {self.shape[0]}; frames of one movie are alike"
            )
        frame = raw.astype(np.float32) if self.gain is None else np.multiply(raw, self.gain, dtype=np.float32)
        if len(self.bad):
            flat = frame.reshape(-1)
            flat[self.bad] = flat[self.source]
        # A sum is a number only where all its terms are; only files of floating-point numbers can hold others.
        if raw.dtype.kind == "f" and not np.isfinite(frame.sum(dtype=np.float64)):
            self._mend(frame, number)
        return frame

    def _mend(self, frame: FloatArray, number: int) -> None:
        wrong = ~np.isfinite(frame)
        count = int(np.count_nonzero(wrong))
        if count > MOST_NOT_NUMBERS * frame.size:
            raise MovieError(
                f"{self.name}: {count:,} of {frame.size:,} pixels of frame {number + 1} are no numbers (NaN or "
                "infinite), more than 0.1 %; the movie is damaged: write it again, or leave it out"
            )
        frame[wrong] = np.median(frame[~wrong])
        self.mended[number] = count

    def remarks(self) -> tuple[str, ...]:
        """What was mended, in words."""
        said = []
        if len(self.bad):
            said.append(f"{len(self.bad)} defective pixels took the value of a neighbour")
        if self.mended:
            count = sum(self.mended.values())
            said.append(f"{count} pixels in {len(self.mended)} frames were no numbers and were replaced by the median")
        return tuple(said)


def _sources(bad: BoolArray, indices: NDArray[np.intp]) -> NDArray[np.intp]:
    """A good pixel near each bad one, drawn at random but the same every time."""
    height, width = bad.shape
    draw = np.random.default_rng(0xDEFEC7)
    y, x = np.divmod(indices, width)
    source = np.full(len(indices), -1, np.intp)
    for attempt in range(_TRIES):
        left = np.flatnonzero(source < 0)
        if not len(left):
            return source
        reach = _REACH_PX * (1 + attempt // 8)
        at_y = np.clip(y[left] + draw.integers(-reach, reach + 1, len(left)), 0, height - 1)
        at_x = np.clip(x[left] + draw.integers(-reach, reach + 1, len(left)), 0, width - 1)
        good = ~bad[at_y, at_x]
        source[left[good]] = (at_y * width + at_x)[good]
    left = np.flatnonzero(source < 0)
    # Deep within a large defect any good pixel will do.
    source[left] = draw.choice(np.flatnonzero(~bad), len(left)) if len(left) else source[left]
    return source


__all__ = ["MOST_DEFECTS", "MOST_NOT_NUMBERS", "Correction", "FloatArray"]
