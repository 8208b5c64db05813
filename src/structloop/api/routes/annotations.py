"""Human scores: given, listed and withdrawn, always kept apart from what models say."""

from http import HTTPStatus

from fastapi import APIRouter

from structloop.api.dependencies import AnnotatorDependency, DatabaseDependency
from structloop.api.errors import problems
from structloop.api.routes.parameters import AnnotationId, DropId
from structloop.api.shapes import AnnotationRequest, WithdrawalRequest
from structloop.crystals import annotations
from structloop.crystals.views import AnnotationView

router = APIRouter(tags=["annotations"], responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY))
_WRITE = problems(HTTPStatus.FORBIDDEN)


@router.post(
    "/annotations",
    operation_id="add_annotation",
    summary="Score a drop as a person",
    status_code=HTTPStatus.CREATED,
    responses=_WRITE,
)
def add_annotation(
    database: DatabaseDependency, annotator: AnnotatorDependency, body: AnnotationRequest
) -> AnnotationView:
    """Adds a person's label of a drop; the newest one that is not withdrawn counts."""
    return annotations.annotate(
        database,
        body.drop_id,
        inspection=body.inspection,
        scheme=body.scheme,
        label=body.label,
        annotator=body.annotator or annotator,
        score_visible=body.score_visible,
        seconds=body.seconds,
    )


@router.post(
    "/annotations/{annotation_id}/withdraw",
    operation_id="withdraw_annotation",
    summary="Undo a human score",
    responses=_WRITE,
)
def withdraw_annotation(
    database: DatabaseDependency,
    annotator: AnnotatorDependency,
    annotation_id: AnnotationId,
    body: WithdrawalRequest | None = None,
) -> AnnotationView:
    """Withdraws an annotation by adding a row that says so; withdrawing it twice changes nothing."""
    named = None if body is None else body.annotator
    return annotations.withdraw(database, annotation_id, annotator=named or annotator)


@router.get("/drops/{drop_id}/annotations", operation_id="list_annotations", summary="Human scores of a drop")
def list_annotations(database: DatabaseDependency, drop_id: DropId) -> list[AnnotationView]:
    """What people said of a drop, newest first, withdrawn ones included."""
    return annotations.annotations_of_drop(database, drop_id)
