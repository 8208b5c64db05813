"""Motion of an exposure: one vocabulary for what we measure and for what other programs wrote.

A place of the specimen at (x, y) of the micrograph appears in frame f at (x + dx, y + dy): shifts say where things
went, in pixels of the stored frame. Programs write the opposite (what must be added to bring them back); readers turn
that.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MotionTrack:
    """Where the whole of an exposure went.

    Attributes:
        name: Of the movie or micrograph, as written.
        program: Who measured it: `structloop`, `MotionCor2`, `RELION`.
        frames: (n,) numbers of the frames, from 0.
        shifts_px: (n, 2) x and y, relative to `reference_frame`, pixels of the stored frame.
        reference_frame: The frame whose shift is 0.
    """

    name: str
    program: str
    frames: NDArray[np.int64]
    shifts_px: Array64
    reference_frame: int

    def __post_init__(self) -> None:
        if self.shifts_px.shape != (len(self.frames), 2) or not np.isfinite(self.shifts_px).all():
            raise ValueError(f"{self.name}: shifts_px {self.shifts_px.shape} for {len(self.frames)} frames, all finite")

    def steps_px(self) -> Array64:
        """(n - 1,) distance from each frame to the next, pixels."""
        return np.asarray(np.hypot(*np.diff(self.shifts_px, axis=0).T), np.float64)


@dataclass(frozen=True, slots=True)
class MotionSummary:
    """How much an exposure moved: the length of the path of its whole, Angstrom.

    Attributes:
        name: Of the movie or micrograph, as written.
        program: Who measured it.
        total_angstrom: From the first frame to the last.
        early_angstrom: Within the first electrons (RELION: 4 e/A^2); NaN where not known, or no step is so early.
        late_angstrom: After them; NaN where not known.
        pixel_size_angstrom: Of the micrograph, where known.
    """

    name: str
    program: str
    total_angstrom: float
    early_angstrom: float = float("nan")
    late_angstrom: float = float("nan")
    pixel_size_angstrom: float | None = None


@dataclass(frozen=True, slots=True)
class CorrectedMicrograph:
    """A motion-corrected micrograph, as RELION's `corrected_micrographs.star` lists it.

    Attributes:
        micrograph: Its file, as it is to be written.
        motion: How much it moved.
        metadata: The STAR file of its tracks, as it is to be written; empty where there is none.
        power_spectrum: File of its summed power spectrum; empty where there is none.
    """

    micrograph: Path
    motion: MotionSummary
    metadata: str = ""
    power_spectrum: str = ""


__all__ = ["Array64", "CorrectedMicrograph", "MotionSummary", "MotionTrack"]
