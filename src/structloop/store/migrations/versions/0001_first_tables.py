"""First tables.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""

    op.create_table(
        "annotation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("occasion_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("scheme", sa.String(length=50), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("annotator", sa.String(length=200), nullable=False),
        sa.Column("score_visible", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("withdraws_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["withdraws_id"], ["annotation.id"], name=op.f("fk_annotation_withdraws_id_annotation")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation")),
    )
    with op.batch_alter_table("annotation", schema=None) as batch_op:
        batch_op.create_index("ix_annotation_task_group", ["task", "group_id"], unique=False)
        batch_op.create_index("ix_annotation_task_item", ["task", "item_id"], unique=False)

    op.create_table(
        "import_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("root", sa.String(length=4096), nullable=False),
        sa.Column("layout", sa.String(length=100), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_run")),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=True),
        sa.Column("subject", sa.String(length=4096), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("message", sa.String(length=4000), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index("ix_job_created_at", ["created_at"], unique=False)
        batch_op.create_index("ix_job_state", ["state"], unique=False)
        batch_op.create_index(
            "uq_job_unfinished_key",
            ["key"],
            unique=True,
            sqlite_where=sa.text("state IN ('queued', 'running')"),
            postgresql_where=sa.text("state IN ('queued', 'running')"),
        )

    op.create_table(
        "model_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_version")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_model_version_name_version")),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
    )
    op.create_table(
        "plate",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("barcode", sa.String(length=200), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("layout", sa.String(length=100), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.Integer(), nullable=False),
        sa.Column("drops", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("image_count", sa.Integer(), nullable=False),
        sa.Column("experiment_count", sa.Integer(), nullable=False),
        sa.Column("current_scoring_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("scored_count", sa.Integer(), nullable=False),
        sa.Column("hit_count", sa.Integer(), nullable=False),
        sa.Column("best_probability", sa.Double(), nullable=True),
        sa.Column("newest_hit_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint('"rows" > 0 AND "columns" > 0', name=op.f("ck_plate_size")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_plate_project_id_project")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plate")),
        sa.UniqueConstraint("barcode", name=op.f("uq_plate_barcode")),
    )
    with op.batch_alter_table("plate", schema=None) as batch_op:
        batch_op.create_index("ix_plate_newest_hit", ["newest_hit_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_plate_project_id"), ["project_id"], unique=False)

    op.create_table(
        "drop",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("plate_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("column", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["plate_id"], ["plate.id"], name=op.f("fk_drop_plate_id_plate"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drop")),
        sa.UniqueConstraint("plate_id", "row", "column", "number", name=op.f("uq_drop_plate_id_row_column_number")),
    )
    op.create_table(
        "import_problem",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plate_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["plate_id"], ["plate.id"], name=op.f("fk_import_problem_plate_id_plate"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["import_run.id"],
            name=op.f("fk_import_problem_run_id_import_run"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_problem")),
        sa.UniqueConstraint("path", name="uq_import_problem_path"),
    )
    with op.batch_alter_table("import_problem", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_import_problem_plate_id"), ["plate_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_import_problem_run_id"), ["run_id"], unique=False)

    op.create_table(
        "inspection",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("plate_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=True),
        sa.Column("imager", sa.String(length=200), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["plate_id"], ["plate.id"], name=op.f("fk_inspection_plate_id_plate"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inspection")),
        sa.UniqueConstraint("plate_id", "key", name=op.f("uq_inspection_plate_id_key")),
        sa.UniqueConstraint("plate_id", "number", name=op.f("uq_inspection_plate_id_number")),
    )
    op.create_table(
        "scoring",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("plate_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_visible_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("model_uv_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("rule", sa.String(length=16), nullable=False),
        sa.Column("alarm_threshold", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["model_uv_id"], ["model_version.id"], name=op.f("fk_scoring_model_uv_id_model_version")
        ),
        sa.ForeignKeyConstraint(
            ["model_visible_id"], ["model_version.id"], name=op.f("fk_scoring_model_visible_id_model_version")
        ),
        sa.ForeignKeyConstraint(["plate_id"], ["plate.id"], name=op.f("fk_scoring_plate_id_plate"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scoring")),
        sa.UniqueConstraint("key", name=op.f("uq_scoring_key")),
    )
    with op.batch_alter_table("scoring", schema=None) as batch_op:
        batch_op.create_index("ix_scoring_plate_id", ["plate_id"], unique=False)

    op.create_table(
        "drop_image",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("drop_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("inspection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("modality", sa.String(length=16), nullable=False),
        sa.Column("profile", sa.String(length=100), nullable=False),
        sa.Column("focus", sa.String(length=16), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("size_bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("um_per_pixel", sa.Double(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.ForeignKeyConstraint(["drop_id"], ["drop.id"], name=op.f("fk_drop_image_drop_id_drop"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["inspection_id"],
            ["inspection.id"],
            name=op.f("fk_drop_image_inspection_id_inspection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["superseded_by_id"], ["drop_image.id"], name=op.f("fk_drop_image_superseded_by_id_drop_image")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drop_image")),
        sa.UniqueConstraint(
            "drop_id", "inspection_id", "modality", "profile", "focus", "sha256", name="uq_drop_image_key"
        ),
    )
    with op.batch_alter_table("drop_image", schema=None) as batch_op:
        batch_op.create_index("ix_drop_image_inspection_id", ["inspection_id", "superseded_by_id"], unique=False)
        batch_op.create_index("ix_drop_image_path", ["path"], unique=False)

    op.create_table(
        "experiment_score",
        sa.Column("scoring_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("drop_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("inspection_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("image_visible_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("image_uv_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("visible_probability", sa.Double(), nullable=True),
        sa.Column("uv_probability", sa.Double(), nullable=True),
        sa.Column("crystal_probability", sa.Double(), nullable=True),
        sa.Column("error", sa.String(length=2000), nullable=True),
        sa.Column("hit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["drop_id"], ["drop.id"], name=op.f("fk_experiment_score_drop_id_drop"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["image_uv_id"],
            ["drop_image.id"],
            name=op.f("fk_experiment_score_image_uv_id_drop_image"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["image_visible_id"],
            ["drop_image.id"],
            name=op.f("fk_experiment_score_image_visible_id_drop_image"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["inspection_id"],
            ["inspection.id"],
            name=op.f("fk_experiment_score_inspection_id_inspection"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["scoring_id"],
            ["scoring.id"],
            name=op.f("fk_experiment_score_scoring_id_scoring"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("scoring_id", "drop_id", "inspection_id", name=op.f("pk_experiment_score")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "image_score",
        sa.Column("image_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("error", sa.String(length=1000), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(probability IS NULL) <> (error IS NULL)", name=op.f("ck_image_score_score_or_error")),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["drop_image.id"],
            name=op.f("fk_image_score_image_id_drop_image"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"],
            ["model_version.id"],
            name=op.f("fk_image_score_model_version_id_model_version"),
        ),
        sa.PrimaryKeyConstraint("image_id", "model_version_id", name=op.f("pk_image_score")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Back."""

    op.drop_table("image_score")
    op.drop_table("experiment_score")
    with op.batch_alter_table("drop_image", schema=None) as batch_op:
        batch_op.drop_index("ix_drop_image_path")
        batch_op.drop_index("ix_drop_image_inspection_id")

    op.drop_table("drop_image")
    with op.batch_alter_table("scoring", schema=None) as batch_op:
        batch_op.drop_index("ix_scoring_plate_id")

    op.drop_table("scoring")
    op.drop_table("inspection")
    with op.batch_alter_table("import_problem", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_import_problem_run_id"))
        batch_op.drop_index(batch_op.f("ix_import_problem_plate_id"))

    op.drop_table("import_problem")
    op.drop_table("drop")
    with op.batch_alter_table("plate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_plate_project_id"))
        batch_op.drop_index("ix_plate_newest_hit")

    op.drop_table("plate")
    op.drop_table("project")
    op.drop_table("model_version")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("uq_job_unfinished_key")
        batch_op.drop_index("ix_job_state")
        batch_op.drop_index("ix_job_created_at")

    op.drop_table("job")
    op.drop_table("import_run")
    with op.batch_alter_table("annotation", schema=None) as batch_op:
        batch_op.drop_index("ix_annotation_task_item")
        batch_op.drop_index("ix_annotation_task_group")

    op.drop_table("annotation")
