"""Recorded sessions that were handed to structloop for replay: kept as they came, addressed by their contents."""

import csv
import hashlib
import io
import json
import os
import re
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from structloop.core.errors import HolesError, NotFoundError, StoreUnavailableError
from structloop.grids.targeting.holes import FloatArray, HoleTable, parse_holes
from structloop.grids.targeting.replay import MEASURED_COLUMNS, OUTCOME_COLUMN
from structloop.simulation.hole_sessions import simulate_session

_ID = re.compile(r"[0-9a-f]{16}")
LARGEST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class RecordedSession:
    """What is known of a recorded session.

    Attributes:
        id: Its address: the first 16 hex digits of its SHA-256.
        name: For people: the file's name.
        added_at: When it was handed over, ISO 8601, UTC.
        holes, patches, squares, tiles: How many there are.
        features: Columns that a policy may be shown.
        simulated: Whether it was made up.
    """

    id: str
    name: str
    added_at: str
    holes: int
    patches: int
    squares: int
    tiles: int
    features: tuple[str, ...]
    simulated: bool


class RecordedSessions:
    """The recorded sessions of one folder.

    Args:
        folder: Where they are kept; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def newest_first(self) -> list[RecordedSession]:
        """All sessions, newest first."""
        found = [self._read_facts(path) for path in self._folder.glob("*.json") if _ID.fullmatch(path.stem)]
        return sorted(found, key=lambda session: (session.added_at, session.id), reverse=True)

    def add(self, name: str, contents: bytes, *, simulated: bool = False) -> RecordedSession:
        """Keeps a CSV of holes with their outcomes; the same contents are kept once.

        Raises:
            HolesError: it is too large, no CSV of holes, or has no column of outcomes.
            StoreUnavailableError: the folder cannot be written.
        """
        if len(contents) > LARGEST_BYTES:
            raise HolesError(f"{name} has {len(contents)} bytes; at most {LARGEST_BYTES} are read")
        table = _parse(name, contents)
        if OUTCOME_COLUMN not in table.features:
            raise HolesError(f"{name} has no column {OUTCOME_COLUMN} with the measured CTF resolution of each hole")
        facts = RecordedSession(
            id=hashlib.sha256(contents).hexdigest()[:16],
            name=name,
            added_at=datetime.now(UTC).isoformat(timespec="seconds"),
            holes=len(table),
            patches=len(set(zip(table.atlas_tile, table.square, table.patch, strict=True))),
            squares=len(set(zip(table.atlas_tile, table.square, strict=True))),
            tiles=len(set(table.atlas_tile)),
            features=tuple(column for column in table.features if column not in MEASURED_COLUMNS),
            simulated=simulated,
        )
        self._write(self._folder / f"{facts.id}.csv", contents)
        # Written last: a session without its facts does not exist.
        self._write(self._folder / f"{facts.id}.json", json.dumps(asdict(facts), indent=2).encode())
        return facts

    def add_simulated(self, seed: int) -> RecordedSession:
        """Makes up a session and keeps it."""
        columns = simulate_session(seed).columns()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return self.add(f"made-up session {seed}", text.getvalue().encode(), simulated=True)

    def get(self, session_id: str) -> RecordedSession:
        """The facts of a session.

        Raises:
            NotFoundError: no such session.
        """
        if not _ID.fullmatch(session_id) or not (self._folder / f"{session_id}.json").is_file():
            raise NotFoundError(f"no recorded session '{session_id}'")
        return self._read_facts(self._folder / f"{session_id}.json")

    def load(self, session_id: str) -> tuple[HoleTable, dict[str, FloatArray]]:
        """A session's holes with all numeric columns as features, and those columns by name.

        Raises:
            NotFoundError: no such session.
            HolesError: its file was changed.
        """
        facts = self.get(session_id)
        table = _parse(facts.name, (self._folder / f"{session_id}.csv").read_bytes())
        return table, dict(table.features)

    def remove(self, session_id: str) -> None:
        """Forgets a session.

        Raises:
            NotFoundError: no such session.
        """
        self.get(session_id)
        (self._folder / f"{session_id}.json").unlink()
        (self._folder / f"{session_id}.csv").unlink(missing_ok=True)

    def _read_facts(self, path: Path) -> RecordedSession:
        raw = json.loads(path.read_text())
        return RecordedSession(**{**raw, "features": tuple(raw["features"])})

    def _write(self, path: Path, contents: bytes) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=".writing-")
            with os.fdopen(handle, "wb") as file:
                file.write(contents)
            Path(temporary).replace(path)
        except OSError as error:
            raise StoreUnavailableError(
                f"the recorded session {path} cannot be written: {error.strerror}; free some space or check permissions"
            ) from error


def _parse(name: str, contents: bytes) -> HoleTable:
    try:
        text = contents.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HolesError(f"{name} is not a text file in UTF-8; export the holes as CSV") from error
    return parse_holes(io.StringIO(text, newline=""), name)


__all__ = ["LARGEST_BYTES", "RecordedSession", "RecordedSessions"]
