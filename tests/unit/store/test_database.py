import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import IntegrityError

from structloop.core.errors import SchemaVersionError, SettingsError, StoreUnavailableError
from structloop.store import Database
from structloop.store.database import alembic_config, insert_or_ignore, upsert
from structloop.store.tables import AcquisitionSession, Base, Drop, ImageScore, ModelVersion, Plate


def _plate(barcode: str = "P1") -> Plate:
    return Plate(barcode=barcode, layout="manifest", rows=8, columns=12, drops=[1])


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_rows_survive_an_update_from_the_first_tables_and_back(database: Database, database_url: str) -> None:
    with database.session() as session:
        session.add(_plate("kept"))
    config = alembic_config(database_url)
    with database.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        connection.commit()
    assert not inspect(database.engine).has_table("acquisition_session")
    with closing(Database(database_url)) as updated, updated.reading() as session:
        assert session.scalars(select(Plate.barcode)).all() == ["kept"]
        assert session.scalar(select(func.count()).select_from(AcquisitionSession)) == 0


def test_rows_survive_reopening(database: Database, database_url: str) -> None:
    with database.session() as session:
        session.add(_plate())
    again = Database(database_url)
    with again.reading() as session:
        plate = session.scalars(select(Plate)).one()
        assert (plate.barcode, plate.drops, plate.hit_count) == ("P1", [1], 0)
        assert plate.created_at.tzinfo is UTC
    again.close()


def test_an_error_rolls_everything_back(database: Database) -> None:
    def fail_half_way() -> None:
        with database.session() as session:
            session.add(_plate())
            session.flush()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail_half_way()
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Plate)) == 0


def test_a_barcode_is_taken_once(database: Database) -> None:
    with database.session() as session:
        session.add(_plate())
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(_plate())


def test_foreign_keys_hold(database: Database) -> None:
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(Drop(plate_id=999, row=0, column=0, number=1))


def test_a_score_is_a_probability_or_an_error_never_both_or_neither(database: Database) -> None:
    for probability, error in ((None, None), (0.5, "bad")):
        with pytest.raises(IntegrityError, match="score_or_error"), database.session() as session:
            session.add(ImageScore(image_id=1, model_version_id=1, probability=probability, error=error))


def test_insert_or_ignore_and_upsert_can_be_repeated(database: Database) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"name": "m", "version": "v", "card": {}, "created_at": now}
    for _ in range(2):
        with database.session() as session:
            session.execute(insert_or_ignore(database, ModelVersion, [row]))
    with database.session() as session:
        session.execute(
            upsert(database, ModelVersion, [row | {"card": {"a": 1}}], key=["name", "version"], update=["card"])
        )
    with database.reading() as session:
        assert session.scalars(select(ModelVersion)).one().card == {"a": 1}


def test_naive_times_are_refused(database: Database) -> None:
    plate = _plate()
    plate.created_at = datetime(2026, 1, 1)  # noqa: DTZ001  # the point of the test
    with pytest.raises(Exception, match="no time zone"), database.session() as session:
        session.add(plate)


def test_writers_wait_for_each_other(database: Database) -> None:
    errors: list[Exception] = []

    def add(number: int) -> None:
        try:
            for i in range(10):
                with database.session() as session:
                    session.add(_plate(f"P{number}-{i}"))
        except StoreUnavailableError as error:
            errors.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Plate)) == 40


def test_opening_twice_at_once_migrates_once(bare_database_url: str) -> None:
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(Database(bare_database_url))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 3
    for one in opened:
        one.close()


def test_a_newer_database_is_refused(database: Database, database_url: str) -> None:
    with database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="update structloop"):
        Database(database_url)


@pytest.mark.parametrize("url", ["nonsense", "mysql://me:hunter2@db/x", "oracle+nothing://x"])
def test_bad_urls_are_settings_errors_without_the_password(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Database(url)
    assert "hunter2" not in str(caught.value)


def test_an_unreachable_server_says_so_without_the_password() -> None:
    with pytest.raises(StoreUnavailableError, match="is the server running") as caught:
        Database("postgresql://me:hunter2@127.0.0.1:9/x?connect_timeout=2")
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match="STRUCTLOOP_HOME"):
        Database(f"sqlite:///{tmp_path / 'file' / 'sub' / 'x.db'}")
