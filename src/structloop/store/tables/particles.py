"""Particle projects: micrographs, what people mark on them (append-only) and what models pick.

Coordinates are pixels of the stored micrograph; the centre of the first stored pixel is (0, 0).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now


class ParticleProject(Base):
    """One kind of particle in one folder of micrographs."""

    __tablename__ = "particle_project"
    __table_args__ = (CheckConstraint("diameter_px > 0", name="diameter_is_positive"),)

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(200), unique=True)
    folder: Mapped[str] = mapped_column(String(4096))
    pattern: Mapped[str] = mapped_column(String(200), doc="Glob below the folder.")
    diameter_px: Mapped[float] = mapped_column(doc="Of the particle, in pixels of the micrographs.")
    pixel_size_angstrom: Mapped[float | None] = mapped_column(doc="Told by a person; None: what the files say.")
    model: Mapped[str] = mapped_column(String(200), doc="The model whose picks are shown.")
    calibration: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True),
        doc="Here, of a model that no real label went into; and for what it holds.",
    )
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Micrograph(Base):
    """A micrograph of a project: a file, and what its header says."""

    __tablename__ = "micrograph"
    __table_args__ = (UniqueConstraint("project_id", "path"),)

    id: Mapped[Key]
    project_id: Mapped[int] = mapped_column(BigKey, ForeignKey("particle_project.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(4096))
    fingerprint: Mapped[str] = mapped_column(String(64), doc="Of path, size and time of change; not of the pixels.")
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    pixel_size_angstrom: Mapped[float | None] = mapped_column(doc="What the file's header says.")
    problem: Mapped[str | None] = mapped_column(String(1000), doc="Why it cannot be used.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ParticleMark(Base):
    """One thing a person said of a micrograph. To undo is to add a row that withdraws another."""

    __tablename__ = "particle_mark"
    __table_args__ = (
        CheckConstraint("(x_px IS NULL) = (y_px IS NULL)", name="both_coordinates"),
        Index("ix_particle_mark_micrograph_id", "micrograph_id"),
        Index("ix_particle_mark_project_id", "project_id"),
    )

    id: Mapped[Key]
    project_id: Mapped[int] = mapped_column(BigKey, ForeignKey("particle_project.id", ondelete="CASCADE"))
    micrograph_id: Mapped[int] = mapped_column(BigKey, ForeignKey("micrograph.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20), doc="particle | other | finished | withdrawal")
    x_px: Mapped[float | None]
    y_px: Mapped[float | None]
    action: Mapped[str] = mapped_column(String(40), doc="Rows of one action are undone together.")
    withdraws_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("particle_mark.id", ondelete="CASCADE"))
    annotator: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class PickedMicrograph(Base):
    """What one model version picked on one micrograph, or why it could not."""

    __tablename__ = "picked_micrograph"
    __table_args__ = (CheckConstraint("(picks IS NULL) <> (error IS NULL)", name="picks_or_error"),)

    micrograph_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("micrograph.id", ondelete="CASCADE"), primary_key=True
    )
    model_version_id: Mapped[int] = mapped_column(BigKey, ForeignKey("model_version.id"), primary_key=True)
    diameter_px: Mapped[float] = mapped_column(doc="The diameter it was picked with.")
    fingerprint: Mapped[str] = mapped_column(String(64), doc="Of the file as it was.")
    picks: Mapped[bytes | None] = mapped_column(
        LargeBinary, doc="Little-endian float32 (n, 3): x, y, probability; best first."
    )
    counts: Mapped[list[int]] = mapped_column(JSON, doc="Picks that are at least so probable, for 0, 0.01, ... 1.")
    mask: Mapped[bytes | None] = mapped_column(LargeBinary, doc="PNG, white where nothing is picked; any size.")
    traits: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True),
        doc="What it looks like and how much of it is in doubt, for suggestions; null where it could not be picked.",
    )
    error: Mapped[str | None] = mapped_column(String(1000))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


__all__ = ["Micrograph", "ParticleMark", "ParticleProject", "PickedMicrograph"]
