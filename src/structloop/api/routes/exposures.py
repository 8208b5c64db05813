"""Sessions of processed exposures: how they get on, their indicators as columns, limits, and places to leave."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from structloop.api.dependencies import AnnotatorDependency, DatabaseDependency, SettingsDependency
from structloop.api.errors import problems
from structloop.api.exposure_shapes import (
    ExposureColumnsView,
    ExposurePage,
    ExposureSessionDetail,
    ExposureSessionView,
    LimitsFields,
    NamedColumn,
    PlaceView,
    ReasonCountView,
    RejudgedView,
    SetLimitsRequest,
)
from structloop.api.exposure_views import exposure_view
from structloop.api.routes.parameters import ExposureSessionId, Limit, Offset
from structloop.exposures.columns import exposure_columns
from structloop.exposures.judging import limits_from_json, limits_of, limits_to_json
from structloop.exposures.listing import ListedSession, list_sessions, listed_session
from structloop.exposures.made_up import store_made_up_session
from structloop.exposures.records import rejudge
from structloop.exposures.selecting import Kind, Wanted, exposure_page
from structloop.exposures.sessions import Place, get_session, places_of
from structloop.micrographs.judging import Limits

router = APIRouter(prefix="/exposures", tags=["exposures"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)
_WRITE = problems(HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)
Name = Annotated[str | None, Query(min_length=1, max_length=200)]


@router.get("/sessions", operation_id="list_exposure_sessions", summary="List sessions of exposures")
def list_exposure_sessions(database: DatabaseDependency) -> list[ExposureSessionView]:
    """All sessions whose movies are or were processed, the newest first."""
    return [_view(each) for each in list_sessions(database)]


@router.post(
    "/sessions/made-up",
    operation_id="make_up_exposure_session",
    summary="Make up a session of exposures",
    status_code=HTTPStatus.CREATED,
    responses=problems(HTTPStatus.FORBIDDEN),
)
def make_up_exposure_session(
    database: DatabaseDependency,
    settings: SettingsDependency,
    count: Annotated[int, Query(ge=10, le=1000, description="How many exposures.")] = 600,
) -> ExposureSessionView:
    """Makes up a session to try the pages with: plausible numbers, no movies, no pictures."""
    there = list_sessions(database)
    number = 1 + sum(each.made_up for each in there)
    names = {each.name for each in there}
    name = next(each for n in range(number, number + len(names) + 1) if (each := f"Made-up session {n}") not in names)
    folder = settings.home / "made-up-exposures" / name.replace(" ", "-").lower()
    key = store_made_up_session(database, folder, name=name, count=count, seed=number)
    return _view(listed_session(database, key))


@router.get(
    "/sessions/{session_id}",
    operation_id="get_exposure_session",
    summary="One session of exposures",
    responses=_NOT_FOUND,
)
def get_exposure_session(database: DatabaseDependency, session_id: ExposureSessionId) -> ExposureSessionDetail:
    """A session with its counts and limits."""
    listed = listed_session(database, session_id)
    with database.reading() as session:
        row = get_session(session, session_id)
        limits, settings = limits_of(row), row.settings
    return ExposureSessionDetail(
        session=_view(listed),
        limits=_limits(limits),
        default_limits=_limits(Limits()),
        settings=settings,
    )


@router.get(
    "/sessions/{session_id}/columns",
    operation_id="get_exposure_columns",
    summary="All exposures as columns",
    responses=_NOT_FOUND,
)
def get_exposure_columns(
    database: DatabaseDependency,
    session_id: ExposureSessionId,
    since: Annotated[str | None, Query(max_length=100, description="Cursor of an earlier answer.")] = None,
) -> ExposureColumnsView:
    """Every indicator of every exposure, or of those that are new or changed since a cursor was given."""
    found = exposure_columns(database, session_id, since)
    texts = {name: NamedColumn(names=names, places=places) for name, (names, places) in found.texts.items()}
    return ExposureColumnsView(
        **{name: getattr(found, name) for name in ExposureColumnsView.model_fields if name != "texts"}, texts=texts
    )


@router.get(
    "/sessions/{session_id}/exposures",
    operation_id="list_exposures",
    summary="A page of exposures",
    responses=_NOT_FOUND,
)
def list_exposures(
    database: DatabaseDependency,
    session_id: ExposureSessionId,
    kind: Annotated[Kind, Query(description="How they came out.")] = "all",
    grid: Name = None,
    square: Name = None,
    search: Annotated[str, Query(max_length=200, description="Only names with this in them.")] = "",
    sort: Annotated[str, Query(max_length=40, description="A column, such as ctf_resolution_angstrom.")] = "taken_at",
    descending: bool = False,
    offset: Offset = 0,
    limit: Limit = 100,
) -> ExposurePage:
    """Some of a session's exposures, filtered and sorted; what is not known comes last."""
    wanted = Wanted(kind, grid, square, search, sort, descending)
    total, rows = exposure_page(database, session_id, wanted, offset=offset, limit=limit)
    return ExposurePage(total=total, items=[exposure_view(row) for row in rows])


@router.get(
    "/sessions/{session_id}/places",
    operation_id="list_exposure_places",
    summary="Squares and grids, pooled",
    responses=_NOT_FOUND,
)
def list_exposure_places(database: DatabaseDependency, session_id: ExposureSessionId) -> list[PlaceView]:
    """The share of problematic exposures of each grid and square with its interval, and which of them to leave."""
    with database.snapshot() as session:
        get_session(session, session_id)
        places = places_of(session, session_id)
    return [_place(each) for each in places]


@router.put(
    "/sessions/{session_id}/limits",
    operation_id="set_exposure_limits",
    summary="Set the limits of a session",
    responses=_WRITE,
)
def set_exposure_limits(
    database: DatabaseDependency, annotator: AnnotatorDependency, session_id: ExposureSessionId, body: SetLimitsRequest
) -> RejudgedView:
    """Sets what the operator wants, and judges every exposure of the session by it in one transaction."""
    limits = limits_from_json(body.limits.model_dump())
    origin = f"{body.origin} ({annotator})" if body.origin else f"set by {annotator}"
    before = listed_session(database, session_id).problematic
    judged = rejudge(database, session_id, limits, origin)
    return RejudgedView(exposures=judged, problematic=listed_session(database, session_id).problematic, before=before)


def _place(place: Place) -> PlaceView:
    return PlaceView(
        kind="grid" if place.kind == "grid" else "square",
        grid=place.grid,
        square=place.name if place.kind == "square" else None,
        exposures=place.pooled.exposures,
        share=place.pooled.share,
        low=place.pooled.low,
        high=place.pooled.high,
        leave=place.leaving.leave,
        after=place.leaving.exposures,
        reason=place.leaving.reason,
        why=[ReasonCountView(**asdict(each)) for each in place.reasons],
    )


def _limits(limits: Limits) -> LimitsFields:
    return LimitsFields(**limits_to_json(limits))


def _view(listed: ListedSession) -> ExposureSessionView:
    return ExposureSessionView(**{**asdict(listed), "remarks": list(listed.remarks)})
