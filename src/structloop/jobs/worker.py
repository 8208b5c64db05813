"""The worker: the one process per home that runs its jobs, and finishes those that a killed one left."""

import os
import re
import secrets
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from filelock import FileLock, Timeout
from sqlalchemy import make_url, select, update
from sqlalchemy.exc import SQLAlchemyError

from structloop.core.errors import StoreUnavailableError, StructloopError, WorkerBusyError
from structloop.core.log import get_logger
from structloop.jobs.running import run_job
from structloop.jobs.workspace import Workspace
from structloop.schema.events import JobState
from structloop.store.tables import Job
from structloop.store.tables.base import utc_now

if TYPE_CHECKING:
    from structloop.jobs.durable import DurableRunner

LOOKING_S = 0.2
# How often jobs that should be running are compared with the queue: one whose end could not be written, because the
# database was away, or that the queue gave up, must not seem to run for ever.
COMPARING_S = 10.0
LOCK_RETRY_S = 1.0
# A queue that cannot be started is most often a database server that is away.
START_RETRY_S = 5.0
# Whoever holds the lock beside an SQLite database is its only worker, on whatever machine and under whatever path.
SOLE_WORKER = "worker"

_log = get_logger(__name__)


class Worker:
    """Runs the jobs of a workspace in background threads while the `with` block lasts.

    Only one process per home may: the lock is the operating system's, so a killed process leaves none behind. Leaving
    the block asks the running job to stop; it goes back to the queue, and the next worker finishes it.

    Args:
        workspace: Whose jobs. Keep it open for as long as the worker runs.
        patient: Whether to wait in the background where another process is the worker, and to take over when it
            ends; otherwise entering raises `WorkerBusyError`.

    Raises:
        WorkerBusyError: (on entering, unless patient) another process runs the jobs of this home.
        StoreUnavailableError: (on entering) the queue's own tables cannot be reached or written.
    """

    def __init__(self, workspace: Workspace, *, patient: bool = False) -> None:
        self._workspace = workspace
        self._patient = patient
        # Taken in one thread and released in another, where this worker had to wait for it.
        self._lock = FileLock(worker_lock_path(workspace), thread_local=False)
        self._closing = threading.Event()
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        self._runner: DurableRunner | None = None

    @property
    def is_running(self) -> bool:
        """Whether this worker has the lock and runs jobs."""
        return self._runner is not None

    def __enter__(self) -> Self:
        if self._try_lock():
            self._start_runner()
        elif not self._patient:
            raise WorkerBusyError(
                f"another structloop process runs the jobs of {self._workspace.home} ({self._lock.lock_file})"
            )
        self._thread = threading.Thread(target=self._look_for_jobs, name="structloop-worker", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # First no new jobs, then the running one: what goes back to the queue must not be picked up again here.
        self._leaving.set()
        if self._thread is not None:
            self._thread.join()
        self._closing.set()
        if self._runner is not None:
            self._runner.stop()
            self._runner = None
        self._lock.release()

    def _try_lock(self) -> bool:
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            return False
        return True

    def _start_runner(self) -> None:
        """Starts the queue. The lock, which is held, is given up where that fails, so that others may try."""
        workspace = self._workspace
        try:
            from structloop.jobs.durable import DurableRunner

            runner = DurableRunner(
                system_database_url(workspace),
                executor_id(workspace),
                lambda job_id: run_job(workspace, job_id, self._closing),
            )
            runner.start()
        except BaseException:
            self._lock.release()
            raise
        self._runner = runner

    def _wait_for_lock(self) -> bool:
        """Becomes the worker as soon as no other process is; False: this one is closing."""
        wait_s = LOCK_RETRY_S
        while self._runner is None:
            if self._leaving.wait(wait_s):
                return False
            wait_s = LOCK_RETRY_S
            try:
                if self._try_lock():
                    self._start_runner()
            except (StructloopError, SQLAlchemyError, OSError) as error:
                wait_s = START_RETRY_S
                _log.warning("the queue of jobs cannot be started; trying again", reason=str(error))
        return True

    def _look_for_jobs(self) -> None:
        if not self._wait_for_lock():
            return
        handed_over: set[str] = set()
        compared_at = -COMPARING_S
        while True:
            is_comparing = time.monotonic() - compared_at >= COMPARING_S
            states = [JobState.QUEUED.value, *([JobState.RUNNING.value] if is_comparing else [])]
            try:
                with self._workspace.database.reading() as session:
                    found = session.scalars(select(Job.id).where(Job.state.in_(states)).order_by(Job.created_at)).all()
                for job_id in found:
                    if is_comparing or job_id not in handed_over:
                        self._hand_over(job_id)
                if is_comparing:
                    compared_at = time.monotonic()
                handed_over = set(found)
            except (StoreUnavailableError, SQLAlchemyError) as error:
                # A database server that restarts, or has no connection to spare, must not end the worker.
                _log.warning("the jobs cannot be read; trying again", reason=str(error))
            if self._leaving.wait(LOOKING_S):
                return

    def _hand_over(self, job_id: str) -> None:
        from structloop.jobs.durable import JobKeepsKillingError

        if self._runner is None:
            return
        try:
            self._runner.ensure_queued(job_id)
        except JobKeepsKillingError as error:
            with self._workspace.database.session() as session:
                session.execute(
                    update(Job)
                    .where(Job.id == job_id)
                    .values(state=JobState.FAILED.value, message=str(error), finished_at=utc_now())
                )


def _sqlite_file(workspace: Workspace) -> Path | None:
    url = make_url(workspace.settings.resolved_database_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def worker_lock_path(workspace: Workspace) -> Path:
    """The file whose lock the worker holds: beside an SQLite database, else in the home folder."""
    file = _sqlite_file(workspace)
    return workspace.home / "worker.lock" if file is None else file.with_suffix(".worker.lock")


def system_database_url(workspace: Workspace) -> str:
    """Where the queue's library keeps its own tables: a file beside an SQLite database, else the same server."""
    file = _sqlite_file(workspace)
    return workspace.database.url if file is None else f"sqlite:///{file.with_suffix('.jobs.db')}"


def executor_id(workspace: Workspace) -> str:
    """What recovery goes by: the same at every start, whatever the machine is called and wherever the home lies.

    A host name or a path would not do: a container has a new name after every start, and what a killed worker of
    another name left would never be taken up. Beside an SQLite database a constant is enough. On a server, where
    several homes may share one database, it is a random id that the home keeps in a file beside its lock; call this
    only while holding the lock.

    Raises:
        StoreUnavailableError: the file cannot be read or written.
    """
    if _sqlite_file(workspace) is not None:
        return SOLE_WORKER
    file = worker_lock_path(workspace).with_suffix(".id")
    try:
        kept = file.read_text(encoding="utf-8").strip() if file.exists() else ""
        if re.fullmatch(r"[0-9a-f]{32}", kept) is None:
            kept = secrets.token_hex(16)
            _write_whole(file, kept + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreUnavailableError(
            f"the file {file}, by which a killed worker's jobs are found again, cannot be read or written: {error}; "
            "is the disk full, or the folder read-only?"
        ) from error
    return f"worker-{kept}"


def _write_whole(file: Path, text: str) -> None:
    """Writes all of a file or nothing: half an id after a power cut would be another one."""
    new = file.with_name(f"{file.name}.new")
    with new.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)


__all__ = ["Worker", "executor_id", "system_database_url", "worker_lock_path"]
