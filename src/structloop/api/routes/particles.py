"""Particle projects: made from a folder, picked, learned from, exported."""

from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from structloop.api.dependencies import DatabaseDependency, ModelsDependency, QueueDependency, SettingsDependency
from structloop.api.errors import problems
from structloop.api.particle_shapes import FolderView, NewProject, PickerView, ProjectChange, TrainRequest
from structloop.api.routes.parameters import ParticleProjectId, ShownThreshold
from structloop.api.shapes import JobView
from structloop.api.submitting import allowed_folder, job_view
from structloop.core.errors import ParticleProjectError
from structloop.core.settings import Settings
from structloop.jobs import JobQueue, job_key
from structloop.particles.picking.models import all_picker_cards, any_picker_card
from structloop.particles.projects import projects
from structloop.particles.projects.expecting import expected_view
from structloop.particles.projects.exporting import NamesAs, export_project
from structloop.particles.projects.folders import look_into, pixel_size_of
from structloop.particles.projects.projects import ProjectFacts
from structloop.particles.projects.suggestions import suggestions
from structloop.particles.projects.views import (
    ExpectedView,
    MicrographView,
    ParticleProjectView,
    SuggestionView,
)
from structloop.store import Database

router = APIRouter(prefix="/particles", tags=["particles"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)
_WRITE = problems(HTTPStatus.FORBIDDEN)
_CHANGE = problems(HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN)


@router.get("/folders", operation_id="look_into_folder", summary="Look into a folder", responses=_WRITE)
def look_into_folder(
    settings: SettingsDependency,
    path: Annotated[str, Query(max_length=4096, description="Absolute path; none: the first of `import_roots`.")] = "",
) -> FolderView:
    """What lies in a folder inside the `import_roots`, to choose one that a project is made of."""
    folder = allowed_folder(settings, path or str(next(iter(settings.import_roots), "")))
    contents = look_into(folder)
    inside = any(folder.parent.is_relative_to(root) for root in settings.import_roots)
    first = contents.first
    return FolderView(
        roots=[str(root) for root in settings.import_roots],
        path=str(folder),
        parent=str(folder.parent) if inside else None,
        folders=list(contents.folders),
        micrographs=contents.micrographs,
        pixel_size_angstrom=None if first is None else first.pixel_size_angstrom,
        width_px=None if first is None else first.width_px,
        height_px=None if first is None else first.height_px,
    )


@router.get("/projects", operation_id="list_particle_projects", summary="List particle projects")
def list_particle_projects(database: DatabaseDependency) -> list[ParticleProjectView]:
    """All projects, newest first."""
    return projects.list_projects(database)


@router.post(
    "/projects",
    operation_id="add_particle_project",
    summary="Make a project of a folder",
    status_code=HTTPStatus.CREATED,
    responses=_WRITE,
)
def add_particle_project(
    database: DatabaseDependency, settings: SettingsDependency, queue: QueueDependency, body: NewProject
) -> ParticleProjectView:
    """Makes a project, and starts a job that looks through its folder."""
    project_id = projects.create_project(database, _facts(settings, body))
    submit(database, queue, "particles.scan", {"project_id": project_id})
    return projects.project_view(database, project_id)


@router.get("/projects/{project_id}", operation_id="get_particle_project", summary="One project", responses=_NOT_FOUND)
def get_particle_project(database: DatabaseDependency, project_id: ParticleProjectId) -> ParticleProjectView:
    """A project and how far it is."""
    return projects.project_view(database, project_id)


@router.patch(
    "/projects/{project_id}", operation_id="change_particle_project", summary="Change a project", responses=_CHANGE
)
def change_particle_project(
    database: DatabaseDependency, models: ModelsDependency, project_id: ParticleProjectId, body: ProjectChange
) -> ParticleProjectView:
    """Changes the particle's diameter or the model whose picks are shown."""
    if body.model is not None:
        any_picker_card(models, body.model)
    projects.change_project(database, project_id, diameter_px=body.diameter_px, model=body.model)
    return projects.project_view(database, project_id)


@router.delete(
    "/projects/{project_id}",
    operation_id="remove_particle_project",
    summary="Forget a project",
    status_code=HTTPStatus.NO_CONTENT,
    responses=_CHANGE,
)
def remove_particle_project(database: DatabaseDependency, project_id: ParticleProjectId) -> Response:
    """Forgets a project with its marks and picks; the micrographs' files are not touched."""
    projects.remove_project(database, project_id)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/projects/{project_id}/scan",
    operation_id="scan_particle_project",
    summary="Look for new micrographs",
    status_code=HTTPStatus.ACCEPTED,
    responses=_CHANGE,
)
def scan_particle_project(
    database: DatabaseDependency, queue: QueueDependency, project_id: ParticleProjectId
) -> JobView:
    """Starts a job that looks through the project's folder again."""
    return submit(database, queue, "particles.scan", {"project_id": project_id})


