"""Plates, their drops, inspections and images, and what each import did."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from structloop.store.tables.base import Base, BigKey, Key, utc_now


class Project(Base):
    """A project: what a group of plates belongs to; splits of data sets never cut one."""

    __tablename__ = "project"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(200), unique=True)


class Plate(Base):
    """A plate by its barcode, its format, and a summary of its best scores so far (derived; re-creatable)."""

    __tablename__ = "plate"
    __table_args__ = (
        CheckConstraint('"rows" > 0 AND "columns" > 0', name="size"),
        Index("ix_plate_newest_hit", "newest_hit_at", "id"),
    )

    id: Mapped[Key]
    barcode: Mapped[str] = mapped_column(String(200), unique=True)
    project_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("project.id"), index=True)
    layout: Mapped[str] = mapped_column(String(100))
    rows: Mapped[int]
    columns: Mapped[int]
    drops: Mapped[list[int]] = mapped_column(JSON, doc="Numbers of the drops of a well, in order.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    imported_at: Mapped[datetime] = mapped_column(default=utc_now, doc="When an image last joined the plate.")
    image_count: Mapped[int] = mapped_column(default=0)
    experiment_count: Mapped[int] = mapped_column(default=0, doc="Pairs of drop and inspection with an image.")
    # The summary of the plate's current scoring: what the list of plates shows.
    current_scoring_id: Mapped[int | None] = mapped_column(
        BigKey,
        doc="The plate's newest scoring. No foreign key: scoring points to plate, and a circle helps nobody.",
    )
    scored_count: Mapped[int] = mapped_column(default=0, doc="Experiments (drop x inspection) with a probability.")
    hit_count: Mapped[int] = mapped_column(default=0, doc="Drops whose best score reaches the alarm threshold.")
    best_probability: Mapped[float | None]
    newest_hit_at: Mapped[datetime | None] = mapped_column(doc="When a drop last became a hit.")

    inspections: Mapped[list["Inspection"]] = relationship(
        back_populates="plate", order_by="Inspection.number", cascade="all, delete-orphan"
    )


class Inspection(Base):
    """One round of imaging of a plate."""

    __tablename__ = "inspection"
    __table_args__ = (UniqueConstraint("plate_id", "number"), UniqueConstraint("plate_id", "key"))

    id: Mapped[Key]
    plate_id: Mapped[int] = mapped_column(BigKey, ForeignKey("plate.id", ondelete="CASCADE"))
    number: Mapped[int]
    key: Mapped[str | None] = mapped_column(
        String(100), doc="The imager's own identifier (a batch, a date) where it does not number its inspections."
    )
    imager: Mapped[str | None] = mapped_column(String(200))
    taken_at: Mapped[datetime | None]

    plate: Mapped[Plate] = relationship(back_populates="inspections")


class Drop(Base):
    """A drop of a well: one experiment."""

    __tablename__ = "drop"
    __table_args__ = (UniqueConstraint("plate_id", "row", "column", "number"),)

    id: Mapped[Key]
    plate_id: Mapped[int] = mapped_column(BigKey, ForeignKey("plate.id", ondelete="CASCADE"))
    row: Mapped[int] = mapped_column(doc="Zero-based row of the well.")
    column: Mapped[int] = mapped_column(doc="Zero-based column of the well.")
    number: Mapped[int] = mapped_column(doc="Sub-well number as the file names write it.")


class DropImageFile(Base):
    """A source image of a drop: referred to, never touched."""

    __tablename__ = "drop_image"
    __table_args__ = (
        UniqueConstraint(
            "drop_id", "inspection_id", "modality", "profile", "focus", "sha256", name="uq_drop_image_key"
        ),
        Index("ix_drop_image_inspection_id", "inspection_id", "superseded_by_id"),
        Index("ix_drop_image_path", "path"),
    )

    id: Mapped[Key]
    drop_id: Mapped[int] = mapped_column(BigKey, ForeignKey("drop.id", ondelete="CASCADE"))
    inspection_id: Mapped[int] = mapped_column(BigKey, ForeignKey("inspection.id", ondelete="CASCADE"))
    modality: Mapped[str] = mapped_column(String(16))
    profile: Mapped[str] = mapped_column(String(100), default="")
    focus: Mapped[str] = mapped_column(String(16), default="single")
    path: Mapped[str] = mapped_column(String(4096))
    size_bytes: Mapped[int] = mapped_column(BigKey)
    sha256: Mapped[str] = mapped_column(String(64))
    modified_at: Mapped[datetime]
    width_px: Mapped[int]
    height_px: Mapped[int]
    um_per_pixel: Mapped[float | None]
    taken_at: Mapped[datetime | None]
    imported_at: Mapped[datetime] = mapped_column(default=utc_now)
    superseded_by_id: Mapped[int | None] = mapped_column(
        BigKey,
        ForeignKey("drop_image.id"),
        doc="The image that replaced this one when the imager wrote it again.",
    )


class ImportRun(Base):
    """One import: what it was asked, what it did."""

    __tablename__ = "import_run"

    id: Mapped[Key]
    root: Mapped[str] = mapped_column(String(4096))
    layout: Mapped[str] = mapped_column(String(100))
    why: Mapped[str] = mapped_column(String(1000), default="", doc="Why this layout was chosen.")
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class ImportProblem(Base):
    """A file that could not be imported, and why. Solved when a later import takes the file."""

    __tablename__ = "import_problem"
    __table_args__ = (UniqueConstraint("path", name="uq_import_problem_path"),)

    id: Mapped[Key]
    run_id: Mapped[int] = mapped_column(BigKey, ForeignKey("import_run.id", ondelete="CASCADE"), index=True)
    plate_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("plate.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(String(4096))
    reason: Mapped[str] = mapped_column(String(2000))
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)


__all__ = ["Drop", "DropImageFile", "ImportProblem", "ImportRun", "Inspection", "Plate", "Project"]
