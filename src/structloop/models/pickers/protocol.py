"""What a particle picker is, and what a family of pickers must be able to do.

A picker sees micrographs at its *working sampling*, tied to the particle: `WorkingMicrograph` holds about 13 pixels per
particle diameter (`PickerCard.working_diameter_px`), whatever the camera. `structloop.models.pickers.preparing.prepare`
makes one; `structloop.models.pickers.peaks.find_peaks` turns the maps that a picker gives into places in the stored
micrograph; `structloop.models.pickers.calibration` turns raw scores into probabilities.

A family is a plugin: an object that satisfies `PickerFamily`, named in the entry-point group
``structloop.picker_families``. Subclass `structloop.testing.pickers.PickerTests` to check one's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from structloop.models.runtime import Runtime
from structloop.schema.models import PickerCard

FloatMap = NDArray[np.float32]


@dataclass(frozen=True)
class WorkingMicrograph:
    """A micrograph as pickers see it.

    Attributes:
        pixels: (y, x) at the working sampling, particles dark, normalised to median 0 and robust deviation 1.
        mask: (y, x), True where picks are not wanted (carbon, border, padding).
        scale: Stored pixels per working pixel; the same along x and y.
        native_shape: (height, width) of the stored micrograph, pixels.
    """

    pixels: FloatMap
    mask: NDArray[np.bool_]
    scale: float
    native_shape: tuple[int, int]

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or self.mask.shape != self.pixels.shape:
            raise ValueError(f"pixels {self.pixels.shape} and mask {self.mask.shape} must be one (y, x) shape")
        if not self.scale > 0:
            raise ValueError(f"scale is {self.scale}; it is stored pixels per working pixel, above 0")

    def to_native(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places (n, 2) in working pixels as places in stored pixels; (0, 0) is the centre of the first pixel."""
        return np.asarray((np.asarray(xy, np.float64) + 0.5) * self.scale - 0.5, np.float64)

    def to_working(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """Places (n, 2) in stored pixels as places in working pixels."""
        return np.asarray((np.asarray(xy, np.float64) + 0.5) / self.scale - 0.5, np.float64)


@dataclass(frozen=True)
class LabelledMicrograph:
    """A micrograph with particles that somebody marked.

    Attributes:
        micrograph: What the picker sees.
        xy_px: Centres (n, 2) in stored pixels.
        complete: Whether all particles that the annotator would accept are marked. False: unmarked places may be
            particles (a few clicks). None: it is judged from the numbers.
        name: For messages, and to tell micrographs apart when some are left out.
    """

    micrograph: WorkingMicrograph
    xy_px: NDArray[np.float64]
    complete: bool | None = None
    name: str = ""


@dataclass(frozen=True)
class ScoreMap:
    """What a picker says of every working pixel.

    Attributes:
        probability: (y, x), raw centre score from 0 to 1, highest where a particle's centre is; not calibrated.
        offsets_px: (2, y, x), dx and dy from the pixel's centre to the particle's, working pixels; None where the
            picker gives none.
    """

    probability: FloatMap
    offsets_px: FloatMap | None = None


@runtime_checkable
class Picker(Protocol):
    """Something trained or made to find particles."""

    @property
    def card(self) -> PickerCard:
        """The card of the model: working sampling, calibration, expected precision and recall, limits."""
        ...

    def score_maps(self, micrographs: Sequence[WorkingMicrograph]) -> list[ScoreMap]:
        """One map per micrograph, of its shape, in their order.

        The map of a micrograph does not depend on those beside it, nor on its mask (`find_peaks` applies that).
        """
        ...


@runtime_checkable
class PickerFamily(Protocol):
    """One kind of picker and everything needed to bring it from files to a `Picker`."""

    @property
    def name(self) -> str:
        """The name that cards give in `family`."""
        ...

    def load(self, folder: Path, card: PickerCard, runtime: Runtime) -> Picker:
        """Builds the picker of `card` from `folder`, whose files the registry has checked already.

        Raises:
            ModelFormatError: the weights do not fit the network that the card describes.
        """
        ...


__all__ = ["FloatMap", "LabelledMicrograph", "Picker", "PickerFamily", "ScoreMap", "WorkingMicrograph"]
