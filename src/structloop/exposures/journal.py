"""What was processed, one line per movie, on disk before the next: `kill -9` loses nothing that is in it.

It lies in the folder of results, which one process at a time works on. The last line of a movie counts. Each says what
the result rests on: the movie's size and time of change, the options, and the files beside it.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from structloop.core.errors import ExposureError, ExposuresBusyError
from structloop.exposures.finding import FoundMovie, Stamp
from structloop.exposures.records import ExposureRecord
from structloop.exposures.writing import no_space_told

JOURNAL, LOCK = "journal.jsonl", ".structloop.lock"
_FORMAT = 1


# What is kept in memory of a record's details: sessions have tens of thousands of exposures.
_KEPT_DETAILS = ("again", "ice")


@dataclass(frozen=True)
class Entry:
    """A line: a movie as it was when it was processed, and what came of it.

    Attributes:
        record: What came of it; of a line in `Journal.entries`, without most of its details.
        stamp: Of the movie.
        digest: Of the options.
        beside: Files that told of it, by path, with their stamps.
    """

    record: ExposureRecord
    stamp: Stamp
    digest: str
    beside: tuple[tuple[str, Stamp], ...]

    @classmethod
    def of(cls, movie: FoundMovie, digest: str, record: ExposureRecord) -> Self:
        """The line of a movie that was just processed."""
        return cls(record, movie.stamp, digest, _beside(movie))

    def rests_on(self, movie: FoundMovie, digest: str) -> bool:
        """Whether the movie, and how it is processed, are what they were; files beside it may differ."""
        return self.stamp == movie.stamp and self.digest == digest

    def knows(self, movie: FoundMovie) -> bool:
        """Whether the files beside the movie are what they were."""
        return self.beside == _beside(movie)

    def to_json(self) -> dict[str, Any]:
        """As it is written."""
        return {
            "format": _FORMAT,
            "stamp": list(self.stamp),
            "options": self.digest,
            "beside": [[path, *stamp] for path, stamp in self.beside],
            "record": self.record.to_json(),
        }

    @classmethod
    def from_json(cls, line: Mapping[str, Any]) -> Self:
        """As it was written.

        Raises:
            KeyError, TypeError, ValueError: it is no such line.
        """
        if line["format"] != _FORMAT:
            raise ValueError(f"format {line['format']}")
        size, changed = line["stamp"]
        beside = tuple((str(path), (int(size_), int(changed_))) for path, size_, changed_ in line["beside"])
        return cls(ExposureRecord.from_json(line["record"]), (int(size), int(changed)), line["options"], beside)


def _slim(entry: Entry) -> Entry:
    details = {name: entry.record.details[name] for name in _KEPT_DETAILS if name in entry.record.details}
    return replace(entry, record=replace(entry.record, details=details))


def _beside(movie: FoundMovie) -> tuple[tuple[str, Stamp], ...]:
    return tuple((str(path), stamp) for path, stamp in movie.beside)


class Journal:
    """The journal of a folder of results, which no other process works on while it is open.

    Args:
        out: The folder; made where missing.

    Raises:
        ExposuresBusyError: another process works on it.
        ExposureError: it cannot be made or written, or what lies there is no journal.
    """

    def __init__(self, out: Path) -> None:
        self.path = out / JOURNAL
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(out / LOCK, timeout=0, thread_local=False)
            self._lock.acquire()
        except Timeout as error:
            raise ExposuresBusyError(
                f"{out} is being filled by another process; end that one, or give another --out"
            ) from error
        except OSError as error:
            raise ExposureError(f"{out} cannot be written: {error.strerror or error}; give another --out") from error
        try:
            self._entries, self._places, whole = _read(self.path)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            # What a dying process left half.
            os.ftruncate(self._descriptor, whole)
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            self._lock.release()
            raise ExposureError(f"{self.path} cannot be written: {error.strerror or error}") from error
        except BaseException:
            self._lock.release()
            raise

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The last line of each movie, by the name of its results; `full` has the details."""
        return self._entries

    def full(self, name: str) -> ExposureRecord:
        """What came of a movie, with all details.

        Raises:
            KeyError: it is not in the journal.
            ExposureError: the file was changed by somebody else.
        """
        offset, length = self._places[name]
        try:
            return Entry.from_json(json.loads(os.pread(self._descriptor, length, offset))).record
        except (ValueError, KeyError, TypeError) as error:
            raise ExposureError(
                f"{self.path} was changed by another program ({error}); run the command again"
            ) from error

    def append(self, entry: Entry) -> None:
        """Writes a line; it is on disk when this returns.

        Raises:
            NoSpaceError: the disk is full; what was written before stays.
            ExposureError: it cannot be written.
        """
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        line = json.dumps(entry.to_json(), ensure_ascii=False, allow_nan=False).encode() + b"\n"
        data = memoryview(line)
        with no_space_told(self.path.parent):
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
                os.fsync(self._descriptor)
            except OSError:
                os.ftruncate(self._descriptor, end)
                os.lseek(self._descriptor, end, os.SEEK_SET)
                raise
        self._entries[entry.record.name] = _slim(entry)
        self._places[entry.record.name] = (end, len(line))

    def close(self) -> None:
        """Closes it, so that another process may open it."""
        os.close(self._descriptor)
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(path: Path) -> tuple[dict[str, Entry], dict[str, tuple[int, int]], int]:
    """The entries by name, where each line lies (offset, bytes), and how many bytes are whole lines."""
    entries: dict[str, Entry] = {}
    places: dict[str, tuple[int, int]] = {}
    offset = 0
    if not path.exists():
        return entries, places, offset
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = Entry.from_json(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise ExposureError(
                    f"{path}, line {number} is no line of a journal of exposures ({error}); move the file away to "
                    "process all movies again, or give another --out"
                ) from error
            entries[entry.record.name] = _slim(entry)
            places[entry.record.name] = (offset, len(line))
            offset += len(line)
    return entries, places, offset


__all__ = ["JOURNAL", "Entry", "Journal"]
