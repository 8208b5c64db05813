"""What has been picked, one line per micrograph, on disk before the next one: `kill -9` loses nothing that is in it.

The file lies beside the picks, `<picks>.journal`. Its first line says by what the picks were made; every further line
is one micrograph with all its candidates, so that another threshold needs no picking, or a note: the calibration that
was found for these micrographs.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from structloop.core.errors import ParticlesError

_FORMAT = 1
_NOTE = "note"


@dataclass(frozen=True)
class PickedMicrograph:
    """All candidates of a micrograph, best first.

    Attributes:
        micrograph: Its name.
        size_bytes, modified_ns: Of the file when it was read; a file that is another by now is picked again.
        shape_px: (height, width).
        pixel_size_angstrom: Where known.
        diameter_px: Of the particle.
        xy_px: (n, 2), stored pixels, to a hundredth.
        probability: (n,), to four digits.
        masked: Share of the area by reason.
        remarks: What people should know of the file.
    """

    micrograph: str
    size_bytes: int
    modified_ns: int
    shape_px: tuple[int, int]
    pixel_size_angstrom: float | None
    diameter_px: float
    xy_px: NDArray[np.float64]
    probability: NDArray[np.float64]
    masked: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As it stands in the journal."""
        values = asdict(self)
        values["xy_px"] = self.xy_px.tolist()
        values["probability"] = self.probability.tolist()
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """A line of the journal."""
        height, width = values["shape_px"]
        made = dict(values) | {
            "xy_px": np.array(values["xy_px"], np.float64).reshape(-1, 2),
            "probability": np.array(values["probability"], np.float64),
            "shape_px": (int(height), int(width)),
            "remarks": tuple(values["remarks"]),
        }
        return cls(**made)

    def is_of(self, path: Path) -> bool:
        """Whether the file is still the one that was picked."""
        try:
            now = path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size_bytes, self.modified_ns)


@dataclass
class _Kept:
    """First line, micrographs and last note of a journal, and how many bytes are whole lines."""

    header: dict[str, Any] | None = None
    picked: dict[str, PickedMicrograph] = field(default_factory=dict)
    note: dict[str, Any] | None = None
    size: int = 0


class PickJournal:
    """A journal that is open for writing, by this process alone. Made by `PickJournal.open`."""

    def __init__(self, path: Path, lock: FileLock, descriptor: int, kept: "_Kept") -> None:
        self.path = path
        self._lock = lock
        self._descriptor = descriptor
        self._kept = kept

    @classmethod
    def open(cls, path: Path, made_by: Mapping[str, Any]) -> Self:
        """Goes on with the journal of `path`, or begins one where there is none or it was made by something else.

        Args:
            path: The journal.
            made_by: What decides the candidates: model, version, size of the particle; JSON values.

        Raises:
            ParticlesError: another process writes it, its folder cannot be written, or it is no journal of picks.
        """
        lock = FileLock(path.with_name(path.name + ".lock"), timeout=0, thread_local=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise ParticlesError(f"{path} is being written by another process; end that one, or wait for it") from error
        except OSError as error:
            raise ParticlesError(f"{path} cannot be written: {error.strerror or error}") from error
        try:
            descriptor, kept = cls._begun(path, dict(made_by))
        except OSError as error:
            lock.release()
            raise ParticlesError(f"{path} cannot be written: {error.strerror or error}") from error
        except BaseException:
            lock.release()
            raise
        return cls(path, lock, descriptor, kept)

    @staticmethod
    def _begun(path: Path, made_by: dict[str, Any]) -> tuple[int, "_Kept"]:
        kept = _read(path)
        if kept.header is not None and kept.header.get("made_by") != made_by:
            kept = _Kept()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(descriptor, kept.size)
        os.lseek(descriptor, 0, os.SEEK_END)
        if kept.size == 0:
            _write(descriptor, {"format": _FORMAT, "made_by": made_by})
        return descriptor, kept

    @property
    def picked(self) -> Mapping[str, PickedMicrograph]:
        """Every micrograph that was picked, by name."""
        return self._kept.picked

    @property
    def note(self) -> dict[str, Any] | None:
        """The last note."""
        return self._kept.note

    def keep_note(self, values: dict[str, Any]) -> None:
        """Writes a note, JSON values; the last one counts.

        Raises:
            ParticlesError: as `append`.
        """
        self._append({_NOTE: values})
        self._kept.note = values

    def append(self, entry: PickedMicrograph) -> None:
        """Writes a micrograph; it is on disk when this returns.

        Raises:
            ParticlesError: the disk is full or gone; what was written before stays.
        """
        self._append(entry.to_json())
        self._kept.picked[entry.micrograph] = entry

    def _append(self, line: Mapping[str, Any]) -> None:
        end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        try:
            _write(self._descriptor, line)
        except OSError as error:
            os.ftruncate(self._descriptor, end)
            raise ParticlesError(
                f"{self.path} cannot be written ({error.strerror or error}); free some space, then run the same "
                "command again: it goes on where it was"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)
        self._lock.release()


def read_journal(path: Path) -> Iterator[PickedMicrograph]:
    """What a journal holds, without opening it for writing; of a micrograph that was picked again, the last.

    Raises:
        ParticlesError: it is no journal of picks.
    """
    yield from _read(path).picked.values()


def _read(path: Path) -> _Kept:
    """What a journal holds; what a dying process left half is not counted."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _Kept()
    kept = _Kept(size=data.rfind(b"\n") + 1)
    lines = data[: kept.size].splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            if number == 1:
                if values["format"] != _FORMAT:
                    raise ValueError("another format")
                kept.header = values
            elif _NOTE in values:
                kept.note = dict(values[_NOTE])
            else:
                entry = PickedMicrograph.from_json(values)
                kept.picked[entry.micrograph] = entry
        except (ValueError, KeyError, TypeError) as error:
            raise ParticlesError(
                f"{path}, line {number} is no line of a journal of picks ({error}); remove the file to pick again"
            ) from error
    return kept


def _write(descriptor: int, values: Mapping[str, Any]) -> None:
    data = memoryview(json.dumps(values, allow_nan=False, separators=(",", ":")).encode() + b"\n")
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


__all__ = ["PickJournal", "PickedMicrograph", "read_journal"]
