"""Marks: people's word that an exposure is to be used or not. Append-only: to undo is to withdraw by another row.

An exposure's mark is the newest that is not withdrawn, whoever gave it. The limits of a session are learned from them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import LabelsError, NotFoundError
from structloop.exposures.sessions import get_session
from structloop.loop.annotations import LabelScheme
from structloop.store import Database
from structloop.store.tables import Annotation
from structloop.store.tables.exposures import ProcessedExposure

TASK = "micrographs/use"
"""What marks are annotated as: the item is an exposure, its group the session that processed it."""
MarkLabel = Literal["good", "bad"]
GOOD: MarkLabel = "good"
BAD: MarkLabel = "bad"
SCHEME = LabelScheme("good-bad", "Good or bad", {GOOD: GOOD, BAD: BAD}, aliases={"use": GOOD, "leave": BAD})

_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of one exposure.

    Attributes:
        id: Its key.
        exposure_id, session_id: Of what.
        label: `good` or `bad`.
        annotator: Who says so.
        withdrawn: Whether it was taken back.
        created_at: When it was given.
    """

    id: int
    exposure_id: int
    session_id: int
    label: MarkLabel
    annotator: str
    withdrawn: bool
    created_at: datetime


def mark(
    database: Database, exposure_ids: Sequence[int], label: str, *, annotator: str, seconds: float | None = None
) -> list[Mark]:
    """Marks exposures, all or none.

    Args:
        database: Where they are.
        exposure_ids: Which; each once.
        label: `good` or `bad`.
        annotator: Who says so.
        seconds: Time from showing them to the answer.

    Raises:
        NotFoundError: there is no such exposure.
        LabelsError: the label is neither, or the annotator has no name.
    """
    known = SCHEME.find(label)
    if known is None:
        raise LabelsError(f"'{label}' is no mark of an exposure; use one of {', '.join(SCHEME.meanings)}")
    name = _checked(annotator)
    wanted = list(dict.fromkeys(exposure_ids))
    with database.session() as session:
        owners = {
            row.id: row.session_id
            for row in session.execute(
                select(ProcessedExposure.id, ProcessedExposure.session_id).where(ProcessedExposure.id.in_(wanted))
            )
        }
        missing = next((each for each in wanted if each not in owners), None)
        if missing is not None:
            raise NotFoundError(f"there is no processed exposure {missing}; nothing was marked")
        rows = [
            Annotation(
                task=TASK,
                item_id=each,
                group_id=owners[each],
                occasion_id=None,
                scheme=SCHEME.name,
                label=known,
                annotator=name,
                score_visible=True,
                seconds=seconds,
            )
            for each in wanted
        ]
        session.add_all(rows)
        session.flush()
        return [_mark(row, withdrawn=False) for row in rows]


def withdraw_mark(database: Database, mark_id: int, *, annotator: str) -> Mark:
    """Takes a mark back by adding a row that says so; taking it back again changes nothing.

    Raises:
        NotFoundError: there is no such mark.
        LabelsError: the annotator has no name.
    """
    name = _checked(annotator)
    with database.session() as session:
        row = session.get(Annotation, mark_id)
        if row is None or row.task != TASK or row.label is None:
            raise NotFoundError(f"there is no mark {mark_id}; it may belong to another server's database")
        if not session.scalar(select(Annotation.id).where(Annotation.withdraws_id == mark_id)):
            session.add(_withdrawal(row, name))
        return _mark(row, withdrawn=True)


def undo_mark(database: Database, session_id: int, *, annotator: str) -> Mark:
    """Takes back the newest mark that a person gave in a session and that still stands.

    Raises:
        NotFoundError: there is no such session, or this person has no mark in it that could be taken back.
        LabelsError: the annotator has no name.
    """
    name = _checked(annotator)
    with database.session() as session:
        get_session(session, session_id)
        rows = _rows(session, session_id)
        withdrawn = _withdrawn(rows)
        own = [row for row in rows if row.annotator == name and row.label is not None and row.id not in withdrawn]
        if not own:
            raise NotFoundError(f"{name} has no mark in session {session_id} that could be undone; nothing was changed")
        session.add(_withdrawal(own[-1], name))
        return _mark(own[-1], withdrawn=True)


def current_marks(database: Database, session_id: int) -> dict[int, Mark]:
    """The mark that stands of each exposure of a session that has one, by the exposure's key.

    Raises:
        NotFoundError: there is no such session.
    """
    with database.reading() as session:
        get_session(session, session_id)
        return marks_in(session, session_id)


def marks_in(session: Session, session_id: int) -> dict[int, Mark]:
    """As `current_marks`, in a session, of a processing session that is known to exist."""
    rows = _rows(session, session_id)
    withdrawn = _withdrawn(rows)
    return {
        row.item_id: _mark(row, withdrawn=False) for row in rows if row.label is not None and row.id not in withdrawn
    }


def mark_history(database: Database, session_id: int) -> list[Mark]:
    """Every mark given in a session, newest first, withdrawn ones included.

    Raises:
        NotFoundError: there is no such session.
    """
    with database.reading() as session:
        get_session(session, session_id)
        rows = _rows(session, session_id)
    withdrawn = _withdrawn(rows)
    return [_mark(row, withdrawn=row.id in withdrawn) for row in reversed(rows) if row.label is not None]


def _checked(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > _LONGEST_NAME:
        raise LabelsError(f"the name of whoever marks has 1 to {_LONGEST_NAME} characters; give one")
    return plain


def _rows(session: Session, session_id: int) -> list[Annotation]:
    # By key: marks are never imported, so keys are in the order of time.
    return list(
        session.scalars(
            select(Annotation).where(Annotation.task == TASK, Annotation.group_id == session_id).order_by(Annotation.id)
        )
    )


def _withdrawn(rows: Sequence[Annotation]) -> set[int]:
    return {row.withdraws_id for row in rows if row.withdraws_id is not None}


def _withdrawal(row: Annotation, annotator: str) -> Annotation:
    return Annotation(
        task=TASK,
        item_id=row.item_id,
        group_id=row.group_id,
        occasion_id=None,
        scheme=row.scheme,
        label=None,
        annotator=annotator,
        score_visible=row.score_visible,
        withdraws_id=row.id,
    )


def _mark(row: Annotation, *, withdrawn: bool) -> Mark:
    return Mark(
        id=row.id,
        exposure_id=row.item_id,
        session_id=row.group_id,
        label=cast(MarkLabel, row.label),
        annotator=row.annotator,
        withdrawn=withdrawn,
        created_at=row.created_at,
    )


__all__ = [
    "BAD",
    "GOOD",
    "SCHEME",
    "TASK",
    "Mark",
    "MarkLabel",
    "current_marks",
    "mark",
    "mark_history",
    "marks_in",
    "undo_mark",
    "withdraw_mark",
]
