"""Importing what lies below a folder: every session found is read and recorded; what fails is told."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from structloop.core.errors import AcquisitionFileError, JournalError
from structloop.grids.acquisitions.adopting import adopt_earlier
from structloop.grids.acquisitions.copies import Earlier, Standing, earlier_import, says_nothing_new
from structloop.grids.acquisitions.journals import read_journal_session
from structloop.grids.acquisitions.recording import OnProgress, Recorded, record_session
from structloop.grids.acquisitions.serialem import read_serialem_session
from structloop.grids.acquisitions.sources import Program, Source, find_sources
from structloop.instruments.epu import read_sessions
from structloop.instruments.journal import JOURNAL_NAME
from structloop.schema.grids import AcquisitionRecord
from structloop.store import Database

_Records: TypeAlias = tuple[AcquisitionRecord, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A session that could not be read, or must not be without being told more, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """A copy of a session that was imported already, with nothing in it that is new.

    Attributes:
        path: The copy, which was left alone.
        earlier: The folder that the session was imported from.
    """

    path: Path
    session_id: int
    name: str
    earlier: Path


@dataclass(slots=True)
class Imported:
    """What an import did."""

    sessions: list[Recorded] = field(default_factory=list)
    known: list[Known] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def import_acquisitions(
    database: Database,
    path: Path,
    *,
    as_name: str | None = None,
    replace_place: bool = False,
    on_session: Callable[[str], OnProgress] = lambda name: lambda done, total, what: None,
) -> Imported:
    """Imports all sessions below a folder. Sources are only read; again, it adds what is new and changes nothing else.

    A session that was imported from another folder, which is still there, is not mixed with its copy: one that says
    nothing new is `known`, another one failed.

    Args:
        as_name: Import the one session there under this name, as a session of its own.
        replace_place: A copy's files count from now on, and what is new in it is added.
        on_session: Called with a session's name when its turn comes; what it returns is told the progress.

    Raises:
        AcquisitionFileError: there is no such folder, no session in it, or more than one to be given a name.
        StoreUnavailableError: the database cannot be written.
    """
    imported = Imported()
    found: list[tuple[Source, _Records]] = []
    for source in find_sources(path.expanduser().absolute()):
        try:
            found += [(source, records) for records in read_source(source)]
        except (AcquisitionFileError, JournalError) as error:
            imported.failed.append(Failed(source.path, str(error)))
    if as_name is not None:
        found = [(source, _named(records, as_name)) for source, records in found]
        if len(found) > 1:
            names = ", ".join(records[0].session.key for _, records in found)
            raise AcquisitionFileError(f"{path} holds {len(found)} sessions ({names}); one name is for one of them")
    for source, records in found:
        _import(database, source, records, imported, replace_place, on_session)
    return imported


def _named(records: _Records, name: str) -> _Records:
    return tuple(
        replace(record, session=replace(record.session, key=f"{record.session.key} as {name}"[:390], name=name))
        for record in records
    )


def _import(
    database: Database,
    source: Source,
    records: _Records,
    imported: Imported,
    replace_place: bool,
    on_session: Callable[[str], OnProgress],
) -> None:
    name = records[0].session.name or records[0].session.key
    journal = source.path / JOURNAL_NAME if source.program is Program.STRUCTLOOP else None
    earlier = earlier_import(database, records, journal)
    if earlier.standing is Standing.COPY and not replace_place:
        if earlier.name is None and says_nothing_new(database, records):
            imported.known.append(Known(records[0].root, earlier.session_id, name, earlier.place))
        else:
            imported.failed.append(Failed(records[0].root, _refusal(earlier, name)))
        return
    records = adopt_earlier(database, records)
    recorded = record_session(database, records, journal_path=journal, on_progress=on_session(name))
    recorded.notes += [note for note in (source.note, _moved(earlier)) if note]
    imported.sessions.append(recorded)


def _refusal(earlier: Earlier, name: str) -> str:
    known = f"session no. {earlier.session_id}, imported from {earlier.place},"
    what = (
        f"{known} has the same id, and more or other things are said of it here"
        if earlier.name is None
        else f"{known} has the same id and is called {earlier.name}, this one {name}"
    )
    return f"{what}; nothing was mixed: --replace lets these files count from now on, --as NAME keeps both"


def _moved(earlier: Earlier) -> str:
    if earlier.standing is Standing.MOVED:
        return f"it was imported from {earlier.place} before, which is not there any more; these files count now"
    if earlier.standing is Standing.COPY:
        return f"it was imported from {earlier.place} before; these files count now, and what only those said is kept"
    return ""


def read_source(source: Source) -> list[_Records]:
    """What the sessions of a source tell: for each, one record per grid.

    Raises:
        AcquisitionFileError: nothing in it can be read.
        JournalError: its journal is damaged or empty.
    """
    match source.program:
        case Program.EPU:
            return [(record,) for record in read_sessions(source.path)]
        case Program.SERIALEM:
            return [(read_serialem_session(source.path, source.only),)]
        case Program.STRUCTLOOP:
            return [read_journal_session(source.path)]


__all__ = ["Failed", "Imported", "Known", "import_acquisitions", "read_source"]
