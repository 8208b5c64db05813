"""One folder of results being filled: what is known already, what is worked out now, and where it is kept.

A result is in the folder's journal before it is in the store, and the store is brought up to the journal whenever a
session is opened, or the database was out of reach for a while. So a process may be killed at any moment.
"""

import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import select

from structloop.core.errors import ExposureError, NoSpaceError, StoreUnavailableError, StructloopError
from structloop.exposures.files import write_tables
from structloop.exposures.finding import FoundMovie
from structloop.exposures.ice import SessionIce
from structloop.exposures.journal import Entry, Journal
from structloop.exposures.metadata import gather, places_of_path
from structloop.exposures.options import ExposureOptions
from structloop.exposures.pipeline import fingerprint_of, places_of, process_exposure, told_metadata
from structloop.exposures.records import (
    ExposureRecord,
    Standing,
    beat,
    close_session,
    open_session,
    record_exposures,
    rejudge,
    update_ice,
)
from structloop.exposures.tools import Tools
from structloop.micrographs.judging import Limits
from structloop.micrographs.movies import open_movie
from structloop.store import Database
from structloop.store.tables import ProcessedExposure
from structloop.store.tables.base import utc_now

_log = structlog.get_logger(__name__)
_SAME_SIZE = 0.01
_AT_ONCE = 200


@dataclass(frozen=True)
class Job:
    """What is to be processed, and how; everything that a session is opened with.

    Attributes:
        out: Folder of the results.
        options: How movies are processed.
        tools: What was loaded for all of them.
        name: Of the session, for people; None: what it has, or that of the folder.
        source: The movie, folder or pattern.
        watched: Whether more movies are waited for.
        places: Pattern that is searched in movies' paths, with groups `grid`, `square`, `hole`.
        limits: By which exposures are judged; None leaves what the session has.
        limits_origin: Who set them.
    """

    out: Path
    options: ExposureOptions
    tools: Tools
    source: str
    name: str | None = None
    watched: bool = False
    places: re.Pattern[str] | None = None
    limits: Limits | None = None
    limits_origin: str | None = None


