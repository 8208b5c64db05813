"""Jobs as people see them. The queue's own bookkeeping lives in its own database."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, utc_now

_UNFINISHED = text("state IN ('queued', 'running')")


class Job(Base):
    """A job: what was asked, how far it is, how it ended."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_created_at", "created_at"),
        Index("ix_job_state", "state"),
        # One unfinished job per key: asking twice for the same work gives the job that is under way.
        Index("uq_job_unfinished_key", "key", unique=True, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(100))
    key: Mapped[str | None] = mapped_column(String(300), doc="What makes two requests the same work.")
    subject: Mapped[str] = mapped_column(String(4096), default="")
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[str] = mapped_column(String(16))
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int | None]
    message: Mapped[str] = mapped_column(String(4000), default="")
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


__all__ = ["Job"]
