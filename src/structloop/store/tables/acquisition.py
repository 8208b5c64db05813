"""Sessions at a microscope: their grids, atlases, squares, holes, exposures and images.

Positions are micrometres in the stage's own axes; pixel sizes are on the specimen, of the whole readout. Keys are the
vendor's own ids. What is searched or drawn has a column; everything else that a file said is in `details`, by the names
of `structloop.schema.grids`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now

LEVELS = ("atlas", "tile", "square", "hole", "exposure", "other")


class AcquisitionSession(Base):
    """One session of an acquisition program, or one of our own with its journal."""

    __tablename__ = "acquisition_session"

    id: Mapped[Key]
    key: Mapped[str] = mapped_column(String(400), unique=True, doc="The program and the session's own id.")
    program: Mapped[str] = mapped_column(String(50))
    program_version: Mapped[str | None] = mapped_column(String(100))
    name: Mapped[str | None] = mapped_column(String(400))
    microscope: Mapped[str | None] = mapped_column(String(200))
    root: Mapped[str] = mapped_column(String(4096), doc="The folder it was imported from last.")
    journal_path: Mapped[str | None] = mapped_column(String(4096), doc="Of a session that structloop ran itself.")
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(default=utc_now, doc="First import.")
    imported_at: Mapped[datetime] = mapped_column(default=utc_now, doc="Last import that ran to its end.")


class Grid(Base):
    """A grid of a session."""

    __tablename__ = "grid"
    __table_args__ = (UniqueConstraint("session_id", "key"),)

    id: Mapped[Key]
    session_id: Mapped[int] = mapped_column(BigKey, ForeignKey("acquisition_session.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(200))
    slot: Mapped[int | None] = mapped_column(doc="Of the autoloader.")
    name: Mapped[str | None] = mapped_column(String(400))
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Atlas(Base):
    """The map of a grid; its tiles are images."""

    __tablename__ = "grid_atlas"
    __table_args__ = (UniqueConstraint("grid_id", "key"),)

    id: Mapped[Key]
    grid_id: Mapped[int] = mapped_column(BigKey, ForeignKey("grid.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(String(400))
    taken_at: Mapped[datetime | None]
    pixel_size_angstrom: Mapped[float | None]
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    x_um: Mapped[float | None]
    y_um: Mapped[float | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class GridSquare(Base):
    """A square of a grid."""

    __tablename__ = "grid_square"
    __table_args__ = (UniqueConstraint("grid_id", "key"),)

    id: Mapped[Key]
    grid_id: Mapped[int] = mapped_column(BigKey, ForeignKey("grid.id", ondelete="CASCADE"))
    atlas_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_atlas.id", ondelete="SET NULL"))
    key: Mapped[str] = mapped_column(String(400))
    state: Mapped[str | None] = mapped_column(String(50), doc="The program's word.")
    selected: Mapped[bool | None]
    x_um: Mapped[float | None]
    y_um: Mapped[float | None]
    z_um: Mapped[float | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Hole(Base):
    """A hole of the support film."""

    __tablename__ = "grid_hole"
    __table_args__ = (UniqueConstraint("grid_id", "key"), Index("ix_grid_hole_square_id", "square_id"))

    id: Mapped[Key]
    grid_id: Mapped[int] = mapped_column(BigKey, ForeignKey("grid.id", ondelete="CASCADE"))
    square_id: Mapped[int | None] = mapped_column(
        BigKey, ForeignKey("grid_square.id", ondelete="SET NULL"), doc="None while its square is not known."
    )
    key: Mapped[str] = mapped_column(String(400))
    state: Mapped[str | None] = mapped_column(String(50), doc="The program's word.")
    selected: Mapped[bool | None]
    near_bar: Mapped[bool | None]
    quality: Mapped[float | None] = mapped_column(doc="The program's own figure of merit.")
    x_um: Mapped[float | None]
    y_um: Mapped[float | None]
    z_um: Mapped[float | None]
    center_x_px: Mapped[float | None] = mapped_column(doc="In the readout of its square's image.")
    center_y_px: Mapped[float | None]
    diameter_px: Mapped[float | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class Exposure(Base):
    """One exposure of a hole at full magnification."""

    __tablename__ = "grid_exposure"
    __table_args__ = (
        UniqueConstraint("grid_id", "key"),
        Index("ix_grid_exposure_hole_id", "hole_id"),
        Index("ix_grid_exposure_square_id", "square_id"),
    )

    id: Mapped[Key]
    grid_id: Mapped[int] = mapped_column(BigKey, ForeignKey("grid.id", ondelete="CASCADE"))
    square_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_square.id", ondelete="SET NULL"))
    hole_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_hole.id", ondelete="SET NULL"))
    key: Mapped[str] = mapped_column(String(400))
    area: Mapped[str | None] = mapped_column(String(200), doc="The place in the hole, by the program's id.")
    number: Mapped[int | None]
    taken_at: Mapped[datetime | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class GridImage(Base):
    """An image of a session: referred to, never touched. Its file may not be there; what was said of it is."""

    __tablename__ = "grid_image"
    __table_args__ = (
        UniqueConstraint("grid_id", "key"),
        CheckConstraint(f"level IN {LEVELS}", name="level"),
        CheckConstraint("(path IS NULL) = (sha256 IS NULL)", name="file"),
        Index("ix_grid_image_atlas_id", "atlas_id"),
        Index("ix_grid_image_square_id", "square_id"),
        Index("ix_grid_image_hole_id", "hole_id"),
        Index("ix_grid_image_exposure_id", "exposure_id"),
        Index("ix_grid_image_path", "path"),
    )

    id: Mapped[Key]
    grid_id: Mapped[int] = mapped_column(BigKey, ForeignKey("grid.id", ondelete="CASCADE"))
    level: Mapped[str] = mapped_column(String(16), doc="What it shows.")
    atlas_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_atlas.id", ondelete="SET NULL"))
    square_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_square.id", ondelete="SET NULL"))
    hole_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_hole.id", ondelete="SET NULL"))
    exposure_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_exposure.id", ondelete="SET NULL"))
    key: Mapped[str] = mapped_column(String(400))
    path: Mapped[str | None] = mapped_column(String(4096), doc="Its pixels; None where they are not there.")
    size_bytes: Mapped[int | None] = mapped_column(BigKey)
    sha256: Mapped[str | None] = mapped_column(String(64))
    modified_at: Mapped[datetime | None]
    metadata_path: Mapped[str | None] = mapped_column(String(4096))
    frames_path: Mapped[str | None] = mapped_column(String(4096), doc="Its movie, as the program names it.")
    taken_at: Mapped[datetime | None]
    width_px: Mapped[int | None]
    height_px: Mapped[int | None]
    pixel_size_angstrom: Mapped[float | None]
    x_um: Mapped[float | None]
    y_um: Mapped[float | None]
    z_um: Mapped[float | None]
    tilt_deg: Mapped[float | None]
    defocus_um: Mapped[float | None]
    dose_e_per_angstrom2: Mapped[float | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


class AcquisitionRemark(Base):
    """What people should know about a file of a session; made anew by each import."""

    __tablename__ = "acquisition_remark"
    __table_args__ = (UniqueConstraint("session_id", "path", "kind"),)

    id: Mapped[Key]
    session_id: Mapped[int] = mapped_column(BigKey, ForeignKey("acquisition_session.id", ondelete="CASCADE"))
    path: Mapped[str] = mapped_column(String(4096), doc="Relative to the session's root.")
    kind: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(String(2000))


__all__ = [
    "LEVELS",
    "AcquisitionRemark",
    "AcquisitionSession",
    "Atlas",
    "Exposure",
    "Grid",
    "GridImage",
    "GridSquare",
    "Hole",
]
