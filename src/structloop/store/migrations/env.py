"""Runs migrations on the connection that `Database.migrate` hands over, or on a URL for development."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, create_engine, text

from structloop.store.tables import Base
from structloop.store.tables.base import UtcDateTime

# Any number: all structloop processes agree on it.
_ADVISORY_LOCK = 7_331_114


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Migrations stand on their own: they name the database's types, not ours."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def _run(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        render_item=_render,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as own:
        _run(own)
        own.commit()
    engine.dispose()
