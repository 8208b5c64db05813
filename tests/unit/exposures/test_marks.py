"""Marks of exposures: append-only, undone by a row that withdraws, and what limits are learned from."""

from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from structloop.core.errors import LabelsError, NotFoundError
from structloop.exposures.limits import limits_from_marks
from structloop.exposures.marks import current_marks, mark, mark_history, undo_mark, withdraw_mark
from structloop.micrographs.judging import Limits
from structloop.store import Database
from structloop.store.tables import Annotation
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with a session of twelve exposures that differ in how far their rings go."""
    database = Database(database_url)
    with database.session() as session:
        session.add(ProcessingSession(id=1, name="one", source="/movies", results="/results"))
        session.add(ProcessingSession(id=2, name="two", source="/movies2", results="/results2"))
        session.flush()
        for key in range(1, 13):
            session.add(
                ProcessedExposure(
                    id=key,
                    session_id=1,
                    name=f"e{key}",
                    movie=f"/movies/e{key}.tiff",
                    fingerprint="0",
                    state="done",
                    rings_seen=True,
                    ctf_resolution_angstrom=3.0 + 0.2 * key,
                    total_motion_angstrom=10.0,
                )
            )
    yield database
    database.close()


def test_the_newest_mark_that_stands_counts_and_nothing_is_overwritten(database: Database) -> None:
    mark(database, [1, 2], "good", annotator="Ada")
    mark(database, [2], "bad", annotator="Bea")
    assert {key: each.label for key, each in current_marks(database, 1).items()} == {1: "good", 2: "bad"}
    undone = undo_mark(database, 1, annotator="Bea")
    assert (undone.exposure_id, undone.withdrawn) == (2, True)
    assert {key: each.label for key, each in current_marks(database, 1).items()} == {1: "good", 2: "good"}
    history = mark_history(database, 1)
    assert [(each.exposure_id, each.label, each.withdrawn) for each in history] == [
        (2, "bad", True),
        (2, "good", False),
        (1, "good", False),
    ]
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Annotation)) == 4


def test_withdrawing_twice_changes_nothing(database: Database) -> None:
    (given,) = mark(database, [3], "bad", annotator="Ada")
    withdraw_mark(database, given.id, annotator="Ada")
    withdraw_mark(database, given.id, annotator="Ada")
    assert current_marks(database, 1) == {}
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Annotation)) == 2


def test_what_cannot_be_is_told(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no processed exposure 99"):
        mark(database, [1, 99], "good", annotator="Ada")
    assert current_marks(database, 1) == {}
    with pytest.raises(LabelsError, match="use one of good, bad"):
        mark(database, [1], "great", annotator="Ada")
    with pytest.raises(LabelsError, match="name"):
        mark(database, [1], "good", annotator="  ")
    with pytest.raises(NotFoundError, match="no mark in session 1"):
        undo_mark(database, 1, annotator="Ada")
    with pytest.raises(NotFoundError, match="no session of exposures 7"):
        current_marks(database, 7)
    with pytest.raises(NotFoundError, match="no mark 5"):
        withdraw_mark(database, 5, annotator="Ada")


def test_limits_are_learned_from_the_marks_of_their_session(database: Database) -> None:
    assert limits_from_marks(database, 1).limits == Limits()
    mark(database, [1, 2, 3, 4], "good", annotator="Ada")
    mark(database, [7, 8, 9, 10, 11, 12], "bad", annotator="Ada")
    learned = limits_from_marks(database, 1)
    assert learned.marks == 10
    assert learned.agreed_after == 10
    limit = learned.limits.most_ctf_resolution_angstrom
    assert limit is not None
    assert 3.8 < limit < 4.4
    assert limits_from_marks(database, 2).marks == 0
