"""The last curator of an item of the queue.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_FILL = """
UPDATE curation_item SET last_curator = (
    SELECT given.curator FROM curation_decision AS given
    WHERE given.curation_item_id = curation_item.id AND given.answer IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM curation_decision AS undone WHERE undone.withdraws_id = given.id)
    ORDER BY given.id DESC LIMIT 1
)
"""


def upgrade() -> None:
    """Forward."""
    op.add_column("curation_item", sa.Column("last_curator", sa.String(length=200), nullable=True))
    op.execute(_FILL)
    op.drop_index("ix_curation_item_queue", "curation_item")
    op.create_index(
        "ix_curation_item_queue", "curation_item", ["task", "state", "priority", "id", "last_curator"], unique=False
    )


def downgrade() -> None:
    """Back."""
    op.drop_index("ix_curation_item_queue", "curation_item")
    op.create_index("ix_curation_item_queue", "curation_item", ["task", "state", "priority", "id"], unique=False)
    op.drop_column("curation_item", "last_curator")
