import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from structloop.core.errors import (
    JobCanceledError,
    JobFailedError,
    LayoutError,
    NotFoundError,
    UnknownPluginError,
    WorkerBusyError,
)
from structloop.jobs import JobQueue, Worker, Workspace, open_workspace
from structloop.jobs.kinds import KINDS, JobControl, JobKind, JobRequest, job_key
from structloop.jobs.worker import system_database_url, worker_lock_path
from structloop.schema.events import JobProgress, JobState
from structloop.store.tables import Job

TIMEOUT_S = 100.0


class CountRequest(JobRequest):
    """Counts to `to`, slowly."""

    to: int
    every_s: float = 0.0
    fail: str = ""


class Counter:
    """What the test's kind of job did: how often it ran, and how many ran at once."""

    def __init__(self) -> None:
        self.runs = 0
        self.now = 0
        self.most = 0
        self.lock = threading.Lock()

    def run(self, _workspace: Workspace, request: CountRequest, control: JobControl) -> dict[str, object]:
        with self.lock:
            self.runs += 1
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            for done in range(request.to):
                control.progress(done + 1, request.to, f"at {done + 1}")
                if control.should_stop():
                    return {"counted": done + 1, "stopped": True}
                time.sleep(request.every_s)
            if request.fail == "expected":
                raise LayoutError("the folder holds no plate; choose another")
            if request.fail == "unexpected":
                raise ZeroDivisionError("oops")
            return {"counted": request.to}
        finally:
            with self.lock:
                self.now -= 1


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counter = Counter()
    monkeypatch.setitem(KINDS, "test.count", JobKind("test.count", CountRequest, counter.run))
    return counter


@pytest.fixture
def workspace(home: Path, database_url: str) -> Iterator[Workspace]:
    with open_workspace(home, database_url=database_url) as workspace:
        yield workspace


def until(queue: JobQueue, job: str, *states: JobState) -> JobProgress:
    deadline = time.monotonic() + TIMEOUT_S
    while (progress := queue.progress(job)).state not in states:
        assert time.monotonic() < deadline, progress
        time.sleep(0.02)
    return progress


