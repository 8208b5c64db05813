"""Micrographs of a particle project: pictures to look at, picks, and what people mark."""

import base64
from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Query, Response

from structloop.api.dependencies import AnnotatorDependency, DatabaseDependency, FilesDependency
from structloop.api.errors import problems
from structloop.api.particle_shapes import ErasedBox, Finished, PicksView, Place
from structloop.api.pictures import GREY_PICTURE, derived_response
from structloop.api.routes.parameters import IfNoneMatch, MicrographId, ShownThreshold
from structloop.core.errors import NotFoundError
from structloop.imaging.micrograph_pictures import micrograph_picture
from structloop.particles.projects import marks as marking
from structloop.particles.projects import projects
from structloop.particles.projects.marks import Box, Marks
from structloop.particles.projects.picked import current_version, mask_of, open_picks
from structloop.particles.projects.views import MarksView, MicrographView, PointView

router = APIRouter(
    prefix="/particles/micrographs",
    tags=["particles"],
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
_WRITE = problems(HTTPStatus.FORBIDDEN)


@router.get("/{micrograph_id}", operation_id="get_micrograph", summary="One micrograph")
def get_micrograph(
    database: DatabaseDependency, micrograph_id: MicrographId, threshold: ShownThreshold = 0.5
) -> MicrographView:
    """A micrograph with the counts of its picks and marks."""
    return projects.micrograph_view(database, micrograph_id, threshold)


@router.get(
    "/{micrograph_id}/picture",
    operation_id="get_micrograph_picture",
    summary="A picture of a micrograph",
    response_class=Response,
    responses=GREY_PICTURE,
)
def get_micrograph_picture(
    database: DatabaseDependency,
    files: FilesDependency,
    micrograph_id: MicrographId,
    size: Annotated[int, Query(ge=64, le=4096, description="Longest side in pixels.")] = 2048,
    low_pass_px: Annotated[
        float, Query(ge=0, le=1000, allow_inf_nan=False, description="Smaller details are smoothed away; 0: none.")
    ] = 0.0,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A grey JPEG no larger than `size`, four robust deviations round its middle grey; made once and kept."""
    with database.reading() as session:
        row = projects.get_micrograph(session, micrograph_id)
        path, fingerprint = FilePath(row.path), row.fingerprint
    return derived_response(
        lambda: micrograph_picture(files, path, fingerprint, size, low_pass_px),
        "image/jpeg",
        f"{fingerprint[:24]}-{size}-{low_pass_px:g}",
        if_none_match,
    )


@router.get("/{micrograph_id}/picks", operation_id="get_micrograph_picks", summary="Picks of a micrograph")
def get_micrograph_picks(database: DatabaseDependency, micrograph_id: MicrographId) -> PicksView:
    """What the project's model picked, less what people have confirmed or removed."""
    with database.reading() as session:
        row = projects.get_micrograph(session, micrograph_id)
        project = projects.get_project(session, row.project_id)
        version = current_version(session, project)
        marks = marking.read_marks(session, micrograph_id)
        picks = marking.picks_left(open_picks(session, micrograph_id, version), marks, project.diameter_px)
        return PicksView(
            model=project.model,
            model_version=None if version is None else version.version,
            diameter_px=project.diameter_px,
            count=len(picks.xy_px),
            table=base64.b64encode(picks.to_bytes()).decode(),
        )


@router.get(
    "/{micrograph_id}/mask",
    operation_id="get_micrograph_mask",
    summary="Where nothing is picked",
    response_class=Response,
    responses={200: {"description": "White where nothing is picked.", "content": {"image/png": {}}}},
)
def get_micrograph_mask(database: DatabaseDependency, micrograph_id: MicrographId) -> Response:
    """Carbon, ice, gold, borders and aggregates as a PNG of the micrograph's shape, smaller."""
    with database.reading() as session:
        row = projects.get_micrograph(session, micrograph_id)
        version = current_version(session, projects.get_project(session, row.project_id))
        mask = mask_of(session, micrograph_id, version)
    if mask is None:
        raise NotFoundError(f"micrograph {micrograph_id} has no mask; pick it first")
    return Response(mask, media_type="image/png", headers={"Cache-Control": "private, no-cache"})


@router.get("/{micrograph_id}/marks", operation_id="get_marks", summary="Marks on a micrograph")
def get_marks(database: DatabaseDependency, micrograph_id: MicrographId) -> MarksView:
    """What counts of all that people marked."""
    with database.reading() as session:
        projects.get_micrograph(session, micrograph_id)
        return _view(marking.read_marks(session, micrograph_id))


@router.post("/{micrograph_id}/marks", operation_id="add_mark", summary="Mark a particle", responses=_WRITE)
def add_mark(
    database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId, body: Place
) -> MarksView:
    """Marks a particle's centre; where one is marked already, nothing changes."""
    return _view(marking.add_particle(database, micrograph_id, body.x_px, body.y_px, annotator=annotator))


@router.post("/{micrograph_id}/erase", operation_id="erase_mark", summary="Remove a particle", responses=_WRITE)
def erase_mark(
    database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId, body: Place
) -> MarksView:
    """Removes the mark or pick nearest to a place, if one is within 0.6 diameters."""
    return _view(marking.erase_at(database, micrograph_id, body.x_px, body.y_px, annotator=annotator))


@router.post("/{micrograph_id}/erase-box", operation_id="erase_box", summary="Clear a rectangle", responses=_WRITE)
def erase_box(
    database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId, body: ErasedBox
) -> MarksView:
    """Removes all marks inside a rectangle, and all picks there that are shown at the threshold."""
    box = Box(body.left_px, body.top_px, body.right_px, body.bottom_px)
    return _view(marking.erase_box(database, micrograph_id, box, threshold=body.threshold, annotator=annotator))


@router.post("/{micrograph_id}/finish", operation_id="finish_micrograph", summary="All marked", responses=_WRITE)
def finish_micrograph(
    database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId, body: Finished
) -> MarksView:
    """Says that all particles are marked; picks at or above the threshold are confirmed."""
    return _view(marking.finish(database, micrograph_id, threshold=body.threshold, annotator=annotator))


@router.post("/{micrograph_id}/reopen", operation_id="reopen_micrograph", summary="Not all marked", responses=_WRITE)
def reopen_micrograph(
    database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId
) -> MarksView:
    """Says that there are particles that nobody marked yet; the marks stay."""
    return _view(marking.reopen(database, micrograph_id, annotator=annotator))


@router.post("/{micrograph_id}/undo", operation_id="undo_mark", summary="Undo", responses=_WRITE)
def undo_mark(database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId) -> MarksView:
    """Undoes what was done last on a micrograph."""
    return _view(marking.undo(database, micrograph_id, annotator=annotator))


@router.post("/{micrograph_id}/redo", operation_id="redo_mark", summary="Redo", responses=_WRITE)
def redo_mark(database: DatabaseDependency, annotator: AnnotatorDependency, micrograph_id: MicrographId) -> MarksView:
    """Brings back what was undone last."""
    return _view(marking.redo(database, micrograph_id, annotator=annotator))


def _view(marks: Marks) -> MarksView:
    return MarksView(
        particles=[PointView(x_px=x, y_px=y) for x, y in marks.particles.tolist()],
        others=[PointView(x_px=x, y_px=y) for x, y in marks.others.tolist()],
        finished=marks.finished,
        can_undo=marks.can_undo,
        can_redo=marks.can_redo,
    )
