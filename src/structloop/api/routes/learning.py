"""Trainings, which model does the work of a task, and where a score comes from."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from structloop.api.dependencies import (
    DatabaseDependency,
    KeptFilesDependency,
    ModelsDependency,
    QueueDependency,
)
from structloop.api.errors import problems
from structloop.api.learning_shapes import (
    DropLineageView,
    ModelRolesView,
    PromoteRequest,
    RoleRequest,
    RollBackRequest,
    TrainingRunView,
    TrainModelRequest,
)
from structloop.api.learning_views import drop_lineage, roles_view, run_view
from structloop.api.routes.parameters import DropId, ScoringId
from structloop.api.shapes import JobView
from structloop.api.submitting import job_view
from structloop.core.errors import PromotionError
from structloop.jobs import job_key
from structloop.loop.datasets import list_datasets
from structloop.loop.promotion.roles import Role, give_role, record_version, roll_back, standing
from structloop.loop.promotion.training_runs import list_runs
from structloop.loop.tasks import REVIEW_TASKS
from structloop.models.registry import ModelRegistry
from structloop.store import Database

router = APIRouter(tags=["learning"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_WRITE = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)

TaskChoice = Annotated[
    str | None, Query(min_length=1, max_length=100, description="Only of this review task, such as crystals/visible.")
]


@router.get("/training-runs", operation_id="list_training_runs", summary="List trainings")
def list_training_runs(database: DatabaseDependency, task: TaskChoice = None) -> list[TrainingRunView]:
    """All trainings, the newest first, with what was measured on the way."""
    names = {info.id: info.name for info in list_datasets(database, task)}
    return [run_view(run, names) for run in list_runs(database, task)]


@router.post(
    "/training-runs",
    operation_id="train_model",
    summary="Train a model",
    status_code=HTTPStatus.ACCEPTED,
    responses=_WRITE,
)
def train_model(queue: QueueDependency, body: TrainModelRequest) -> JobView:
    """Asks for a job that trains a model on a data set and records it as a candidate, judged on the test set."""
    REVIEW_TASKS.get(body.task)
    request = body.model_dump(mode="json")
    subject = f"{body.dataset or body.task} ({body.method})"
    return job_view(queue.progress(queue.submit("loop.train", request, subject, job_key("loop.train", request))))


@router.get(
    "/model-roles",
    operation_id="list_model_roles",
    summary="Which models do the work",
    responses=problems(HTTPStatus.NOT_FOUND),
)
def list_model_roles(
    database: DatabaseDependency, models: ModelsDependency, task: TaskChoice = None
) -> list[ModelRolesView]:
    """Per review task: what is in production, what it replaced, what waits, and everything that was decided."""
    wanted = sorted(each.name for each in REVIEW_TASKS) if task is None else [REVIEW_TASKS.get(task).name]
    return [roles_view(database, name, _default(name, models)) for name in wanted]


@router.post(
    "/model-roles/promotions",
    operation_id="promote_model",
    summary="Promote a model",
    status_code=HTTPStatus.ACCEPTED,
    responses=_WRITE,
)
def promote_model(queue: QueueDependency, models: ModelsDependency, body: PromoteRequest) -> JobView:
    """Asks for a job that judges a model beside production on the frozen test set, and promotes it if it passes."""
    REVIEW_TASKS.get(body.task)
    models.card(body.model)
    if body.despite_gate and not body.why.strip():
        raise PromotionError("to promote despite the gate, say why: what does the gate not see?")
    request = body.model_dump(mode="json")
    return job_view(queue.progress(queue.submit("loop.promote", request, body.model, job_key("loop.promote", request))))


@router.post(
    "/model-roles/shadows", operation_id="shadow_model", summary="Let a model score in the shadow", responses=_WRITE
)
def shadow_model(database: DatabaseDependency, models: ModelsDependency, body: RoleRequest) -> ModelRolesView:
    """The model scores silently beside the one in production from now on."""
    return _give(database, models, body, "shadow")


@router.post("/model-roles/retirements", operation_id="retire_model", summary="Retire a model", responses=_WRITE)
def retire_model(database: DatabaseDependency, models: ModelsDependency, body: RoleRequest) -> ModelRolesView:
    """Takes a candidate or a shadow off the list; what is in production is rolled back instead."""
    return _give(database, models, body, "retired")


@router.post("/model-roles/roll-backs", operation_id="roll_back_model", summary="Go back", responses=_WRITE)
def roll_back_model(database: DatabaseDependency, models: ModelsDependency, body: RollBackRequest) -> ModelRolesView:
    """The model before, or the default, does the work again; scores that were made stay."""
    REVIEW_TASKS.get(body.task)
    roll_back(database, body.task, who=body.who, why=body.why)
    return roles_view(database, body.task, _default(body.task, models))


@router.get(
    "/drops/{drop_id}/lineage",
    operation_id="get_drop_lineage",
    summary="Where the scores of a drop come from",
    responses=problems(HTTPStatus.NOT_FOUND),
)
def get_drop_lineage(
    database: DatabaseDependency,
    files: KeptFilesDependency,
    drop_id: DropId,
    inspection: Annotated[int | None, Query(ge=0, le=100_000, description="Its number; none: the best one.")] = None,
    scoring: ScoringId = None,
) -> DropLineageView:
    """Each score with its model version, the data set that taught it, and whose answers that holds."""
    return drop_lineage(database, files, drop_id, inspection, scoring)


def _default(task: str, models: ModelRegistry) -> str:
    return REVIEW_TASKS.get(task).default_model or models.default_name


def _give(database: Database, models: ModelRegistry, body: RoleRequest, role: Role) -> ModelRolesView:
    REVIEW_TASKS.get(body.task)
    version_id = record_version(database, models.card(body.model))
    held = standing(database, body.task).production
    if held is not None and held.version_id == version_id:
        raise PromotionError(f"{held.model} is in production for {body.task}; roll it back to give it up")
    give_role(database, body.task, version_id, role, who=body.who, why=body.why)
    return roles_view(database, body.task, _default(body.task, models))
