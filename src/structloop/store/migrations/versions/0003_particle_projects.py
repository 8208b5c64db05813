"""Particle projects.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "particle_project",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("folder", sa.String(length=4096), nullable=False),
        sa.Column("pattern", sa.String(length=200), nullable=False),
        sa.Column("diameter_px", sa.Double(), nullable=False),
        sa.Column("pixel_size_angstrom", sa.Double(), nullable=True),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("diameter_px > 0", name=op.f("ck_particle_project_diameter_is_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_particle_project")),
        sa.UniqueConstraint("name", name=op.f("uq_particle_project_name")),
    )
    op.create_table(
        "micrograph",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("pixel_size_angstrom", sa.Double(), nullable=True),
        sa.Column("problem", sa.String(length=1000), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["particle_project.id"],
            name=op.f("fk_micrograph_project_id_particle_project"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_micrograph")),
        sa.UniqueConstraint("project_id", "path", name=op.f("uq_micrograph_project_id_path")),
    )
    op.create_table(
        "picked_micrograph",
        sa.Column("micrograph_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("diameter_px", sa.Double(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("picks", sa.LargeBinary(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("mask", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.String(length=1000), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(picks IS NULL) <> (error IS NULL)", name=op.f("ck_picked_micrograph_picks_or_error")),
        sa.ForeignKeyConstraint(
            ["micrograph_id"],
            ["micrograph.id"],
            name=op.f("fk_picked_micrograph_micrograph_id_micrograph"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_picked_micrograph_model_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("micrograph_id", "model_version_id", name=op.f("pk_picked_micrograph")),
    )
    op.create_table(
        "particle_mark",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("micrograph_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("x_px", sa.Double(), nullable=True),
        sa.Column("y_px", sa.Double(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("withdraws_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("annotator", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(x_px IS NULL) = (y_px IS NULL)", name=op.f("ck_particle_mark_both_coordinates")),
        sa.ForeignKeyConstraint(
            ["micrograph_id"],
            ["micrograph.id"],
            name=op.f("fk_particle_mark_micrograph_id_micrograph"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["particle_project.id"],
            name=op.f("fk_particle_mark_project_id_particle_project"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["withdraws_id"],
            ["particle_mark.id"],
            name=op.f("fk_particle_mark_withdraws_id_particle_mark"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_particle_mark")),
    )
    with op.batch_alter_table("particle_mark", schema=None) as batch_op:
        batch_op.create_index("ix_particle_mark_micrograph_id", ["micrograph_id"], unique=False)
        batch_op.create_index("ix_particle_mark_project_id", ["project_id"], unique=False)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("particle_mark", schema=None) as batch_op:
        batch_op.drop_index("ix_particle_mark_project_id")
        batch_op.drop_index("ix_particle_mark_micrograph_id")

    op.drop_table("particle_mark")
    op.drop_table("picked_micrograph")
    op.drop_table("micrograph")
    op.drop_table("particle_project")
