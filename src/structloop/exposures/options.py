"""How exposures are processed."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from structloop.core.errors import ExposureError
from structloop.micrographs.movies import EerGrouping
from structloop.micrographs.movies.files import identity_of
from structloop.micrographs.movies.gain import Flip, Rotation

DEFAULT_VOLTAGE_KV, DEFAULT_CS_MM, DEFAULT_CONTRAST = 300.0, 2.7, 0.1

_FILES = ("gain", "defects", "vacuum")
_NOT_IN_RESULTS = ("threads",)
_ABOVE_ZERO = (
    "pixel_size_angstrom",
    "voltage_kv",
    "dose_per_frame",
    "mean_free_path_nm",
    "diameter_angstrom",
)


@dataclass(frozen=True)
class ExposureOptions:
    """How exposures are processed; what is None is taken from files, where they say it.

    Attributes:
        pixel_size_angstrom: Of the stored frames.
        voltage_kv, cs_mm, amplitude_contrast: Of the microscope.
        dose_per_frame: e/A^2.
        phase_plate: Whether a phase shift is fitted.
        gain, gain_rotate, gain_flip: See `read_gain`.
        defects: See `read_defects`.
        eer: How EER files are grouped.
        skip_first, skip_last: So many frames are thrown away at either end.
        defocus_um: Where the mean defocus is looked for, (low, high).
        vacuum: A movie without a specimen, taken like the others, that ice is compared with; without it, ice is
            compared with the session's thinnest.
        mean_free_path_nm: For ice in nanometres.
        picker: Name and version of the picker, to tell results apart; the picker itself is handed over beside.
        diameter_angstrom: Of the particles.
        threshold: Least probability of a particle that is counted; None: the picker's own.
        threads: For each movie.
    """

    pixel_size_angstrom: float | None = None
    voltage_kv: float | None = None
    cs_mm: float | None = None
    amplitude_contrast: float | None = None
    dose_per_frame: float | None = None
    phase_plate: bool | None = None
    gain: Path | None = None
    gain_rotate: Rotation = 0
    gain_flip: Flip = "none"
    defects: Path | None = None
    eer: EerGrouping | None = None
    skip_first: int = 0
    skip_last: int = 0
    defocus_um: tuple[float, float] = (0.2, 5.0)
    vacuum: Path | None = None
    mean_free_path_nm: float | None = None
    picker: str | None = None
    diameter_angstrom: float | None = None
    threshold: float | None = None
    threads: int = 2

    def __post_init__(self) -> None:
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ExposureError(f"{name} is {value}; give a number above 0")

    def to_json(self) -> dict[str, Any]:
        """By name, for the store; what was not given is left out."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        for name in _FILES:
            if name in said:
                said[name] = str(said[name])
        said["defocus_um"] = list(self.defocus_um)
        return said

    def digest(self) -> str:
        """Of all that changes a result, what lies in the given files included.

        Raises:
            ImageMissingError, ImageTruncatedError, ImageError: a given file is not there, empty, or cannot be read.
        """
        said = asdict(self)
        for name in _NOT_IN_RESULTS:
            said.pop(name)
        for name in _FILES:
            path = said[name]
            said[name] = None if path is None else [str(path.absolute()), *identity_of(path)[:2]]
        return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


__all__ = ["DEFAULT_CONTRAST", "DEFAULT_CS_MM", "DEFAULT_VOLTAGE_KV", "ExposureOptions"]