class Processing:
    """A session that is being processed, by this process alone. A context manager.

    Args:
        database: Where results are entered.
        job: What, and how.
        say: Told what people should know, in words.

    Raises:
        ExposuresBusyError: another process works on that folder.
        ExposureError: the folder cannot be written, or its journal is none.
        ImageError: a file that the options name is not there.
    """

    def __init__(self, database: Database, job: Job, say: Callable[[str], None] = lambda _text: None) -> None:
        self._database, self.job, self._say = database, job, say
        self._digest = job.options.digest()
        self._journal = Journal(job.out)
        self._remarks: tuple[str, ...] = ()
        self._not_entered: set[str] = set()
        self._fresh: set[str] = set()
        self._dirty = True
        vacuum = job.tools.vacuum_per_frame is not None
        self._ice = None if vacuum else SessionIce(job.options.mean_free_path_nm)
        try:
            self.session_id = self._open()
            self._enter_journal()
            if job.limits is not None:
                rejudge(database, self.session_id)
        except BaseException:
            self._journal.close()
            raise

    def _open(self) -> int:
        job = self.job
        return open_session(
            self._database,
            name=job.name or job.out.absolute().name,
            source=job.source,
            results=job.out,
            settings=job.options.to_json(),
            watched=job.watched,
            limits=job.limits,
            limits_origin=job.limits_origin,
        )

    def _enter_journal(self) -> None:
        """Brings the store up to what the journal has."""
        with self._database.reading() as session:
            rows = session.execute(
                select(ProcessedExposure.name, ProcessedExposure.processed_at).where(
                    ProcessedExposure.session_id == self.session_id
                )
            ).all()
        stored = {row.name: row.processed_at for row in rows}
        records = [entry.record for entry in self._journal.entries.values()]
        missing = [each.name for each in records if stored.get(each.name) != each.processed_at]
        for start in range(0, len(missing), _AT_ONCE):
            part = [self._journal.full(name) for name in missing[start : start + _AT_ONCE]]
            record_exposures(self._database, self.session_id, part)
        if self._ice is not None:
            for each in records:
                self._ice.add(each)
            self._tell_ice()

    def known(self, movie: FoundMovie, *, check_files: bool = True) -> ExposureRecord | None:
        """What came of a movie, where that still holds; None where it is to be processed.

        Args:
            movie: Which.
            check_files: Whether its results are looked for in the folder.
        """
        entry = self._journal.entries.get(movie.name)
        if entry is None or not entry.rests_on(movie, self._digest) or not entry.knows(movie):
            return None
        if movie.name not in self._fresh and entry.record.details.get("again"):
            return None
        return entry.record if not check_files or self._files_there(entry.record) else None

    def _files_there(self, record: ExposureRecord) -> bool:
        names = (record.micrograph_file, record.dose_weighted_file, record.picture_file, record.power_file)
        return all((self.job.out / name).exists() for name in names if name)

    def clash(self, movie: FoundMovie) -> str | None:
        """Why a movie cannot be processed here: another one, still there, has its name."""
        entry = self._journal.entries.get(movie.name)
        if entry is None or entry.record.movie == str(movie.path):
            return None
        other = Path(entry.record.movie)
        if not other.exists() or other.resolve() == movie.path.resolve():
            return None
        return f"{movie.path} and {other} would have the same results; process them into different folders"

    def work(self, movie: FoundMovie) -> ExposureRecord:
        """What comes of a movie; called from any thread, and nothing is entered yet.

        Raises:
            NoSpaceError: the disk is full; the movie can be processed later.
        """
        entry = self._journal.entries.get(movie.name)
        try:
            if entry is not None and entry.rests_on(movie, self._digest) and self._files_there(entry.record):
                again = self._with_new_metadata(entry, movie)
                if again is not None:
                    return again
            record = process_exposure(movie, self.job.out, self.job.options, self.job.tools, self.job.places)
        except NoSpaceError:
            raise
        except StructloopError as error:
            record = self.failed(movie, str(error))
        return record if entry is None else _said_again(record, entry, movie, self._digest)

    def failed(self, movie: FoundMovie, reason: str, *, again: bool = False) -> ExposureRecord:
        """What is entered of a movie that cannot be processed.

        Args:
            movie: Which.
            reason: Why, in words.
            again: Whether the next process tries it again, though nothing has changed.
        """
        return ExposureRecord(
            name=movie.name,
            movie=str(movie.path),
            fingerprint=fingerprint_of(movie, self._digest, None),
            state="failed",
            processed_at=utc_now(),
            reason=reason,
            **places_of_path(movie.path, self.job.places),
            details={"remarks": [], **({"again": True} if again else {})},
        )

    def _with_new_metadata(self, entry: Entry, movie: FoundMovie) -> ExposureRecord | None:
        """A result whose movie is unchanged, when files beside it came or changed and say nothing that changes it."""
        if entry.record.state != "done":
            return None
        with open_movie(movie.path, eer=self.job.options.eer) as file:
            metadata = gather(movie, file.header, self.job.options, self.job.places)
        if fingerprint_of(movie, self._digest, metadata) != entry.record.fingerprint:
            return None
        record = self._journal.full(movie.name)
        details = record.details | {"metadata": told_metadata(metadata, movie)}
        return replace(record, processed_at=utc_now(), **places_of(metadata, movie), details=details)

    def keep(self, movie: FoundMovie, record: ExposureRecord) -> None:
        """Enters a result: on disk first, then in the store.

        Raises:
            NoSpaceError: the disk is full, and nothing was entered.
            ExposureError: the journal cannot be written.
        """
        self._journal.append(Entry.of(movie, self._digest, record))
        self._fresh.add(movie.name)
        self._dirty = True
        if self._ice is not None:
            self._ice.add(record)
            record = self._ice.told(record)
        self._enter([record])
        if self._ice is not None and self._ice.due:
            self._tell_ice()

    def _enter(self, records: list[ExposureRecord]) -> None:
        try:
            record_exposures(self._database, self.session_id, records)
        except StoreUnavailableError as error:
            if not self._not_entered:
                self._say(f"{error}; results are kept in {self.job.out} and entered when it can be used again")
            self._not_entered |= {each.name for each in records}
            return
        self._not_entered -= {each.name for each in records}

    def _tell_ice(self) -> None:
        if self._ice is not None:
            update_ice(self._database, self.session_id, dict(self._ice.thicknesses()))

    def stand(self, standing: Standing) -> None:
        """Says in the store that this process lives, and how it gets on; enters what could not be entered before."""
        try:
            beat(self._database, self.session_id, replace(standing, remarks=self.remarks()))
        except StoreUnavailableError:
            # Said when a result could not be entered; the next beat tries again.
            return
        if self._not_entered:
            self._enter([self._journal.full(name) for name in sorted(self._not_entered)])
            if not self._not_entered:
                self._say("the database can be used again, and all results are entered")

    def remarks(self) -> tuple[str, ...]:
        """What people should know of the session as a whole."""
        return (*_sizes_told(entry.record for entry in self._journal.entries.values()), *self._remarks)

    def write_tables(self) -> None:
        """Writes the table and the STAR files, where anything came since they were written."""
        if not self._dirty:
            return
        if self._ice is not None:
            self._tell_ice()
        self._remarks = write_tables(self._database, self.session_id, self.job.out)
        self._dirty = False

    def end(self, state: str, waiting: int) -> None:
        """Ends the session in the store, the tables written.

        Args:
            state: `finished` or `stopped`.
            waiting: Movies that are left.

        Raises:
            NoSpaceError, ExposureError: the tables cannot be written.
            StoreUnavailableError: the database cannot be used; the journal has everything, and the next run enters it.
        """
        self.stand(Standing(waiting=waiting))
        if self._not_entered:
            raise StoreUnavailableError(
                f"{len(self._not_entered)} results could not be entered into the database; they are kept in "
                f"{self.job.out}: run the same command again when it can be used"
            )
        try:
            self.write_tables()
        finally:
            close_session(self._database, self.session_id, state)

    def give_up(self, waiting: int) -> None:
        """Ends the session in the store as well as can be, after an error."""
        try:
            self.stand(Standing(waiting=waiting))
            close_session(self._database, self.session_id, "stopped")
        except StoreUnavailableError as error:
            _log.warning("session not closed", session=self.session_id, reason=str(error))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()