@router.get(
    "/projects/{project_id}/micrographs",
    operation_id="list_micrographs",
    summary="Micrographs of a project",
    responses=_NOT_FOUND,
)
def list_micrographs(
    database: DatabaseDependency, project_id: ParticleProjectId, threshold: ShownThreshold = 0.5
) -> list[MicrographView]:
    """The micrographs in the order of their names, each with the counts of its picks and marks."""
    return projects.micrograph_views(database, project_id, threshold)


@router.get(
    "/projects/{project_id}/expected",
    operation_id="get_expected",
    summary="Expected precision and recall",
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def get_expected(database: DatabaseDependency, models: ModelsDependency, project_id: ParticleProjectId) -> ExpectedView:
    """What the project's model is expected to do, by threshold."""
    return expected_view(database, models, project_id)


@router.get("/models", operation_id="list_pickers", summary="Models that pick")
def list_pickers(models: ModelsDependency) -> list[PickerView]:
    """The pickers of this installation."""
    return [
        PickerView(
            name=card.name,
            version=card.version,
            summary=card.summary,
            shipped=models.is_shipped(card.name) or card.family == card.name,
        )
        for card in all_picker_cards(models)
    ]


@router.post(
    "/projects/{project_id}/pick",
    operation_id="pick_particle_project",
    summary="Pick all micrographs",
    status_code=HTTPStatus.ACCEPTED,
    responses=_CHANGE,
)
def pick_particle_project(
    database: DatabaseDependency, queue: QueueDependency, project_id: ParticleProjectId
) -> JobView:
    """Starts a job in which the project's model picks every micrograph that it has not picked yet."""
    return submit(database, queue, "particles.pick", {"project_id": project_id})


@router.post(
    "/projects/{project_id}/train",
    operation_id="train_particle_project",
    summary="Learn from the marks",
    status_code=HTTPStatus.ACCEPTED,
    responses=_CHANGE,
)
def train_particle_project(
    database: DatabaseDependency, queue: QueueDependency, project_id: ParticleProjectId, body: TrainRequest
) -> JobView:
    """Starts a job that trains a model on the marks, then picks all micrographs with it."""
    request: dict[str, object] = {"project_id": project_id, "time_limit_s": body.time_limit_s}
    return submit(database, queue, "particles.train", request)


@router.get(
    "/projects/{project_id}/suggestions",
    operation_id="suggest_micrographs",
    summary="Label these next",
    responses=_NOT_FOUND,
)
def suggest_micrographs(
    database: DatabaseDependency,
    project_id: ParticleProjectId,
    count: Annotated[int, Query(ge=1, le=50, description="How many.")] = 5,
) -> list[SuggestionView]:
    """The micrographs from which the model would learn most, the best first."""
    return suggestions(database, project_id, count)


@router.get(
    "/projects/{project_id}/export",
    operation_id="export_particles",
    summary="Particles for other programs",
    response_class=Response,
    responses={
        200: {"description": "The file; `X-Remarks` says what it has no place for.", "content": {"*/*": {}}},
        **_NOT_FOUND,
    },
)
def export_particles(
    database: DatabaseDependency,
    project_id: ParticleProjectId,
    format: Annotated[  # noqa: A002
        Literal["star", "star-3.0", "relion-folder", "box", "cbox", "cs", "topaz", "coord", "csv"],
        Query(description="Formats with a file per micrograph come as a ZIP archive."),
    ] = "star",
    threshold: ShownThreshold = 0.5,
    names: Annotated[NamesAs, Query(description="How micrographs are named in the file.")] = NamesAs.RELATIVE,
) -> Response:
    """What people marked, and the picks that reach the threshold on micrographs that are not finished."""
    made = export_project(database, project_id, format=format, threshold=threshold, names=names)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(made.name)}",
        "Cache-Control": "no-store",
        "X-Remarks": quote("; ".join(made.remarks)),
    }
    return Response(made.data, media_type="application/octet-stream", headers=headers)


def submit(database: Database, queue: JobQueue, kind: str, request: dict[str, object]) -> JobView:
    """Asks for a job of a project; while one that does the same is unfinished, that one is it.

    Raises:
        NotFoundError: there is no such project.
    """
    project = projects.project_view(database, int(str(request["project_id"])))
    return job_view(queue.progress(queue.submit(kind, request, project.name, job_key(kind, request))))


def _facts(settings: Settings, body: NewProject) -> ProjectFacts:
    folder = allowed_folder(settings, body.folder)
    diameter_px = body.diameter_px
    if (diameter_px is None) == (body.diameter_angstrom is None):
        raise ParticleProjectError("diameter_px: give either the diameter in pixels or diameter_angstrom")
    if diameter_px is None:
        size = body.pixel_size_angstrom or pixel_size_of(folder, body.pattern)
        if size is None:
            raise ParticleProjectError(
                f"pixel_size_angstrom: the files in {folder} do not say it; give it, or the diameter in pixels"
            )
        diameter_px = (body.diameter_angstrom or 0.0) / size
    return ProjectFacts(body.name, folder, diameter_px, body.pattern, body.pixel_size_angstrom)
