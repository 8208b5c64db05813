"""A session's journal: JSON lines that are only ever appended, safe against a crash at any byte.

It is what a session resumes from, what replays it, and the record of how every image came to be.
"""

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog
from filelock import FileLock, Timeout
from pydantic import ValidationError

from structloop.core.errors import JournalError, SessionFolderError
from structloop.instruments.entries import ENTRY, Entry

JOURNAL_NAME = "journal.jsonl"
LOCK_NAME = "journal.lock"
RESERVE_NAME = "journal.reserve"
# Kept free for the last entries of a session whose disk is full.
_RESERVE_BYTES = 256 * 1024
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReadJournal:
    """What a journal's file holds.

    Attributes:
        size: Bytes of it that are whole entries.
        unfinished: Bytes after them: a last line that was being written when the process died.
    """

    entries: tuple[Entry, ...]
    size: int
    unfinished: int = 0


def read_journal(folder: Path) -> ReadJournal:
    """Read a session's journal without writing anything; a last line that was cut is left out.

    Raises:
        JournalError: there is none, it cannot be read, or a line is not an entry; the message names the line.
    """
    path = folder / JOURNAL_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise JournalError(f"{folder} has no {JOURNAL_NAME}: it is not the folder of a session") from error
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror or error}") from error
    return _parsed(path, data)


def _parsed(path: Path, data: bytes) -> ReadJournal:
    lines = data.split(b"\n")
    last = lines.pop()
    entries: list[Entry] = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(ENTRY.validate_json(line))
        except ValidationError as error:
            what = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in what["loc"])
            raise JournalError(
                f"{path}, line {number}{f', field {where}' if where else ''}: {what['msg']}; the journal is damaged or "
                "of another program: restore it from a copy, or begin a new folder"
            ) from error
    size = len(data) - len(last)
    if not last:
        return ReadJournal(tuple(entries), size)
    try:
        # No beginning of a JSON object is a JSON object: the line is whole, and only its end is missing.
        entries.append(ENTRY.validate_json(last))
    except ValidationError:
        return ReadJournal(tuple(entries), size, len(last))
    return ReadJournal(tuple(entries), len(data))


class Journal:
    """A journal that is open for writing, by this process alone. Made by `Journal.open`."""

    def __init__(self, folder: Path, lock: FileLock, descriptor: int, read: ReadJournal) -> None:
        self.folder = folder
        self.unfinished = read.unfinished
        """Bytes of an unfinished last line that were dropped on opening."""
        self.watch: Callable[[Entry], None] | None = None
        """Called with every entry once it is written."""
        self._lock = lock
        self._descriptor = descriptor
        self._entries = list(read.entries)
        self._size = read.size
        self._broken = False
        self._writing = threading.Lock()

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Begin a journal in a folder, or go on with the one that is there.

        Raises:
            JournalError: it is damaged, or another process writes it.
            SessionFolderError: the folder cannot be written.
        """
        folder = Path(folder)
        lock = FileLock(folder / LOCK_NAME, timeout=0, thread_local=False)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise JournalError(f"{folder / JOURNAL_NAME} is being written by another process; end that one") from error
        except OSError as error:
            raise _unwritable(folder, error) from error
        try:
            return cls(folder, lock, *_opened(folder))
        except BaseException:
            lock.release()
            raise

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first."""
        return tuple(self._entries)

    def append(self, entry: Entry, *, durable: bool = True) -> None:
        """Write an entry; it outlives this process at once and, where `durable`, a power failure too.

        Raises:
            SessionFolderError: the disk is full or gone; the journal is as it was before.
            JournalError: the journal is closed, or the entry could not be read again.
        """
        if self._descriptor < 0:
            raise JournalError(f"{self.folder / JOURNAL_NAME} is closed")
        if self._broken:
            raise SessionFolderError(f"{self.folder / JOURNAL_NAME} ends in half a line that could not be removed")
        line = ENTRY.dump_json(entry, exclude_none=True) + b"\n"
        try:
            ENTRY.validate_json(line)
        except ValidationError as error:
            what = error.errors(include_url=False, include_input=False)[0]
            raise JournalError(
                f"an entry '{entry.entry}' could not be read again ({what['loc']}: {what['msg']}); it is not written"
            ) from error
        with self._writing:
            self._write_somehow(line, durable)
            self._entries.append(entry)
        if self.watch is not None:
            try:
                self.watch(entry)
            except Exception as error:  # noqa: BLE001  # whoever looks on must not end a session
                _log.warning("whoever watches the journal failed", error=str(error))

    def _write_somehow(self, line: bytes, durable: bool) -> None:
        try:
            self._write(line, durable)
        except OSError as error:
            reserve = self.folder / RESERVE_NAME
            if error.errno not in _FULL or not reserve.exists():
                raise _unwritable(self.folder, error) from error
            try:
                reserve.unlink()
                self._write(line, durable)
            except OSError as again:
                raise _unwritable(self.folder, again) from again

    def _write(self, line: bytes, durable: bool) -> None:
        try:
            written = 0
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
            if durable:
                os.fsync(self._descriptor)
        except OSError:
            # Behind half a line the next entry would be unreadable, and with it the journal.
            self._broken = True
            os.ftruncate(self._descriptor, self._size)
            self._broken = False
            raise
        self._size += len(line)

    def close(self) -> None:
        """Write what is on its way and let others write; a second time does nothing."""
        if self._descriptor >= 0:
            try:
                os.fsync(self._descriptor)
            finally:
                os.close(self._descriptor)
                self._descriptor = -1
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened(folder: Path) -> tuple[int, ReadJournal]:
    path = folder / JOURNAL_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        data = path.read_bytes()
        read = _parsed(path, data)
        if read.unfinished:
            os.ftruncate(descriptor, read.size)
        elif data and not data.endswith(b"\n"):
            os.write(descriptor, b"\n")
            read = ReadJournal(read.entries, read.size + 1)
        reserve = folder / RESERVE_NAME
        if not reserve.exists():
            reserve.write_bytes(b"\0" * _RESERVE_BYTES)
        os.fsync(descriptor)
        _sync_folder(folder)
    except OSError as error:
        os.close(descriptor)
        raise _unwritable(folder, error) from error
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, read


def _sync_folder(folder: Path) -> None:
    """Make a new file's name outlive a power failure, where the system can (Windows cannot)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unwritable(folder: Path, error: OSError) -> SessionFolderError:
    if error.errno in _FULL:
        return SessionFolderError(f"the disk of {folder} is full; free some space, then run the same session again")
    return SessionFolderError(f"{folder} cannot be written: {error.strerror or error}; choose another folder")


__all__ = ["JOURNAL_NAME", "Journal", "ReadJournal", "read_journal"]
