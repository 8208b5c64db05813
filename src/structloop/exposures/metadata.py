"""What is known of an exposure before it is processed, and from where: options, EPU's XML, SerialEM's mdoc, headers.

The first that says a value counts, in that order; where others say something else, that is remarked with both values.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from structloop.core.errors import AcquisitionFileError
from structloop.exposures.finding import FoundMovie
from structloop.exposures.options import DEFAULT_CONTRAST, DEFAULT_CS_MM, DEFAULT_VOLTAGE_KV, ExposureOptions
from structloop.instruments.epu.documents import parse
from structloop.instruments.epu.images import image_of
from structloop.instruments.epu.names import name_file
from structloop.instruments.serialem.mdoc import Mdoc, MdocSection
from structloop.micrographs.movies import MovieHeader
from structloop.schema.grids import ImageLevel

_LARGEST_FILE = 16 << 20
_DEFAULT = "default"
# Relative differences that are not remarked: headers round.
_SAME = {"pixel_size_angstrom": 0.01, "voltage_kv": 0.005, "dose_per_frame": 0.05, "cs_mm": 0.01}
_WORDS = {
    "pixel_size_angstrom": ("pixel size", "Å"),
    "voltage_kv": ("voltage", "kV"),
    "cs_mm": ("Cs", "mm"),
    "amplitude_contrast": ("amplitude contrast", ""),
    "dose_per_frame": ("dose per frame", "e/Å²"),
}
_BINNINGS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True, slots=True)
class Known:
    """A value, and who says it."""

    value: float
    origin: str


@dataclass
class Told:
    """What one file says.

    Attributes:
        origin: Its name.
        values: Numbers by name, as of `ExposureMetadata`.
        remarks: What people should know of it.
    """

    origin: str
    values: dict[str, float] = field(default_factory=dict)
    taken_at: datetime | None = None
    grid: str | None = None
    square: str | None = None
    hole: str | None = None
    stage_um: tuple[float, float] | None = None
    tilt_deg: float | None = None
    target_defocus_um: float | None = None
    phase_plate: bool | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ExposureMetadata:
    """What is known of an exposure.

    Attributes:
        known: Values with their origins by name: pixel_size_angstrom (of the stored frames), voltage_kv, cs_mm,
            amplitude_contrast, dose_per_frame (e/A^2 of a frame as it is read).
        others: What further sources say, by name.
        phase_plate: Whether one was in.
        taken_at, grid, square, hole, stage_um, tilt_deg, target_defocus_um: Where they are told.
        origins: Who says those, by name.
        remarks: Disagreements, and files that could not be read.
    """

    known: dict[str, Known]
    others: dict[str, tuple[Known, ...]]
    phase_plate: bool
    taken_at: datetime | None
    grid: str | None
    square: str | None
    hole: str | None
    stage_um: tuple[float, float] | None
    tilt_deg: float | None
    target_defocus_um: float | None
    origins: dict[str, str]
    remarks: tuple[str, ...]

    def value(self, name: str) -> float | None:
        """A value by its name; None where nobody says it."""
        found = self.known.get(name)
        return None if found is None else found.value

    def of_results(self) -> dict[str, float | bool]:
        """All that changes a result."""
        return {name: known.value for name, known in sorted(self.known.items())} | {"phase_plate": self.phase_plate}

    def to_json(self) -> dict[str, Any]:
        """For the row's details: every value with who says it."""
        said: dict[str, Any] = {}
        for name, known in self.known.items():
            said[name] = {"value": known.value, "origin": known.origin}
            if self.others.get(name):
                said[name]["others"] = [{"value": each.value, "origin": each.origin} for each in self.others[name]]
        for name in ("stage_um", "tilt_deg", "target_defocus_um", "grid", "square", "hole", "taken_at"):
            value = getattr(self, name)
            if value is not None:
                told = value.isoformat() if isinstance(value, datetime) else value
                told = list(value) if isinstance(value, tuple) else told
                said[name] = {"value": told, "origin": self.origins.get(name, _DEFAULT)}
        return said


