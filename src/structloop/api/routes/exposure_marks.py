"""What people say of exposures, and the limits that follow from it."""

from http import HTTPStatus

from fastapi import APIRouter

from structloop.api.dependencies import AnnotatorDependency, DatabaseDependency
from structloop.api.errors import problems
from structloop.api.exposure_shapes import (
    LearnedLimitsView,
    LearnedLimitView,
    LimitsFields,
    MarkRequest,
    MarkView,
    WithdrawMarksRequest,
)
from structloop.api.routes.parameters import ExposureSessionId
from structloop.exposures.judging import limits_to_json
from structloop.exposures.limits import limits_from_marks
from structloop.exposures.marks import Mark, current_marks, mark, withdraw_mark

router = APIRouter(
    prefix="/exposures",
    tags=["exposures"],
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
_WRITE = problems(HTTPStatus.FORBIDDEN)


@router.get("/sessions/{session_id}/marks", operation_id="list_exposure_marks", summary="Marks of a session")
def list_exposure_marks(database: DatabaseDependency, session_id: ExposureSessionId) -> list[MarkView]:
    """The mark that stands of each exposure that has one."""
    return [_view(each) for each in current_marks(database, session_id).values()]


@router.post("/marks", operation_id="mark_exposures", summary="Mark exposures good or bad", responses=_WRITE)
def mark_exposures(database: DatabaseDependency, annotator: AnnotatorDependency, body: MarkRequest) -> list[MarkView]:
    """Marks exposures, all or none; an earlier mark stays on record and counts no more."""
    return [_view(each) for each in mark(database, body.exposure_ids, body.label, annotator=annotator)]


@router.post("/marks/withdraw", operation_id="withdraw_exposure_marks", summary="Take marks back", responses=_WRITE)
def withdraw_exposure_marks(
    database: DatabaseDependency, annotator: AnnotatorDependency, body: WithdrawMarksRequest
) -> list[MarkView]:
    """Takes marks back; the ones before them count again."""
    return [_view(withdraw_mark(database, each, annotator=annotator)) for each in body.mark_ids]


@router.get(
    "/sessions/{session_id}/learned-limits",
    operation_id="get_learned_limits",
    summary="Limits learned from marks",
)
def get_learned_limits(database: DatabaseDependency, session_id: ExposureSessionId) -> LearnedLimitsView:
    """What the marks of a session say of its limits; nothing is set."""
    learned = limits_from_marks(database, session_id)
    return LearnedLimitsView(
        limits=LimitsFields(**limits_to_json(learned.limits)),
        moved=[
            LearnedLimitView(
                name=each.name,
                before=each.before,
                after=each.after,
                low=each.low,
                high=each.high,
                probability=each.moved,
                words=each.words,
            )
            for each in learned.moved
        ],
        marks=learned.marks,
        good=learned.good,
        agreed_before=learned.agreed_before,
        agreed_after=learned.agreed_after,
        remarks=list(learned.remarks),
    )


def _view(given: Mark) -> MarkView:
    return MarkView(
        id=given.id,
        exposure_id=given.exposure_id,
        label=given.label,
        annotator=given.annotator,
    )
