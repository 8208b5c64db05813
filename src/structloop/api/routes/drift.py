"""Drift: which imagers look new to a model, and their images into the curators' queue, and out again."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from structloop.api.dependencies import DatabaseDependency, QueueDependency
from structloop.api.drift_shapes import (
    DriftFindingView,
    DriftRequest,
    DriftSourceView,
    QueuedDriftView,
    QueueDriftRequest,
    QueueItemKey,
    WithdrawnView,
    WithdrawRequest,
)
from structloop.api.errors import problems
from structloop.api.shapes import JobView
from structloop.api.submitting import job_view
from structloop.core.errors import NotFoundError
from structloop.crystals.annotations import TASK
from structloop.crystals.drift import queue_drift
from structloop.jobs import job_key
from structloop.loop.curation import withdraw_open
from structloop.loop.tasks import REVIEW_TASKS
from structloop.schema.loop import ItemKey

router = APIRouter(tags=["drift"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_WRITE = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
KIND = "loop.drift"


@router.post(
    "/drift",
    operation_id="look_for_drift",
    summary="Look for imagers that look new",
    status_code=HTTPStatus.ACCEPTED,
    responses=_WRITE,
)
def look_for_drift(queue: QueueDependency, body: DriftRequest) -> JobView:
    """Asks for a job that compares the newest plates of each imager with what the model in production learnt from."""
    REVIEW_TASKS.get(body.task)
    request = body.model_dump(mode="json")
    return job_view(queue.progress(queue.submit(KIND, request, body.task, job_key(KIND, request))))


@router.get("/drift", operation_id="get_drift", summary="What was found last", responses=problems(HTTPStatus.NOT_FOUND))
def get_drift(
    queue: QueueDependency,
    task: Annotated[str, Query(min_length=1, max_length=100, description="Review task, such as crystals/visible.")],
    by: Annotated[Literal["imager", "kind"], Query(description="Imagers, or kinds of plates.")] = "imager",
) -> DriftFindingView:
    """What the last finished look said of each imager or kind of plates; empty where nobody has looked yet."""
    REVIEW_TASKS.get(task)
    found = queue.newest_result(KIND, {"task": task, "by": by})
    if found is None:
        return DriftFindingView(job_id=None, finished_at=None, sources=[])
    job, result = found
    return DriftFindingView(
        job_id=job.id, finished_at=job.finished_at, sources=[_source(each) for each in result.get("sources", [])]
    )


@router.post("/drift/queue", operation_id="queue_drift", summary="Ask curators about what looks new", responses=_WRITE)
def put_in_queue(database: DatabaseDependency, queue: QueueDependency, body: QueueDriftRequest) -> QueuedDriftView:
    """Puts the images that a look asked to label at the head of the queue; nothing is asked about twice."""
    result = queue.result(body.job_id) or {}
    if queue.progress(body.job_id).kind != KIND:
        raise NotFoundError(f"job {body.job_id} did not look for drift; name one that did")
    source = next((each for each in result.get("sources", []) if each["source"] == body.source), None)
    if source is None:
        raise NotFoundError(f"job {body.job_id} says nothing of '{body.source}'; look for drift again")
    keys = [ItemKey(int(item), int(occasion)) for item, occasion in source["items"]]
    done = queue_drift(database, keys, answers_needed=body.answers_needed)
    return QueuedDriftView(
        joined=[QueueItemKey(drop_id=key.item_id, inspection_id=key.occasion_id) for key in done.joined],
        known=done.known,
    )


@router.post(
    "/curation/withdrawals",
    operation_id="withdraw_curation_items",
    summary="Take drops out of the queue",
    responses=problems(HTTPStatus.FORBIDDEN),
)
def withdraw(database: DatabaseDependency, body: WithdrawRequest) -> WithdrawnView:
    """Takes what nobody has answered yet out of the queue; answers stay. It may be chosen again."""
    items = [ItemKey(each.drop_id, each.inspection_id) for each in body.items]
    return WithdrawnView(withdrawn=withdraw_open(database, TASK, reason=body.reason, items=items))


def _source(found: dict[str, Any]) -> DriftSourceView:
    return DriftSourceView(
        source=found["source"],
        alarm=found["alarm"],
        possible=found["possible"],
        plates=found["plates"],
        message=found["message"],
        to_label=found["label"],
    )
