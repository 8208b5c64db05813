"""Roles of models and training runs.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "model_role",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("model_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("goes_back", sa.Boolean(), nullable=False),
        sa.Column("who", sa.String(length=200), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.Column("evidence", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('candidate', 'shadow', 'production', 'retired')", name=op.f("ck_model_role_role")),
        sa.CheckConstraint("NOT goes_back OR role = 'production'", name=op.f("ck_model_role_going_back")),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_model_role_model_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_role")),
    )
    with op.batch_alter_table("model_role", schema=None) as batch_op:
        batch_op.create_index("ix_model_role_task", ["task", "id"], unique=False)

    op.create_table(
        "training_run",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("dataset_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("start", sa.String(length=400), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("model_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("problem", sa.String(length=2000), nullable=True),
        sa.Column("course", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('running', 'finished', 'stopped', 'failed')", name=op.f("ck_training_run_state")),
        sa.ForeignKeyConstraint(
            ["dataset_version_id"],
            ["dataset_version.id"],
            name=op.f("fk_training_run_dataset_version_id_dataset_version"),
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_training_run_model_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_run")),
    )
    with op.batch_alter_table("training_run", schema=None) as batch_op:
        batch_op.create_index("ix_training_run_task", ["task", "id"], unique=False)
        batch_op.create_index("ix_training_run_model_version_id", ["model_version_id"], unique=False)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("training_run", schema=None) as batch_op:
        batch_op.drop_index("ix_training_run_model_version_id")
        batch_op.drop_index("ix_training_run_task")

    op.drop_table("training_run")
    with op.batch_alter_table("model_role", schema=None) as batch_op:
        batch_op.drop_index("ix_model_role_task")

    op.drop_table("model_role")
