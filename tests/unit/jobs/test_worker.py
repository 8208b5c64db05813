"""The worker's lock, its identity, and what happens where its queue cannot be started."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dbos import DBOS
from filelock import FileLock, Timeout
from sqlalchemy.exc import OperationalError

from structloop.core.errors import StoreUnavailableError, StructloopError
from structloop.jobs import JobQueue, Worker, Workspace, open_workspace, worker
from structloop.jobs.kinds import KINDS, JobControl, JobKind, JobRequest
from structloop.jobs.worker import executor_id, worker_lock_path
from structloop.schema.events import JobState

TIMEOUT_S = 100.0

# A worker on a machine of another name, in the middle of a job.
OTHER_MACHINE = """
import socket, sys, time
socket.gethostname = lambda: "container-of-yesterday"
from pathlib import Path
from structloop.jobs import JobQueue, Worker, open_workspace
from structloop.jobs.kinds import KINDS, JobKind, JobRequest

def run(workspace, request, control):
    print("running", flush=True)
    time.sleep(60)
    return {}

KINDS["test.wait"] = JobKind("test.wait", JobRequest, run)
with open_workspace(Path(sys.argv[1]), database_url=sys.argv[2]) as workspace, Worker(workspace):
    JobQueue(workspace).submit("test.wait", {}, key="the same work")
    time.sleep(60)
"""


class NoRequest(JobRequest):
    """Asks for nothing."""


def finish(_workspace: Workspace, _request: NoRequest, _control: JobControl) -> dict[str, object]:
    """Does the rest of the work, which is nothing."""
    return {"finished": True}


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "test.wait", JobKind("test.wait", NoRequest, finish))


def failing_once(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[Exception]:
    """Makes the first start of the queue fail; the list holds the error once it has been raised."""
    launch = DBOS.launch
    raised: list[Exception] = []

    def fail_once() -> None:
        if raised:
            launch()
        else:
            raised.append(error)
            raise error

    monkeypatch.setattr(DBOS, "launch", fail_once)
    return raised


def away() -> OperationalError:
    """What SQLAlchemy raises where a server is away."""
    return OperationalError("SELECT 1", {}, ConnectionError("connection refused"))


def test_a_killed_worker_is_followed_on_a_machine_of_another_name_and_path(
    home: Path, database_url: str, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_MACHINE, str(home), database_url], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGKILL)
    moved = tmp_path / "mounted elsewhere"
    home.rename(moved)
    if database_url.startswith("sqlite"):
        database_url = f"sqlite:///{moved / 'structloop.db'}"
    with open_workspace(moved, database_url=database_url) as workspace:
        queue = JobQueue(workspace)
        (job,) = queue.list()
        assert job.state is JobState.RUNNING
        with Worker(workspace):
            assert queue.wait(job.id, timeout_s=TIMEOUT_S).state is JobState.SUCCEEDED
        assert queue.result(job.id) == {"finished": True}


def test_the_id_that_recovery_goes_by_stays_and_homes_of_one_server_differ(tmp_path: Path) -> None:
    server = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    homes = [open_workspace(tmp_path / name, database_url=server) for name in ("one", "two")]
    ids = [executor_id(workspace) for workspace in homes]
    assert ids[0] != ids[1]
    assert [executor_id(workspace) for workspace in homes] == ids
    file = worker_lock_path(homes[0]).with_suffix(".id")
    file.write_text("half an i")
    replaced = executor_id(homes[0])
    assert replaced not in ids
    assert executor_id(homes[0]) == replaced
    assert [path.name for path in file.parent.glob("worker.id*")] == ["worker.id"]
    file.unlink()
    file.mkdir()
    with pytest.raises(StoreUnavailableError, match=r"worker\.id"):
        executor_id(homes[0])


def test_a_queue_that_cannot_be_started_gives_the_lock_back(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = failing_once(monkeypatch, away())
    with open_workspace(home) as workspace:
        with pytest.raises(StructloopError, match="connection refused"), Worker(workspace):
            pass
        assert raised
        with FileLock(worker_lock_path(workspace), timeout=0):
            pass
        queue = JobQueue(workspace)
        with Worker(workspace):
            assert queue.wait(queue.submit("test.wait", {}), timeout_s=TIMEOUT_S).state is JobState.SUCCEEDED


def test_a_patient_worker_tries_again_to_start_its_queue(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOCK_RETRY_S", 0.05)
    monkeypatch.setattr(worker, "START_RETRY_S", 1.0)
    raised = failing_once(monkeypatch, away())
    with open_workspace(home) as workspace:
        queue = JobQueue(workspace)
        job = queue.submit("test.wait", {})
        other = FileLock(worker_lock_path(workspace))
        other.acquire()
        with Worker(workspace, patient=True):
            other.release()
            deadline = time.monotonic() + TIMEOUT_S
            while not raised:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.3)
            # While it waits, another process may be the worker.
            with FileLock(worker_lock_path(workspace), timeout=0):
                pass
            assert queue.wait(job, timeout_s=TIMEOUT_S).state is JobState.SUCCEEDED


def test_a_patient_worker_that_took_over_gives_the_lock_back_at_its_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOCK_RETRY_S", 0.05)
    with open_workspace(home) as workspace:
        other = FileLock(worker_lock_path(workspace))
        other.acquire()
        with Worker(workspace, patient=True) as patient:
            other.release()
            deadline = time.monotonic() + TIMEOUT_S
            while not patient.is_running:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            with pytest.raises(Timeout):
                other.acquire(blocking=False)
        other.acquire(blocking=False)
        other.release()
