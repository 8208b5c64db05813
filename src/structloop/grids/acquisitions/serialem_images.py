"""SerialEM's images, one by one: what an `.mdoc` section or a Navigator map says of each, and what it shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath

import numpy as np

from structloop.instruments.serialem.mdoc import Mdoc, MdocSection
from structloop.instruments.serialem.navigator import NavigatorItem
from structloop.schema.acquisition import StagePosition
from structloop.schema.grids import ImageLevel, ImageRecord, Matrix

# Fields of view, micrometres along the longer edge, from which on an image shows so much.
ATLAS_FROM_UM = 250.0
ATLAS_PIECE_FROM_UM = 100.0
SQUARE_FROM_UM = 30.0
SQUARE_PIECE_FROM_UM = 8.0
HOLE_FROM_UM = 2.0
_TITLE = re.compile(r"SerialEM:\s*(?:Acquired on|Digitized on)?\s*(.*?)\s*(?:\d{1,2}-\w{3}-\d{2,4}.*)?$")


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image and what places it.

    Attributes:
        group: What it is a part of: a section of a montage; else itself.
        label: Of the Navigator item that it was taken at.
        corner_px: Of a montage's piece, from the lower left as SerialEM counts.
        order: In which the files tell it.
        missing: Name of the image file that is not beside its metadata.
    """

    image: ImageRecord
    group: str
    label: str | None = None
    corner_px: tuple[int, int] | None = None
    order: tuple[str, int] = ("", 0)
    missing: str | None = None


def level_of(field_um: float | None, *, piece: bool, movie: bool, tilted: bool) -> ImageLevel:
    """What an image is likely to show, by its field of view.

    Args:
        field_um: Along the longer edge; None where it is not known.
        piece: Whether it is one of a montage, which shows more than its pieces.
        movie: Whether it has frames: only exposures do.
        tilted: Whether it belongs to a tilt series, which is of nothing that grids have names for here.
    """
    if tilted:
        return ImageLevel.OTHER
    if movie:
        return ImageLevel.EXPOSURE
    if field_um is None:
        return ImageLevel.OTHER
    if piece:
        if field_um >= ATLAS_PIECE_FROM_UM:
            return ImageLevel.TILE
        return ImageLevel.SQUARE if field_um >= SQUARE_PIECE_FROM_UM else ImageLevel.OTHER
    if field_um >= ATLAS_FROM_UM:
        return ImageLevel.ATLAS
    if field_um >= SQUARE_FROM_UM:
        return ImageLevel.SQUARE
    return ImageLevel.HOLE if field_um >= HOLE_FROM_UM else ImageLevel.EXPOSURE


def microscope_of(mdoc: Mdoc) -> str | None:
    """The microscope's name, from the title."""
    for title in mdoc.titles:
        match = _TITLE.match(title)
        if match is not None and match[1]:
            return match[1][:200]
    return None


