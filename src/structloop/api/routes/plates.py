"""Plates: the list, one plate, its map, what could not be imported, its scores as a file, and scoring it."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import TypeAdapter
from starlette.responses import StreamingResponse

from structloop.api.dependencies import DatabaseDependency, QueueDependency, SettingsDependency
from structloop.api.errors import problems
from structloop.api.routes.parameters import Limit, Offset, PlateId, ScoringId
from structloop.api.shapes import JobView, ScoreRequest
from structloop.api.submitting import submit_scoring
from structloop.crystals.platelist import import_problems, plate_detail
from structloop.crystals.platelist import list_plates as find_plates
from structloop.crystals.platemap import plate_map
from structloop.crystals.score_files import csv_lines, score_rows
from structloop.crystals.scorings import chosen_scoring
from structloop.crystals.views import (
    ImportProblemPage,
    PlateDetail,
    PlateFilter,
    PlateMap,
    PlateOrder,
    PlatePage,
)

router = APIRouter(tags=["plates"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)
_PLATE_MAP = TypeAdapter(PlateMap)

InspectionChoice = Annotated[
    str, Query(pattern=r"^(best|[0-9]{1,6})$", description="`best`, or the number of an inspection.")
]


@router.get("/plates", operation_id="list_plates", summary="List plates")
def list_plates(
    database: DatabaseDependency,
    search: Annotated[str, Query(max_length=200, description="Part of a barcode or of a project's name.")] = "",
    state: Annotated[PlateFilter, Query(description="Which plates.")] = PlateFilter.ALL,
    sort: Annotated[PlateOrder, Query(description="Plates without the value come last.")] = PlateOrder.NEWEST_HIT,
    limit: Limit = 50,
    offset: Offset = 0,
) -> PlatePage:
    """Plates by search, state and order, a page at a time."""
    return find_plates(database, search=search, state=state, sort=sort, limit=limit, offset=offset)


@router.get("/plates/{plate_id}", operation_id="get_plate", summary="One plate", responses=_NOT_FOUND)
def get_plate(database: DatabaseDependency, plate_id: PlateId) -> PlateDetail:
    """A plate with its inspections and the ways it was scored."""
    return plate_detail(database, plate_id)


@router.get(
    "/plates/{plate_id}/map",
    operation_id="get_plate_map",
    summary="The plate map",
    response_model=PlateMap,
    responses=_NOT_FOUND,
)
def get_plate_map(
    database: DatabaseDependency,
    plate_id: PlateId,
    inspection: InspectionChoice = "best",
    scoring: ScoringId = None,
) -> Response:
    """Every drop with its probability: the best over inspections so far, or at one inspection."""
    number = None if inspection == "best" else int(inspection)
    shown = plate_map(database, plate_id, inspection=number, scoring_id=scoring)
    # Written to JSON once, without the second validation that FastAPI would do: a plate has up to 4,608 cells.
    return Response(_PLATE_MAP.dump_json(shown), media_type="application/json")


@router.get(
    "/plates/{plate_id}/problems",
    operation_id="list_plate_problems",
    summary="Files of a plate that were left out",
    responses=_NOT_FOUND,
)
def list_plate_problems(
    database: DatabaseDependency, plate_id: PlateId, limit: Limit = 100, offset: Offset = 0
) -> ImportProblemPage:
    """Files that could not be imported, newest first, each with its reason."""
    return import_problems(database, plate_id=plate_id, limit=limit, offset=offset)


@router.get(
    "/plates/{plate_id}/scores.csv",
    operation_id="get_plate_scores",
    summary="The scores of a plate as CSV",
    response_class=Response,
    responses={200: {"description": "One row per drop and inspection.", "content": {"text/csv": {}}}, **_NOT_FOUND},
)
def get_plate_scores(database: DatabaseDependency, plate_id: PlateId, scoring: ScoringId = None) -> Response:
    """One row per drop and inspection, in the columns that `structloop crystals score --out` writes."""
    plate = plate_detail(database, plate_id)
    name = "".join(character if character.isalnum() or character in "-_." else "_" for character in plate.barcode)
    chosen = chosen_scoring(plate.scorings, scoring, plate.barcode)
    lines = csv_lines(score_rows(database, [] if chosen is None else [chosen.id]))
    headers = {"Content-Disposition": f'attachment; filename="{name.encode("ascii", "replace").decode()}-scores.csv"'}
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "/plates/{plate_id}/score",
    operation_id="score_plate",
    summary="Score a plate",
    status_code=HTTPStatus.ACCEPTED,
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN),
)
def score_plate(
    database: DatabaseDependency,
    settings: SettingsDependency,
    queue: QueueDependency,
    plate_id: PlateId,
    body: ScoreRequest,
) -> JobView:
    """Starts a job that scores every image that the models have not scored yet; asked twice, it runs once."""
    return submit_scoring(database, settings, queue, plate_id, body)
