"""Jobs: what runs, what ran, and stopping one."""

from http import HTTPStatus

from fastapi import APIRouter

from structloop.api.dependencies import QueueDependency
from structloop.api.errors import problems
from structloop.api.routes.parameters import JobId, Limit
from structloop.api.shapes import JobList, JobView
from structloop.api.submitting import job_view

router = APIRouter(tags=["jobs"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)


@router.get("/jobs", operation_id="list_jobs", summary="List jobs")
def list_jobs(queue: QueueDependency, limit: Limit = 50) -> JobList:
    """The newest jobs, newest first."""
    return JobList(items=[job_view(progress) for progress in queue.list(limit)])


@router.get("/jobs/{job_id}", operation_id="get_job", summary="One job", responses=_NOT_FOUND)
def get_job(queue: QueueDependency, job_id: JobId) -> JobView:
    """A job and how far it is."""
    return job_view(queue.progress(job_id))


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Stop a job",
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN),
)
def cancel_job(queue: QueueDependency, job_id: JobId) -> JobView:
    """Asks a job to stop; it ends at the next safe point. One that has ended stays as it is."""
    return job_view(queue.cancel(job_id))
