"""The queue of curators, what they answered (append-only), and the data sets that came of it (immutable)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now

_OPEN = text("state = 'open'")


class CurationItem(Base):
    """An item that people are asked to look at, and why.

    For crystals the item is a drop, the occasion the inspection, the group the plate.
    """

    __tablename__ = "curation_item"
    __table_args__ = (
        CheckConstraint("(state = 'settled') = (label IS NOT NULL)", name="settled_has_label"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed_has_time"),
        # The next item of a curator is read off this index alone, however many items there are: those that the curator
        # has answered stay at the head of the queue until others have, too, and are passed over in it.
        Index("ix_curation_item_queue", "task", "state", "priority", "id", "last_curator", "previous_curator"),
        Index("ix_curation_item_group", "task", "group_id"),
        # An item is asked about once at a time; after it was withdrawn it may be asked about anew.
        Index(
            "uq_curation_item_open",
            "task",
            "item_id",
            "occasion_id",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100), doc="What items of `annotation` are labelled under, too.")
    item_id: Mapped[int] = mapped_column(BigKey)
    occasion_id: Mapped[int] = mapped_column(BigKey)
    group_id: Mapped[int] = mapped_column(BigKey)
    project_id: Mapped[int | None] = mapped_column(BigKey, doc="What the queue's cap counts by; None: no project.")
    reason: Mapped[str] = mapped_column(String(20))
    priority: Mapped[float] = mapped_column(doc="Lowest first.")
    model_version_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("model_version.id"))
    probability: Mapped[float | None] = mapped_column(doc="The model's, when the item joined the queue.")
    human_label: Mapped[str | None] = mapped_column(String(100), doc="What a person had said, as a label of the task.")
    gold_label: Mapped[str | None] = mapped_column(String(100), doc="The known answer, of gold items.")
    answers_needed: Mapped[int] = mapped_column(default=2, doc="Equal answers that settle it.")
    answer_count: Mapped[int] = mapped_column(default=0, doc="Answers that are not withdrawn.")
    last_curator: Mapped[str | None] = mapped_column(String(200), doc="Who gave the newest answer that counts.")
    previous_curator: Mapped[str | None] = mapped_column(String(200), doc="Who gave the one before that.")
    state: Mapped[str] = mapped_column(String(20), default="open")
    label: Mapped[str | None] = mapped_column(String(100), doc="What was settled.")
    detail: Mapped[str | None] = mapped_column(String(100), doc="The kind within the label, where those agreed too.")
    dataset_version_id: Mapped[int | None] = mapped_column(
        BigKey,
        ForeignKey("dataset_version.id"),
        doc="The first data set that rests on it; from then on it cannot be opened again.",
    )
    opened_at: Mapped[datetime] = mapped_column(default=utc_now)
    closed_at: Mapped[datetime | None]


class CurationDecision(Base):
    """One answer of one curator, or the withdrawal of one. Rows are never changed."""

    __tablename__ = "curation_decision"
    __table_args__ = (
        CheckConstraint("(answer IS NULL) <> (withdraws_id IS NULL)", name="answer_or_withdrawal"),
        CheckConstraint("(answer IS NULL) = (attempt IS NULL)", name="answers_are_counted"),
        # One answer of a curator counts at a time: the next attempt begins when the one before was withdrawn.
        UniqueConstraint("curation_item_id", "curator", "attempt"),
        UniqueConstraint("withdraws_id"),
        Index("ix_curation_decision_curator", "curator", "id"),
    )

    id: Mapped[Key]
    curation_item_id: Mapped[int] = mapped_column(BigKey, ForeignKey("curation_item.id", ondelete="CASCADE"))
    curator: Mapped[str] = mapped_column(String(200))
    answer: Mapped[str | None] = mapped_column(String(100), doc="None: this row withdraws `withdraws_id`.")
    detail: Mapped[str | None] = mapped_column(String(100))
    attempt: Mapped[int | None] = mapped_column(doc="0, and one more after each withdrawal.")
    probability_visible: Mapped[bool] = mapped_column(doc="Whether the model's probability was shown.")
    seconds: Mapped[float | None] = mapped_column(doc="Time from showing the item to the answer.")
    withdraws_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("curation_decision.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class CurationTally(Base):
    """How often something is so in a queue: written in one transaction with what it counts, and read instead of that.

    `loop.curation.tally` says what is counted.
    """

    __tablename__ = "curation_tally"

    task: Mapped[str] = mapped_column(String(100), primary_key=True)
    measure: Mapped[str] = mapped_column(String(20), primary_key=True)
    curator: Mapped[str] = mapped_column(String(200), primary_key=True, doc="Empty where it is nobody's own.")
    first: Mapped[str] = mapped_column(String(100), primary_key=True)
    second: Mapped[str] = mapped_column(String(100), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(BigKey)


class FrozenTestSet(Base):
    """A frozen test set: never changed, and no data set may train on anything of its groups."""

    __tablename__ = "test_set"
    __table_args__ = (UniqueConstraint("task", "name"),)

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(200))
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    made_by: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class DatasetVersion(Base):
    """A version of a task's data set: its manifest is content-addressed and never changed."""

    __tablename__ = "dataset_version"
    __table_args__ = (UniqueConstraint("task", "number"),)

    id: Mapped[Key]
    task: Mapped[str] = mapped_column(String(100))
    number: Mapped[int] = mapped_column(doc="From 1, per task.")
    parent_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("dataset_version.id"))
    test_set_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("test_set.id"))
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    counts: Mapped[dict[str, Any]] = mapped_column(JSON)
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, doc="How it was made: seed, shares, sources.")
    made_by: Mapped[str] = mapped_column(String(200))
    why: Mapped[str] = mapped_column(String(1000), default="")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ImageFingerprint(Base):
    """A perceptual hash of an image, by the digest of its contents. Derived; re-creatable."""

    __tablename__ = "image_fingerprint"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    method: Mapped[str] = mapped_column(String(20), primary_key=True, doc="How the hash is made, with its version.")
    value: Mapped[str] = mapped_column(String(64), doc="The hash in hexadecimal digits.")


__all__ = ["CurationDecision", "CurationItem", "CurationTally", "DatasetVersion", "FrozenTestSet", "ImageFingerprint"]
