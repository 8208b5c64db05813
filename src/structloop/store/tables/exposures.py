"""Exposures that were processed: what motion, CTF, ice, particles and condition came out, and how each was judged.

A row of `processed_exposure` is what is known of one movie now: processed again (file or options changed), it is
written anew. Pictures, tracks and micrographs lie in the session's folder of results; names are relative to it.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from structloop.store.tables.base import Base, BigKey, Key, utc_now

SESSION_STATES = ("running", "finished", "stopped")
EXPOSURE_STATES = ("done", "failed")


class ProcessingSession(Base):
    """Movies of one place, processed in one way into one folder."""

    __tablename__ = "processing_session"
    __table_args__ = (CheckConstraint(f"state IN {SESSION_STATES}", name="state"),)

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(String(200), unique=True)
    source: Mapped[str] = mapped_column(String(4096), doc="The movie, folder or pattern.")
    results: Mapped[str] = mapped_column(String(4096), unique=True, doc="Folder of the results.")
    settings: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, doc="How movies are processed, by name.")
    limits: Mapped[dict[str, Any] | None] = mapped_column(
        JSON(none_as_null=True), doc="Fields of `Limits`; null: the defaults."
    )
    limits_origin: Mapped[str | None] = mapped_column(String(200), doc="Who set them, or what they were learned from.")
    acquisition_id: Mapped[int | None] = mapped_column(
        BigKey, ForeignKey("acquisition_session.id", ondelete="SET NULL"), doc="The microscope's session, where known."
    )
    state: Mapped[str] = mapped_column(String(16), default="running")
    watched: Mapped[bool] = mapped_column(default=False, doc="Whether more movies are waited for.")
    waiting: Mapped[int] = mapped_column(default=0, doc="Movies that were found and not yet processed.")
    heartbeat_at: Mapped[datetime | None] = mapped_column(doc="When its process last said that it lives.")
    arriving_per_hour: Mapped[float | None] = mapped_column(doc="Movies that came to the watched folder, lately.")
    done_per_hour: Mapped[float | None] = mapped_column(doc="Movies that were processed, lately.")
    behind: Mapped[str | None] = mapped_column(String(400), doc="That and how it falls behind; null: it keeps up.")
    remarks: Mapped[list[str]] = mapped_column(JSON, default=list, doc="What people should know of it as a whole.")
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class ProcessedExposure(Base):
    """One movie and what came of it. What is not known is null."""

    __tablename__ = "processed_exposure"
    __table_args__ = (
        UniqueConstraint("session_id", "name"),
        CheckConstraint(f"state IN {EXPOSURE_STATES}", name="state"),
        Index("ix_processed_exposure_processed", "session_id", "processed_at"),
        Index("ix_processed_exposure_exposure_id", "exposure_id"),
    )

    id: Mapped[Key]
    session_id: Mapped[int] = mapped_column(BigKey, ForeignKey("processing_session.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(400), doc="Of the movie without folder and ending; of its results, too.")
    movie: Mapped[str] = mapped_column(String(4096))
    fingerprint: Mapped[str] = mapped_column(String(64), doc="Of path, size, time of change, and options.")
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(2000), doc="Why it failed.")
    exposure_id: Mapped[int | None] = mapped_column(BigKey, ForeignKey("grid_exposure.id", ondelete="SET NULL"))
    grid: Mapped[str | None] = mapped_column(String(200), doc="As its metadata or its path say.")
    square: Mapped[str | None] = mapped_column(String(200))
    hole: Mapped[str | None] = mapped_column(String(200))
    stage_x_um: Mapped[float | None] = mapped_column(doc="Of the stage, as the metadata say.")
    stage_y_um: Mapped[float | None]
    taken_at: Mapped[datetime | None]
    processed_at: Mapped[datetime] = mapped_column(default=utc_now)
    seconds: Mapped[float | None] = mapped_column(doc="That processing took.")
    pixel_size_angstrom: Mapped[float | None] = mapped_column(doc="Of the micrograph.")
    dose_e_per_angstrom2: Mapped[float | None] = mapped_column(doc="Of the whole exposure.")
    total_motion_angstrom: Mapped[float | None]
    early_motion_angstrom: Mapped[float | None]
    late_motion_angstrom: Mapped[float | None]
    defocus_u_um: Mapped[float | None]
    defocus_v_um: Mapped[float | None]
    astigmatism_angle_deg: Mapped[float | None]
    phase_shift_deg: Mapped[float | None]
    rings_seen: Mapped[bool | None] = mapped_column(doc="False: a fit was tried, and there are none to be believed.")
    ctf_resolution_angstrom: Mapped[float | None]
    ctf_confidence: Mapped[float | None]
    tilt_deg: Mapped[float | None] = mapped_column(doc="As local fits say.")
    film_poses: Mapped[bool | None] = mapped_column(doc="The rings are those of the support film.")
    crystalline_ice: Mapped[bool | None]
    intensity: Mapped[float | None] = mapped_column(doc="Mean per pixel of the ice, in the micrograph's own units.")
    ice_nm: Mapped[float | None]
    ice_relative: Mapped[float | None] = mapped_column(doc="In mean free paths, from the method that is said.")
    ice_method: Mapped[str | None] = mapped_column(String(100))
    particles: Mapped[int | None]
    particles_per_um2: Mapped[float | None]
    particle_overlap: Mapped[float | None] = mapped_column(doc="Share whose nearest neighbour is within a diameter.")
    empty_fraction: Mapped[float | None]
    condition: Mapped[str | None] = mapped_column(String(100), doc="Label of `micrographs/quality`.")
    condition_probability: Mapped[float | None]
    poor_condition: Mapped[float | None] = mapped_column(doc="Probability of a condition that is of no use.")
    condition_model: Mapped[str | None] = mapped_column(String(200))
    problematic: Mapped[float | None] = mapped_column(doc="Probability, by the session's limits.")
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, doc="Fields of `Reason`, likeliest first")
    micrograph_file: Mapped[str | None] = mapped_column(String(500))
    dose_weighted_file: Mapped[str | None] = mapped_column(String(500))
    picture_file: Mapped[str | None] = mapped_column(String(500), doc="The micrograph as people look at it.")
    power_file: Mapped[str | None] = mapped_column(String(500), doc="Power spectrum with the fit beside it.")
    details: Mapped[dict[str, Any]] = mapped_column(
        JSON, default=dict, doc="Tracks, local fits, origin of each metadata value, remarks."
    )


__all__ = ["EXPOSURE_STATES", "SESSION_STATES", "ProcessedExposure", "ProcessingSession"]
