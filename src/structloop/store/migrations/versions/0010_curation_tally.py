"""What is counted of the curators' queue, and the curator before the last of each of its items.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEX = "ix_curation_item_queue"
_QUEUE = ["task", "state", "priority", "id", "last_curator"]

_PREVIOUS = """
UPDATE curation_item SET previous_curator = (
    SELECT given.curator FROM curation_decision AS given
    WHERE given.curation_item_id = curation_item.id AND given.answer IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM curation_decision AS undone WHERE undone.withdraws_id = given.id)
    ORDER BY given.id DESC LIMIT 1 OFFSET 1
) WHERE answer_count > 1
"""

_GIVEN = """
    SELECT item.task, item.id, item.state, item.reason, item.label, item.gold_label,
        CASE WHEN item.dataset_version_id IS NULL THEN 'new' ELSE 'used' END AS used,
        given.curator, given.answer, given.seconds,
        count(*) OVER (PARTITION BY item.id) AS answers,
        count(*) OVER (PARTITION BY item.id, given.answer) AS alike
    FROM curation_decision AS given JOIN curation_item AS item ON item.id = given.curation_item_id
    WHERE given.answer IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM curation_decision AS undone WHERE undone.withdraws_id = given.id)
"""

# measure, curator, first, second, number, what is added up, from where
_COUNTS = (
    ("items", "''", "state", "reason", "0", "1", "curation_item"),
    ("answers", "curator", "answer", "''", "0", "1", "({given}) AS given"),
    ("waiting", "curator", "reason", "''", "0", "1", "({given}) AS given WHERE state = 'open'"),
    (
        "settled",
        "curator",
        "CASE WHEN answer = label THEN 'same' ELSE 'different' END",
        "''",
        "0",
        "1",
        "({given}) AS given WHERE label IS NOT NULL AND gold_label IS NULL",
    ),
    ("gold", "curator", "gold_label", "answer", "0", "1", "({given}) AS given WHERE gold_label IS NOT NULL"),
    ("given", "''", "answer", "used", "answers", "1", "({given}) AS given"),
    ("equal", "''", "answer", "used", "answers", "alike - 1", "({given}) AS given"),
    (
        "tenths",
        "curator",
        "''",
        "''",
        "CASE WHEN seconds < 60 THEN {tenths} ELSE 10 * {whole} END",
        "1",
        "({given}) AS given WHERE seconds IS NOT NULL",
    ),
)


def upgrade() -> None:
    """Forward."""
    op.add_column("curation_item", sa.Column("previous_curator", sa.String(length=200), nullable=True))
    op.execute(_PREVIOUS)
    op.drop_index(_INDEX, "curation_item")
    op.create_index(_INDEX, "curation_item", [*_QUEUE, "previous_curator"], unique=False)
    op.create_table(
        "curation_tally",
        sa.Column("task", sa.String(length=100), nullable=False),
        sa.Column("measure", sa.String(length=20), nullable=False),
        sa.Column("curator", sa.String(length=200), nullable=False),
        sa.Column("first", sa.String(length=100), nullable=False),
        sa.Column("second", sa.String(length=100), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint(
            "task", "measure", "curator", "first", "second", "number", name=op.f("pk_curation_tally")
        ),
    )
    # CAST cuts off on SQLite and rounds on PostgreSQL.
    cut = "CAST({} AS INTEGER)" if op.get_bind().dialect.name == "sqlite" else "CAST(FLOOR({}) AS INTEGER)"
    texts = {
        "given": _GIVEN,
        "tenths": cut.format("seconds * 10 + 0.5"),
        "whole": cut.format("seconds + 0.5"),
    }
    for measure, curator, first, second, number, added, source in _COUNTS:
        op.execute(
            "INSERT INTO curation_tally (task, measure, curator, first, second, number, value) "  # noqa: S608
            f"SELECT task, '{measure}', who, one, two, many, sum(added) FROM ("
            f"SELECT task, {curator} AS who, {first} AS one, {second} AS two, {number.format(**texts)} AS many, "
            f"{added} AS added FROM {source.format(**texts)}) AS counted GROUP BY task, who, one, two, many"
        )


def downgrade() -> None:
    """Back."""
    op.drop_table("curation_tally")
    op.drop_index(_INDEX, "curation_item")
    op.create_index(_INDEX, "curation_item", _QUEUE, unique=False)
    op.drop_column("curation_item", "previous_curator")
