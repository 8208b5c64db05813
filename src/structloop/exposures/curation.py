"""Curation of the condition of exposures: which join the queue, how they are shown, and what curators answer."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.exposures.marks import GOOD, marks_in
from structloop.exposures.review import LABELS, QUALITY, TASK, USABLE, item_of
from structloop.loop import curation
from structloop.loop.curation import NewItem, QueueItem
from structloop.loop.curation.answering import checked_curator
from structloop.loop.curation.queue import next_in, states_of, waiting_for
from structloop.schema.loop import CurationReason
from structloop.store import Database
from structloop.store.tables import CurationItem
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

_POOR = frozenset(LABELS) - frozenset(USABLE)
_AUDIT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class ShownExposure:
    """An item of the queue with what a curator looks at.

    Attributes:
        item: As the queue has it.
        session_id, session: Which processed it.
        name, grid, square, hole: Of the exposure.
        condition: What the model said; None where it said nothing, or the item is asked blind.
    """

    item: QueueItem
    session_id: int
    session: str
    name: str
    grid: str | None
    square: str | None
    hole: str | None
    condition: str | None

    @property
    def exposure_id(self) -> int:
        """The exposure's key."""
        return self.item.key.item_id

    @property
    def is_blind(self) -> bool:
        """Whether what the model said is not shown."""
        return self.item.reason.is_blind


@dataclass(frozen=True, slots=True)
class FilledQueue:
    """What joined the queue.

    Attributes:
        looked_at: Exposures with a picture that were not in the queue before.
        added: How many joined, by reason.
    """

    looked_at: int
    added: dict[CurationReason, int]


def fill_queue(
    database: Database,
    *,
    size: int,
    sessions: Collection[int] = (),
    answers_needed: int = 2,
    seed: int = 0,
) -> FilledQueue:
    """Chooses exposures whose condition people should look at.

    First those that somebody marked good and the model calls poor, then those of which the model is least sure, and a
    quarter drawn at random and shown blind, so that what the model is wrongly sure of is seen, too.

    Args:
        database: Where exposures are.
        size: How many at most.
        sessions: Only of these; empty: of all.
        answers_needed: Equal answers that settle an item; 1 where there is one curator.
        seed: Of the draw.

    Raises:
        NotFoundError: there is no such session.
    """
    with database.snapshot() as session:
        known = set(session.scalars(select(ProcessingSession.id)))
        missing = next((each for each in sessions if each not in known), None)
        if missing is not None:
            raise NotFoundError(f"there is no session of exposures {missing}; was it deleted?")
        chosen = sorted(set(sessions) or known)
        there = {key for key, _ in states_of(session, TASK).items()}
        rows = session.execute(
            select(
                ProcessedExposure.id,
                ProcessedExposure.session_id,
                ProcessedExposure.condition_probability,
                ProcessedExposure.condition,
            )
            .where(
                ProcessedExposure.session_id.in_(chosen),
                ProcessedExposure.state == "done",
                ProcessedExposure.picture_file.is_not(None),
            )
            .order_by(ProcessedExposure.id)
        ).all()
        marks = {key: mark.label for each in chosen for key, mark in marks_in(session, each).items()}
        last = session.scalar(select(func.max(CurationItem.priority)).where(CurationItem.task == TASK)) or 0.0
    free = [row for row in rows if item_of(row.id) not in there]
    rng = np.random.default_rng(seed)
    disputed = [row for row in free if marks.get(row.id) == GOOD and row.condition in _POOR][:size]
    taken = {row.id for row in disputed}
    rest = [row for row in free if row.id not in taken]
    audits = min(len(rest), round(_AUDIT_SHARE * (size - len(disputed))))
    drawn = [rest[int(place)] for place in rng.choice(len(rest), audits, replace=False)] if audits else []
    taken |= {row.id for row in drawn}
    unsure = sorted(
        (row for row in rest if row.id not in taken and row.condition_probability is not None),
        key=lambda row: (row.condition_probability, row.id),
    )[: size - len(disputed) - len(drawn)]
    picked = [(row, CurationReason.DISAGREEMENT) for row in disputed]
    picked += [(row, CurationReason.NEAR_THRESHOLD) for row in unsure]
    # Audits lie anywhere among the others, so that nobody knows which they are.
    order = [(float(place), row, reason) for place, (row, reason) in enumerate(picked, start=1)]
    order += [(float(rng.uniform(0, len(picked) + 1)), row, CurationReason.AUDIT) for row in drawn]
    added = {
        reason: curation.add_items(
            database,
            TASK,
            [
                NewItem(
                    key=item_of(row.id),
                    group_id=row.session_id,
                    project_id=row.session_id,
                    reason=why,
                    priority=last + place,
                    probability=row.condition_probability,
                    answers_needed=answers_needed,
                )
                for place, row, why in order
                if why is reason
            ],
        )
        for reason in dict.fromkeys(why for _, _, why in order)
    }
    return FilledQueue(len(free), added)