def gather(
    movie: FoundMovie, header: MovieHeader, options: ExposureOptions, places: re.Pattern[str] | None = None
) -> ExposureMetadata:
    """All that is known of a movie.

    Args:
        movie: Its file, and those beside it.
        header: Its own.
        options: What a person said.
        places: Pattern that is searched in the movie's path, with groups `grid`, `square`, `hole`.
    """
    sources = [_of_options(options), *(_of_file(path, movie, header) for path, _ in movie.beside), _of_header(header)]
    sources.append(_of_path(movie.path, places))
    standard = {
        "voltage_kv": DEFAULT_VOLTAGE_KV,
        "cs_mm": DEFAULT_CS_MM,
        "amplitude_contrast": DEFAULT_CONTRAST,
    }
    sources.append(Told(_DEFAULT, standard))
    remarks = [remark for source in sources for remark in source.remarks]
    known: dict[str, Known] = {}
    others: dict[str, tuple[Known, ...]] = {}
    for name in _WORDS:
        said = [Known(source.values[name], source.origin) for source in sources if name in source.values]
        if not said:
            continue
        known[name] = said[0]
        others[name] = tuple(each for each in said[1:] if each.origin != _DEFAULT)
        remarks += _disagreements(name, said[0], others[name])
    origins: dict[str, str] = {}

    def first(name: str) -> Any:
        # A person's pattern for places counts more than what files say of them.
        order = [sources[-2], *sources] if places is not None and name in {"grid", "square", "hole"} else sources
        for source in order:
            value = getattr(source, name)
            if value is not None:
                origins[name] = source.origin
                return value
        return None

    return ExposureMetadata(
        known,
        others,
        bool(first("phase_plate")),
        first("taken_at"),
        first("grid"),
        first("square"),
        first("hole"),
        first("stage_um"),
        first("tilt_deg"),
        first("target_defocus_um"),
        origins,
        tuple(remarks),
    )


def places_of_path(path: Path, places: re.Pattern[str] | None = None) -> dict[str, Any]:
    """What the path alone says of where and when an exposure was taken, by column."""
    told = _of_path(path, places)
    return {"grid": told.grid, "square": told.square, "hole": told.hole, "taken_at": told.taken_at}


def _disagreements(name: str, counts: Known, others: tuple[Known, ...]) -> list[str]:
    words, unit = _WORDS[name]
    said = []
    for other in others:
        # Programs write 1 Angstrom when they do not know it.
        vague = name == "pixel_size_angstrom" and other.value == 1.0 and other.origin == "header"
        if vague or math.isclose(counts.value, other.value, rel_tol=_SAME.get(name, 1e-3)):
            continue
        first = "the options say" if counts.origin == "option" else f"{counts.origin} says"
        said.append(
            f"{words}: {first} {counts.value:.5g} {unit}, {other.origin} says {other.value:.5g} {unit}; "
            "the first counts".replace("  ", " ")
        )
    return said


def _of_options(options: ExposureOptions) -> Told:
    values = {name: getattr(options, name) for name in _WORDS if getattr(options, name) is not None}
    return Told("option", values, phase_plate=options.phase_plate)


def _of_header(header: MovieHeader) -> Told:
    size = header.pixel_size_angstrom
    return Told("header", {} if size is None else {"pixel_size_angstrom": size})


def _of_path(path: Path, places: re.Pattern[str] | None) -> Told:
    told = Told("path")
    named = name_file("/".join(path.parts[-8:]).lstrip("/"))
    if named.level is ImageLevel.EXPOSURE:
        told.square, told.hole = named.square, named.hole
        for at, part in enumerate(path.parts):
            if part.lower().startswith("images-disc") and at > 0:
                told.grid = path.parts[at - 1]
        if len(named.stamp) == len("20200101120000"):
            told.taken_at = _stamp(named.stamp)
    found = None if places is None else places.search(path.as_posix())
    if found is not None:
        for name, value in found.groupdict().items():
            if value is not None:
                setattr(told, name, value)
    return told


