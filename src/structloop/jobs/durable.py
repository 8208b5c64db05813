"""The only place that knows DBOS: one workflow of one step that runs a job of our own table.

DBOS (https://docs.dbos.dev) keeps in its system database which jobs were started, by whom, and which ended; when a
process is killed, the next one of the same executor id takes up what was left. What the traps of its defaults made us
set: the application version is pinned (its default hashes the source, and another version's workflows are never
recovered), the executor id is stable, the queue is polled ten times a second instead of once (an idle worker then
takes under 4 % of a core), and arguments are stored as JSON instead of pickles.

DBOS allows one instance per process, so there is one `DurableRunner` at a time.
"""

import logging
import time
from collections.abc import Callable

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID, WorkflowSerializationFormat
from dbos import error as dbos_error
from sqlalchemy.exc import SQLAlchemyError

from structloop.core.errors import StoreUnavailableError

APPLICATION = "structloop"
APPLICATION_VERSION = "jobs-1"
QUEUE = "structloop-jobs"
POLLING_S = 0.1
# A job that has taken its process down this often is not started again.
MAX_STARTS = 5

# Where its logger has a handler, DBOS adds none that holds on to standard error: its messages go where ours do.
logging.getLogger("dbos").addHandler(logging.NullHandler())

_FINAL = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
# DBOS registers functions once per process, so what they call is looked up here.
_run_job: Callable[[str], None] | None = None
_started: set[str] = set()


class JobKeepsKillingError(RuntimeError):
    """A job ended its process too often; it is not started again."""


@DBOS.step(name="structloop.run_job")
def _run_step(job_id: str) -> None:
    if _run_job is None:
        raise RuntimeError("a job was started without a worker")
    _run_job(job_id)


@DBOS.workflow(
    name="structloop.job",
    max_recovery_attempts=MAX_STARTS,
    serialization_type=WorkflowSerializationFormat.PORTABLE,
)
def _workflow(job_id: str) -> None:
    if DBOS.workflow_id is not None:
        _started.add(DBOS.workflow_id)
    _run_step(job_id)


class DurableRunner:
    """Runs jobs one after the other and finishes those that a killed process left.

    Args:
        system_database_url: Where DBOS keeps its own tables.
        executor_id: The same for every start of this home, on any machine; what recovery goes by.
        run: Runs the job of an id; may be called again for the same job after a crash.
    """

    def __init__(self, system_database_url: str, executor_id: str, run: Callable[[str], None]) -> None:
        self._config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": system_database_url,
            "dbos_system_schema": "structloop_jobs",
            "application_version": APPLICATION_VERSION,
            "executor_id": executor_id,
            "serializer": DBOSPortableJSONSerializer(),
            "use_listen_notify": False,
            "log_level": "ERROR",
            "enable_otlp": False,
        }
        self._run = run

    def start(self) -> None:
        """Starts the queue; what a killed process left is taken up at once.

        Raises:
            StoreUnavailableError: its tables cannot be reached or written. Nothing is left running, and it can be
                started again.
        """
        global _run_job
        _run_job = self._run
        try:
            DBOS(config=self._config)
            DBOS.launch()
            DBOS.register_queue(
                QUEUE, worker_concurrency=1, polling_interval_sec=POLLING_S, on_conflict="always_update"
            )
        except BaseException as error:
            DBOS.destroy()
            _run_job = None
            if isinstance(error, SQLAlchemyError | dbos_error.DBOSException):
                reason = str(error).partition("\n")[0]
                raise StoreUnavailableError(
                    f"the tables of the job queue cannot be used: {reason}; is the disk full, the "
                    "folder read-only, or the database server away?"
                ) from error
            raise

    def ensure_queued(self, job_id: str) -> None:
        """Puts the job in the queue unless it is there or runs already, here or on another machine.

        A job goes through the queue again (with a new number) when an earlier pass ended without finishing it, as
        when its worker was closed.

        Raises:
            JobKeepsKillingError: it ended its process too often.
        """
        number = 1
        while True:
            workflow_id = f"{job_id}.{number}"
            status = DBOS.get_workflow_status(workflow_id)
            if status is None:
                with SetWorkflowID(workflow_id):
                    DBOS.enqueue_workflow(QUEUE, _workflow, job_id)
                return
            if status.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
                raise JobKeepsKillingError(f"the job ended its process {MAX_STARTS} times and is not started again")
            if status.status not in _FINAL:
                return
            number += 1

    def stop(self, timeout_s: float = 60.0) -> None:
        """Stops the queue and waits for the job that is running; the caller has asked it to end."""
        global _run_job
        deadline = time.monotonic() + timeout_s
        while self._is_working() and time.monotonic() < deadline:
            time.sleep(POLLING_S)
        DBOS.destroy()
        _run_job = None

    def _is_working(self) -> bool:
        for workflow_id in tuple(_started):
            status = DBOS.get_workflow_status(workflow_id)
            if status is None or status.status in _FINAL:
                _started.discard(workflow_id)
        return bool(_started)


__all__ = ["DurableRunner", "JobKeepsKillingError"]
