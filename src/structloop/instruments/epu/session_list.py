"""EPU's list of a session (`EpuSession.dm`).

Elements are known by what they hold, not by where they stand or what the serialiser called them: that differs between
versions of EPU.
"""

import re
from dataclasses import dataclass

from structloop.instruments.epu.documents import (
    METRE_ANGSTROM,
    Element,
    child,
    expect,
    integer,
    micrometres,
    moment,
    name_of,
    number,
    pair,
    parts,
    positive,
    text,
)
from structloop.instruments.epu.frames import natural
from structloop.instruments.epu.square_list import SquareFile, square_of
from structloop.schema.grids import AreaRecord, SessionRecord

_SQUARE_FILE = re.compile(r"GridSquare_(\d+)\.dm\Z", re.IGNORECASE)
_OF_SAMPLE = {"atlasid", "gridsquares", "gridtype", "gridgeometry", "targetareatemplate"}
_VERSION = re.compile(r"Version=([0-9.]+)")


@dataclass(frozen=True, slots=True)
class SessionFile:
    """What `EpuSession.dm` tells.

    Attributes:
        squares: Keys of all squares that it names.
        atlas_path: Where the atlas lay when it was chosen, as the microscope's computer names it.
        inline: Squares that are written into it (some versions), with their holes.
        garbled: Elements that should say a number or a time and do not, in words; their values are unknown.
    """

    session: SessionRecord
    squares: tuple[str, ...]
    atlas_path: str | None
    inline: tuple["SquareFile", ...] = ()
    garbled: tuple[str, ...] = ()


def session_of(root: Element, path: str) -> SessionFile:
    """The session that `EpuSession.dm` describes.

    Raises:
        AcquisitionFileError: it is no such file.
    """
    expect(root, path, "epusessionxml", "samples", "autoloaderslot", "storagefolders")
    samples = (element for element in root.iter() if name_of(element).startswith("sample"))
    sample = next((part for part in samples if any(name_of(item) in _OF_SAMPLE for item in part)), None)
    squares: list[str] = []
    inline: list[SquareFile] = []
    for element in root.iter():
        if name_of(element) == "filename":
            match = _SQUARE_FILE.search(text(element) or "")
            if match is not None:
                squares.append(match[1])
        elif element is not root and child(element, "targetlocations") is not None:
            inline.append(square_of(element, path, key=text(element, "id")))
    name = text(root, "name")
    version = child(root, "version")
    session = SessionRecord(
        key=text(root, "id") or name or path,
        name=name,
        program="EPU",
        program_version=_assembly_version(root) or _dotted(version),
        microscope=text(root, "microscopename"),
        slot=_slot(integer(root, "autoloaderslot")),
        started_at=moment(root, "startdatetime") or moment(sample, "startdatetime"),
        ended_at=moment(root, "enddatetime") or moment(sample, "enddatetime"),
        grid_type=text(sample, "gridtype") or text(root, "gridtype"),
        grid_geometry=text(sample, "gridgeometry"),
        hole_size_um=positive(micrometres(number(sample, "filterholessettings", "holesize") or _hole(sample, "size"))),
        hole_spacing_um=positive(micrometres(_hole(sample, "spacing"))),
        lattice_rotation_rad=number(sample, "rotation") or number(sample, "filterholessettings", "rotation"),
        areas=_areas(root),
        presets=_presets(root),
        metadata_path=path,
    )
    keys = (*squares, *(found.square.key for found in inline))
    return SessionFile(session, tuple(dict.fromkeys(keys)), text(sample, "atlasid"), tuple(inline))


def _areas(root: Element) -> tuple[AreaRecord, ...]:
    pixel_m = next(
        (number(element, "width") for element in root.iter() if name_of(element) == "templateimagepixelsize"), None
    )
    areas: dict[str, AreaRecord] = {}
    for parent in root.iter():
        for element in parent:
            setting = child(element, "imageacquisitionsettingxml")
            key = text(element, "id") or text(parent, "key")
            if setting is None or key is None:
                continue
            values = [number(value) for value in parts(setting, "defocus")]
            areas.setdefault(
                key,
                AreaRecord(
                    key=key,
                    offset_px=pair(child(element, "shiftinpixels"), "width", "height"),
                    pixel_size_angstrom=None if not pixel_m else pixel_m * METRE_ANGSTROM,
                    exposure_s=number(setting, "exposuretime"),
                    defocus_um=tuple(round(-value * 1e6, 9) + 0.0 for value in values if value is not None),
                ),
            )
    return tuple(sorted(areas.values(), key=lambda area: natural(area.key)))


def _presets(root: Element) -> tuple[tuple[str, float | None], ...]:
    found: dict[str, float | None] = {}
    for entry in root.iter():
        key, optics = text(entry, "key"), child(entry, "value", "optics")
        if key is not None and optics is not None:
            found.setdefault(key, number(optics, "temmagnification", "nominalmagnification"))
    return tuple(sorted(found.items()))


def _hole(sample: Element | None, what: str) -> float | None:
    """Size or spacing of the holes, which versions keep in different places of the sample."""
    for element in () if sample is None else sample.iter():
        if name_of(element) == f"hole{what}":
            return number(element)
    return None


def _slot(zero_based: int | None) -> int | None:
    # EPU counts from 0 here; its folders (`Sample4`) and descriptions count from 1.
    return zero_based + 1 if zero_based is not None and zero_based >= 0 else None


def _assembly_version(root: Element) -> str | None:
    for name, value in root.attrib.items():
        if name.lower().endswith("assembly"):
            match = _VERSION.search(value)
            if match is not None:
                return match[1]
    return None


def _dotted(version: Element | None) -> str | None:
    parts = [integer(version, name) for name in ("major", "minor", "build", "revision")]
    known = [str(part) for part in parts if part is not None and part >= 0]
    return ".".join(known) or None


__all__ = ["SessionFile", "session_of"]
