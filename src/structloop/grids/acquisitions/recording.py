"""From what was read of a session to the store: level by level, each in transactions of its own.

A recording that was cut short leaves what it had done; done again, it does the rest and changes nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from structloop.grids.acquisitions.files import FileFacts, file_facts
from structloop.grids.acquisitions.merging import BATCH, Counted, merge
from structloop.grids.acquisitions.rows import (
    ImageRow,
    Row,
    atlas_row,
    exposure_row,
    grid_row,
    hole_row,
    image_rows,
    session_row,
    square_row,
)
from structloop.schema.grids import AcquisitionRecord, FileRemark, RemarkKind
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import (
    AcquisitionRemark,
    AcquisitionSession,
    Atlas,
    Base,
    Exposure,
    Grid,
    GridImage,
    GridSquare,
    Hole,
)
from structloop.store.tables.base import utc_now

# Images are read for their digests; that many between two commits.
IMAGE_BATCH = 100
LEVELS = ("grids", "atlases", "squares", "holes", "exposures", "images")

OnProgress = Callable[[int, int, str], None]


@dataclass(slots=True)
class Recorded:
    """What became of a session.

    Attributes:
        counts: By level, of `LEVELS`.
        remarks: What people should know about its files, what could not be read among them.
        notes: What people should know of where it came from.
    """

    session_id: int
    key: str
    root: Path
    counts: dict[str, Counted] = field(default_factory=lambda: {level: Counted() for level in LEVELS})
    remarks: list[FileRemark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def changes(self) -> int:
        """Rows that were added or changed."""
        return sum(counted.added + counted.changed for counted in self.counts.values())


def record_session(
    database: Database,
    records: Sequence[AcquisitionRecord],
    *,
    journal_path: Path | None = None,
    on_progress: OnProgress = lambda done, total, what: None,
) -> Recorded:
    """Records one session: all its grids, one record each.

    Args:
        records: Of one session; the first speaks for the session.
        journal_path: Of a session that structloop ran.
        on_progress: Called with how many rows are done, of how many, and which level it is at.

    Raises:
        ValueError: there is no record, or they are of different sessions.
        StoreUnavailableError: the database cannot be written.
    """
    if len({(record.session.program, record.session.key) for record in records}) != 1:
        raise ValueError("records of one session are needed, one for each of its grids")
    first = records[0]
    row = session_row(first.session, str(first.root), None if journal_path is None else str(journal_path))
    with database.session() as session:
        ids, _ = merge(database, session, AcquisitionSession, {}, [row])
        session_id = ids[row["key"]]
    recorded = Recorded(session_id, str(row["key"]), first.root)
    images = [list(image_rows(record)) for record in records]
    total = sum(
        1 + len(record.atlases) + len(record.squares) + len(record.holes) + len(record.exposures) + len(pictures)
        for record, pictures in zip(records, images, strict=True)
    )
    progress = _Progress(total, on_progress)
    for record, pictures in zip(records, images, strict=True):
        recorded.remarks += record.remarks
        _record_grid(database, record, pictures, recorded, progress)
    with database.session() as session:
        _keep_remarks(database, session, session_id, recorded.remarks)
        session.get_one(AcquisitionSession, session_id).imported_at = utc_now()
    return recorded


class _Progress:
    def __init__(self, total: int, tell: OnProgress) -> None:
        self._done, self._total, self._tell = 0, total, tell

    def add(self, count: int, what: str) -> None:
        self._done += count
        self._tell(self._done, self._total, what)


def _record_grid(
    database: Database, record: AcquisitionRecord, pictures: list[ImageRow], recorded: Recorded, progress: _Progress
) -> None:
    def put(table: type[Base], scope: Row, rows: list[Row], level: str) -> dict[str, int]:
        ids: dict[str, int] = {}
        for begin in range(0, len(rows), BATCH):
            part = rows[begin : begin + BATCH]
            with database.session() as session:
                found, counted = merge(database, session, table, scope, part)
            ids |= found
            recorded.counts[level] += counted
            progress.add(len(part), level)
        return ids

    grid = grid_row(record.session)
    grid_id = put(Grid, {"session_id": recorded.session_id}, [grid], "grids")[str(grid["key"])]
    inside = {"grid_id": grid_id}
    atlases = put(Atlas, inside, [atlas_row(atlas) for atlas in record.atlases], "atlases")
    squares = put(GridSquare, inside, [square_row(square, atlases) for square in record.squares], "squares")
    holes = put(Hole, inside, [hole_row(hole, squares) for hole in record.holes], "holes")
    rows = [exposure_row(exposure, squares, holes) for exposure in record.exposures]
    exposures = put(Exposure, inside, rows, "exposures")
    owners = {"atlas_id": atlases, "square_id": squares, "hole_id": holes, "exposure_id": exposures}
    # By path: one file may hold many images, and is read once.
    known = _known_files(database, grid_id)
    for begin in range(0, len(pictures), IMAGE_BATCH):
        part = [_with_file(item, owners, known, recorded) for item in pictures[begin : begin + IMAGE_BATCH]]
        with database.session() as session:
            _, counted = merge(database, session, GridImage, inside, part)
        recorded.counts["images"] += counted
        progress.add(len(part), "images")


def _known_files(database: Database, grid_id: int) -> dict[str, FileFacts]:
    columns = (GridImage.path, GridImage.size_bytes, GridImage.modified_at, GridImage.sha256)
    there = (GridImage.grid_id == grid_id, GridImage.path.is_not(None))
    known: dict[str, FileFacts] = {}
    with database.reading() as session:
        for path, size, modified_at, sha256 in session.execute(select(*columns).where(*there)):
            if path is not None and size is not None and modified_at is not None and sha256 is not None:
                known[path] = FileFacts(path, size, modified_at, sha256)
    return known


def _with_file(item: ImageRow, owners: dict[str, dict[str, int]], known: dict[str, FileFacts], into: Recorded) -> Row:
    """The row of an image with its owner and its file, which is read where it is new or has changed."""
    row: Row = dict.fromkeys(owners) | item.row
    if item.owner is not None:
        column, key = item.owner
        row[column] = owners[column].get(key)
    empty: Row = {"path": None, "size_bytes": None, "modified_at": None, "sha256": None}
    if item.picture is None:
        return row | empty
    path = Path(item.root) / item.picture
    try:
        known[str(path)] = facts = file_facts(path, known.get(str(path)))
        return row | facts.row()
    except OSError as error:
        reason = f"its pixels cannot be read ({error.strerror or error}); what is said of it was imported"
        into.remarks.append(FileRemark(item.picture, RemarkKind.UNREADABLE, reason))
        return row | empty


def _keep_remarks(database: Database, session: Session, session_id: int, remarks: list[FileRemark]) -> None:
    session.execute(delete(AcquisitionRemark).where(AcquisitionRemark.session_id == session_id))
    rows: list[Row] = [
        {"session_id": session_id, "path": remark.path, "kind": remark.kind.value, "reason": remark.reason[:2000]}
        for remark in sorted(remarks)
    ]
    for begin in range(0, len(rows), BATCH):
        session.execute(insert_or_ignore(database, AcquisitionRemark, rows[begin : begin + BATCH]))


__all__ = ["IMAGE_BATCH", "LEVELS", "OnProgress", "Recorded", "record_session"]
