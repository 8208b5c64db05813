"""One exposure: what was found of it, its tracks, and its pictures; and exposures to take along."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response

from structloop.api.dependencies import DatabaseDependency, FilesDependency
from structloop.api.errors import problems
from structloop.api.exposure_shapes import ExportRequest, ExposureDetail
from structloop.api.exposure_views import exposure_detail
from structloop.api.pictures import GREY_PICTURE, derived_response
from structloop.api.routes.parameters import ExposureId, ExposureSessionId, IfNoneMatch
from structloop.exposures.exporting import export_exposures
from structloop.exposures.pictures import fingerprint_of, result_file, shown_picture
from structloop.exposures.selecting import get_exposure
from structloop.store import DerivedFiles

router = APIRouter(
    prefix="/exposures",
    tags=["exposures"],
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY),
)
_MEDIA = {
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "ctf-star": "text/plain",
    "corrected-star": "text/plain",
}
Size = Annotated[int, Query(ge=32, le=4096, description="Longest side in pixels.")]


@router.post(
    "/sessions/{session_id}/export",
    operation_id="export_exposures",
    summary="Take exposures along",
    response_class=Response,
    responses={200: {"description": "The file.", "content": {name: {} for name in _MEDIA.values()}}},
)
def export_some_exposures(database: DatabaseDependency, session_id: ExposureSessionId, body: ExportRequest) -> Response:
    """Some exposures of a session as CSV, Parquet, or a STAR file that RELION reads."""
    contents = export_exposures(database, session_id, body.ids, body.format)
    return Response(contents, media_type=_MEDIA[body.format], headers={"Content-Disposition": "attachment"})


@router.get("/{exposure_id}", operation_id="get_exposure", summary="One exposure")
def get_one_exposure(database: DatabaseDependency, exposure_id: ExposureId) -> ExposureDetail:
    """An exposure with its indicators, its judgement, its tracks, and where its metadata come from."""
    with database.reading() as session:
        row, owner = get_exposure(session, exposure_id)
        return exposure_detail(row, owner)


@router.get(
    "/{exposure_id}/picture",
    operation_id="get_exposure_picture",
    summary="A picture of an exposure",
    response_class=Response,
    responses=GREY_PICTURE,
)
def get_exposure_picture(
    database: DatabaseDependency,
    files: FilesDependency,
    exposure_id: ExposureId,
    size: Size = 512,
    fine: Annotated[bool, Query(description="From the aligned micrograph itself instead of its picture.")] = False,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The aligned micrograph as a grey JPEG no larger than `size`; made once and kept."""
    with database.reading() as session:
        row, owner = get_exposure(session, exposure_id)
        names = (row.micrograph_file, row.picture_file) if fine else (row.picture_file, row.micrograph_file)
        path = result_file(owner.results, names[0] or names[1], "picture")
    return _shown(files, path, size, if_none_match)


@router.get(
    "/{exposure_id}/power",
    operation_id="get_exposure_power",
    summary="The power spectrum of an exposure",
    response_class=Response,
    responses=GREY_PICTURE,
)
def get_exposure_power(
    database: DatabaseDependency,
    files: FilesDependency,
    exposure_id: ExposureId,
    size: Size = 512,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Its power spectrum, right half, with the fit beside it, left half."""
    with database.reading() as session:
        row, owner = get_exposure(session, exposure_id)
        path = result_file(owner.results, row.power_file, "power spectrum")
    return _shown(files, path, size, if_none_match)


def _shown(files: DerivedFiles, path: Path, size: int, if_none_match: str | None) -> Response:
    fingerprint = fingerprint_of(path)
    return derived_response(
        lambda: shown_picture(files, path, fingerprint, size), "image/jpeg", f"{fingerprint[:24]}-{size}", if_none_match
    )
