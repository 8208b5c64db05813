"""Sessions that come from a second folder: moved, copied, or another one with the same id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.grids.acquisitions.merging import differing, known_rows
from structloop.grids.acquisitions.rows import (
    Row,
    atlas_row,
    exposure_row,
    grid_row,
    hole_row,
    image_rows,
    session_row,
    square_row,
)
from structloop.schema.grids import AcquisitionRecord
from structloop.store import Database
from structloop.store.tables import (
    AcquisitionSession,
    Atlas,
    Base,
    Exposure,
    Grid,
    GridImage,
    GridSquare,
    Hole,
)

# Where a file lies, and when it was written, differs between copies.
_OF_PLACE = {"root", "journal_path", "path", "metadata_path", "modified_at"}


class Standing(Enum):
    """What a folder's session is to one of that id in the store."""

    NEW = "new"
    SAME = "same"
    MOVED = "moved"
    COPY = "copy"


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the store says of a session.

    Attributes:
        place: The folder that it was imported from.
        name: Its own name, where that differs from the one that comes now; else None.
    """

    standing: Standing
    session_id: int = 0
    place: Path = Path()
    name: str | None = None


def earlier_import(database: Database, records: Sequence[AcquisitionRecord], journal_path: Path | None) -> Earlier:
    """Whether a session of this id is in the store, and whether it came from the same folder.

    Args:
        records: Of one session.
    """
    row = _row(records, journal_path)
    with database.reading() as session:
        stored = session.execute(
            select(AcquisitionSession).where(AcquisitionSession.key == row["key"])
        ).scalar_one_or_none()
        if stored is None:
            return Earlier(Standing.NEW)
        before = _place(stored.root, stored.journal_path, stored.details)
        now = _place(row["root"], row["journal_path"], row["details"])
        renamed = stored.name if stored.name != row["name"] else None
        return Earlier(_standing(before, now), stored.id, before or Path(stored.root), renamed)


def _standing(before: Path | None, now: Path | None) -> Standing:
    # A session without a list of its own, or a folder of SerialEM's, has its place in its key.
    if before is None or now is None or _same(before, now):
        return Standing.SAME
    return Standing.COPY if before.exists() else Standing.MOVED


def _place(root: str, journal_path: str | None, details: dict[str, Any]) -> Path | None:
    """The folder of a session's own list: whichever folder above it was named, that stays."""
    if journal_path is not None:
        return Path(journal_path).parent
    own = details.get("metadata_path")
    return None if own is None else (Path(root) / str(own)).parent


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one == other


def _row(records: Sequence[AcquisitionRecord], journal_path: Path | None) -> Row:
    first = records[0]
    return session_row(first.session, str(first.root), None if journal_path is None else str(journal_path))


def says_nothing_new(database: Database, records: Sequence[AcquisitionRecord]) -> bool:
    """Whether all that a copy of a session says is in the store already: every value, and every image by its size.

    Args:
        records: Of one session that the store has.
    """
    row = _row(records, None)
    with database.reading() as session:
        known = known_rows(session, AcquisitionSession, [], [str(row["key"])])
        own = known[str(row["key"])]
        if _differs(own, row):
            return False
        return all(_is_known(session, int(own["id"]), record) for record in records)


def _is_known(session: Session, session_id: int, record: AcquisitionRecord) -> bool:
    grid = grid_row(record.session)
    found = _known_in(session, Grid, "session_id", session_id, [grid])
    if found is None:
        return False
    grid_id = int(found[str(grid["key"])]["id"])
    levels: list[tuple[type[Base], Iterable[Row]]] = [
        (Atlas, (atlas_row(atlas) for atlas in record.atlases)),
        (GridSquare, (square_row(square, {}) for square in record.squares)),
        (Hole, (hole_row(hole, {}) for hole in record.holes)),
        (Exposure, (exposure_row(exposure, {}, {}) for exposure in record.exposures)),
    ]
    if any(_known_in(session, table, "grid_id", grid_id, list(rows)) is None for table, rows in levels):
        return False
    images = list(image_rows(record))
    known = _known_in(session, GridImage, "grid_id", grid_id, [image.row for image in images])
    return known is not None and all(
        image.picture is None or _size(Path(image.root) / image.picture) == known[str(image.row["key"])]["size_bytes"]
        for image in images
    )


def _known_in(
    session: Session, table: type[Base], column: str, value: int, rows: Sequence[Row]
) -> dict[str, Row] | None:
    """What the store has of the rows; None where it lacks one, or has it otherwise."""
    known = known_rows(session, table, [table.__table__.columns[column] == value], [str(row["key"]) for row in rows])
    for row in rows:
        before = known.get(str(row["key"]))
        if before is None or _differs(before, row):
            return None
    return known


def _differs(before: Row, row: Row) -> bool:
    changed = differing(before, row)
    changed.pop("details", None)
    details = {name: value for name, value in row.get("details", {}).items() if name not in _OF_PLACE}
    return not _OF_PLACE.issuperset(changed) or any(before["details"].get(name) != details[name] for name in details)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


__all__ = ["Earlier", "Standing", "earlier_import", "says_nothing_new"]
