"""Watching a folder: images are imported as they settle, until someone says stop."""

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from watchfiles import Change, watch

from structloop.core.errors import LayoutError
from structloop.core.log import get_logger
from structloop.core.settings import Settings
from structloop.crystals.importing.reading import NamedFile, Source
from structloop.crystals.importing.report import ImportReport
from structloop.crystals.importing.running import Importer, finish_run, start_run
from structloop.crystals.importing.scanning import FoundFile, Scan, look_at, what_noise
from structloop.crystals.layouts.choosing import Choice
from structloop.imaging.derived import DerivedFolder
from structloop.schema.crystals import FileProblem
from structloop.store import Database

_log = get_logger(__name__)
_LONGEST_STEP_S = 1.0
# A folder that is watched for long is looked through again now and then: events of network drives get lost.
_LOOK_AGAIN_S = 600.0


def watch_folder(
    database: Database,
    path: Path,
    *,
    layout: str = "auto",
    settings: Settings,
    stop: threading.Event,
    project: str | None = None,
    files: DerivedFolder | None = None,
    poll: bool = False,
    on_imported: Callable[[ImportReport], None] = lambda _report: None,
) -> None:
    """Imports what is in a folder and then what comes, until `stop` is set.

    A file is imported once it has not changed for `settle_s` (setting). A file whose name cannot be read yet, because
    its side file (XML) is missing, is tried again when that comes.

    Args:
        stop: Ends the watch within about a second.
        poll: Look for changes by reading the folders again and again, as network drives need.
        on_imported: Called after each round in which images were added or problems found, with its report.

    Raises:
        LayoutError: there is no such folder, or the forced layout does not exist. (An empty folder is waited for.)
        SettingsError, StoreUnavailableError: as `import_folder`.
    """
    if not path.is_dir():
        raise LayoutError(f"{path} is no folder; only folders can be watched")
    watcher = _Watcher(database, path, layout, settings, project, files, on_imported)
    step_s = min(_LONGEST_STEP_S, max(0.05, settings.settle_s / 4))
    looked_at: float | None = None
    for changes in watch(
        path,
        watch_filter=None,
        debounce=int(step_s * 1000),
        rust_timeout=int(step_s * 1000),
        yield_on_timeout=True,
        stop_event=stop,
        force_polling=poll,
        raise_interrupt=False,
    ):
        watcher.note((Path(name), change == Change.added) for change, name in changes if change != Change.deleted)
        # The first look comes after the watch has begun, so nothing can arrive unseen between the two.
        if looked_at is None or time.monotonic() - looked_at > _LOOK_AGAIN_S:
            watcher.look_through()
            looked_at = time.monotonic()
        watcher.import_settled()


class _Watcher:
    """Files that are waited for, each with the state it was last seen in and since when."""

    def __init__(
        self,
        database: Database,
        root: Path,
        layout: str,
        settings: Settings,
        project: str | None,
        files: DerivedFolder | None,
        on_imported: Callable[[ImportReport], None],
    ) -> None:
        self._database = database
        self._root = root
        self._layout = layout
        self._settings = settings
        self._project = project
        self._files = files
        self._on_imported = on_imported
        self._choice: Choice | None = None
        self._waiting: dict[Path, tuple[FoundFile, float]] = {}
        self._left_out: set[Path] = set()

    def look_through(self) -> None:
        """Imports all settled files below the root; the others are waited for."""
        problems: list[tuple[FileProblem, str | None]] = []
        source = self._source(problems)
        if source is not None:
            self._import(source, self._settled(source), problems)

    def note(self, paths: Iterable[tuple[Path, bool]]) -> None:
        """Takes notice of what changed, and whether it is new.

        A side file stands for the images of its name that were left out.
        """
        for path, is_new in paths:
            if path.is_dir():
                # Files may lie in a new folder before the system tells of changes inside it.
                for found in Scan(path, lambda _problem: None) if is_new else ():
                    self._wait_for(found.path)
            elif what_noise(path) is None:
                self._wait_for(path)
            else:
                whole_folder = path.suffix.lower() == ".csv"
                for left_out in [item for item in self._left_out if item.parent == path.parent]:
                    if whole_folder or left_out.stem == path.stem:
                        self._wait_for(left_out)

    def import_settled(self) -> None:
        """Imports the files that have not changed for long enough."""
        ready = []
        for path, (seen, since) in list(self._waiting.items()):
            now = look_at(path, lambda _problem: None)
            if now is None:
                del self._waiting[path]
            elif now != seen:
                self._waiting[path] = (now, time.monotonic())
            elif time.monotonic() - since >= self._settings.settle_s:
                ready.append(now)
                del self._waiting[path]
        if not ready:
            return
        problems: list[tuple[FileProblem, str | None]] = []
        source = self._source(problems, self._choice)
        if source is not None:
            self._import(source, source.named(ready), problems)

    def _wait_for(self, path: Path) -> None:
        found = look_at(path, lambda _problem: None)
        if found is not None and (path not in self._waiting or self._waiting[path][0] != found):
            self._waiting[path] = (found, time.monotonic())

    def _settled(self, source: Source) -> Iterable[NamedFile]:
        for item in source:
            age_s = time.time() - item.found.modified_ns / 1e9
            if 0 <= age_s < self._settings.settle_s:
                self._waiting.setdefault(item.found.path, (item.found, time.monotonic() - age_s))
            else:
                yield item

    def _source(self, problems: list[tuple[FileProblem, str | None]], choice: Choice | None = None) -> Source | None:
        try:
            source = Source(
                self._root,
                self._layout,
                self._settings,
                lambda problem: problems.append((problem, None)),
                choice=choice,
            )
        except LayoutError as error:
            # The first images may still have to come; what does not fit any layout stays a matter for a plain import.
            _log.warning("nothing to import yet", root=str(self._root), reason=str(error))
            return None
        self._choice = source.choice
        return source

    def _import(
        self, source: Source, images: Iterable[NamedFile], problems: list[tuple[FileProblem, str | None]]
    ) -> None:
        report = start_run(self._database, source)
        importer = Importer(self._database, self._settings, report, problems, project=self._project, files=self._files)
        importer.take(images, None)
        finish_run(self._database, source, report)
        self._left_out.update(problem.path for problem in report.problems)
        if report.added or report.moved or report.problems:
            self._on_imported(report)


__all__ = ["watch_folder"]
