"""Scores: of images (append-only, one per image and model version) and, derived from them, of experiments."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now


class ImageScore(Base):
    """What one model version says of one image: a calibrated probability, or why there is none."""

    __tablename__ = "image_score"
    __table_args__ = (
        CheckConstraint("(probability IS NULL) <> (error IS NULL)", name="score_or_error"),
        {"sqlite_with_rowid": False},
    )

    image_id: Mapped[int] = mapped_column(BigKey, ForeignKey("drop_image.id", ondelete="CASCADE"), primary_key=True)
    model_version_id: Mapped[int] = mapped_column(BigKey, ForeignKey("model_version.id"), primary_key=True)
    probability: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Scoring(Base):
    """One way of scoring a plate: which model per modality, and how the two are combined."""

    __tablename__ = "scoring"
    __table_args__ = (
        # One text key, because unique constraints treat NULLs (no model for a modality) differently between databases.
        UniqueConstraint("key"),
        Index("ix_scoring_plate_id", "plate_id"),
    )

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(String(200), doc="Made by `scoring_key`.")
    plate_id: Mapped[int] = mapped_column(BigKey, ForeignKey("plate.id", ondelete="CASCADE"))
    model_visible_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("model_version.id"))
    model_uv_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("model_version.id"))
    rule: Mapped[str] = mapped_column(String(16))
    alarm_threshold: Mapped[float] = mapped_column(doc="Probability from which a drop counts as a hit.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)


def scoring_key(plate_id: int, model_visible_id: int | None, model_uv_id: int | None, rule: str) -> str:
    """The unique key of a scoring: one per plate, pair of model versions and rule."""
    return f"{plate_id}/{model_visible_id or '-'}/{model_uv_id or '-'}/{rule}"


class ExperimentScore(Base):
    """The score of one drop at one inspection under one scoring. Derived from image scores; re-creatable."""

    __tablename__ = "experiment_score"
    __table_args__ = ({"sqlite_with_rowid": False},)

    scoring_id: Mapped[int] = mapped_column(BigKey, ForeignKey("scoring.id", ondelete="CASCADE"), primary_key=True)
    drop_id: Mapped[int] = mapped_column(BigKey, ForeignKey("drop.id", ondelete="CASCADE"), primary_key=True)
    inspection_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("inspection.id", ondelete="CASCADE"), primary_key=True
    )
    image_visible_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("drop_image.id", ondelete="CASCADE"))
    image_uv_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("drop_image.id", ondelete="CASCADE"))
    visible_probability: Mapped[float | None]
    uv_probability: Mapped[float | None]
    crystal_probability: Mapped[float | None]
    error: Mapped[str | None] = mapped_column(String(2000))
    hit_at: Mapped[datetime | None] = mapped_column(
        doc="When the probability reached the scoring's threshold; kept while it does, NULL while it does not."
    )
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


__all__ = ["ExperimentScore", "ImageScore", "Scoring", "scoring_key"]
