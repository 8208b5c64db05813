"""The curators' queue: what to look at next, answers and their undoing, and how the queue stands."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from structloop.api.dependencies import DatabaseDependency, WorkspaceDependency
from structloop.api.errors import problems
from structloop.api.loop_shapes import AskAboutRequest, CurationAnswerRequest, CurationUndoRequest, FillQueueRequest
from structloop.api.routes.parameters import CurationItemId
from structloop.core.errors import NotFoundError
from structloop.crystals import curation
from structloop.crystals.curation.views import (
    CurationAnswerView,
    CurationItemView,
    CurationNextView,
    CurationQueueView,
    FillReportView,
)
from structloop.crystals.drops import drop_detail
from structloop.jobs.curation import fill_drops
from structloop.schema.loop import CurationReason, ItemKey

router = APIRouter(prefix="/curation", tags=["curation"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)
_WRITE = problems(HTTPStatus.FORBIDDEN)
_ANSWER = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

CuratorChoice = Annotated[str, Query(min_length=1, max_length=200, description="The curator's name.")]


@router.get("", operation_id="get_curation_queue", summary="How the queue stands")
def get_curation_queue(
    database: DatabaseDependency,
    curator: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Whose remaining items are counted.")
    ] = None,
) -> CurationQueueView:
    """What waits and what was settled, how well curators agree, and how each of them answers."""
    return curation.queue_view(database, curator)


@router.get("/next", operation_id="get_next_curation_items", summary="What a curator should look at next")
def get_next_curation_items(
    database: DatabaseDependency,
    curator: CuratorChoice,
    limit: Annotated[int, Query(ge=1, le=50, description="More than one to load pictures ahead.")] = 1,
    reason: Annotated[CurationReason | None, Query(description="Only items that are there for this reason.")] = None,
    first: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="An item to begin with, where it waits for this curator.")
    ] = None,
) -> CurationNextView:
    """Open items that this curator has not answered. Blind ones show neither the model's probability nor a label."""
    return curation.next_views(database, curator, limit=limit, reason=reason, first=first)


@router.get(
    "/items/{curation_item_id}", operation_id="get_curation_item", summary="An item of the queue", responses=_NOT_FOUND
)
def get_curation_item(database: DatabaseDependency, curation_item_id: CurationItemId) -> CurationItemView:
    """A drop at an inspection with what was settled of it, if anything was."""
    return curation.item_view(database, curation_item_id)


@router.post(
    "/items",
    operation_id="ask_curators",
    summary="Ask curators about a drop",
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)
def ask_curators(database: DatabaseDependency, body: AskAboutRequest) -> CurationQueueView:
    """Puts a drop at an inspection at the head of the queue, whatever was settled of it before."""
    detail = drop_detail(database, body.drop_id)
    inspection = next((each.id for each in detail.inspections if each.number == body.inspection), None)
    if inspection is None:
        raise NotFoundError(f"the plate of drop {body.drop_id} has no inspection {body.inspection}; name one it has")
    curation.ask_about(database, [ItemKey(body.drop_id, inspection)], answers_needed=body.answers_needed)
    return curation.queue_view(database)


@router.post(
    "/items/{curation_item_id}/answers",
    operation_id="answer_curation_item",
    summary="Answer an item",
    status_code=HTTPStatus.CREATED,
    responses=_ANSWER,
)
def answer_curation_item(
    database: DatabaseDependency, curation_item_id: CurationItemId, body: CurationAnswerRequest
) -> CurationAnswerView:
    """Records an answer; refused (409) where the item is closed or this curator has answered it."""
    return curation.answer_item(
        database,
        curation_item_id,
        curator=body.curator,
        answer=body.answer,
        crystal_type=body.crystal_type,
        seconds=body.seconds,
    )


@router.post("/undo", operation_id="undo_curation_answer", summary="Undo an answer", responses=_ANSWER)
def undo_curation_answer(database: DatabaseDependency, body: CurationUndoRequest) -> CurationItemView:
    """Withdraws a curator's newest answer by adding a row that says so; the item can be answered again."""
    return curation.undo_answer(database, curator=body.curator, curation_item_id=body.item_id)


@router.post("/fill", operation_id="fill_curation_queue", summary="Fill the queue", responses=_WRITE)
def fill_curation_queue(workspace: WorkspaceDependency, body: FillQueueRequest) -> FillReportView:
    """Chooses drops from scores and human labels, and adds those that people should look at.

    Labels are suspected to be wrong by models that have not learnt from them; their features are kept, and those that
    are missing are computed for some seconds at most.
    """
    report, gold = fill_drops(
        workspace,
        size=body.size,
        plates=body.plate_ids or None,
        project_share=body.project_share,
        answers_needed=body.answers_needed,
        gold=body.gold,
        seed=body.seed,
    )
    return FillReportView(
        looked_at=report.looked_at,
        labelled=report.labelled,
        held_out=report.held_out,
        found=report.found,
        added=report.added,
        added_count=report.added_count,
        gold_count=gold,
        cap=report.cap,
    )
