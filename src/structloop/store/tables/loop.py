"""What people say, kept apart from what models say. Append-only: to undo is to add a row that withdraws another."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now


class Annotation(Base):
    """One person's label of one item of one review task.

    For crystals the item is a drop, its group the plate, and the occasion the inspection that was looked at.
    """

    __tablename__ = "annotation"
    __table_args__ = (
        Index("ix_annotation_task_group", "task", "group_id"),
        Index("ix_annotation_task_item", "task", "item_id"),
    )

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100))
    item_id: Mapped[int] = mapped_column(BigKey)
    group_id: Mapped[int] = mapped_column(BigKey)
    occasion_id: Mapped[int | None] = mapped_column(BigKey)
    scheme: Mapped[str] = mapped_column(String(50), doc="Label scheme, such as `ispyb-grade` or `axis`.")
    label: Mapped[str | None] = mapped_column(String(100), doc="None: this row withdraws `withdraws_id`.")
    annotator: Mapped[str] = mapped_column(String(200))
    score_visible: Mapped[bool] = mapped_column(doc="Whether the model's score was shown.")
    seconds: Mapped[float | None] = mapped_column(doc="Time from showing the item to the answer.")
    withdraws_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("annotation.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


__all__ = ["Annotation"]
