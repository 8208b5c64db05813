"""Writing picks to a file, or to a folder with a file per micrograph, and saying what the format cannot hold."""

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import CoordinateFileError
from structloop.particles.coordinates.box import TAG, write_box, write_coord
from structloop.particles.coordinates.cbox import held_by_cbox, write_cbox
from structloop.particles.coordinates.cs import left_out_of_cs, write_cs
from structloop.particles.coordinates.names import has_image_ending, plain_name
from structloop.particles.coordinates.reading import flipped
from structloop.particles.coordinates.star import (
    OPTICS,
    left_out_of_star,
    write_star,
    write_star_list,
    write_star_of_one,
)
from structloop.particles.coordinates.tables import left_out_of_csv, write_csv, write_topaz
from structloop.schema.particles import MicrographPicks, PickSet, YAxis

SUFFIX = "_autopick"
LIST_NAME = "autopick.star"
_WHAT = (
    "scores",
    "box sizes",
    "pixel size",
    "micrograph size",
    "optics group numbers",
    "optics groups",
    "empty micrographs",
)


@dataclass(frozen=True, slots=True)
class CoordinateFormat:
    """What a format is called and what it holds.

    Attributes:
        name: As `--format` has it.
        ending: Of its files.
        many: Whether one file holds many micrographs; else they go into a folder.
        holds: Which of `_WHAT` it has a place for.
        extra_left_out: Names of the extra columns that it has no place for.
    """

    name: str
    ending: str
    many: bool
    holds: frozenset[str]
    extra_left_out: Callable[[PickSet], list[str]]


def _extra_names(picks: PickSet) -> list[str]:
    return sorted({name for each in picks for name in each.extra})


FORMATS: Mapping[str, CoordinateFormat] = {
    each.name: each
    for each in (
        CoordinateFormat(
            "star",
            ".star",
            True,
            frozenset(["scores", "pixel size", "optics group numbers", "optics groups"]),
            left_out_of_star,
        ),
        CoordinateFormat("star-3.0", ".star", True, frozenset(["scores"]), left_out_of_star),
        CoordinateFormat("relion-folder", ".star", False, frozenset(["scores", "empty micrographs"]), left_out_of_star),
        CoordinateFormat(
            "box",
            ".box",
            False,
            frozenset(["box sizes", "empty micrographs"]),
            lambda picks: [name for name in _extra_names(picks) if name != TAG],
        ),
        CoordinateFormat(
            "cbox",
            ".cbox",
            False,
            frozenset(["scores", "box sizes", "empty micrographs"]),
            lambda picks: [name for name in _extra_names(picks) if not held_by_cbox(name)],
        ),
        CoordinateFormat(
            "cs",
            ".cs",
            True,
            frozenset(["scores", "pixel size", "micrograph size", "optics group numbers"]),
            left_out_of_cs,
        ),
        CoordinateFormat("topaz", ".txt", True, frozenset(["scores"]), _extra_names),
        CoordinateFormat("coord", ".coord", False, frozenset(["empty micrographs"]), _extra_names),
        CoordinateFormat(
            "csv", ".csv", True, frozenset(_WHAT) - {"optics groups", "empty micrographs"}, left_out_of_csv
        ),
    )
}


@dataclass(frozen=True, slots=True)
class WrittenPicks:
    """What was written.

    Attributes:
        files: The files, the first one being what was asked for or the list of the others.
        format: Name of the format.
        picks, micrographs: How many.
        left_out: What the format has no place for, one line each.
        remarks: What may keep another program from finding or using the picks, and what to do about it.
    """

    files: tuple[Path, ...]
    format: str
    picks: int
    micrographs: int
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]


