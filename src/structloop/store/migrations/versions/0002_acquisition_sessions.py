"""Sessions at a microscope.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "acquisition_session",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("program", sa.String(length=50), nullable=False),
        sa.Column("program_version", sa.String(length=100), nullable=True),
        sa.Column("name", sa.String(length=400), nullable=True),
        sa.Column("microscope", sa.String(length=200), nullable=True),
        sa.Column("root", sa.String(length=4096), nullable=False),
        sa.Column("journal_path", sa.String(length=4096), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acquisition_session")),
        sa.UniqueConstraint("key", name=op.f("uq_acquisition_session_key")),
    )
    op.create_table(
        "acquisition_remark",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["acquisition_session.id"],
            name=op.f("fk_acquisition_remark_session_id_acquisition_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acquisition_remark")),
        sa.UniqueConstraint("session_id", "path", "kind", name=op.f("uq_acquisition_remark_session_id_path_kind")),
    )
    op.create_table(
        "grid",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=400), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["acquisition_session.id"],
            name=op.f("fk_grid_session_id_acquisition_session"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid")),
        sa.UniqueConstraint("session_id", "key", name=op.f("uq_grid_session_id_key")),
    )
    op.create_table(
        "grid_atlas",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("grid_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pixel_size_angstrom", sa.Double(), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("x_um", sa.Double(), nullable=True),
        sa.Column("y_um", sa.Double(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["grid_id"], ["grid.id"], name=op.f("fk_grid_atlas_grid_id_grid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_atlas")),
        sa.UniqueConstraint("grid_id", "key", name=op.f("uq_grid_atlas_grid_id_key")),
    )
    op.create_table(
        "grid_square",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("grid_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("atlas_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=50), nullable=True),
        sa.Column("selected", sa.Boolean(), nullable=True),
        sa.Column("x_um", sa.Double(), nullable=True),
        sa.Column("y_um", sa.Double(), nullable=True),
        sa.Column("z_um", sa.Double(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["atlas_id"], ["grid_atlas.id"], name=op.f("fk_grid_square_atlas_id_grid_atlas"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["grid_id"], ["grid.id"], name=op.f("fk_grid_square_grid_id_grid"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_square")),
        sa.UniqueConstraint("grid_id", "key", name=op.f("uq_grid_square_grid_id_key")),
    )
    op.create_table(
        "grid_hole",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("grid_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("square_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("state", sa.String(length=50), nullable=True),
        sa.Column("selected", sa.Boolean(), nullable=True),
        sa.Column("near_bar", sa.Boolean(), nullable=True),
        sa.Column("quality", sa.Double(), nullable=True),
        sa.Column("x_um", sa.Double(), nullable=True),
        sa.Column("y_um", sa.Double(), nullable=True),
        sa.Column("z_um", sa.Double(), nullable=True),
        sa.Column("center_x_px", sa.Double(), nullable=True),
        sa.Column("center_y_px", sa.Double(), nullable=True),
        sa.Column("diameter_px", sa.Double(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["grid_id"], ["grid.id"], name=op.f("fk_grid_hole_grid_id_grid"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["square_id"], ["grid_square.id"], name=op.f("fk_grid_hole_square_id_grid_square"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_hole")),
        sa.UniqueConstraint("grid_id", "key", name=op.f("uq_grid_hole_grid_id_key")),
    )
    with op.batch_alter_table("grid_hole", schema=None) as batch_op:
        batch_op.create_index("ix_grid_hole_square_id", ["square_id"], unique=False)

    op.create_table(
        "grid_exposure",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("grid_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("square_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("hole_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("area", sa.String(length=200), nullable=True),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grid_id"], ["grid.id"], name=op.f("fk_grid_exposure_grid_id_grid"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["hole_id"], ["grid_hole.id"], name=op.f("fk_grid_exposure_hole_id_grid_hole"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["square_id"], ["grid_square.id"], name=op.f("fk_grid_exposure_square_id_grid_square"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_exposure")),
        sa.UniqueConstraint("grid_id", "key", name=op.f("uq_grid_exposure_grid_id_key")),
    )
    with op.batch_alter_table("grid_exposure", schema=None) as batch_op:
        batch_op.create_index("ix_grid_exposure_hole_id", ["hole_id"], unique=False)
        batch_op.create_index("ix_grid_exposure_square_id", ["square_id"], unique=False)

    op.create_table(
        "grid_image",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("grid_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("atlas_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("square_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("hole_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("exposure_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=True),
        sa.Column("size_bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata_path", sa.String(length=4096), nullable=True),
        sa.Column("frames_path", sa.String(length=4096), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("pixel_size_angstrom", sa.Double(), nullable=True),
        sa.Column("x_um", sa.Double(), nullable=True),
        sa.Column("y_um", sa.Double(), nullable=True),
        sa.Column("z_um", sa.Double(), nullable=True),
        sa.Column("tilt_deg", sa.Double(), nullable=True),
        sa.Column("defocus_um", sa.Double(), nullable=True),
        sa.Column("dose_e_per_angstrom2", sa.Double(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.CheckConstraint(
            "level IN ('atlas', 'tile', 'square', 'hole', 'exposure', 'other')", name=op.f("ck_grid_image_level")
        ),
        sa.CheckConstraint("(path IS NULL) = (sha256 IS NULL)", name=op.f("ck_grid_image_file")),
        sa.ForeignKeyConstraint(
            ["atlas_id"], ["grid_atlas.id"], name=op.f("fk_grid_image_atlas_id_grid_atlas"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["exposure_id"],
            ["grid_exposure.id"],
            name=op.f("fk_grid_image_exposure_id_grid_exposure"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["grid_id"], ["grid.id"], name=op.f("fk_grid_image_grid_id_grid"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["hole_id"], ["grid_hole.id"], name=op.f("fk_grid_image_hole_id_grid_hole"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["square_id"], ["grid_square.id"], name=op.f("fk_grid_image_square_id_grid_square"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_image")),
        sa.UniqueConstraint("grid_id", "key", name=op.f("uq_grid_image_grid_id_key")),
    )
    with op.batch_alter_table("grid_image", schema=None) as batch_op:
        batch_op.create_index("ix_grid_image_atlas_id", ["atlas_id"], unique=False)
        batch_op.create_index("ix_grid_image_exposure_id", ["exposure_id"], unique=False)
        batch_op.create_index("ix_grid_image_hole_id", ["hole_id"], unique=False)
        batch_op.create_index("ix_grid_image_path", ["path"], unique=False)
        batch_op.create_index("ix_grid_image_square_id", ["square_id"], unique=False)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("grid_image", schema=None) as batch_op:
        batch_op.drop_index("ix_grid_image_square_id")
        batch_op.drop_index("ix_grid_image_path")
        batch_op.drop_index("ix_grid_image_hole_id")
        batch_op.drop_index("ix_grid_image_exposure_id")
        batch_op.drop_index("ix_grid_image_atlas_id")

    op.drop_table("grid_image")
    with op.batch_alter_table("grid_exposure", schema=None) as batch_op:
        batch_op.drop_index("ix_grid_exposure_square_id")
        batch_op.drop_index("ix_grid_exposure_hole_id")

    op.drop_table("grid_exposure")
    with op.batch_alter_table("grid_hole", schema=None) as batch_op:
        batch_op.drop_index("ix_grid_hole_square_id")

    op.drop_table("grid_hole")
    op.drop_table("grid_square")
    op.drop_table("grid_atlas")
    op.drop_table("grid")
    op.drop_table("acquisition_remark")
    op.drop_table("acquisition_session")
