"""What is told live to whoever listens (server-sent events)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_final(self) -> bool:
        """Whether the job will not change any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED)


@dataclass(frozen=True, slots=True)
class JobProgress:
    """One look at a job.

    Attributes:
        id, kind: Which job, and what it does, such as `crystals.score`.
        subject: What it works on, for people: a plate's barcode, a folder.
        state: Where it stands.
        done, total: Units finished and expected; `total` is None while unknown.
        message: What it is doing, or why it failed.
    """

    id: str
    kind: str
    subject: str
    state: JobState
    done: int
    total: int | None
    message: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


__all__ = ["JobProgress", "JobState"]
