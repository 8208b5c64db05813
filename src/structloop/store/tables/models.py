"""Versions of models that made scores: what a score points to, kept even when the model's files are gone."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, Key, utc_now


class ModelVersion(Base):
    """A model, by name and version, with its card as it was."""

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(64))
    card: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


__all__ = ["ModelVersion"]
