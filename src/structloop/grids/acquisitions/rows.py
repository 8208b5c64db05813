"""What was read of a session, as rows of the store: columns for what is searched or drawn, `details` for the rest."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python

from structloop.schema.acquisition import StagePosition
from structloop.schema.grids import (
    AcquisitionRecord,
    AtlasRecord,
    ExposureRecord,
    HoleRecord,
    ImageLevel,
    ImageRecord,
    SessionRecord,
    SquareRecord,
)

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """An image and what it shows.

    Attributes:
        owner: Column of the row that it belongs to (`square_id`, ...) and that row's key; none for other images.
        picture: Its pixels' file, relative to the root.
    """

    row: Row
    owner: tuple[str, str] | None
    picture: str | None
    root: PurePath


def session_row(session: SessionRecord, root: str, journal_path: str | None) -> Row:
    """The row of a session; `key` is its program and its own id."""
    own = ("key", "program", "program_version", "name", "microscope", "started_at", "ended_at")
    return {
        "key": f"{session.program.lower()}:{session.key}",
        "program": session.program,
        "program_version": session.program_version,
        "name": session.name,
        "microscope": session.microscope,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "root": root,
        "journal_path": journal_path,
        "details": _details(session, (*own, "slot")),
    }


def grid_row(session: SessionRecord) -> Row:
    """The row of the grid that a record is about."""
    return {
        "key": "grid" if session.slot is None else f"slot {session.slot}",
        "slot": session.slot,
        "details": {},
    }


def atlas_row(atlas: AtlasRecord) -> Row:
    """The row of an atlas."""
    own = ("key", "taken_at", "pixel_size_angstrom", "width_px", "height_px", "tiles", "image")
    stage = atlas.stage
    return {
        "key": atlas.key,
        "taken_at": atlas.taken_at,
        "pixel_size_angstrom": atlas.pixel_size_angstrom,
        "width_px": atlas.width_px,
        "height_px": atlas.height_px,
        "x_um": None if stage is None else stage.x_um,
        "y_um": None if stage is None else stage.y_um,
        "details": _details(atlas, own),
    }


def square_row(square: SquareRecord, atlas_ids: dict[str, int]) -> Row:
    """The row of a square."""
    own = ("key", "atlas_key", "state", "selected", "images")
    return {
        "key": square.key,
        "atlas_id": atlas_ids.get(square.atlas_key or ""),
        "state": square.state,
        "selected": square.selected,
        **_place(square.stage),
        "details": _details(square, own),
    }


def hole_row(hole: HoleRecord, square_ids: dict[str, int]) -> Row:
    """The row of a hole."""
    own = ("key", "square_key", "state", "selected", "near_bar", "quality", "center_px", "diameter_px", "images")
    center = hole.center_px or (None, None)
    return {
        "key": hole.key,
        "square_id": square_ids.get(hole.square_key or ""),
        "state": hole.state,
        "selected": hole.selected,
        "near_bar": hole.near_bar,
        "quality": hole.quality,
        **_place(hole.stage),
        "center_x_px": center[0],
        "center_y_px": center[1],
        "diameter_px": hole.diameter_px,
        "details": _details(hole, own),
    }


def exposure_row(exposure: ExposureRecord, square_ids: dict[str, int], hole_ids: dict[str, int]) -> Row:
    """The row of an exposure."""
    own = ("key", "square_key", "hole_key", "area", "number", "taken_at", "image")
    return {
        "key": exposure.key,
        "square_id": square_ids.get(exposure.square_key or ""),
        "hole_id": hole_ids.get(exposure.hole_key or ""),
        "area": exposure.area,
        "number": exposure.number,
        "taken_at": exposure.taken_at,
        "details": _details(exposure, own),
    }


def image_rows(record: AcquisitionRecord) -> Iterator[ImageRow]:
    """All images of a record, in the order of their levels; a tile without its file is one too."""
    for atlas in record.atlases:
        owner = ("atlas_id", atlas.key)
        if atlas.image is not None:
            yield _image(record, atlas.image, owner)
        for tile in atlas.tiles:
            image = tile.image or ImageRecord(key=f"{atlas.key} tile {tile.key}", level=ImageLevel.TILE)
            found = _image(record, image, owner)
            placed = {**found.row, "level": ImageLevel.TILE.value}
            if tile.stage is not None:
                placed |= _place(tile.stage) | {"tilt_deg": tile.stage.tilt_deg}
            placed["details"] = found.row["details"] | _details(tile, ("key", "stage", "image"))
            yield ImageRow(placed, owner, found.picture, found.root)
    for square in record.squares:
        for image in square.images:
            yield _image(record, image, ("square_id", square.key))
    for hole in record.holes:
        for image in hole.images:
            yield _image(record, image, ("hole_id", hole.key))
    for exposure in record.exposures:
        if exposure.image is not None:
            yield _image(record, exposure.image, ("exposure_id", exposure.key))
    for image in record.others:
        yield _image(record, image, None)


def _image(record: AcquisitionRecord, image: ImageRecord, owner: tuple[str, str] | None) -> ImageRow:
    taken = (
        "taken_at",
        "width_px",
        "height_px",
        "pixel_size_angstrom",
        "defocus_um",
        "dose_e_per_angstrom2",
        "frames_path",
    )
    row: Row = {
        "key": image.key,
        "level": image.level.value,
        **{name: getattr(image, name) for name in taken},
        **_place(image.stage),
        "tilt_deg": None if image.stage is None else image.stage.tilt_deg,
        "metadata_path": None if image.metadata_path is None else str(record.root / image.metadata_path),
        "details": _details(image, ("key", "level", "stage", "metadata_path", "picture_path", *taken)),
    }
    return ImageRow(row, owner, image.picture_path, record.root)


def _place(stage: StagePosition | None) -> Row:
    if stage is None:
        return {"x_um": None, "y_um": None, "z_um": None}
    return {"x_um": stage.x_um, "y_um": stage.y_um, "z_um": stage.z_um}


def _details(record: Any, without: tuple[str, ...]) -> Row:
    """What has no column, JSON values; what was not said is left out."""
    rest = {field.name: getattr(record, field.name) for field in fields(record) if field.name not in without}
    said = {name: value for name, value in rest.items() if value is not None and value != ()}
    plain: Row = to_jsonable_python(said)
    return plain


__all__ = [
    "ImageRow",
    "Row",
    "atlas_row",
    "exposure_row",
    "grid_row",
    "hole_row",
    "image_rows",
    "session_row",
    "square_row",
]
