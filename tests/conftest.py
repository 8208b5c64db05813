"""Fixtures shared by all tests: a database on every supported server, a home folder, the real data."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from structloop.store import Database

POSTGRESQL_VARIABLE = "STRUCTLOOP_TEST_POSTGRESQL_URL"
DATA_VARIABLE = "STRUCTLOOP_TEST_DATA"
PATIENT = ("browser", "system")
"""Tests that start processes and wait for them: longer than others where the machine is busy."""
PATIENT_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of whole processes have a longer limit, where they name none themselves."""
    for item in items:
        if item.path.parent.name in PATIENT and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(PATIENT_S))


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads or writes the developer's own settings or home."""
    for name in list(os.environ):
        if name.startswith("STRUCTLOOP_") and not name.startswith("STRUCTLOOP_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("STRUCTLOOP_HOME", str(tmp_path / "home"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home folder of this test (what STRUCTLOOP_HOME says)."""
    folder = tmp_path / "home"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def _postgresql_server() -> str:
    url = os.environ.get(POSTGRESQL_VARIABLE)
    if not url:
        pytest.skip(f"{POSTGRESQL_VARIABLE} is not set, such as postgresql+psycopg://postgres@127.0.0.1/postgres")
    return url


@contextmanager
def _on_server(server_url: str, template: str) -> Iterator[str]:
    """The URL of a new database of the server, a copy of `template`, that is dropped afterwards."""
    name = f"structloop_test_{uuid.uuid4().hex[:12]}"
    server = create_engine(server_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
    server.dispose()


@pytest.fixture
def postgresql_url(_postgresql_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database without tables that is dropped afterwards."""
    with _on_server(_postgresql_server, "template1") as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_on_server(_postgresql_server: str) -> Iterator[str]:
    """The name of a PostgreSQL database with all tables: copying it takes a fraction of the time of making them."""
    with _on_server(_postgresql_server, "template1") as url:
        Database(url).close()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def _migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "structloop.db"
    Database(f"sqlite:///{file}").close()
    return file


@pytest.fixture
def used_home(home: Path, _migrated_file: Path) -> Path:
    """The home folder of this test, its SQLite database made before, all tables empty."""
    shutil.copyfile(_migrated_file, home / "structloop.db")
    return home


BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=BOTH)
def bare_database_url(request: pytest.FixtureRequest, home: Path) -> str:
    """The URL of a database without tables: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{home / 'structloop.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(params=BOTH)
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database whose tables are there and empty: once on SQLite, once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('used_home') / 'structloop.db'}"
        return
    template = request.getfixturevalue("_migrated_on_server")
    with _on_server(request.getfixturevalue("_postgresql_server"), template) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty, migrated database: once on SQLite, once on PostgreSQL."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images; tests that need it are skipped where it is absent."""
    default = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get(DATA_VARIABLE, default))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set {DATA_VARIABLE}")
    return folder