def images_of(mdoc: Mdoc, folder: Path, name: str) -> Iterator[SeenImage]:
    """The images of an `.mdoc` file.

    Args:
        name: Of the file; its image file has the name without `.mdoc`, or the one that it tells.

    Raises:
        AcquisitionFileError: a number or a time cannot be understood.
    """
    stack = _stack(mdoc, folder, name)
    told = mdoc.image_file or name.removesuffix(".mdoc")
    missing = None if stack is not None else told
    tilted = mdoc.is_tilt_series
    # Movies of one file each may be listed with their sections in one .mdoc; the movie itself is the exposure.
    sections = mdoc.frame_sets or mdoc.images
    for number, section in enumerate(sections):
        movie = bool(mdoc.frame_sets)
        key = f"{name.removesuffix('.mdoc') if movie else told}#{section.index}"
        size = mdoc.image_size_px
        pixel_size = section.pixel_size_angstrom or mdoc.pixel_size_angstrom
        piece = section.piece_px if mdoc.is_montage else None
        field_um = None if size is None or pixel_size is None else max(size) * pixel_size * 1e-4
        level = level_of(field_um, piece=piece is not None, movie=movie, tilted=tilted)
        image = ImageRecord(
            key=key,
            level=level,
            metadata_path=name,
            picture_path=None if movie else stack,
            frames_path=section.frames_path,
            taken_at=_utc(section.taken_at),
            width_px=None if size is None else size[0],
            height_px=None if size is None else size[1],
            picture_width_px=None if size is None or stack is None else size[0],
            picture_height_px=None if size is None or stack is None else size[1],
            pixel_size_angstrom=pixel_size,
            stage=_stage(section),
            magnification=section.magnification,
            voltage_kv=mdoc.voltage_kv,
            defocus_um=section.target_defocus_um if section.target_defocus_um is not None else section.defocus_um,
            measured_defocus_um=section.defocus_um,
            exposure_s=section.exposure_s,
            dose_e_per_angstrom2=section.dose_e_per_angstrom2,
            image_shift=section.image_shift_um,
            binning=_whole(section.binning),
            frames=section.frames,
        )
        group = key if piece is None else f"{told} section {piece[2]}"
        corner = None if piece is None else piece[:2]
        yield SeenImage(image, group, section.navigator_label, corner, (name, number), missing if not movie else None)


def map_image(item: NavigatorItem, folder: Path, name: str) -> SeenImage:
    """The image of a Navigator map.

    Args:
        name: Of the Navigator file.
    """
    file = PureWindowsPath(item.map_file or item.label).name
    section = item.section.integer("MapSection") or 0
    size, scale = item.map_size_px, item.stage_to_map
    matrix = None if scale is None else _image_to_stage(scale)
    pixel_size = None if matrix is None else float(np.sqrt(abs(np.linalg.det(np.array(matrix))))) * 1e4
    field_um = None if size is None or pixel_size is None else max(size) * pixel_size * 1e-4
    x_um, y_um, z_um = item.stage_um
    image = ImageRecord(
        key=f"{file}#{section}",
        level=level_of(field_um, piece=False, movie=False, tilted=False),
        metadata_path=name,
        picture_path=file if (folder / file).is_file() else None,
        width_px=None if size is None else size[0],
        height_px=None if size is None else size[1],
        pixel_size_angstrom=pixel_size,
        image_to_stage_um=matrix,
        stage=StagePosition(x_um=x_um, y_um=y_um, z_um=z_um, tilt_deg=item.section.number("MapTiltAngle") or 0.0),
        exposure_s=item.section.number("MapExposure"),
        spot_size=item.section.integer("MapSpotSize"),
    )
    return SeenImage(image, f"{file}#{section}", order=(name, section))


def _image_to_stage(stage_to_map: Matrix) -> Matrix | None:
    """Micrometres per pixel, y pointing down, of a matrix from micrometres to pixels, y pointing up."""
    forward = np.array(stage_to_map)
    if abs(np.linalg.det(forward)) < 1e-12:
        return None
    (a, b), (c, d) = np.linalg.inv(forward)
    return ((float(a), float(-b)), (float(c), float(-d)))


def _stack(mdoc: Mdoc, folder: Path, name: str) -> str | None:
    """The image file that lies beside."""
    names = [name.removesuffix(".mdoc"), PureWindowsPath(mdoc.image_file or "").name]
    return next((candidate for candidate in names if candidate and (folder / candidate).is_file()), None)


def _stage(section: MdocSection) -> StagePosition | None:
    at = section.stage_um
    if at is None:
        return None
    return StagePosition(x_um=at[0], y_um=at[1], z_um=at[2] or 0.0, tilt_deg=section.tilt_deg or 0.0)


def _utc(moment: datetime | None) -> datetime | None:
    # SerialEM tells no time zone: its clock is taken as UTC.
    return None if moment is None else moment.replace(tzinfo=UTC)


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and number == int(number) and number >= 1 else None


__all__ = ["SeenImage", "images_of", "level_of", "map_image", "microscope_of"]
