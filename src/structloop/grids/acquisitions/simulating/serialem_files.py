"""A made-up grid as SerialEM would leave it: stacks with their `.mdoc` files, and a Navigator file.

The atlas is one montage; each square is a stack of one image, a map in the Navigator, with its holes as points; images
of holes and exposures are stacks whose sections name the item that they were taken at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np

from structloop.grids.acquisitions.simulating.taking import TakenGrid, TakenSquare
from structloop.instruments.microscope import TakenImage
from structloop.instruments.serialem.autodoc import Line, Section
from structloop.instruments.serialem.mdoc import Mdoc
from structloop.instruments.serialem.navigator import Colour, ItemType, Navigator, NavigatorItem
from structloop.schema.acquisition import ImageFacts, StagePosition

_IDS_PER_SQUARE = 1_000_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MAGNIFICATION = {"atlas": 135, "square": 580, "hole": 6500, "record": 130000}


@dataclass(frozen=True, slots=True)
class _Shot:
    """One section of a stack: an image, the item it was taken at, and its place in a montage from the lower left."""

    image: TakenImage
    label: str | None = None
    piece: tuple[int, int] | None = None


def write_serialem_files(grid: TakenGrid, folder: Path) -> dict[str, str]:
    """Writes `<folder>/<grid>`: `nav.nav`, and stacks of atlas, squares, holes and exposures, each with its `.mdoc`.

    Returns:
        The file of each exposure by its image's id, relative to the folder, with its section after `#`.
    """
    place = folder / grid.grid.name
    place.mkdir(parents=True)
    navigator = Navigator()
    atlas = _atlas(grid, place, navigator)
    squares: list[_Shot] = []
    holes: list[_Shot] = []
    exposures: list[_Shot] = []
    for square in grid.taken.values():
        label = f"{len(squares) + 1}"
        _square(square, label, len(squares), navigator, atlas)
        squares.append(_Shot(square.image, label))
        for number, hole in enumerate(square.taken.values(), start=1):
            at = _label_of_hole(label, number)
            holes.append(_Shot(hole.image, at))
            exposures += [_Shot(image, at) for image in hole.exposures]
    _stack(place / "squares.mrc", squares)
    _stack(place / "holes.mrc", holes)
    _stack(place / "exposures.mrc", exposures)
    navigator.write(place / "nav.nav")
    name = f"{grid.grid.name}/exposures.mrc"
    return {shot.image.facts.image_id: f"{name}#{number}" for number, shot in enumerate(exposures)}


def _label_of_hole(square: str, number: int) -> str:
    return f"{square}-{number}"


def _atlas(grid: TakenGrid, place: Path, navigator: Navigator) -> NavigatorItem:
    """The montage and its map; pieces lie where their stage positions say."""
    first = grid.tiles[0].facts
    to_px = np.linalg.inv(np.array(first.image_to_stage_um))
    offsets = np.array(
        [
            to_px @ [tile.facts.stage.x_um - first.stage.x_um, tile.facts.stage.y_um - first.stage.y_um]
            for tile in grid.tiles
        ]
    )
    # SerialEM counts pieces from the lower left, upwards.
    corners = np.rint((offsets - [offsets[:, 0].min(), offsets[:, 1].max()]) * [1, -1]).astype(int)
    pieces = [
        _Shot(tile, piece=(int(corner[0]), int(corner[1]))) for tile, corner in zip(grid.tiles, corners, strict=True)
    ]
    _stack(place / "atlas.mrc", pieces)
    right, upper = corners.max(axis=0)
    extent = (int(right) + first.width_px, int(upper) + first.height_px)
    middle = np.array([[tile.facts.stage.x_um, tile.facts.stage.y_um] for tile in grid.tiles]).mean(axis=0)
    return _map(navigator, "atlas", "atlas.mrc", 0, first, (float(middle[0]), float(middle[1])), extent, True)


def _square(square: TakenSquare, label: str, section: int, navigator: Navigator, atlas: NavigatorItem) -> None:
    facts = square.image.facts
    centre = (facts.stage.x_um, facts.stage.y_um, facts.stage.z_um)
    half = square.square.size_um / 2
    corners = [(centre[0] + x * half, centre[1] + y * half) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
    navigator.add_polygon(label, corners, centre, drawn_on=atlas, acquire=True)
    size = (facts.width_px, facts.height_px)
    own = _map(navigator, f"{label}-A", "squares.mrc", section, facts, centre[:2], size, False)
    labels = {key: _label_of_hole(label, number) for number, key in enumerate(square.taken, start=1)}
    for number, (hole, at) in enumerate(square.holes, start=1):
        taken = labels.get((hole.k, hole.m))
        name = taken or f"{label}-h{number}"
        place = StagePosition(x_um=at.x_um, y_um=at.y_um, z_um=facts.stage.z_um)
        navigator.document.sections.append(
            _point(name, place, own, (section + 1) * _IDS_PER_SQUARE + number, acquire=taken is not None)
        )


def _point(label: str, at: StagePosition, drawn_on: NavigatorItem, map_id: int, *, acquire: bool) -> Section:
    """A point with a given id: looking for one that is free among thousands of holes would take its time."""
    section = Section("Item", label)
    section["Color"] = str(int(Colour.RED))
    section["StageXYZ"] = f"{at.x_um:.7g} {at.y_um:.7g} {at.z_um:.7g}"
    section["NumPts"] = "1"
    section["Regis"] = str(drawn_on.registration)
    section["Type"] = str(int(ItemType.POINT))
    if acquire:
        section["Acquire"] = "1"
    section["DrawnID"] = str(drawn_on.map_id)
    section["MapID"] = str(map_id)
    section["PtsX"] = f"{at.x_um:.7g}"
    section["PtsY"] = f"{at.y_um:.7g}"
    section.lines.append(_blank())
    return section


def _map(
    navigator: Navigator,
    label: str,
    file: str,
    section: int,
    facts: ImageFacts,
    centre_um: tuple[float, float],
    size_px: Sequence[int],
    montage: bool,
) -> NavigatorItem:
    matrix = np.array(facts.image_to_stage_um)
    # Ours points down, SerialEM's up.
    to_map = np.linalg.inv(matrix @ np.diag([1.0, -1.0]))
    half = np.array([size_px[0] / 2, size_px[1] / 2])
    corners = [
        tuple(np.array(centre_um) + matrix @ (half * [x, y])) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ]
    item = navigator.add_polygon(
        label,
        [(float(x), float(y)) for x, y in corners],
        (*centre_um, facts.stage.z_um),
        kind=ItemType.MAP,
        note=f"Sec {section} - {file}",
        colour=Colour.BLUE,
    )
    for key, value in (
        ("MapFile", file),
        ("MapMontage", str(int(montage))),
        ("MapSection", str(section)),
        ("MapWidthHeight", f"{size_px[0]} {size_px[1]}"),
        ("MapScaleMat", " ".join(f"{number:.7g}" for number in to_map.ravel())),
        ("MapExposure", f"{facts.exposure_s or 0:g}"),
    ):
        item.section[key] = value
    return item


def _stack(path: Path, shots: list[_Shot]) -> None:
    """A stack and its `.mdoc`. SerialEM's files are the right way up from the bottom: rows are turned around."""
    if not shots:
        return
    first = shots[0].image.facts
    with mrcfile.new_mmap(path, (len(shots), first.height_px, first.width_px), mrc_mode=2, overwrite=True) as file:
        for number, shot in enumerate(shots):
            file.data[number] = np.asarray(shot.image.pixels(), dtype=np.float32)[::-1]
        file.voxel_size = first.pixel_size_angstrom
    mdoc = Mdoc()
    head = mdoc.document.head
    head["PixelSpacing"] = f"{first.pixel_size_angstrom:.7g}"
    head["Voltage"] = "300"
    head["ImageFile"] = path.name
    head["ImageSize"] = f"{first.width_px} {first.height_px}"
    if shots[0].piece is not None:
        head["Montage"] = "1"
    head["DataMode"] = "2"
    head.lines.append(_blank())
    title = Section("T", f"SerialEM: Simulated microscope                 {_time(first)}    ")
    title.lines.append(_blank())
    mdoc.document.sections.append(title)
    for number, shot in enumerate(shots):
        mdoc.document.sections.append(_section(shot, number))
    mdoc.write(path.with_name(f"{path.name}.mdoc"))