def unexpected(movie: FoundMovie, error: BaseException) -> str:
    """The reason of a failure that nobody thought of; all of it is logged."""
    if isinstance(error, MemoryError):
        return f"{movie.path}: there was not enough memory; use fewer --workers, and run the command again"
    where = "".join(traceback.format_tb(error.__traceback__)[-3:])
    _log.error("exposure failed unexpectedly", movie=str(movie.path), error=repr(error), where=where)
    return f"{movie.path}: unexpected {type(error).__name__}: {error}; please report it with the log"


def _said_again(record: ExposureRecord, entry: Entry, movie: FoundMovie, digest: str) -> ExposureRecord:
    """The record, with a remark where the movie had been processed as another file."""
    if entry.stamp == movie.stamp or entry.digest != digest:
        return record
    before = "failed" if entry.record.state == "failed" else "was processed"
    remark = (
        f"the file changed after it {before} first ({entry.stamp[0]:,} bytes then, {movie.stamp[0]:,} now): "
        "processed again"
    )
    return replace(record, details=record.details | {"remarks": [remark, *record.details.get("remarks", [])]})


def _sizes_told(records: Iterable[ExposureRecord]) -> tuple[str, ...]:
    """That the exposures of a session have several pixel sizes, and how many have which."""
    sizes: Counter[float] = Counter()
    for record in records:
        size = record.pixel_size_angstrom
        if record.state != "done" or size is None:
            continue
        near = next((each for each in sizes if abs(each - size) <= _SAME_SIZE * each), size)
        sizes[near] += 1
    if len(sizes) < 2:
        return ()
    told = ", ".join(
        f"{size:.4g} Å ({count} exposure{'s' if count > 1 else ''})" for size, count in sizes.most_common()
    )
    return (
        f"pixel sizes differ within the session: {told}; take such movies apart, or say what is right with "
        "--pixel-size-angstrom",
    )


def check_out(out: Path, source: str) -> None:
    """That results do not go among the movies.

    Raises:
        ExposureError: they would.
    """
    where = Path(source).expanduser()
    folder = where if where.is_dir() else where.parent
    if folder.is_dir() and out.exists() and out.resolve() == folder.resolve():
        raise ExposureError(f"the results cannot go into the folder of the movies, {folder}; give another --out")


__all__ = ["Job", "Processing", "check_out", "unexpected"]
