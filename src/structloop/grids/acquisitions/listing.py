"""The single atlases, squares, holes, exposures or images of a session, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from structloop.store import Database
from structloop.store.tables import Atlas, Base, Exposure, Grid, GridImage, GridSquare, Hole


class Level(StrEnum):
    """What is listed."""

    ATLASES = "atlases"
    SQUARES = "squares"
    HOLES = "holes"
    EXPOSURES = "exposures"
    IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Items:
    """Rows of one level, sorted by grid and then as they came.

    Attributes:
        columns: Names, with units as in the store: micrometres, ångström, pixels of the readout, UTC.
        rows: One value for each column; None where it is not known.
    """

    level: Level
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def as_dicts(self) -> list[dict[str, Any]]:
        """The rows with their columns' names."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def list_items(database: Database, session_id: int, level: Level) -> Items:
    """All rows of a level of one session, as `SessionFacts.id` names it."""
    table, named = _columns(level)
    query = _joined(table, [column.label(name) for name, column in named])
    query = query.where(Grid.session_id == session_id).order_by(Grid.slot, Grid.key, table.__table__.columns["id"])
    with database.reading() as session:
        rows = tuple(tuple(row) for row in session.execute(query))
    return Items(level, tuple(name for name, _ in named), rows)


def _joined(table: type[Base], columns: Sequence[ColumnElement[Any]]) -> Select[*tuple[Any, ...]]:
    own = table.__table__.columns
    query = select(*columns).select_from(table).join(Grid, Grid.id == own["grid_id"])
    if table in (Hole, Exposure):
        query = query.outerjoin(GridSquare, GridSquare.id == own["square_id"])
    if table is Exposure:
        # An exposure has one image, or none that came.
        query = query.outerjoin(Hole, Hole.id == Exposure.hole_id)
        query = query.outerjoin(GridImage, GridImage.exposure_id == Exposure.id)
    return query


def _columns(level: Level) -> tuple[type[Base], list[tuple[str, ColumnElement[Any]]]]:
    match level:
        case Level.ATLASES:
            own = _named(Atlas, "pixel_size_angstrom", "width_px", "height_px", "x_um", "y_um", "taken_at")
            squares = ("squares", _count(GridSquare, GridSquare.atlas_id, Atlas.id))
            return Atlas, [("grid", Grid.key.expression), ("atlas", Atlas.key.expression), *own, squares]
        case Level.SQUARES:
            own = _named(GridSquare, "state", "selected", "x_um", "y_um", "z_um")
            counts = [
                ("holes", _count(Hole, Hole.square_id, GridSquare.id)),
                ("exposures", _count(Exposure, Exposure.square_id, GridSquare.id)),
                ("images", _count(GridImage, GridImage.square_id, GridSquare.id)),
            ]
            return GridSquare, [("grid", Grid.key.expression), ("square", GridSquare.key.expression), *own, *counts]
        case Level.HOLES:
            own = _named(Hole, "state", "selected", "near_bar", "quality", "x_um", "y_um", "z_um")
            own += _named(Hole, "center_x_px", "center_y_px", "diameter_px")
            counts = [
                ("exposures", _count(Exposure, Exposure.hole_id, Hole.id)),
                ("images", _count(GridImage, GridImage.hole_id, Hole.id)),
            ]
            above = [("grid", Grid.key.expression), ("square", GridSquare.key.expression)]
            return Hole, [*above, ("hole", Hole.key.expression), *own, *counts]
        case Level.EXPOSURES:
            own = _named(Exposure, "area", "number", "taken_at")
            image = _named(GridImage, "x_um", "y_um", "z_um", "pixel_size_angstrom", "defocus_um")
            image += _named(GridImage, "dose_e_per_angstrom2", "path", "frames_path")
            above = [
                ("grid", Grid.key.expression),
                ("square", GridSquare.key.expression),
                ("hole", Hole.key.expression),
            ]
            return Exposure, [*above, ("exposure", Exposure.key.expression), *own, *image]
        case Level.IMAGES:
            own = _named(GridImage, "level", "taken_at", "x_um", "y_um", "z_um", "tilt_deg", "pixel_size_angstrom")
            own += _named(GridImage, "width_px", "height_px", "defocus_um", "dose_e_per_angstrom2", "path")
            own += _named(GridImage, "metadata_path")
            return GridImage, [("grid", Grid.key.expression), ("image", GridImage.key.expression), *own]


def _named(table: type[Base], *names: str) -> list[tuple[str, ColumnElement[Any]]]:
    columns = table.__table__.columns
    return [(name, columns[name]) for name in names]


def _count(table: type[Base], column: Any, of: Any) -> ColumnElement[int]:
    return select(func.count()).select_from(table).where(column == of).scalar_subquery()


__all__ = ["Items", "Level", "list_items"]
