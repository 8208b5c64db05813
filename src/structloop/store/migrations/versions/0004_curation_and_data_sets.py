"""Curation and data sets.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward."""
    op.create_table(
        "image_fingerprint",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("method", sa.String(length=20), nullable=False),
        sa.Column("value", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sha256", "method", name=op.f("pk_image_fingerprint")),
    )
    op.create_table(
        "test_set",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_set")),
        sa.UniqueConstraint("task", "name", name=op.f("uq_test_set_task_name")),
    )
    op.create_table(
        "dataset_version",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("test_set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("made_by", sa.String(length=200), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["dataset_version.id"], name=op.f("fk_dataset_version_parent_id_dataset_version")
        ),
        sa.ForeignKeyConstraint(["test_set_id"], ["test_set.id"], name=op.f("fk_dataset_version_test_set_id_test_set")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_version")),
        sa.UniqueConstraint("task", "number", name=op.f("uq_dataset_version_task_number")),
    )
    op.create_table(
        "curation_item",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("occasion_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("group_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.Double(), nullable=False),
        sa.Column("model_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("human_label", sa.String(length=100), nullable=True),
        sa.Column("gold_label", sa.String(length=100), nullable=True),
        sa.Column("answers_needed", sa.Integer(), nullable=False),
        sa.Column("answer_count", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("label", sa.String(length=100), nullable=True),
        sa.Column("detail", sa.String(length=100), nullable=True),
        sa.Column("dataset_version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_curation_item_closed_has_time")),
        sa.CheckConstraint(
            "(state = 'settled') = (label IS NOT NULL)", name=op.f("ck_curation_item_settled_has_label")
        ),
        sa.ForeignKeyConstraint(
            ["dataset_version_id"],
            ["dataset_version.id"],
            name=op.f("fk_curation_item_dataset_version_id_dataset_version"),
        ),
        sa.ForeignKeyConstraint(
            ["model_version_id"], ["model_version.id"], name=op.f("fk_curation_item_model_version_id_model_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_curation_item")),
    )
    with op.batch_alter_table("curation_item", schema=None) as batch_op:
        batch_op.create_index("ix_curation_item_group", ["task", "group_id"], unique=False)
        batch_op.create_index("ix_curation_item_queue", ["task", "state", "priority", "id"], unique=False)
        batch_op.create_index(
            "uq_curation_item_open",
            ["task", "item_id", "occasion_id"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "curation_decision",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("curation_item_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("curator", sa.String(length=200), nullable=False),
        sa.Column("answer", sa.String(length=100), nullable=True),
        sa.Column("detail", sa.String(length=100), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("probability_visible", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("withdraws_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(answer IS NULL) <> (withdraws_id IS NULL)", name=op.f("ck_curation_decision_answer_or_withdrawal")
        ),
        sa.CheckConstraint(
            "(answer IS NULL) = (attempt IS NULL)", name=op.f("ck_curation_decision_answers_are_counted")
        ),
        sa.ForeignKeyConstraint(
            ["curation_item_id"],
            ["curation_item.id"],
            name=op.f("fk_curation_decision_curation_item_id_curation_item"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["withdraws_id"],
            ["curation_decision.id"],
            name=op.f("fk_curation_decision_withdraws_id_curation_decision"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_curation_decision")),
        sa.UniqueConstraint(
            "curation_item_id", "curator", "attempt", name=op.f("uq_curation_decision_curation_item_id_curator_attempt")
        ),
        sa.UniqueConstraint("withdraws_id", name=op.f("uq_curation_decision_withdraws_id")),
    )
    with op.batch_alter_table("curation_decision", schema=None) as batch_op:
        batch_op.create_index("ix_curation_decision_curator", ["curator", "id"], unique=False)


def downgrade() -> None:
    """Back."""
    with op.batch_alter_table("curation_decision", schema=None) as batch_op:
        batch_op.drop_index("ix_curation_decision_curator")

    op.drop_table("curation_decision")
    with op.batch_alter_table("curation_item", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_curation_item_open", sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'")
        )
        batch_op.drop_index("ix_curation_item_queue")
        batch_op.drop_index("ix_curation_item_group")

    op.drop_table("curation_item")
    op.drop_table("dataset_version")
    op.drop_table("test_set")
    op.drop_table("image_fingerprint")