def test_a_job_runs_and_tells_its_progress_and_result(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    job = queue.submit("test.count", {"to": 5, "every_s": 0.1}, "five")
    assert queue.progress(job).state is JobState.QUEUED
    seen: list[JobProgress] = []
    with Worker(workspace) as worker:
        assert worker.is_running
        final = queue.wait(job, seen.append, timeout_s=TIMEOUT_S)
    assert (final.state, final.done, final.total, final.subject) == (JobState.SUCCEEDED, 5, 5, "five")
    assert final.created_at <= (final.started_at or final.created_at) <= (final.finished_at or final.created_at)
    assert queue.result(job) == {"counted": 5}
    assert JobState.RUNNING in {progress.state for progress in seen}
    assert [listed.id for listed in queue.list()] == [job]


def test_jobs_wait_for_each_other(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    jobs = [queue.submit("test.count", {"to": 3, "every_s": 0.02}) for _ in range(4)]
    with Worker(workspace):
        for job in jobs:
            queue.wait(job, timeout_s=TIMEOUT_S)
    assert (counter.runs, counter.most) == (4, 1)


def test_a_failure_is_told_and_not_repeated(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    expected = queue.submit("test.count", {"to": 1, "fail": "expected"})
    unexpected = queue.submit("test.count", {"to": 1, "fail": "unexpected"})
    with Worker(workspace):
        with pytest.raises(JobFailedError, match="choose another"):
            queue.wait(expected, timeout_s=TIMEOUT_S)
        with pytest.raises(JobFailedError, match="unexpected ZeroDivisionError: oops"):
            queue.wait(unexpected, timeout_s=TIMEOUT_S)
    with Worker(workspace):
        time.sleep(0.5)
    assert counter.runs == 2


def test_a_running_job_is_canceled_and_keeps_its_result(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    job = queue.submit("test.count", {"to": 1000, "every_s": 0.05})
    with Worker(workspace):
        until(queue, job, JobState.RUNNING)
        queue.cancel(job)
        with pytest.raises(JobCanceledError):
            queue.wait(job, timeout_s=TIMEOUT_S)
        # It is called canceled at once; what it had done is written when its function has ended.
        deadline = time.monotonic() + TIMEOUT_S
        while not queue.result(job) and time.monotonic() < deadline:
            time.sleep(0.02)
    assert (queue.result(job) or {})["stopped"] is True
    assert queue.cancel(job).state is JobState.CANCELED


def test_a_queued_job_that_is_canceled_never_starts(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    job = queue.submit("test.count", {"to": 1})
    assert queue.cancel(job).state is JobState.CANCELED
    with Worker(workspace):
        time.sleep(0.5)
    assert counter.runs == 0


def test_closing_the_worker_puts_the_job_back_and_the_next_one_finishes_it(
    workspace: Workspace, counter: Counter
) -> None:
    queue = JobQueue(workspace)
    job = queue.submit("test.count", {"to": 1000, "every_s": 0.05})
    with Worker(workspace):
        deadline = time.monotonic() + TIMEOUT_S
        while not counter.runs:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert queue.progress(job).state is JobState.QUEUED
    with workspace.database.session() as session:
        session.execute(update(Job).values(request={"to": 2}))
    with Worker(workspace):
        assert queue.wait(job, timeout_s=TIMEOUT_S).state is JobState.SUCCEEDED
    assert counter.runs == 2


def test_the_same_work_is_asked_for_once_while_it_is_unfinished(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    first = queue.submit("test.count", {"to": 1}, key="k")
    assert queue.submit("test.count", {"to": 1}, key="k") == first
    assert queue.submit("test.count", {"to": 1}, key="other") != first
    with Worker(workspace):
        queue.wait(first, timeout_s=TIMEOUT_S)
    assert queue.submit("test.count", {"to": 1}, key="k") != first


def test_many_threads_asking_for_the_same_work_get_one_job(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    jobs: list[str] = []
    threads = [
        threading.Thread(target=lambda: jobs.append(queue.submit("test.count", {"to": 1}, key="k"))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs) == 8
    assert len(set(jobs)) == 1


def test_one_worker_per_home_and_the_patient_one_takes_over(workspace: Workspace, counter: Counter) -> None:
    queue = JobQueue(workspace)
    first = Worker(workspace)
    with first, pytest.raises(WorkerBusyError, match="another structloop process"), Worker(workspace):
        pass
    # The lock alone stands for a worker in another process: two of them cannot share one process.
    from filelock import FileLock

    lock = FileLock(worker_lock_path(workspace))
    lock.acquire()
    with Worker(workspace, patient=True) as patient:
        job = queue.submit("test.count", {"to": 1})
        time.sleep(0.5)
        assert not patient.is_running
        assert queue.progress(job).state is JobState.QUEUED
        lock.release()
        assert queue.wait(job, timeout_s=TIMEOUT_S).state is JobState.SUCCEEDED


def test_a_job_survives_the_loss_of_the_queues_own_database(home: Path, counter: Counter) -> None:
    with open_workspace(home) as workspace:
        queue = JobQueue(workspace)
        job = queue.submit("test.count", {"to": 1})
        with workspace.database.session() as session:
            session.execute(update(Job).values(state=JobState.RUNNING.value))
        with Worker(workspace):
            assert queue.wait(job, timeout_s=TIMEOUT_S).state is JobState.SUCCEEDED
        assert Path(system_database_url(workspace).removeprefix("sqlite:///")).exists()


def test_nothing_is_pickled(home: Path, counter: Counter) -> None:
    from sqlalchemy import create_engine

    with open_workspace(home) as workspace:
        queue = JobQueue(workspace)
        for fail in ("", "unexpected"):
            queue.submit("test.count", {"to": 1, "fail": fail})
        with Worker(workspace):
            for job in queue.list():
                until(queue, job.id, JobState.SUCCEEDED, JobState.FAILED)
        engine = create_engine(system_database_url(workspace))
        with engine.connect() as connection:
            kinds = connection.execute(text("SELECT DISTINCT serialization FROM workflow_status")).scalars().all()
        engine.dispose()
    assert set(kinds) == {"portable_json"}


def test_progress_is_written_a_few_times_a_second_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from structloop.jobs.running import RowControl

    with open_workspace(home) as workspace:
        job = JobQueue(workspace).submit("crystals.score", {"plate_id": 1})
        control = RowControl(workspace, job, threading.Event())
        started = time.monotonic()
        written = set()
        done = 0
        while time.monotonic() < started + 0.9:
            done += 1
            control.progress(done, None)
            with workspace.database.reading() as session:
                written.add(session.scalar(select(Job.done)))
        assert done > 20
        assert len(written) <= 6


def test_bad_requests_and_unknown_jobs_are_errors(home: Path) -> None:
    with open_workspace(home) as workspace:
        queue = JobQueue(workspace)
        with pytest.raises(UnknownPluginError, match=r"crystals\.import, crystals\.score"):
            queue.submit("crystals.dance", {})
        with pytest.raises(JobFailedError, match="plate_idd"):
            queue.submit("crystals.score", {"plate_idd": 1})
        with pytest.raises(JobFailedError, match="either plate_id or barcode"):
            queue.submit("crystals.score", {})
        with pytest.raises(NotFoundError, match="jobs list"):
            queue.progress("none")
        with pytest.raises(NotFoundError):
            queue.cancel("none")
        job = queue.submit("crystals.score", {"barcode": "P1"})
        with pytest.raises(TimeoutError, match="still queued"):
            queue.wait(job, timeout_s=0.1)


def test_a_job_for_an_unknown_plate_fails_with_the_reason(home: Path) -> None:
    with open_workspace(home) as workspace:
        queue = JobQueue(workspace)
        job = queue.submit("crystals.score", {"barcode": "P9"})
        with Worker(workspace), pytest.raises(JobFailedError, match="no plate 'P9' was imported"):
            queue.wait(job, timeout_s=TIMEOUT_S)


def test_the_key_is_of_the_whole_request_and_short() -> None:
    long = "/data/" + 400 * "x"
    first, second = (job_key("crystals.import", {"path": f"{long}/{name}"}) for name in ("1", "2"))
    assert first != second
    assert max(len(first), len(second)) < 100
    written_out = {"layout": "auto", "project": None, "path": f"{long}/1"}
    assert job_key("crystals.import", written_out) == first
    scoring = {"plate_id": 1, "models": ["a", "b"]}
    assert job_key("crystals.score", scoring) == job_key("crystals.score", {"models": ("a", "b"), "plate_id": 1})
    assert job_key("crystals.score", scoring) != job_key("crystals.score", scoring | {"inspection": 1})
    with pytest.raises(JobFailedError, match="plate_idd"):
        job_key("crystals.score", {"plate_idd": 1})
    with pytest.raises(UnknownPluginError):
        job_key("crystals.dance", {})
