"""`kill -9` in the middle of an import, then the same import again: every image is there, exactly once."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from structloop.core.settings import load_settings
from structloop.crystals.importing import import_folder
from structloop.store import Database, DerivedFiles
from structloop.store.tables import DropImageFile, ImportRun, Plate
from support.crystals_on_disk import write_plate

IMPORT_SLOWLY = """
import sys, time
from pathlib import Path
from structloop.core.log import configure_logging
from structloop.core.settings import load_settings
from structloop.crystals.importing import import_folder
from structloop.store import Database, DerivedFiles

configure_logging()
settings = load_settings(home=Path(sys.argv[1]), database_url=sys.argv[2])
def on_progress(done, total, message):
    print(done, flush=True)
    time.sleep(0.02)
import_folder(Database(settings.resolved_database_url), Path(sys.argv[3]), settings=settings,
              files=DerivedFiles(settings.home / "derived"), on_progress=on_progress)
"""
IMAGES = 5 * 192


def image_count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(DropImageFile)) or 0


@pytest.mark.parametrize("after", [100, 500])
def test_a_killed_import_is_finished_by_the_next_one(database_url: str, home: Path, tmp_path: Path, after: int) -> None:
    store = tmp_path / "store"
    for day in range(1, 6):
        write_plate(store, wells=96, folder=f"97wo_2021-09-0{day}_RI1000-0276-3drop")
    database = Database(database_url)
    arguments = [sys.executable, "-c", IMPORT_SLOWLY, str(home), database_url, str(store)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= after:
                break
        process.kill()
    kept = image_count(database)
    assert 0 < kept < IMAGES

    settings = load_settings(home=home, database_url=database_url)
    files = DerivedFiles(home / "derived")
    report = import_folder(database, store, settings=settings, files=files)

    assert (report.added, report.unchanged, report.problems) == (IMAGES - kept, kept, [])
    assert image_count(database) == IMAGES
    with database.reading() as session:
        assert session.scalar(select(func.count(DropImageFile.path.distinct()))) == IMAGES
        assert session.scalars(select(Plate)).one().image_count == IMAGES
        unfinished, finished = session.scalars(select(ImportRun.finished_at).order_by(ImportRun.id))
    assert unfinished is None
    assert finished is not None
    assert len([path for path in (home / "derived").rglob("*.jpg") if ".making-" not in str(path)]) == IMAGES
    again = import_folder(database, store, settings=settings)
    assert (again.added, again.unchanged) == (0, IMAGES)
    database.close()