def write_coordinates(
    picks: PickSet,
    path: Path,
    *,
    format: str | None = None,  # noqa: A002
    y_axis: YAxis = "down",
    box_size_px: float | None = None,
) -> WrittenPicks:
    """Writes picks; a file appears under its name only when all of it is written.

    Formats with one file per micrograph are written to a folder where there are several micrographs or `path` has no
    ending: `<name>.box`, ...; `relion-folder` is the folder of `<path of the micrograph>_autopick.star` that
    `relion_preprocess --coord_dir` and RELION's extraction job (3.1: suffix `_autopick.star`; 4 and 5: the list
    `autopick.star`) take.

    Args:
        picks: In this program's frame.
        path: The file or folder to write; what is there is replaced, other files in the folder stay.
        format: A name of `FORMATS`; by default that of the path's ending, and for a folder `relion-folder`.
        y_axis: Where y begins in the file: `down` at the first stored row, `up` at the last.
        box_size_px: Side of the boxes, where the format has boxes and the picks have none; 0 writes centres.

    Raises:
        CoordinateFileError: the format is not known, needs a size that is not known, or the file cannot be written.
    """
    chosen = _format_of(path, format)
    placed = flipped(picks) if y_axis == "up" else picks
    contents, main = _contents(placed, path, chosen, box_size_px)
    try:
        for file, data in contents.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            _write(file, data)
    except OSError as error:
        raise CoordinateFileError(
            f"{path} cannot be written: {error.strerror or error}; choose another place"
        ) from error
    files = (main, *(file for file in contents if file != main)) if main else tuple(contents)
    remarks = (*_repeated(picks), *_not_found_elsewhere(picks, chosen))
    filled = sum(bool(len(each)) for each in picks)
    return WrittenPicks(files, chosen.name, picks.count, filled, tuple(_left_out(picks, chosen)), remarks)


def _format_of(path: Path, name: str | None) -> CoordinateFormat:
    if name is not None:
        if name not in FORMATS:
            raise CoordinateFileError(f"'{name}' is no coordinate format; there are {', '.join(FORMATS)}")
        return FORMATS[name]
    if path.is_dir() or not path.suffix:
        return FORMATS["relion-folder"]
    for each in FORMATS.values():
        if each.ending == path.suffix.lower():
            return each
    raise CoordinateFileError(
        f"'{path.name}' ends in '{path.suffix}', which is of no coordinate format; choose one ("
        f"{', '.join(FORMATS)}) by the ending or by --format"
    )


def _contents(
    picks: PickSet, path: Path, chosen: CoordinateFormat, box_size_px: float | None
) -> tuple[dict[Path, bytes], Path | None]:
    """What each file is to hold, and the one that stands for all of them."""
    if chosen.many:
        if path.is_dir():
            raise CoordinateFileError(f"{path} is a folder, and {chosen.name} is one file; give the file's name")
        whole: dict[str, Callable[[], bytes]] = {
            "star": lambda: write_star(picks).encode(),
            "star-3.0": lambda: write_star(picks, flat=True).encode(),
            "cs": lambda: write_cs(picks),
            "topaz": lambda: write_topaz(picks).encode(),
            "csv": lambda: write_csv(picks).encode(),
        }
        return {path: whole[chosen.name]()}, path
    one: Callable[[MicrographPicks], bytes] = {
        "relion-folder": lambda each: write_star_of_one(each).encode(),
        "box": lambda each: write_box(each, _sizes(each, box_size_px, chosen.name)).encode(),
        "cbox": lambda each: write_cbox(each, _sizes(each, box_size_px, chosen.name)).encode(),
        "coord": lambda each: write_coord(each).encode(),
    }[chosen.name]
    if path.suffix.lower() == chosen.ending and not path.is_dir():
        if len(picks.micrographs) != 1:
            raise CoordinateFileError(
                f"{len(picks.micrographs)} micrographs do not go into the one file {path}: {chosen.name} has one file "
                f"per micrograph; give a folder and --format {chosen.name}"
            )
        return {path: one(picks.micrographs[0])}, path
    files = _file_names(picks, path, chosen)
    contents = {file: one(each) for each, file in zip(picks, files, strict=True)}
    if chosen.name != "relion-folder":
        return contents, None
    listed = {each.micrograph: str(file) for each, file in zip(picks, files, strict=True)}
    return {**contents, path / LIST_NAME: write_star_list(listed).encode()}, path / LIST_NAME


