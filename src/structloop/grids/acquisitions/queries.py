"""What the store knows of sessions: the list of them, and the numbers of one, level by level."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.store import Database
from structloop.store.tables import (
    AcquisitionRemark,
    AcquisitionSession,
    Atlas,
    Exposure,
    Grid,
    GridImage,
    GridSquare,
    Hole,
)


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One session and how much there is of it."""

    id: int
    key: str
    program: str
    program_version: str | None
    name: str | None
    microscope: str | None
    root: str
    journal_path: str | None
    started_at: datetime | None
    imported_at: datetime
    grids: int
    atlases: int
    squares: int
    holes: int
    exposures: int
    images: int


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where, micrometres; None where no position is known."""

    low_um: float
    high_um: float


@dataclass(frozen=True, slots=True)
class LevelFacts:
    """One level of one grid.

    Attributes:
        level: `atlas`, `tile`, `square`, `hole`, `exposure` or `other`.
        items: Atlases, squares, holes, exposures; of tiles and others, the images.
        images: Of this level, with or without their pixels' files.
        files: Images whose pixels are there.
        pixel_sizes_angstrom: Of the images, each once, smallest first.
        placed: Items with a stage position, and `x_um`, `y_um` from where to where those are.
        states: The program's words and how many items there are of each.
    """

    level: str
    items: int
    images: int
    files: int
    pixel_sizes_angstrom: tuple[float, ...]
    placed: int
    x_um: Extent | None
    y_um: Extent | None
    states: dict[str, int]


@dataclass(frozen=True, slots=True)
class GridFacts:
    """A grid and its levels."""

    key: str
    slot: int | None
    levels: tuple[LevelFacts, ...]


@dataclass(frozen=True, slots=True)
class SessionNumbers:
    """A session with everything that is counted of it."""

    session: SessionFacts
    grids: tuple[GridFacts, ...]
    remarks: tuple[tuple[str, str, str], ...]


def list_sessions(database: Database) -> list[SessionFacts]:
    """All sessions, the newest import first."""
    newest_first = (AcquisitionSession.imported_at.desc(), AcquisitionSession.id.desc())
    with database.reading() as session:
        return [SessionFacts(*row) for row in session.execute(_sessions().order_by(*newest_first))]


def session_numbers(database: Database, name: str) -> SessionNumbers:
    """The numbers of one session.

    Args:
        name: Its number in the list, its key, the program's own id, or its name where only one has it.

    Raises:
        NotFoundError: no such session, or several.
    """
    known = [
        AcquisitionSession.key == name,
        AcquisitionSession.key.endswith(f":{name}", autoescape=True),
        AcquisitionSession.name == name,
        AcquisitionSession.root == name,
    ]
    if name.isdecimal():
        known.append(AcquisitionSession.id == int(name))
    with database.reading() as session:
        found = [SessionFacts(*row) for row in session.execute(_sessions().where(or_(*known)))]
        exact = [facts for facts in found if name in (str(facts.id), facts.key)]
        if len(exact or found) != 1:
            what = f"{len(found)} sessions are called" if found else "there is no session"
            raise NotFoundError(f"{what} '{name}'; `structloop grids sessions` lists them with their numbers")
        facts = (exact or found)[0]
        grids = session.scalars(select(Grid).where(Grid.session_id == facts.id).order_by(Grid.slot, Grid.key)).all()
        remarks = select(AcquisitionRemark.path, AcquisitionRemark.kind, AcquisitionRemark.reason)
        told = remarks.where(AcquisitionRemark.session_id == facts.id).order_by(AcquisitionRemark.path)
        return SessionNumbers(
            facts,
            tuple(GridFacts(grid.key, grid.slot, _levels(session, grid.id)) for grid in grids),
            tuple((path, kind, reason) for path, kind, reason in session.execute(told)),
        )


def _sessions() -> "Select[*tuple[Any, ...]]":
    def count(table: type[Atlas | GridSquare | Hole | Exposure | GridImage]) -> ColumnElement[int]:
        inside = select(func.count()).select_from(table).join(Grid, Grid.id == table.grid_id)
        return inside.where(Grid.session_id == AcquisitionSession.id).scalar_subquery()

    own = AcquisitionSession
    grids = select(func.count()).select_from(Grid).where(Grid.session_id == own.id).scalar_subquery()
    return select(
        own.id,
        own.key,
        own.program,
        own.program_version,
        own.name,
        own.microscope,
        own.root,
        own.journal_path,
        own.started_at,
        own.imported_at,
        grids,
        *(count(table) for table in (Atlas, GridSquare, Hole, Exposure, GridImage)),
    )


def _levels(session: Session, grid_id: int) -> tuple[LevelFacts, ...]:
    return (
        _level(session, grid_id, "atlas", Atlas),
        _level(session, grid_id, "tile", None),
        _level(session, grid_id, "square", GridSquare),
        _level(session, grid_id, "hole", Hole),
        _level(session, grid_id, "exposure", None, Exposure),
        *([other] if (other := _level(session, grid_id, "other", None)).images else []),
    )


def _level(
    session: Session,
    grid_id: int,
    level: str,
    placed_in: type[Atlas | GridSquare | Hole] | None,
    counted_in: type[Exposure] | None = None,
) -> LevelFacts:
    """Positions come from the table of the items where it has them, else from their images."""
    shown = (GridImage.grid_id == grid_id, GridImage.level == level)
    images, files = session.execute(select(func.count(), func.count(GridImage.sha256)).where(*shown)).one()
    sizes = select(GridImage.pixel_size_angstrom).where(*shown, GridImage.pixel_size_angstrom.is_not(None)).distinct()
    pixel_sizes = _distinct(session.scalars(sizes).all())
    if placed_in is Atlas:
        written = select(Atlas.pixel_size_angstrom).where(Atlas.grid_id == grid_id).distinct()
        pixel_sizes = _distinct([size for size in session.scalars(written) if size is not None]) or pixel_sizes
    places = placed_in or GridImage
    inside = shown if placed_in is None else (placed_in.grid_id == grid_id,)
    x, y = places.x_um, places.y_um
    spans = func.count(), func.count(x), func.min(x), func.max(x), func.min(y), func.max(y)
    count, placed, x_low, x_high, y_low, y_high = session.execute(select(*spans).where(*inside)).one()
    if counted_in is not None:
        count = session.scalar(select(func.count()).select_from(counted_in).where(counted_in.grid_id == grid_id)) or 0
    return LevelFacts(
        level=level,
        items=count,
        images=images,
        files=files,
        pixel_sizes_angstrom=pixel_sizes,
        placed=placed,
        x_um=_extent(x_low, x_high),
        y_um=_extent(y_low, y_high),
        states=_states(session, grid_id, placed_in),
    )


def _extent(low: float | None, high: float | None) -> Extent | None:
    return None if low is None or high is None else Extent(low, high)


def _distinct(sizes: Sequence[float | None]) -> tuple[float, ...]:
    """Sizes that differ by more than rounding."""
    kept: list[float] = []
    for size in sorted(size for size in sizes if size is not None):
        if not kept or size > kept[-1] * 1.0001:
            kept.append(size)
    return tuple(kept)


def _states(session: Session, grid_id: int, table: type[Atlas | GridSquare | Hole] | None) -> dict[str, int]:
    if table is None or issubclass(table, Atlas):
        return {}
    told = select(table.state, func.count()).where(table.grid_id == grid_id, table.state.is_not(None))
    return {state: count for state, count in session.execute(told.group_by(table.state)) if state is not None}


__all__ = [
    "Extent",
    "GridFacts",
    "LevelFacts",
    "SessionFacts",
    "SessionNumbers",
    "list_sessions",
    "session_numbers",
]
