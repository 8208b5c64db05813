"""What may be asked of a simulated microscope, in Python or in its address."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from structloop.core.errors import NotCapableError

Measuring: TypeAlias = Literal["images", "model"]

OPTIONS: Mapping[str, str] = {
    "seed": "a number that the whole scene and every error of the microscope follow from (default 0)",
    "grids": "how many grids the cassette holds, 1 to 12 (default 4)",
    "kinds": "kinds of grid, one after the other, separated by commas (default: carbon and gold by turns)",
    "clock": "virtual (default: nothing takes time) or wall (everything takes as long as it would)",
    "camera": "pixels along an edge of an image, of an atlas 2048 at most; the field of view stays as it is (default "
    "4096)",
    "faults": "chances of faults per action they can befall, such as stage-jam:0.01,vacuum:0.001, or single ones, such "
    "as camera-timeout@acquire#3:middle",
    "measure": "images (default: focus, height, drift and alignment are measured on rendered images) or model (drawn "
    "from how well such measurements do, which is faster)",
    "flaws": "real (default) or none: a microscope that does exactly what it is told",
    "frames": "folder that movies are written to (default: movies have a name and no file)",
    "movies": "asked (default: a movie is written when SimulatedMicroscope.write_movie asks for it) or taken (at once)",
    "exposure_log": "file that every exposure is appended to before it happens, JSON lines, to prove what was exposed",
}
"""Options of an address, and what they mean."""


@dataclass(frozen=True)
class SimulatedOptions:
    """How a simulated microscope is set up.

    Attributes:
        seed: Of the microscope's own errors and of every image's noise.
        camera_px: Pixels along an edge of an image. Smaller ones are read out binned: the field of view stays. Those of
            an atlas have 2048 at most.
        measure: Whether focus, height, drift and alignment come from rendered images or from the documented errors of
            such measurements.
        flaws: False for a microscope that does exactly what it is told.
        frames: Folder that movies are written to; None writes none.
        movies_when_taken: Write each movie when it is taken, not when it is asked for.
        exposure_log: File that every exposure is appended to before it happens.
    """

    seed: int = 0
    camera_px: int = 4096
    measure: Measuring = "images"
    flaws: bool = True
    frames: Path | None = None
    movies_when_taken: bool = False
    exposure_log: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            NotCapableError: the camera's size is not one that it has.
        """
        if not 128 <= self.camera_px <= 8192 or self.camera_px % 2:
            raise NotCapableError(f"simulated microscope: camera={self.camera_px} is not an even number of 128 to 8192")


def number(options: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """A whole number among the options of an address.

    Raises:
        NotCapableError: it is none, or out of range.
    """
    text = options.get(name, str(default))
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise NotCapableError(f"simulated microscope: {name}={text} is not a whole number of {low} to {high}")
    return value


def choice(options: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """One of some words among the options of an address; the first is the default.

    Raises:
        NotCapableError: it is another word.
    """
    value = options.get(name, allowed[0])
    if value not in allowed:
        raise NotCapableError(f"simulated microscope: {name}={value} is not one of {', '.join(allowed)}")
    return value


def read_options(options: Mapping[str, str]) -> SimulatedOptions:
    """The options of an address; those of the cassette, the clock and the faults are read by the driver.

    Raises:
        NotCapableError: an option has a value that it cannot have.
    """
    return SimulatedOptions(
        seed=number(options, "seed", 0, 0, 2**31 - 1),
        camera_px=number(options, "camera", 4096, 128, 8192),
        measure="model" if choice(options, "measure", ("images", "model")) == "model" else "images",
        flaws=choice(options, "flaws", ("real", "none")) == "real",
        frames=Path(options["frames"]) if "frames" in options else None,
        movies_when_taken=choice(options, "movies", ("asked", "taken")) == "taken",
        exposure_log=Path(options["exposure_log"]) if "exposure_log" in options else None,
    )


__all__ = ["OPTIONS", "Measuring", "SimulatedOptions", "choice", "number", "read_options"]
