"""Options that processing and watching exposures share, and what follows from them."""

import json
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from structloop.core.errors import ExposureError, JudgingError

if TYPE_CHECKING:
    from structloop.micrographs.judging import Limits

Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.", file_okay=False)]
Name = Annotated[
    str | None, typer.Option(help="Of the session. Default: that of the folder of results.", show_default=False)
]
Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Movies in folders below count, too.")]
MetadataFolder = Annotated[
    Path | None,
    typer.Option(
        "--metadata",
        metavar="DIR",
        help="Where EPU's XML or SerialEM's mdoc lie, if not beside the movies; folders below count.",
        exists=True,
        file_okay=False,
        show_default=False,
    ),
]
Gain = Annotated[Path | None, typer.Option(help="Gain reference: MRC or TIFF.", show_default=False)]
GainRotate = Annotated[
    int, typer.Option(min=0, max=3, help="Quarter turns of the gain, clockwise with row 0 at the top.")
]
GainFlip = Annotated[Literal["none", "vertical", "horizontal"], typer.Option(help="Of the turned gain.")]
Defects = Annotated[Path | None, typer.Option(help="List (`x y width height`) or map of defects.", show_default=False)]
PixelSize = Annotated[
    float | None,
    typer.Option(
        help="Of the stored frames. Default for this and the next: EPU's XML, SerialEM's mdoc, headers.",
        show_default=False,
    ),
]
VoltageKv = Annotated[float | None, typer.Option(help="Of the microscope; 300 where nothing says it.")]
CsMm = Annotated[float | None, typer.Option(help="Spherical aberration; 2.7 where nothing says it.")]
AmplitudeContrast = Annotated[float | None, typer.Option(help="0.1 without it.", min=0, max=1)]
DosePerFrame = Annotated[
    float | None,
    typer.Option(help="e/A^2 per frame; known, dose-weighted micrographs are written, too.", show_default=False),
]
PhasePlate = Annotated[
    bool | None,
    typer.Option("--phase-plate/--no-phase-plate", help="Fit a phase shift, or none.", show_default=False),
]
DefocusRange = Annotated[
    str, typer.Option("--defocus-um", metavar="LOW:HIGH", help="Where the mean defocus is looked for.")
]
EerGroup = Annotated[
    int | None, typer.Option(min=1, help="EER frames that become one. Default: 40.", show_default=False)
]
SkipFirst = Annotated[int, typer.Option(min=0, help="Frames thrown away at the beginning.")]
SkipLast = Annotated[int, typer.Option(min=0, help="Frames thrown away at the end.")]
Vacuum = Annotated[
    Path | None,
    typer.Option(
        help="A movie without a specimen, taken like the others: ice is compared with it. Default: with the thinnest.",
        show_default=False,
    ),
]
MeanFreePath = Annotated[
    float | None, typer.Option(help="Of this microscope: ice is told in nanometres.", show_default=False)
]
PickerName = Annotated[
    str | None,
    typer.Option(
        "--picker",
        help="Count particles with this model. Default: log, where a diameter is given; else none are counted.",
        show_default=False,
    ),
]
Diameter = Annotated[float | None, typer.Option("--diameter-angstrom", help="Of the particles.", show_default=False)]
Threshold = Annotated[
    float | None,
    typer.Option(help="Least probability of a particle that counts. Default: the model's.", show_default=False),
]
Condition = Annotated[
    bool,
    typer.Option(
        "--condition/--no-condition",
        help="Tell the condition of exposures. It is judged by where the model in production learned from real labels.",
    ),
]
LimitsFile = Annotated[
    Path | None,
    typer.Option(
        "--limits",
        metavar="FILE",
        help="Limits by which exposures are judged, JSON or TOML.",
        exists=True,
        dir_okay=False,
        show_default=False,
    ),
]
LimitList = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="One limit, such as most-ctf-resolution=5 or defocus=0.5:2.5; again for more.",
        show_default=False,
    ),
]
Places = Annotated[
    str | None,
    typer.Option(
        "--places",
        metavar="PATTERN",
        help="Regular expression with groups grid, square, hole, searched in movies' paths.",
        show_default=False,
    ),
]
Threads = Annotated[int, typer.Option(min=1, max=256, help="Threads per movie.")]
Workers = Annotated[
    int | None, typer.Option(min=1, max=64, help="Movies at once. Default: cores by threads.", show_default=False)
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only failures are told.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

_GROUPS = frozenset({"grid", "square", "hole"})


def workers_of(workers: int | None, threads: int) -> int:
    """Movies at once: as asked for, or as many as the cores have threads for."""
    return workers or max(1, len(os.sched_getaffinity(0)) // threads)


def range_of(text: str, option: str) -> tuple[float, float]:
    """`LOW:HIGH` as two numbers.

    Raises:
        ExposureError: it is not that.
    """
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError as error:
        raise ExposureError(f"{option} is {text!r}; give LOW:HIGH, such as 0.3:4") from error


def places_of(pattern: str | None) -> re.Pattern[str] | None:
    """The pattern of places.

    Raises:
        ExposureError: it is no pattern, or has none of the groups.
    """
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ExposureError(f"--places is no regular expression: {error}") from error
    if not compiled.groupindex or not compiled.groupindex.keys() <= _GROUPS:
        raise ExposureError("--places has groups (?P<grid>...), (?P<square>...), (?P<hole>...) and no others; name one")
    return compiled


def limits_of(file: Path | None, single: list[str] | None) -> "Limits | None":
    """The limits that a file and single options say, None where neither says any.

    Raises:
        JudgingError: the file is none of limits, or a limit is not known or cannot be.
    """
    from structloop.exposures.judging import limits_from_json

    if file is None and not single:
        return None
    limits = None if file is None else limits_from_json(_read(file))
    return limits_from_json(dict(_parsed(each) for each in single or ()), limits)


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise JudgingError(f"{file} cannot be read as limits: {error}") from error
    if not isinstance(values, dict):
        raise JudgingError(f"{file} holds no table of limits by name")
    return values


def _parsed(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign:
        raise JudgingError(f"--limit {text!r} has no value; give NAME=VALUE")
    return _named(name.strip()), _value(name, value.strip())


def _named(name: str) -> str:
    """A limit by its name, or by the beginning of one that no other has."""
    from dataclasses import fields

    from structloop.micrographs.judging import Limits

    plain = name.replace("-", "_").lower()
    names = [each.name for each in fields(Limits)]
    near = [each for each in names if each == plain] or [each for each in names if each.startswith(plain)]
    if len(near) != 1:
        raise JudgingError(f"there is no limit {name!r}; limits are {', '.join(near or names)}")
    return near[0]


def _value(name: str, text: str) -> Any:
    words = {"none": None, "true": True, "yes": True, "false": False, "no": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        if ":" in text:
            return [float(each) if each.strip() else None for each in text.split(":", 1)]
        return float(text)
    except ValueError as error:
        raise JudgingError(
            f"the limit {name} is {text!r}; give a number, LOW:HIGH (either may be left out), none, true or false"
        ) from error


__all__ = ["limits_of", "places_of", "range_of", "workers_of"]
