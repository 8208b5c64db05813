"""Running an import: from the files of a folder to rows in the database."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sqlalchemy import update

from structloop.core.log import get_logger
from structloop.core.settings import Settings
from structloop.crystals.importing.checking import CheckedImage, Thumbnails, check_image
from structloop.crystals.importing.reading import NamedFile, Source
from structloop.crystals.importing.recording import forget_old_problems, join_project, record, unchanged_paths
from structloop.crystals.importing.report import ImportReport
from structloop.imaging.derived import DerivedFolder
from structloop.schema.crystals import FileProblem
from structloop.store import Database
from structloop.store.tables import ImportRun
from structloop.store.tables.base import utc_now

# Images per transaction: what a killed import may have to check again, at most.
BATCH = 96
Progress = Callable[[int, int | None, str], None]
_log = get_logger(__name__)


def _no_progress(_done: int, _total: int | None, _message: str) -> None:
    """Nobody wants to know."""


def _never() -> bool:
    return False


def import_folder(
    database: Database,
    path: Path,
    *,
    layout: str = "auto",
    settings: Settings,
    project: str | None = None,
    files: DerivedFolder | None = None,
    on_progress: Progress = _no_progress,
    should_stop: Callable[[], bool] = _never,
) -> ImportReport:
    """Imports the drop images below a folder, or those that a CSV manifest lists.

    Repeating it is harmless: known images stay as they are, and what is missing is added. It may be killed at any
    moment; each batch is one transaction. Files that cannot be used are reported, and the rest goes on.

    Args:
        database: Where images are recorded.
        path: A folder, at any height above the images, or a manifest.
        layout: Name of a layout, or `auto`.
        settings: The facility's layouts, the light of profiles, the settling time, the size of thumbnails.
        project: Name of the project that the plates join, made where needed; None: they stay where they are.
        files: Where thumbnails go; None: none are made now.
        on_progress: Called with the files looked at, how many there are (None while unknown), and a message.
        should_stop: Asked between images; once true, the import ends after the batch it is at.

    Raises:
        LayoutError: there is no such folder, it holds no images, or no layout fits.
        SettingsError: a layout in the settings is not usable.
        StoreUnavailableError: the database or the folder for thumbnails cannot be written.
    """
    started_at = utc_now()
    problems: list[tuple[FileProblem, str | None]] = []
    source = Source(path, layout, settings, lambda problem: problems.append((problem, None)))
    report = start_run(database, source)
    importer = Importer(database, settings, report, problems, project=project, files=files)
    importer.take(source, source.total, on_progress, should_stop)
    finish_run(database, source, report)
    if source.is_complete and not report.stopped:
        forget_old_problems(database, report, started_at)
    return report


def start_run(database: Database, source: Source) -> ImportReport:
    """The report of an import that begins now, with its row in the database."""
    run = ImportRun(root=str(source.root), layout=source.layout.name, why=source.choice.why[:1000])
    with database.session() as session:
        session.add(run)
    _log.info("import", root=str(source.root), layout=source.layout.name, why=source.choice.why)
    return ImportReport(run.id, source.root, source.layout.name, source.choice.why)


def finish_run(database: Database, source: Source, report: ImportReport) -> None:
    """Keeps the numbers of an import that ends now."""
    report.skipped = source.skipped.copy()
    with database.session() as session:
        session.execute(
            update(ImportRun)
            .where(ImportRun.id == report.run_id)
            .values(finished_at=utc_now(), counts=dict(report.counts()))
        )


class Importer:
    """Takes images in, batch by batch.

    Args:
        report: What is counted.
        problems: Where problems of the scan arrive; emptied with each batch.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        report: ImportReport,
        problems: list[tuple[FileProblem, str | None]],
        *,
        project: str | None = None,
        files: DerivedFolder | None = None,
    ) -> None:
        self._database = database
        self._report = report
        self._problems = problems
        self._project = project
        self._known_plates: set[str] = set()
        self._workers = settings.threads
        thumbnails = None if files is None else Thumbnails(files, settings.thumbnail_px)
        self._check = partial(check_image, settle_s=settings.settle_s, thumbnails=thumbnails)

    def take(
        self,
        images: Iterable[NamedFile],
        total: int | None,
        on_progress: Progress = _no_progress,
        should_stop: Callable[[], bool] = _never,
    ) -> None:
        """Checks and records `images`.

        Raises:
            StoreUnavailableError: the database or the folder for thumbnails cannot be written.
        """
        with ThreadPoolExecutor(self._workers, thread_name_prefix="import") as pool:
            for batch in _batches(images, BATCH):
                if should_stop():
                    self._report.stopped = True
                    return
                self._take_batch(pool, batch, total, on_progress)
        # What the scan reported after the last image.
        self._keep([], set())
        if self._project is not None and self._known_plates:
            join_project(self._database, self._project, self._known_plates)
        on_progress(self._report.found, self._report.found, "")

    def _take_batch(
        self, pool: ThreadPoolExecutor, batch: list[NamedFile], total: int | None, on_progress: Progress
    ) -> None:
        by_path = {str(item.found.path): (item.found, item.image) for item in batch}
        known = unchanged_paths(self._database, by_path)
        fresh = [item for item in batch if str(item.found.path) not in known]
        done = self._report.found + len(batch) - len(fresh)
        checked: list[CheckedImage] = []
        results = pool.map(lambda item: self._check(item.image, item.found), fresh)
        for number, (item, result) in enumerate(zip(fresh, results, strict=True), start=1):
            if isinstance(result, FileProblem):
                self._problems.append((result, item.image.barcode))
            else:
                checked.append(result)
            if number % 8 == 0:
                on_progress(done + number, total, item.image.barcode)
        self._report.notices += [FileProblem(item.source.path, remark) for item in checked for remark in item.remarks]
        self._report.found += len(batch)
        self._report.unchanged += len(known)
        self._known_plates.update(by_path[path][1].barcode for path in known)
        self._keep(checked, known)
        on_progress(self._report.found, total, batch[-1].image.barcode)

    def _keep(self, checked: list[CheckedImage], solved: set[str]) -> None:
        problems = list(self._problems)
        self._problems.clear()
        record(self._database, checked, problems, solved, report=self._report, project=self._project)
        self._report.problems += [problem for problem, _ in problems]


def _batches(images: Iterable[NamedFile], size: int) -> Iterator[list[NamedFile]]:
    iterator = iter(images)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


__all__ = ["Importer", "Progress", "finish_run", "import_folder", "start_run"]
