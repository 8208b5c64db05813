"""The curators' queue of exposures: what to look at next, answers and their undoing, and how the queue stands."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import func, select

from structloop.api.condition_shapes import (
    ConditionAnswerRequest,
    ConditionChoiceView,
    ConditionFillRequest,
    ConditionFillView,
    ConditionItemView,
    ConditionNextView,
    ConditionQueueView,
    ConditionUndoRequest,
)
from structloop.api.dependencies import DatabaseDependency
from structloop.api.errors import problems
from structloop.api.routes.parameters import CurationItemId
from structloop.exposures import curation
from structloop.exposures.curation import ShownExposure
from structloop.exposures.review import LABELS, QUALITY, TASK, TITLES
from structloop.loop.curation import queue_standing
from structloop.schema.loop import UNCERTAIN, UNUSABLE, CurationState
from structloop.store import Database
from structloop.store.tables import CurationItem

router = APIRouter(prefix="/curation/exposures", tags=["curation"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_ANSWER = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
_FILL = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_CHOICES = [
    *(
        ConditionChoiceView(answer=label, title=TITLES[label], key=str(place))
        for place, label in enumerate(LABELS, start=1)
    ),
    ConditionChoiceView(answer=UNCERTAIN, title="Uncertain", key="u"),
    ConditionChoiceView(answer=UNUSABLE, title="Unusable", key="x"),
]


@router.get("", operation_id="get_exposure_queue", summary="How the queue of exposures stands")
def get_exposure_queue(
    database: DatabaseDependency,
    curator: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Whose remaining items are counted.")
    ] = None,
) -> ConditionQueueView:
    """What may be answered, what waits and what was settled, and how well curators agree."""
    return _queue(database, curator)


@router.get("/next", operation_id="get_next_exposures", summary="Which exposures to look at next")
def get_next_exposures(
    database: DatabaseDependency,
    curator: Annotated[str, Query(min_length=1, max_length=200, description="The curator's name.")],
    limit: Annotated[int, Query(ge=1, le=50, description="More than one to load pictures ahead.")] = 1,
) -> ConditionNextView:
    """Open items that this curator has not answered. Of blind ones nothing is shown that the model says."""
    items, waiting = curation.next_shown(database, curator, limit=limit)
    return ConditionNextView(items=[_item(each) for each in items], open_for_curator=waiting)


@router.post(
    "/items/{curation_item_id}/answers",
    operation_id="answer_exposure",
    summary="Answer what the condition of an exposure is",
    status_code=HTTPStatus.CREATED,
    responses=_ANSWER,
)
def answer_exposure(
    database: DatabaseDependency, curation_item_id: CurationItemId, body: ConditionAnswerRequest
) -> ConditionItemView:
    """Records an answer; refused (409) where the item is closed or this curator has answered it."""
    return _item(
        curation.answer_item(database, curation_item_id, curator=body.curator, answer=body.answer, seconds=body.seconds)
    )


@router.post("/undo", operation_id="undo_exposure_answer", summary="Undo an answer", responses=_ANSWER)
def undo_exposure_answer(database: DatabaseDependency, body: ConditionUndoRequest) -> ConditionItemView:
    """Withdraws a curator's newest answer about an exposure by adding a row that says so."""
    return _item(curation.undo_answer(database, curator=body.curator))


@router.post("/fill", operation_id="fill_exposure_queue", summary="Fill the queue of exposures", responses=_FILL)
def fill_exposure_queue(database: DatabaseDependency, body: ConditionFillRequest) -> ConditionFillView:
    """Chooses exposures whose condition people should look at: disputed ones, unsure ones, and some at random."""
    filled = curation.fill_queue(
        database, size=body.size, sessions=body.session_ids, answers_needed=body.answers_needed, seed=body.seed
    )
    return ConditionFillView(looked_at=filled.looked_at, added=filled.added, added_count=sum(filled.added.values()))


def _queue(database: Database, curator: str | None) -> ConditionQueueView:
    standing = queue_standing(database, TASK, positive=QUALITY.positive, curator=curator)
    with database.reading() as session:
        counted = session.execute(
            select(CurationItem.label, func.count())
            .where(CurationItem.task == TASK, CurationItem.state == CurationState.SETTLED.value)
            .group_by(CurationItem.label)
        )
        by_label = {str(label): count for label, count in counted}
    undecided = (CurationState.UNCERTAIN, CurationState.UNUSABLE)
    return ConditionQueueView(
        choices=_CHOICES,
        open=standing.open_count,
        open_for_curator=standing.open_for_curator,
        settled=standing.closed.get(CurationState.SETTLED, 0),
        undecided=sum(standing.closed.get(each, 0) for each in undecided),
        alpha=standing.alpha,
        curators=[each.curator for each in standing.curators],
        settled_by_label={label: by_label.get(label, 0) for label in LABELS},
    )


def _item(shown: ShownExposure) -> ConditionItemView:
    item = shown.item
    return ConditionItemView(
        id=item.id,
        exposure_id=shown.exposure_id,
        session_id=shown.session_id,
        session=shown.session,
        name=shown.name,
        grid=shown.grid,
        square=shown.square,
        hole=shown.hole,
        reason=None if shown.is_blind else item.reason,
        is_blind=shown.is_blind,
        condition=shown.condition,
        probability=None if shown.is_blind else item.probability,
        answers_needed=item.answers_needed,
        answer_count=item.answer_count,
        state=item.state,
        label=item.label,
    )
