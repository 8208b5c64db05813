"""A store that a module's tests share: each has folders, and so sessions, of its own."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from structloop.store import Database


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """SQLite, migrated once."""
    with closing(Database(f"sqlite:///{tmp_path_factory.mktemp('store') / 'structloop.db'}")) as made:
        yield made
