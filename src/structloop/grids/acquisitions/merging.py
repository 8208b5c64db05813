"""Rows that join what the store has: new ones are added, changed ones changed, and nothing known is forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from structloop.grids.acquisitions.rows import Row
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import Base

# Rows of one statement: SQLite takes 32,766 values.
BATCH = 500


@dataclass(slots=True)
class Counted:
    """What became of the rows of one level."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.added + self.changed + self.unchanged

    def __iadd__(self, other: "Counted") -> "Counted":
        self.added += other.added
        self.changed += other.changed
        self.unchanged += other.unchanged
        return self


def merge(
    database: Database, session: Session, table: type[Base], scope: Row, rows: Sequence[Row]
) -> tuple[dict[str, int], Counted]:
    """Adds or changes rows that are known by their `key` within `scope` (such as their grid).

    A value that is not said any more (None) does not overwrite one that was; details are merged.

    Returns:
        Ids by key, and how many were added, changed and left as they were.
    """
    columns = table.__table__.columns
    inside = [columns[name] == value for name, value in scope.items()]
    known = known_rows(session, table, inside, [str(row["key"]) for row in rows])
    counted = Counted()
    new: list[Row] = []
    changes: list[Row] = []
    for row in rows:
        before = known.get(str(row["key"]))
        if before is None:
            new.append(scope | row)
            continue
        changed = differing(before, row)
        if changed:
            changes.append({"id": before["id"], **changed})
            counted.changed += 1
        else:
            counted.unchanged += 1
    counted.added = len(new)
    for begin in range(0, len(new), BATCH):
        session.execute(insert_or_ignore(database, table, new[begin : begin + BATCH]))
    for change in changes:
        given = {name: value for name, value in change.items() if name != "id"}
        session.execute(update(table).where(columns["id"] == change["id"]).values(**given))
    if new:
        known = known_rows(session, table, inside, [str(row["key"]) for row in rows])
    return {key: int(row["id"]) for key, row in known.items()}, counted


def known_rows(session: Session, table: type[Base], inside: list[Any], keys: Sequence[str]) -> dict[str, Row]:
    """Rows that are there, by key.

    Args:
        inside: Conditions that they fulfil.
    """
    columns = table.__table__.columns
    found: dict[str, Row] = {}
    for begin in range(0, len(keys), BATCH):
        wanted = columns["key"].in_(keys[begin : begin + BATCH])
        for row in session.execute(select(*columns).where(*inside, wanted)).mappings():
            found[str(row["key"])] = dict(row)
    return found


def differing(before: Row, row: Row) -> Row:
    """Columns of a row that say something else than before, details merged; what says nothing changes nothing."""
    changed: Row = {}
    for name, value in row.items():
        merged = {**before[name], **value} if name == "details" else value
        if value is not None and merged != before[name]:
            changed[name] = merged
    return changed


__all__ = ["BATCH", "Counted", "differing", "known_rows", "merge"]
