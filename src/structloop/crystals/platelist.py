"""Lists of plates, one plate, and the files that were left out of imports."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.orm import Session

from structloop.crystals.scorings import inspections_of, plate_row, scorings_of
from structloop.crystals.views import (
    ImportProblemPage,
    ImportProblemView,
    PlateDetail,
    PlateFilter,
    PlateOrder,
    PlatePage,
    PlateState,
    PlateSummary,
)
from structloop.store import Database
from structloop.store.tables import ImportProblem, Inspection, Plate, Project

_COLUMNS = (
    Plate.id,
    Plate.barcode,
    Plate.layout,
    Plate.rows,
    Plate.columns,
    Plate.drops,
    Plate.image_count,
    Plate.experiment_count,
    Plate.scored_count,
    Plate.hit_count,
    Plate.best_probability,
    Plate.newest_hit_at,
    Plate.imported_at,
    Plate.created_at,
    Project.name.label("project"),
)
_ORDERS: dict[PlateOrder, tuple[ColumnElement[Any], ...]] = {
    PlateOrder.NEWEST_HIT: (Plate.newest_hit_at.desc().nulls_last(), Plate.imported_at.desc(), Plate.id.desc()),
    PlateOrder.IMPORTED: (Plate.imported_at.desc(), Plate.id.desc()),
    PlateOrder.BARCODE: (Plate.barcode.asc(), Plate.id.asc()),
    PlateOrder.BEST: (Plate.best_probability.desc().nulls_last(), Plate.id.desc()),
}


def list_plates(
    database: Database,
    *,
    search: str = "",
    state: PlateFilter = PlateFilter.ALL,
    sort: PlateOrder = PlateOrder.NEWEST_HIT,
    limit: int = 50,
    offset: int = 0,
) -> PlatePage:
    """Plates, a page at a time.

    Args:
        database: Where the plates are.
        search: Part of a barcode or of a project's name, upper or lower case.
        state: Which plates.
        sort: In which order; plates that lack the value come last.
        limit: How many at most.
        offset: How many to leave out from the start.
    """
    conditions = _conditions(search.strip(), state)
    with database.reading() as session:
        total = session.scalar(select(func.count()).select_from(_plates().where(*conditions).subquery()))
        rows = session.execute(_plates().where(*conditions).order_by(*_ORDERS[sort]).limit(limit).offset(offset)).all()
        return PlatePage(items=_summaries(session, rows), total=total or 0)


def plate_detail(database: Database, plate_id: int) -> PlateDetail:
    """One plate with its inspections and the ways it was scored.

    Raises:
        NotFoundError: there is no such plate.
    """
    with database.reading() as session:
        current = plate_row(session, plate_id).current_scoring_id
        (summary,) = _summaries(session, session.execute(_plates().where(Plate.id == plate_id)).all())
        return PlateDetail(
            **summary.model_dump(),
            inspections=inspections_of(session, plate_id),
            scorings=scorings_of(session, plate_id, current),
        )


def import_problems(
    database: Database, *, plate_id: int | None = None, limit: int = 100, offset: int = 0
) -> ImportProblemPage:
    """Files that could not be imported, newest first: of one plate, or of all and of none.

    Raises:
        NotFoundError: there is no such plate.
    """
    with database.reading() as session:
        conditions = []
        if plate_id is not None:
            plate_row(session, plate_id)
            conditions.append(ImportProblem.plate_id == plate_id)
        total = session.scalar(select(func.count()).select_from(ImportProblem).where(*conditions))
        rows = session.scalars(
            select(ImportProblem)
            .where(*conditions)
            .order_by(ImportProblem.seen_at.desc(), ImportProblem.id.desc())
            .limit(limit)
            .offset(offset)
        )
        items = [
            ImportProblemView(id=row.id, plate_id=row.plate_id, path=row.path, reason=row.reason, seen_at=row.seen_at)
            for row in rows
        ]
    return ImportProblemPage(items=items, total=total or 0)


def _plates() -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).outerjoin(Project, Plate.project_id == Project.id)


def _conditions(search: str, state: PlateFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if search:
        conditions.append(
            or_(Plate.barcode.icontains(search, autoescape=True), Project.name.icontains(search, autoescape=True))
        )
    if state is PlateFilter.UNSCORED:
        conditions.append(Plate.scored_count == 0)
    elif state is PlateFilter.SCORED:
        conditions.append(Plate.scored_count > 0)
    elif state is PlateFilter.HITS:
        conditions.append(Plate.hit_count > 0)
    elif state is PlateFilter.PROBLEMS:
        conditions.append(select(ImportProblem.id).where(ImportProblem.plate_id == Plate.id).exists())
    return conditions


def _summaries(session: Session, rows: Sequence[Row[Any]]) -> list[PlateSummary]:
    keys = [row.id for row in rows]
    inspections = _counts(session, Inspection.plate_id, keys)
    problems = _counts(session, ImportProblem.plate_id, keys)
    return [
        PlateSummary(
            **row._asdict(),
            state=_state(row.scored_count, row.experiment_count),
            inspection_count=inspections.get(row.id, 0),
            problem_count=problems.get(row.id, 0),
        )
        for row in rows
    ]


def _counts(session: Session, column: Any, keys: list[int]) -> dict[int, int]:
    rows = session.execute(select(column, func.count()).where(column.in_(keys)).group_by(column))
    return {key: count for key, count in rows}  # noqa: C416  # rows are no pairs to the type checker


def _state(scored: int, experiments: int) -> PlateState:
    if scored == 0:
        return PlateState.UNSCORED
    return PlateState.SCORED if scored >= experiments else PlateState.PARTLY_SCORED


__all__ = ["import_problems", "list_plates", "plate_detail"]