def next_shown(database: Database, curator: str, *, limit: int = 1) -> tuple[list[ShownExposure], int]:
    """The next exposures of a curator, and how many wait.

    Raises:
        CurationError: the curator has no name.
    """
    name = checked_curator(curator)
    with database.reading() as session:
        items = next_in(session, TASK, name, limit=limit)
        return _shown(session, items), waiting_for(session, TASK, name)


def answer_item(
    database: Database, curation_item_id: int, *, curator: str, answer: str, seconds: float | None = None
) -> ShownExposure:
    """Records a curator's answer about an exposure.

    Raises:
        NotFoundError: there is no such item.
        CurationError: there is no such answer, or the curator has no name.
        CurationClosedError: the item is closed, or this curator has answered it.
    """
    if curation.queue_item(database, curation_item_id).task != TASK:
        raise NotFoundError(f"item {curation_item_id} of the queue is no exposure")
    done = curation.answer(
        database, curation_item_id, curator=curator, answer=answer, allowed=QUALITY.answers, seconds=seconds
    )
    return _one(database, done.item)


def undo_answer(database: Database, *, curator: str) -> ShownExposure:
    """Withdraws a curator's newest answer about an exposure.

    Raises:
        NotFoundError: the curator has given none.
        CurationClosedError: the item cannot be opened again.
    """
    return _one(database, curation.undo(database, TASK, curator=curator))


def _one(database: Database, item: QueueItem) -> ShownExposure:
    with database.reading() as session:
        found = _shown(session, [item])
    if not found:
        raise NotFoundError(f"the session of item {item.id} was deleted; its answers are kept")
    return found[0]


def _shown(session: Session, items: Sequence[QueueItem]) -> list[ShownExposure]:
    """Items whose session was deleted are left out."""
    keys = [item.key.item_id for item in items]
    rows = {
        row.id: row
        for row in session.execute(
            select(
                ProcessedExposure.id,
                ProcessedExposure.session_id,
                ProcessedExposure.name,
                ProcessedExposure.grid,
                ProcessedExposure.square,
                ProcessedExposure.hole,
                ProcessedExposure.condition,
                ProcessingSession.name.label("session"),
            )
            .join(ProcessingSession, ProcessingSession.id == ProcessedExposure.session_id)
            .where(ProcessedExposure.id.in_(keys))
        )
    }
    return [
        ShownExposure(
            item=item,
            session_id=row.session_id,
            session=row.session,
            name=row.name,
            grid=row.grid,
            square=row.square,
            hole=row.hole,
            condition=None if item.reason.is_blind else row.condition,
        )
        for item in items
        if (row := rows.get(item.key.item_id)) is not None
    ]


__all__ = [
    "FilledQueue",
    "ShownExposure",
    "answer_item",
    "fill_queue",
    "next_shown",
    "undo_answer",
]
