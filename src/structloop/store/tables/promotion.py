"""Which model has which role, as events that are never changed, and the trainings that models come from."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now

ROLES = ("candidate", "shadow", "production", "retired")
RUN_STATES = ("running", "finished", "stopped", "failed")


class ModelRole(Base):
    """A model version was given a role in a review task. The roles that hold follow from all rows, in their order."""

    __tablename__ = "model_role"
    __table_args__ = (
        CheckConstraint(f"role IN {ROLES}", name="role"),
        CheckConstraint("NOT goes_back OR role = 'production'", name="going_back"),
        Index("ix_model_role_task", "task", "id"),
    )

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100))
    model_version_id: Mapped[int] = mapped_column(BigKey, ForeignKey("model_version.id"))
    role: Mapped[str] = mapped_column(String(16))
    goes_back: Mapped[bool] = mapped_column(default=False, doc="Production again, as before what is given up with it.")
    who: Mapped[str] = mapped_column(String(200), doc="A person, or `policy`.")
    why: Mapped[str] = mapped_column(String(1000), default="")
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, doc="The gate's verdict and what it saw.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class TrainingRun(Base):
    """One training: from which data set, with which settings, and the model version that came of it."""

    __tablename__ = "training_run"
    __table_args__ = (
        CheckConstraint(f"state IN {RUN_STATES}", name="state"),
        Index("ix_training_run_task", "task", "id"),
        Index("ix_training_run_model_version_id", "model_version_id"),
    )

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100))
    method: Mapped[str] = mapped_column(String(20), doc="`fast-head` or `lora`.")
    dataset_version_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("dataset_version.id"))
    start: Mapped[str] = mapped_column(String(400), doc="The model or checkpoint that it began with.")
    name: Mapped[str] = mapped_column(String(200), doc="Of the model to be.")
    seed: Mapped[int]
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[str] = mapped_column(String(16), default="running")
    model_version_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("model_version.id"))
    problem: Mapped[str | None] = mapped_column(String(2000), doc="Why it failed or stopped.")
    course: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, doc="What was measured on the way.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]


__all__ = ["ROLES", "RUN_STATES", "ModelRole", "TrainingRun"]