def _section(shot: _Shot, number: int) -> Section:
    facts = shot.image.facts
    stage = facts.stage
    section = Section("ZValue", str(number))
    section["TiltAngle"] = f"{stage.tilt_deg:.6g}"
    if shot.piece is not None:
        section["PieceCoordinates"] = f"{shot.piece[0]} {shot.piece[1]} 0"
    section["StagePosition"] = f"{stage.x_um:.7g} {stage.y_um:.7g}"
    section["StageZ"] = f"{stage.z_um:.7g}"
    section["Magnification"] = str(_MAGNIFICATION[facts.preset])
    section["ExposureDose"] = f"{facts.dose_e_per_angstrom2 or 0:.6g}"
    section["PixelSpacing"] = f"{facts.pixel_size_angstrom:.7g}"
    # SerialEM's defocus is negative for underfocus.
    section["Defocus"] = f"{-(facts.defocus_um or 0):.6g}"
    section["ImageShift"] = f"{facts.image_shift_um[0]:.6g} {facts.image_shift_um[1]:.6g}"
    section["ExposureTime"] = f"{facts.exposure_s or 0:g}"
    section["Binning"] = "1"
    section["TargetDefocus"] = f"{-(facts.defocus_um or 0):.6g}"
    if shot.label is not None:
        section["NavigatorLabel"] = shot.label
    section["DateTime"] = _time(facts)
    section.lines.append(_blank())
    return section


def _blank() -> Line:
    return Line(None, raw="\n")


def _time(facts: ImageFacts) -> str:
    # Not by the locale, which may have other names for months.
    at = facts.taken_at
    return f"{at.day:02d}-{_MONTHS[at.month - 1]}-{at:%y}  {at:%H:%M:%S}"


__all__ = ["write_serialem_files"]
