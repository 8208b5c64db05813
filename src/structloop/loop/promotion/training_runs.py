"""Training runs in the store: what was asked, how far it is, what came of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select

from structloop.core.errors import NotFoundError
from structloop.store import Database
from structloop.store.tables import ModelVersion, TrainingRun
from structloop.store.tables.base import utc_now

RunState = Literal["running", "finished", "stopped", "failed"]
_PROBLEM_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A training run.

    Attributes:
        id: Its key.
        task: The review task.
        method: `fast-head` or `lora`.
        dataset_version_id: What it learnt from.
        start: The model or checkpoint that it began with.
        name: Of the model to be.
        seed, settings: How it was made.
        state: How it stands.
        model: What came of it, as `name@version`; None until it is finished.
        model_version_id: Of that.
        problem: Why it failed or stopped.
        course: What was measured on the way, and the comparison at the end.
        created_at, finished_at: In UTC.
    """

    id: int
    task: str
    method: str
    dataset_version_id: int | None
    start: str
    name: str
    seed: int
    settings: dict[str, Any]
    state: RunState
    model: str | None
    model_version_id: int | None
    problem: str | None
    course: dict[str, Any]
    created_at: datetime
    finished_at: datetime | None


def begin_run(
    database: Database,
    *,
    task: str,
    method: str,
    dataset_version_id: int,
    start: str,
    name: str | None,
    seed: int,
    settings: Mapping[str, Any],
) -> RunInfo:
    """Records a run, or takes up the last one that asked for the very same and did not finish.

    So a training whose process was killed, that was stopped, or that failed for want of space, goes on when it is asked
    for again. Jobs see to it that no two of the same run at once.

    Args:
        name: Of the model to be; None makes one of task, method and the run's number.
    """
    # As it comes back from the database, to be compared with what is there.
    asked = json.loads(json.dumps(dict(settings)))
    with database.session() as session:
        unfinished = session.scalars(
            select(TrainingRun)
            .where(
                TrainingRun.task == task,
                TrainingRun.method == method,
                TrainingRun.dataset_version_id == dataset_version_id,
                TrainingRun.start == start,
                TrainingRun.seed == seed,
                TrainingRun.state != "finished",
            )
            .order_by(TrainingRun.id.desc())
        )
        row = next((each for each in unfinished if each.settings == asked), None)
        if row is None:
            row = TrainingRun(
                task=task,
                method=method,
                dataset_version_id=dataset_version_id,
                start=start,
                name=name or "",
                seed=seed,
                settings=asked,
                course={},
            )
            session.add(row)
            session.flush()
            if name is None:
                row.name = f"{task.replace('/', '-')}-{method}-{row.id}"
        row.state, row.problem, row.finished_at = "running", None, None
        run_id = row.id
    return get_run(database, run_id)


def note_course(database: Database, run_id: int, course: Mapping[str, Any]) -> None:
    """Adds to what was measured on the way."""
    with database.session() as session:
        row = session.get_one(TrainingRun, run_id)
        row.course = {**row.course, **course}


def end_run(
    database: Database, run_id: int, state: RunState, *, model_version_id: int | None = None, problem: str | None = None
) -> None:
    """Records how a run ended."""
    with database.session() as session:
        row = session.get_one(TrainingRun, run_id)
        row.state, row.finished_at = state, utc_now()
        row.model_version_id = model_version_id
        row.problem = None if problem is None else problem[:_PROBLEM_LENGTH]


def get_run(database: Database, run_id: int) -> RunInfo:
    """One run.

    Raises:
        NotFoundError: there is no such run.
    """
    for run in _runs(database, TrainingRun.id == run_id):
        return run
    raise NotFoundError(f"there is no training run {run_id}; `structloop loop runs` shows those there are")


def list_runs(database: Database, task: str | None = None) -> list[RunInfo]:
    """All runs, the newest first, of one task or of all."""
    return _runs(database, TrainingRun.task == task if task is not None else None)


def _runs(database: Database, condition: Any = None) -> list[RunInfo]:
    statement = (
        select(TrainingRun, ModelVersion.name, ModelVersion.version)
        .outerjoin(ModelVersion, ModelVersion.id == TrainingRun.model_version_id)
        .order_by(TrainingRun.id.desc())
    )
    if condition is not None:
        statement = statement.where(condition)
    with database.reading() as session:
        return [
            RunInfo(
                id=row.id,
                task=row.task,
                method=row.method,
                dataset_version_id=row.dataset_version_id,
                start=row.start,
                name=row.name,
                seed=row.seed,
                settings=row.settings,
                state=row.state,  # type: ignore[arg-type]  # the table's check allows no other
                model=None if name is None else f"{name}@{version}",
                model_version_id=row.model_version_id,
                problem=row.problem,
                course=row.course,
                created_at=row.created_at,
                finished_at=row.finished_at,
            )
            for row, name, version in session.execute(statement)
        ]


__all__ = ["RunInfo", "begin_run", "end_run", "get_run", "list_runs", "note_course"]
