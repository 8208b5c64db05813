"""Which micrographs there are: a folder of images, or RELION's list of them, as sets without picks.

From them picks get the names that other programs know their micrographs by, the sizes that flips, fractions and borders
need, and the optics groups.
"""

import glob
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from structloop.core.errors import CoordinateFileError, CoordinateFileMissingError, ImageError
from structloop.imaging.micrographs import MICROGRAPH_ENDINGS, probe_micrograph
from structloop.imaging.star_syntax import parse_star
from structloop.particles.coordinates.names import match_names, plain_name
from structloop.particles.coordinates.places import find_file
from structloop.particles.coordinates.star import MICROGRAPH, OPTICS, read_optics
from structloop.schema.particles import MicrographPicks, PickSet


def read_micrograph_list(source: str) -> PickSet:
    """The micrographs of a folder, of a pattern such as `Micrographs/*.mrc`, or of a STAR file that lists them.

    Sizes and pixel sizes are those of the images' headers; an image that cannot be read is a remark. Names are as
    `source` leads to them, or as the STAR file has them.

    Raises:
        CoordinateFileMissingError: there is nothing of that name.
        CoordinateFileError: the STAR file names no micrographs.
    """
    path = Path(source).expanduser()
    if path.suffix.lower() == ".star" and path.is_file():
        return _listed(path)
    found = [Path(each) for each in glob.glob(str(path))] if not path.is_dir() else list(path.iterdir())  # noqa: PTH207
    images = sorted(each for each in found if each.suffix.lower() in MICROGRAPH_ENDINGS)
    if not images:
        raise CoordinateFileMissingError(
            f"there is no micrograph in '{source}'; give a folder or a pattern of images "
            f"({', '.join(sorted(MICROGRAPH_ENDINGS))}), or a STAR file that lists them"
        )
    remarks: list[str] = []
    micrographs = tuple(_probed(MicrographPicks(str(each), np.empty((0, 2))), each, remarks) for each in images)
    return PickSet(micrographs, origin=source, remarks=tuple(remarks))


def _listed(path: Path) -> PickSet:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CoordinateFileError(f"{path} cannot be read: {error}") from error
    blocks = parse_star(text, path)
    with_names = [block for block in blocks if MICROGRAPH in block.columns and block.name != "optics"]
    if len(with_names) != 1:
        raise CoordinateFileError(
            f"{path} has {len(with_names)} blocks with _{MICROGRAPH}; a list of micrographs has one"
        )
    optics = read_optics(blocks, path)
    sizes = {group.number: group.micrograph_pixel_size_angstrom for group in optics}
    names = with_names[0].column(MICROGRAPH) or []
    groups = with_names[0].column(OPTICS) or [""] * len(names)
    remarks: list[str] = []
    micrographs: dict[str, MicrographPicks] = {}
    for name, text_of_group in zip(names, groups, strict=True):
        group = int(text_of_group) if text_of_group.isascii() and text_of_group.isdigit() else None
        size = sizes.get(group) if group is not None else None
        picks = MicrographPicks(name, np.empty((0, 2)), pixel_size_angstrom=size, optics_group=group)
        image = find_file(name, path)
        micrographs[name] = picks if image is None else _probed(picks, image, remarks)
    return PickSet(tuple(micrographs.values()), optics, origin=str(path), remarks=tuple(remarks))


def _probed(picks: MicrographPicks, image: Path, remarks: list[str]) -> MicrographPicks:
    try:
        header = probe_micrograph(image)
    except ImageError as error:
        remarks.append(str(error))
        return picks
    size = picks.pixel_size_angstrom or header.pixel_size_angstrom
    return replace(picks, shape_px=(header.height_px, header.width_px), pixel_size_angstrom=size)


def images_beside(picks: PickSet, file: Path) -> PickSet:
    """The images of the picks' micrographs that are easily found: where their names lead, or beside the file of picks.

    Names lead from the current folder, or from a folder that holds the file, as RELION's do from its project.
    """
    here = file if file.is_dir() else file.parent
    beside: dict[str, Path | None] = {}
    for entry in sorted(here.iterdir()):
        if entry.suffix.lower() in MICROGRAPH_ENDINGS:
            # Two images of one name: which of them is meant cannot be known.
            beside[plain_name(entry.name)] = None if plain_name(entry.name) in beside else entry
    remarks: list[str] = []
    found = []
    for each in picks:
        if each.shape_px is None:
            image = find_file(each.micrograph, here / "picks") or beside.get(plain_name(each.micrograph))
            empty = MicrographPicks(each.micrograph, np.empty((0, 2)))
            found.append(empty if image is None else _probed(empty, image, remarks))
    return PickSet(tuple(found), origin=str(here), remarks=tuple(remarks))


def with_size(picks: PickSet, shape_px: tuple[int, int]) -> PickSet:
    """The picks with one height and width for all micrographs."""
    return replace(picks, micrographs=tuple(replace(each, shape_px=shape_px) for each in picks))


def described_by(picks: PickSet, known: PickSet, *, rename: bool) -> PickSet:
    """The picks with what is known of their micrographs: size, pixel size, optics group and, if asked, name.

    Args:
        picks: The picks.
        known: As `read_micrograph_list` gives it.
        rename: Whether micrographs get the names of `known`. A remark lists those that are not in it.

    Raises:
        MicrographNameError: a name fits several of the known, or several names fit the same.
    """
    matches = match_names([each.micrograph for each in picks], [each.micrograph for each in known])
    by_name = {each.micrograph: each for each in known}
    micrographs = []
    for each in picks:
        if each.micrograph not in matches.pairs:
            micrographs.append(each)
            continue
        other = by_name[matches.pairs[each.micrograph]]
        grouped = bool(known.optics)
        micrographs.append(
            replace(
                each,
                micrograph=other.micrograph if rename else each.micrograph,
                shape_px=other.shape_px or each.shape_px,
                pixel_size_angstrom=other.pixel_size_angstrom or each.pixel_size_angstrom,
                optics_group=other.optics_group if grouped else each.optics_group,
                extra={name: values for name, values in each.extra.items() if not grouped or name != OPTICS},
            )
        )
    remarks = (*picks.remarks, *known.remarks, *(_missing(matches.unmatched, known) if rename else ()))
    return PickSet(tuple(micrographs), known.optics or picks.optics, picks.origin, remarks)


def _missing(names: Sequence[str], known: PickSet) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return [f"{known.origin} has no micrograph '{names[0]}'{more}; its name is left as it is"]


__all__ = ["described_by", "images_beside", "read_micrograph_list", "with_size"]
