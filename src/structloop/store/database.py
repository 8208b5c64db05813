"""The database: SQLite by default, PostgreSQL by URL, the same tables and tests on both."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import Engine, Executable, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from structloop.core.errors import SchemaVersionError, SettingsError, StoreUnavailableError
from structloop.core.log import mask_secrets
from structloop.store.tables import Base

MIGRATIONS = Path(__file__).parent / "migrations"
SUPPORTED = ("sqlite", "postgresql")


class Database:
    """A database, migrated to the newest schema.

    Args:
        url: SQLAlchemy URL, `sqlite:///...` or `postgresql+psycopg://...`.
        migrate: Whether to bring the schema up to date first; turn off only to look at an old database.

    Raises:
        SettingsError: the URL is no URL of a supported database.
        StoreUnavailableError: the database cannot be reached or written.
        SchemaVersionError: the database is newer than this program.
    """

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self.url = _normalised(url)
        self.engine = _engine(self.url)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        if migrate:
            try:
                self.migrate()
            except BaseException:
                self.close()
                raise

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session in one transaction: committed at the end, rolled back on any error."""
        try:
            with self._sessions.begin() as session:
                if self.dialect == "sqlite":
                    _use_immediate_transactions(session)
                yield session
        except OperationalError as error:
            raise _unavailable(self.url, error) from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads; it takes no write lock."""
        try:
            with self._sessions() as session:
                yield session
        except OperationalError as error:
            raise _unavailable(self.url, error) from error

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """As `reading`, but every query sees the database as it was at the first one, whatever others write."""
        with self.reading() as session:
            if self.dialect == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            else:
                # SQLite keeps the snapshot of the first read until the transaction ends.
                session.connection().exec_driver_sql("BEGIN")
            yield session

    def migrate(self) -> None:
        """Brings the schema up to date. Two processes may try at once: one waits for the other."""
        config = alembic_config(self.url)
        try:
            with _migration_lock(self.url), self.engine.connect() as connection:
                current = MigrationContext.configure(connection).get_current_revision()
                script = ScriptDirectory.from_config(config)
                connection.rollback()
                if current == script.get_current_head():
                    return
                if current is not None and current not in {item.revision for item in script.walk_revisions()}:
                    raise SchemaVersionError(
                        f"the database {mask_secrets(self.url)} is at schema {current}, which this structloop does "
                        "not know: it was written by a newer one; update structloop"
                    )
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
        except OperationalError as error:
            raise _unavailable(self.url, error) from error

    def close(self) -> None:
        """Closes all connections."""
        self.engine.dispose()


def insert_or_ignore(database: Database, table: type[Base], rows: list[dict[str, Any]]) -> Executable:
    """An INSERT of `rows` that leaves out those whose key exists already: what makes repeated steps harmless."""
    if database.dialect == "postgresql":
        return postgresql.insert(table).values(rows).on_conflict_do_nothing()
    return sqlite.insert(table).values(rows).on_conflict_do_nothing()


def upsert(
    database: Database, table: type[Base], rows: list[dict[str, Any]], *, key: list[str], update: list[str]
) -> Executable:
    """An INSERT of `rows` that overwrites the columns `update` where `key` exists already.

    Without rows they are given where it is executed: far faster where there are many.
    """
    statement: postgresql.Insert | sqlite.Insert
    statement = postgresql.insert(table) if database.dialect == "postgresql" else sqlite.insert(table)
    if rows:
        statement = statement.values(rows)
    return statement.on_conflict_do_update(index_elements=key, set_={name: statement.excluded[name] for name in update})


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the migrations that ship with the package."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _normalised(url: str) -> str:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError) as error:
        raise SettingsError(f"setting 'database_url': '{mask_secrets(url)}' is no database URL") from error
    if backend not in SUPPORTED:
        raise SettingsError(f"setting 'database_url': {backend} is not supported; use SQLite or PostgreSQL")
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed.render_as_string(hide_password=False)


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, pool_size=10, max_overflow=20)
    if parsed.database and parsed.database != ":memory:":
        folder = Path(parsed.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"the folder {folder} for the database cannot be made: {error.strerror}; set STRUCTLOOP_HOME to a "
                "folder you may write to"
            ) from error
    engine = create_engine(url, connect_args={"timeout": 30})
    event.listen(engine, "connect", _set_pragmas)
    return engine


def _set_pragmas(connection: SqliteConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _use_immediate_transactions(session: Session) -> None:
    """Takes SQLite's write lock at once, so that a second writer waits instead of failing half-way."""
    session.connection().exec_driver_sql("BEGIN IMMEDIATE")


_THREADS_MIGRATING = threading.Lock()


@contextmanager
def _migration_lock(url: str) -> Iterator[None]:
    parsed = make_url(url)
    with _THREADS_MIGRATING:
        if parsed.get_backend_name() == "sqlite" and parsed.database and parsed.database != ":memory:":
            with FileLock(f"{parsed.database}.migrating", timeout=120):
                yield
        else:
            # PostgreSQL: the migrations take an advisory lock (migrations/env.py).
            yield


def _unavailable(url: str, error: OperationalError) -> StoreUnavailableError:
    reason = str(error.orig).strip().splitlines()[0] if error.orig is not None else str(error)
    hint = "is the disk full, or the file read-only?" if url.startswith("sqlite") else "is the server running?"
    return StoreUnavailableError(f"the database {mask_secrets(url)} cannot be used: {reason}; {hint}")


__all__ = ["Database", "alembic_config", "insert_or_ignore", "upsert"]
