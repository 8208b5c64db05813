"""Errors as the API tells them: RFC 9457 problem documents made from the error tree."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from structloop.api.shapes import Problem
from structloop.core.errors import (
    AddressRefusedError,
    CtfError,
    CurationClosedError,
    CurationError,
    DataLeakError,
    DatasetError,
    DownloadRefusedError,
    EvaluationSetError,
    ImageChangedError,
    ImageError,
    ImageMissingError,
    JobError,
    JudgingError,
    LabelsError,
    LayoutError,
    ModelError,
    ModelNotFoundError,
    MotionError,
    NotFoundError,
    ParticlesError,
    PromotionError,
    SettingsError,
    StoreUnavailableError,
    StructloopError,
    TargetingError,
    UnknownPluginError,
    UnsupportedModalityError,
)
from structloop.core.log import get_logger, mask_secrets

PROBLEM_TYPE = "application/problem+json"

_log = get_logger(__name__)


class ImportRefusedError(StructloopError, PermissionError):
    """The browser asked to import a folder outside the settings' `import_roots`."""


class OriginRefusedError(StructloopError, PermissionError):
    """A write came from a page of another site."""


# The first class that fits wins: leaves before their bases.
_STATUS: tuple[tuple[type[StructloopError], HTTPStatus, str], ...] = (
    (ImageMissingError, HTTPStatus.GONE, "source-image-gone"),
    (ImageChangedError, HTTPStatus.GONE, "source-image-changed"),
    (ImportRefusedError, HTTPStatus.FORBIDDEN, "import-refused"),
    (OriginRefusedError, HTTPStatus.FORBIDDEN, "origin-refused"),
    (AddressRefusedError, HTTPStatus.FORBIDDEN, "address-refused"),
    (LabelsError, HTTPStatus.UNPROCESSABLE_ENTITY, "labels"),
    (CurationClosedError, HTTPStatus.CONFLICT, "curation-closed"),
    (CurationError, HTTPStatus.UNPROCESSABLE_ENTITY, "curation"),
    (DataLeakError, HTTPStatus.CONFLICT, "data-leak"),
    (DatasetError, HTTPStatus.UNPROCESSABLE_ENTITY, "dataset"),
    (EvaluationSetError, HTTPStatus.UNPROCESSABLE_ENTITY, "evaluation-set"),
    (PromotionError, HTTPStatus.CONFLICT, "promotion"),
    (NotFoundError, HTTPStatus.NOT_FOUND, "not-found"),
    (ModelNotFoundError, HTTPStatus.NOT_FOUND, "model-not-found"),
    (UnknownPluginError, HTTPStatus.NOT_FOUND, "unknown-plugin"),
    (UnsupportedModalityError, HTTPStatus.CONFLICT, "unsupported-modality"),
    (DownloadRefusedError, HTTPStatus.CONFLICT, "download-refused"),
    (ModelError, HTTPStatus.CONFLICT, "model"),
    (LayoutError, HTTPStatus.UNPROCESSABLE_ENTITY, "layout"),
    (ImageError, HTTPStatus.UNPROCESSABLE_ENTITY, "image"),
    (ParticlesError, HTTPStatus.UNPROCESSABLE_ENTITY, "particles"),
    (TargetingError, HTTPStatus.UNPROCESSABLE_ENTITY, "targeting"),
    (CtfError, HTTPStatus.UNPROCESSABLE_ENTITY, "ctf"),
    (MotionError, HTTPStatus.UNPROCESSABLE_ENTITY, "motion"),
    (JudgingError, HTTPStatus.UNPROCESSABLE_ENTITY, "judging"),
    (SettingsError, HTTPStatus.UNPROCESSABLE_ENTITY, "settings"),
    (StoreUnavailableError, HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable"),
    (JobError, HTTPStatus.CONFLICT, "job"),
    (StructloopError, HTTPStatus.INTERNAL_SERVER_ERROR, "internal"),
)


def problem_of(error: StructloopError) -> Problem:
    """The problem document of an error of the tree.

    Messages of the tree say what was wrong, then, after the last semicolon, what to do: that part becomes the remedy.
    """
    status, kind = next((status, kind) for cls, status, kind in _STATUS if isinstance(error, cls))
    detail, semicolon, remedy = mask_secrets(str(error)).rpartition("; ")
    if not semicolon:
        detail, remedy = remedy, ""
    return make_problem(status, kind, detail, remedy or None)


def make_problem(status: HTTPStatus, kind: str, detail: str, remedy: str | None = None) -> Problem:
    """A problem document titled with the standard phrase of its status."""
    return Problem(type=f"urn:structloop:{kind}", title=status.phrase, status=status, detail=detail, remedy=remedy)


def problem_response(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer that carries `problem`."""
    return JSONResponse(
        problem.model_dump(mode="json"), status_code=problem.status, headers=headers, media_type=PROBLEM_TYPE
    )


def problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with a problem of these statuses."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        int(status): {"description": status.phrase, "content": {PROBLEM_TYPE: schema}} for status in sorted(statuses)
    }


def install_error_handlers(app: FastAPI) -> None:
    """Makes `app` answer every error with a problem document."""

    async def of_tree(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, StructloopError)  # noqa: S101  # registered for this class only
        problem = problem_of(error)
        if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request failed", detail=problem.detail)
        return problem_response(problem)

    async def of_validation(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class only
        places = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        problem = make_problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "bad-request", "; ".join(places), "correct the named fields"
        )
        return problem_response(problem)

    async def of_http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101  # registered for this class only
        status = HTTPStatus(error.status_code)
        kind = status.phrase.lower().replace(" ", "-")
        return problem_response(make_problem(status, kind, str(error.detail)), error.headers)

    async def unexpected(_request: Request, error: Exception) -> JSONResponse:
        # Starlette raises the error again after this answer, so that it is logged with its traceback.
        return problem_response(
            make_problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "internal",
                f"an unexpected {type(error).__name__} happened",
                "the server's log has the details; please report it",
            )
        )

    app.add_exception_handler(StructloopError, of_tree)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, unexpected)


__all__ = [
    "PROBLEM_TYPE",
    "ImportRefusedError",
    "OriginRefusedError",
    "install_error_handlers",
    "make_problem",
    "problem_of",
    "problem_response",
    "problems",
]
