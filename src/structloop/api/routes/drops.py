"""Drops: one drop with everything known of it, and the ranked list of the likeliest crystals."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from structloop.api.dependencies import DatabaseDependency
from structloop.api.errors import problems
from structloop.api.routes.parameters import DropId, Limit, ScoringId
from structloop.crystals.drops import drop_detail
from structloop.crystals.hits import ranked_hits
from structloop.crystals.views import DropDetail, HitPage

router = APIRouter(tags=["drops"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))


@router.get(
    "/drops/{drop_id}",
    operation_id="get_drop",
    summary="One drop",
    responses=problems(HTTPStatus.NOT_FOUND),
)
def get_drop(database: DatabaseDependency, drop_id: DropId, scoring: ScoringId = None) -> DropDetail:
    """A drop with its inspections, images, scores, annotations and neighbours."""
    return drop_detail(database, drop_id, scoring_id=scoring)


@router.get("/hits", operation_id="list_hits", summary="Ranked drops", responses=problems(HTTPStatus.NOT_FOUND))
def list_hits(
    database: DatabaseDependency,
    plate: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="Only drops of this plate.")] = None,
    below_threshold: Annotated[bool, Query(description="Also drops below the alarm threshold.")] = False,
    unreviewed: Annotated[bool, Query(description="Only drops that nobody has scored yet.")] = False,
    limit: Limit = 50,
    offset: Annotated[int, Query(ge=0, le=10_000, description="How many to leave out from the start.")] = 0,
) -> HitPage:
    """Drops by their best probability so far, the likeliest crystals first, across all plates or within one."""
    return ranked_hits(
        database,
        plate_id=plate,
        below_threshold=below_threshold,
        unreviewed=unreviewed,
        limit=limit,
        offset=offset,
    )
