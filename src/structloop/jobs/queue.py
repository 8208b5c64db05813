"""The queue: asking for jobs, looking at them, cancelling them. Any process may; one worker per home runs them.

A request is a row of the table `job`, written in one transaction, so it survives whatever happens next. The worker
(`structloop.jobs.worker`) picks the row up, in this process or another one.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select, update

from structloop.core.errors import JobCanceledError, JobFailedError, NotFoundError
from structloop.jobs.kinds import job_kind
from structloop.jobs.workspace import Workspace
from structloop.schema.events import JobProgress, JobState
from structloop.store.database import insert_or_ignore
from structloop.store.tables import Job
from structloop.store.tables.base import utc_now

POLLING_S = 0.1
_LOOKED_THROUGH = 100
UNFINISHED = (JobState.QUEUED.value, JobState.RUNNING.value)


class JobQueue:
    """The jobs of one workspace.

    Args:
        workspace: Whose jobs.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def submit(self, kind: str, request: Mapping[str, Any], subject: str = "", key: str | None = None) -> str:
        """Asks for a job and returns its id at once.

        Args:
            kind: A name of `structloop.jobs.kinds.KINDS`.
            request: The fields of that kind's request.
            subject: What it works on, for people.
            key: What makes two requests the same work (see `structloop.jobs.job_key`); while a job of that key is
                unfinished, its id is returned and no second one is made. None: always a new job.

        Raises:
            UnknownPluginError: there is no such kind.
            JobFailedError: the request does not fit the kind; the message names the field.
        """
        checked = job_kind(kind).check(request)
        database = self._workspace.database
        row = {
            "id": f"{utc_now():%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
            "kind": kind,
            "key": key,
            "subject": subject,
            "request": checked.model_dump(mode="json"),
            "state": JobState.QUEUED.value,
            "done": 0,
            "message": "",
            "cancel_requested": False,
            "created_at": utc_now(),
        }
        while True:
            with database.session() as session:
                session.execute(insert_or_ignore(database, Job, [row]))
                same = Job.id == row["id"] if key is None else Job.key == key
                found = session.scalar(select(Job.id).where(same, Job.state.in_(UNFINISHED)))
                # None: another process's job of that key ended between the two statements (PostgreSQL); ask again.
                if found is not None:
                    return found

    def progress(self, job_id: str) -> JobProgress:
        """One look at a job.

        Raises:
            NotFoundError: there is no such job.
        """
        return _progress(self._row(job_id))

    def result(self, job_id: str) -> dict[str, Any] | None:
        """What a finished job reports, by the names of its kind; None while it runs or where it failed.

        Raises:
            NotFoundError: there is no such job.
        """
        return self._row(job_id).result

    def newest_result(self, kind: str, request: Mapping[str, Any]) -> tuple[JobProgress, dict[str, Any]] | None:
        """The last job of a kind that did its work, among those that were asked all of `request`, with its result."""
        with self._workspace.database.reading() as session:
            rows = session.scalars(
                select(Job)
                .where(Job.kind == kind, Job.state == JobState.SUCCEEDED.value)
                .order_by(Job.created_at.desc(), Job.id.desc())
                .limit(_LOOKED_THROUGH)
            )
            for row in rows:
                if row.result is not None and all(row.request.get(name) == value for name, value in request.items()):
                    return _progress(row), row.result
        return None

    def list(self, limit: int = 50) -> list[JobProgress]:
        """The newest jobs first."""
        with self._workspace.database.reading() as session:
            rows = session.scalars(select(Job).order_by(Job.created_at.desc(), Job.id.desc()).limit(limit))
            return [_progress(row) for row in rows]

    def cancel(self, job_id: str) -> JobProgress:
        """Asks a job to stop. A queued one never starts; a running one ends soon and keeps what it has done.

        Raises:
            NotFoundError: there is no such job.
        """
        now = utc_now()
        with self._workspace.database.session() as session:
            session.execute(
                update(Job)
                .where(Job.id == job_id, Job.state == JobState.QUEUED.value)
                .values(
                    state=JobState.CANCELED.value, cancel_requested=True, message="canceled", finished_at=now, key=None
                )
            )
            session.execute(
                update(Job)
                .where(Job.id == job_id, Job.state == JobState.RUNNING.value)
                .values(cancel_requested=True, message="stopping")
            )
        return self.progress(job_id)

    def wait(
        self,
        job_id: str,
        on_progress: Callable[[JobProgress], None] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> JobProgress:
        """Waits until the job has ended; some worker must be running it.

        Args:
            job_id: Which one.
            on_progress: Called with every look at the job that differs from the one before.
            timeout_s: How long to wait at most.

        Raises:
            JobFailedError: it failed; the message is the job's own.
            JobCanceledError: it was cancelled.
            TimeoutError: it has not ended after `timeout_s` seconds.
            NotFoundError: there is no such job.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        last: JobProgress | None = None
        while True:
            now = self.progress(job_id)
            if now != last and on_progress is not None:
                on_progress(now)
            last = now
            if now.state is JobState.FAILED:
                raise JobFailedError(now.message)
            if now.state is JobState.CANCELED:
                raise JobCanceledError(f"the job {job_id} ({now.kind} {now.subject}) was cancelled")
            if now.state.is_final:
                return now
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"job {job_id} is still {now.state} after {timeout_s:g} s")
            time.sleep(POLLING_S)

    def _row(self, job_id: str) -> Job:
        with self._workspace.database.reading() as session:
            row = session.get(Job, job_id)
        if row is None:
            raise NotFoundError(f"there is no job '{job_id}'; `structloop jobs list` shows those there are")
        return row


def _progress(row: Job) -> JobProgress:
    return JobProgress(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        state=JobState(row.state),
        done=row.done,
        total=row.total,
        message=row.message,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


__all__ = ["JobQueue"]
