"""Pages of a session's exposures, filtered and in an order, and one exposure in detail."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, defer

from structloop.core.errors import JudgingError, NotFoundError
from structloop.exposures.sessions import PROBLEMATIC_FROM, get_session
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

Kind = Literal["all", "fine", "problematic", "failed"]

SORTED_BY = (
    *("taken_at", "processed_at", "name", "problematic", "total_motion_angstrom", "early_motion_angstrom"),
    *("defocus_u_um", "ctf_resolution_angstrom", "ctf_confidence", "ice_nm", "particles", "particles_per_um2"),
    *("condition", "grid", "square"),
)
"""What a page can be sorted by."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exposures of a session, and in which order.

    Attributes:
        kind: How they came out.
        grid, square: Only of these.
        search: Only names with this in them.
        sort: One of `SORTED_BY`.
        descending: The largest first; what is not known comes last either way.
    """

    kind: Kind = "all"
    grid: str | None = None
    square: str | None = None
    search: str = ""
    sort: str = "taken_at"
    descending: bool = False


def exposure_page(
    database: Database, session_id: int, wanted: Wanted, *, offset: int, limit: int
) -> tuple[int, list[ProcessedExposure]]:
    """How many exposures of a session are wanted, and some of them without their details.

    Raises:
        NotFoundError: there is no such session.
        JudgingError: nothing can be sorted by that.
    """
    if wanted.sort not in SORTED_BY:
        raise JudgingError(f"exposures cannot be sorted by '{wanted.sort}'; use one of {', '.join(SORTED_BY)}")
    table = ProcessedExposure
    conditions = _conditions(session_id, wanted)
    key = getattr(table, wanted.sort)
    order = key.desc() if wanted.descending else key.asc()
    query: Select[Any] = select(table).where(*conditions).options(defer(table.details, raiseload=True))
    query = query.order_by(key.is_(None), order, table.id).offset(offset).limit(limit)
    with database.snapshot() as session:
        get_session(session, session_id)
        total = session.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
        return total, list(session.scalars(query))


def exposure_ids(database: Database, session_id: int, wanted: Wanted) -> list[int]:
    """Keys of all exposures of a session that are wanted, in no order.

    Raises:
        NotFoundError: there is no such session.
    """
    with database.reading() as session:
        get_session(session, session_id)
        return list(session.scalars(select(ProcessedExposure.id).where(*_conditions(session_id, wanted))))


def _conditions(session_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    table = ProcessedExposure
    found: list[ColumnElement[bool]] = [table.session_id == session_id]
    if wanted.kind == "failed":
        found.append(table.state == "failed")
    elif wanted.kind == "problematic":
        found += [table.state == "done", table.problematic >= PROBLEMATIC_FROM]
    elif wanted.kind == "fine":
        found += [table.state == "done", table.problematic < PROBLEMATIC_FROM]
    if wanted.grid is not None:
        found.append(table.grid == wanted.grid)
    if wanted.square is not None:
        found.append(table.square == wanted.square)
    if wanted.search:
        found.append(table.name.icontains(wanted.search, autoescape=True))
    return found


def get_exposure(session: Session, exposure_id: int) -> tuple[ProcessedExposure, ProcessingSession]:
    """An exposure and its session.

    Raises:
        NotFoundError: there is none.
    """
    row = session.get(ProcessedExposure, exposure_id)
    if row is None:
        raise NotFoundError(f"there is no processed exposure {exposure_id}; was its session deleted?")
    return row, get_session(session, row.session_id)


__all__ = ["SORTED_BY", "Kind", "Wanted", "exposure_ids", "exposure_page", "get_exposure"]