def _stamp(digits: str) -> datetime | None:
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _of_file(path: Path, movie: FoundMovie, header: MovieHeader) -> Told:
    """What a file beside a movie says; one that cannot be read says only that."""
    read: Callable[[Path, Told, FoundMovie, MovieHeader], None]
    read = _read_epu if path.suffix.lower() == ".xml" else _read_mdoc
    told = Told(path.name)
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise AcquisitionFileError(f"it has more than {_LARGEST_FILE >> 20} MiB")
        read(path, told, movie, header)
    except (AcquisitionFileError, OSError) as error:
        return Told(path.name, remarks=[f"{path.name} was not used, for it cannot be read: {error}"])
    return told


def _read_epu(path: Path, told: Told, movie: FoundMovie, header: MovieHeader) -> None:
    image = image_of(parse(path.read_bytes(), path.name), movie.name, ImageLevel.EXPOSURE, path.name)
    if image.pixel_size_angstrom is not None:
        told.values["pixel_size_angstrom"] = image.pixel_size_angstrom * _finer(told, image.width_px, header)
    if image.voltage_kv is not None and image.voltage_kv > 0:
        told.values["voltage_kv"] = image.voltage_kv
    if image.dose_e_per_angstrom2 is not None and image.dose_e_per_angstrom2 > 0:
        told.values["dose_per_frame"] = image.dose_e_per_angstrom2 / header.frames
    told.taken_at, told.phase_plate = image.taken_at, image.phase_plate
    told.target_defocus_um = image.defocus_um
    if image.stage is not None:
        told.stage_um, told.tilt_deg = (image.stage.x_um, image.stage.y_um), image.stage.tilt_deg


def _finer(told: Told, width_px: int | None, header: MovieHeader) -> float:
    """By what a readout's pixel size is multiplied to be that of the stored frames (0.5: super-resolution)."""
    if width_px is None or width_px == header.width_px:
        return 1.0
    factor = width_px / header.width_px
    near = min(_BINNINGS, key=lambda each: abs(math.log(each / factor)))
    if abs(near / factor - 1) < 0.03:
        return near
    told.remarks.append(
        f"{told.origin} tells of a readout {width_px} pixels wide, the frames have {header.width_px}; its pixel size "
        "was taken for theirs"
    )
    return 1.0


def _read_mdoc(path: Path, told: Told, movie: FoundMovie, header: MovieHeader) -> None:
    mdoc = Mdoc.read(path)
    sections = (*mdoc.frame_sets, *mdoc.images)
    named = [each for each in sections if (each.frames_name or "").lower() == movie.path.name.lower()]
    chosen = named or sections
    if len(chosen) != 1:
        raise AcquisitionFileError(f"{len(sections)} exposures stand in it, and none is named {movie.path.name}")
    (section,) = chosen
    if section.pixel_size_angstrom:
        told.values["pixel_size_angstrom"] = section.pixel_size_angstrom
    voltage = mdoc.voltage_kv or section.section.number("Voltage")
    if voltage:
        told.values["voltage_kv"] = voltage
    cs = section.section.number("Cs")
    if cs:
        told.values["cs_mm"] = cs
    if section.dose_e_per_angstrom2:
        told.values["dose_per_frame"] = section.dose_e_per_angstrom2 / header.frames
    _place(section, told)


def _place(section: MdocSection, told: Told) -> None:
    at = section.stage_um
    told.stage_um = None if at is None else (at[0], at[1])
    told.tilt_deg = section.tilt_deg
    told.target_defocus_um = section.target_defocus_um
    told.hole = section.navigator_label
    inserted = section.section.get("PhasePlateInserted")
    told.phase_plate = None if inserted is None else inserted.strip().lower() in {"true", "1"}
    taken = section.taken_at
    # SerialEM tells no time zone.
    told.taken_at = None if taken is None else taken.replace(tzinfo=UTC)


__all__ = ["ExposureMetadata", "Known", "gather", "places_of_path"]
