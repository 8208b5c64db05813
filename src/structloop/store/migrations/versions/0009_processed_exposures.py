"""Processed exposures and the sessions they belong to.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "processing_session",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=4096), nullable=False),
        sa.Column("results", sa.String(length=4096), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("limits", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("limits_origin", sa.String(length=200), nullable=True),
        sa.Column("acquisition_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("arriving_per_hour", sa.Double(), nullable=True),
        sa.Column("done_per_hour", sa.Double(), nullable=True),
        sa.Column("behind", sa.String(length=400), nullable=True),
        sa.Column("remarks", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('running', 'finished', 'stopped')", name=op.f("ck_processing_session_state")),
        sa.ForeignKeyConstraint(
            ["acquisition_id"],
            ["acquisition_session.id"],
            name=op.f("fk_processing_session_acquisition_id_acquisition_session"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processing_session")),
        sa.UniqueConstraint("name", name=op.f("uq_processing_session_name")),
        sa.UniqueConstraint("results", name=op.f("uq_processing_session_results")),
    )
    op.create_table(
        "processed_exposure",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("movie", sa.String(length=4096), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column("exposure_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("grid", sa.String(length=200), nullable=True),
        sa.Column("square", sa.String(length=200), nullable=True),
        sa.Column("hole", sa.String(length=200), nullable=True),
        sa.Column("stage_x_um", sa.Double(), nullable=True),
        sa.Column("stage_y_um", sa.Double(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("pixel_size_angstrom", sa.Double(), nullable=True),
        sa.Column("dose_e_per_angstrom2", sa.Double(), nullable=True),
        sa.Column("total_motion_angstrom", sa.Double(), nullable=True),
        sa.Column("early_motion_angstrom", sa.Double(), nullable=True),
        sa.Column("late_motion_angstrom", sa.Double(), nullable=True),
        sa.Column("defocus_u_um", sa.Double(), nullable=True),
        sa.Column("defocus_v_um", sa.Double(), nullable=True),
        sa.Column("astigmatism_angle_deg", sa.Double(), nullable=True),
        sa.Column("phase_shift_deg", sa.Double(), nullable=True),
        sa.Column("rings_seen", sa.Boolean(), nullable=True),
        sa.Column("ctf_resolution_angstrom", sa.Double(), nullable=True),
        sa.Column("ctf_confidence", sa.Double(), nullable=True),
        sa.Column("tilt_deg", sa.Double(), nullable=True),
        sa.Column("film_poses", sa.Boolean(), nullable=True),
        sa.Column("crystalline_ice", sa.Boolean(), nullable=True),
        sa.Column("intensity", sa.Double(), nullable=True),
        sa.Column("ice_nm", sa.Double(), nullable=True),
        sa.Column("ice_relative", sa.Double(), nullable=True),
        sa.Column("ice_method", sa.String(length=100), nullable=True),
        sa.Column("particles", sa.Integer(), nullable=True),
        sa.Column("particles_per_um2", sa.Double(), nullable=True),
        sa.Column("particle_overlap", sa.Double(), nullable=True),
        sa.Column("empty_fraction", sa.Double(), nullable=True),
        sa.Column("condition", sa.String(length=100), nullable=True),
        sa.Column("condition_probability", sa.Double(), nullable=True),
        sa.Column("poor_condition", sa.Double(), nullable=True),
        sa.Column("condition_model", sa.String(length=200), nullable=True),
        sa.Column("problematic", sa.Double(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("micrograph_file", sa.String(length=500), nullable=True),
        sa.Column("dose_weighted_file", sa.String(length=500), nullable=True),
        sa.Column("picture_file", sa.String(length=500), nullable=True),
        sa.Column("power_file", sa.String(length=500), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint("state IN ('done', 'failed')", name=op.f("ck_processed_exposure_state")),
        sa.ForeignKeyConstraint(
            ["exposure_id"],
            ["grid_exposure.id"],
            name=op.f("fk_processed_exposure_exposure_id_grid_exposure"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["processing_session.id"],
            name=op.f("fk_processed_exposure_session_id_processing_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processed_exposure")),
        sa.UniqueConstraint("session_id", "name", name=op.f("uq_processed_exposure_session_id_name")),
    )
    with op.batch_alter_table("processed_exposure", schema=None) as batch_op:
        batch_op.create_index("ix_processed_exposure_exposure_id", ["exposure_id"], unique=False)
        batch_op.create_index("ix_processed_exposure_processed", ["session_id", "processed_at"], unique=False)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("processed_exposure", schema=None) as batch_op:
        batch_op.drop_index("ix_processed_exposure_processed")
        batch_op.drop_index("ix_processed_exposure_exposure_id")

    op.drop_table("processed_exposure")
    op.drop_table("processing_session")
