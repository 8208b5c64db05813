"""Importing folders of images, and what could not be imported."""

from http import HTTPStatus

from fastapi import APIRouter

from structloop.api.dependencies import DatabaseDependency, QueueDependency, SettingsDependency
from structloop.api.errors import problems
from structloop.api.routes.parameters import JobId, Limit, Offset
from structloop.api.shapes import ImportOutcome, ImportPreview, ImportRequest, JobView, LayoutView
from structloop.api.submitting import import_outcome, installed_layouts, preview, submit_import
from structloop.crystals.platelist import import_problems
from structloop.crystals.views import ImportProblemPage

router = APIRouter(tags=["imports"])
_WRITE = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)


@router.get("/layouts", operation_id="list_layouts", summary="List layouts")
def list_layouts(settings: SettingsDependency) -> list[LayoutView]:
    """The ways of naming image files that can be imported, the facility's own patterns included."""
    return installed_layouts(settings)


@router.post("/imports/preview", operation_id="preview_import", summary="What an import would do", responses=_WRITE)
def preview_import(database: DatabaseDependency, settings: SettingsDependency, body: ImportRequest) -> ImportPreview:
    """The plates that an import would make or add to; nothing is changed."""
    return preview(database, settings, body)


@router.post(
    "/imports",
    operation_id="start_import",
    summary="Import a folder",
    status_code=HTTPStatus.ACCEPTED,
    responses=_WRITE,
)
def start_import(settings: SettingsDependency, queue: QueueDependency, body: ImportRequest) -> JobView:
    """Starts a job that imports a folder, or what a CSV manifest names, inside one of the settings' `import_roots`."""
    return submit_import(settings, queue, body)


@router.get(
    "/imports/{job_id}",
    operation_id="get_import_outcome",
    summary="What an import did",
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
def get_import_outcome(queue: QueueDependency, job_id: JobId) -> ImportOutcome:
    """What the job of an import found and added, and which files it left out; there once the job has succeeded."""
    return import_outcome(queue, job_id)


@router.get(
    "/problems",
    operation_id="list_problems",
    summary="Files that were left out",
    responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY),
)
def list_problems(database: DatabaseDependency, limit: Limit = 100, offset: Offset = 0) -> ImportProblemPage:
    """Files of all plates, or of none, that could not be imported, newest first."""
    return import_problems(database, plate_id=None, limit=limit, offset=offset)
