"""Running one job from its row: the states it goes through, its progress, and how it ends."""

import threading
import time
from typing import Any

from sqlalchemy import select, update

from structloop.core.errors import StoreUnavailableError, StructloopError
from structloop.core.log import get_logger
from structloop.jobs.kinds import job_kind
from structloop.jobs.workspace import Workspace
from structloop.schema.events import JobState
from structloop.store.tables import Job
from structloop.store.tables.base import utc_now

# The row is what people watch; five looks a second are plenty, and the database has other work.
WRITING_INTERVAL_S = 0.2
MESSAGE_LENGTH = 4000
FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 16.0

_log = get_logger(__name__)


class RowControl:
    """The `JobControl` of a job whose row lies in the database.

    Args:
        workspace: Where the row lies.
        job_id: Which one.
        closing: Set when the worker is closing.
    """

    def __init__(self, workspace: Workspace, job_id: str, closing: threading.Event) -> None:
        self._database = workspace.database
        self._job_id = job_id
        self._closing = closing
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {}
        self._synchronised_at = 0.0
        self.canceled = False

    def progress(self, done: int, total: int | None, message: str = "") -> None:
        """See `JobControl`."""
        with self._lock:
            self._values = {"done": done, "total": total, "message": message[:MESSAGE_LENGTH]}
            self._synchronise()

    def should_stop(self) -> bool:
        """See `JobControl`."""
        with self._lock:
            self._synchronise()
            return self.canceled or self._closing.is_set()

    def latest(self) -> dict[str, Any]:
        """What was reported last, written or not."""
        with self._lock:
            return dict(self._values)

    def _synchronise(self) -> None:
        now = time.monotonic()
        if now - self._synchronised_at < WRITING_INTERVAL_S:
            return
        self._synchronised_at = now
        if self._values:
            with self._database.session() as session:
                session.execute(update(Job).where(Job.id == self._job_id).values(**self._values))
                self._read_cancellation(session.scalar(select(Job.cancel_requested).where(Job.id == self._job_id)))
        else:
            with self._database.reading() as session:
                self._read_cancellation(session.scalar(select(Job.cancel_requested).where(Job.id == self._job_id)))

    def _read_cancellation(self, requested: bool | None) -> None:
        # None: the row was deleted; nobody waits for the job any more.
        self.canceled = requested is None or requested


def run_job(workspace: Workspace, job_id: str, closing: threading.Event) -> None:
    """Runs a job and writes its outcome to its row. A job that has ended already is left alone.

    A job that stops because the worker is closing goes back to the queue.
    """
    database = workspace.database
    with database.session() as session:
        row = session.get(Job, job_id)
        if row is None or JobState(row.state).is_final:
            return
        row.state = JobState.RUNNING.value
        row.started_at = row.started_at or utc_now()
        kind_name, request = row.kind, row.request
    control = RowControl(workspace, job_id, closing)
    outcome: dict[str, Any]
    try:
        if control.should_stop():
            result: dict[str, Any] | None = None
        else:
            result = job_kind(kind_name).start(workspace, request, control)
    except StructloopError as error:
        outcome = {"state": JobState.FAILED.value, "message": str(error)}
        _log.warning("job failed", job=job_id, kind=kind_name, reason=str(error))
    except Exception as error:  # noqa: BLE001  # the job's outermost edge: whatever happened, its row must say so
        reason = f"unexpected {type(error).__name__}: {error}; the log of the process holds the details"
        outcome = {"state": JobState.FAILED.value, "message": reason}
        _log.error("job failed unexpectedly", job=job_id, kind=kind_name, exc_info=error)
    else:
        if control.canceled:
            outcome = {"state": JobState.CANCELED.value, "message": "canceled; what was done is kept"}
        elif closing.is_set() and (result is None or result.get("stopped")):
            outcome = {"state": JobState.QUEUED.value, "message": "waiting for the next start"}
        else:
            outcome = {"state": JobState.SUCCEEDED.value, "message": ""}
        outcome["result"] = result
    _finish(workspace, job_id, control.latest() | outcome)


def _finish(workspace: Workspace, job_id: str, values: dict[str, Any]) -> None:
    values["message"] = values.get("message", "")[:MESSAGE_LENGTH]
    if JobState(values["state"]).is_final:
        values["finished_at"] = utc_now()
    wait_s = FIRST_RETRY_S
    while True:
        try:
            with workspace.database.session() as session:
                session.execute(update(Job).where(Job.id == job_id).values(**values))
        except StoreUnavailableError:
            # The work is done, or has failed; only the note of it is missing, and a server may be restarting.
            if wait_s > LONGEST_RETRY_S:
                raise
            time.sleep(wait_s)
            wait_s *= 2
        else:
            return


__all__ = ["RowControl", "run_job"]