def _file_names(picks: PickSet, folder: Path, chosen: CoordinateFormat) -> list[Path]:
    """Each micrograph's file below the folder.

    Raises:
        CoordinateFileError: two micrographs would have the same file, or one would lie outside the folder.
    """
    files: dict[Path, str] = {}
    for each in picks:
        name = plain_name(each.micrograph)
        if name in ("", ".", ".."):
            raise CoordinateFileError(f"'{each.micrograph}' is no name that a file can be named after")
        file = folder / f"{name}{chosen.ending}"
        if chosen.name == "relion-folder":
            above = PurePosixPath(each.micrograph.replace("\\", "/")).parent
            parts = [part for part in _without_job(above.parts) if part not in ("/", "..", ".")]
            file = folder.joinpath(*parts) / f"{name}{SUFFIX}{chosen.ending}"
        if file in files:
            raise CoordinateFileError(
                f"micrographs '{files[file]}' and '{each.micrograph}' would both be written to {file}; "
                "rename one, or write a format that holds many micrographs (star, csv)"
            )
        files[file] = each.micrograph
    return list(files)


def _without_job(parts: tuple[str, ...]) -> tuple[str, ...]:
    """A path without the job that RELION's pipeline puts before it, such as `MotionCorr/job003`, as RELION does."""
    if len(parts) >= 2 and parts[1].startswith("job") and parts[1][3:].isdigit():
        return parts[2:]
    return parts


def _sizes(picks: MicrographPicks, box_size_px: float | None, name: str) -> NDArray[np.float64]:
    if picks.size_px is not None:
        return picks.size_px
    if len(picks) and (box_size_px is None or not 0 <= box_size_px < np.inf):
        raise CoordinateFileError(
            f"a {name} file holds boxes, and the picks of {picks.micrograph} have no size; give one (--box-size-px)"
        )
    return np.full((len(picks), 2), float(box_size_px or 0))


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _left_out(picks: PickSet, chosen: CoordinateFormat) -> list[str]:
    # A group without a description, and the pixel size of a group, have their place elsewhere.
    sized = any(each.pixel_size_angstrom is not None for each in picks)
    present = {
        "scores": any(each.scores is not None for each in picks),
        "box sizes": any(each.size_px is not None for each in picks),
        "pixel size": sized and not (picks.optics and chosen.name == "star"),
        "micrograph size": any(each.shape_px is not None for each in picks),
        "optics group numbers": any(each.optics_group is not None or OPTICS in each.extra for each in picks),
        "optics groups": bool(picks.optics),
        "empty micrographs": any(not len(each) for each in picks),
    }
    # Without an optics group a STAR file has no place for the pixel size.
    holds = chosen.holds - ({"pixel size"} if not picks.optics else set()) if chosen.name == "star" else chosen.holds
    lost = [name for name, there in present.items() if there and name not in holds]
    extra = chosen.extra_left_out(picks)
    if extra:
        lost.append(f"{len(extra)} columns ({', '.join(extra[:5])}{', ...' if len(extra) > 5 else ''})")
    return lost


def _repeated(picks: PickSet) -> list[str]:
    repeated = sum(len(each) - len(np.unique(each.xy_px, axis=0)) for each in picks)
    return [f"{repeated} picks lie exactly where another one lies"] if repeated else []


def _not_found_elsewhere(picks: PickSet, chosen: CoordinateFormat) -> list[str]:
    """What keeps the picks from being found by the program that the file is for."""
    bare = [each.micrograph for each in picks if len(each) and not has_image_ending(each.micrograph)]
    remarks = []
    if bare and chosen.name in ("star", "star-3.0", "cs"):
        remarks.append(
            f"'{bare[0]}' is not the name of an image file, so other programs will not find that micrograph; "
            "give the micrographs (--micrographs) and their names are written as they are"
        )
    if chosen.name == "star":
        needed = ("rlnVoltage", "rlnSphericalAberration", "rlnMicrographPixelSize")
        missing = {name for name in needed for group in picks.optics if name not in group.columns}
        if not picks.optics or missing:
            remarks.append(
                "RELION takes picks of many micrographs in one file only with the optics (pixel size, voltage, "
                "spherical aberration); write a folder for RELION (relion-folder), or on the command line give its "
                "micrographs.star (--micrographs)"
            )
    return remarks


__all__ = ["FORMATS", "CoordinateFormat", "WrittenPicks", "write_coordinates"]
