"""The queue of curators in the store: items come in, the next ones of a curator go out."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Select, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.loop.curation.tally import ITEMS, WAITING, Count, add_counts, answer_counts, read_counts
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store import Database
from structloop.store.tables import CurationDecision, CurationItem
from structloop.store.tables.base import utc_now

_FEW = 500
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item that joins the queue.

    Attributes:
        key: What is to be looked at.
        group_id: What it belongs to, such as a plate.
        project_id: What the cap counts by; None: no project.
        reason: Why.
        priority: Lowest first.
        model_version_id, probability: What the model says, if any does.
        human_label: What a person had said, as a label of the task.
        gold_label: The known answer, for gold items only.
        answers_needed: Equal answers that settle it.
    """

    key: ItemKey
    group_id: int
    project_id: int | None
    reason: CurationReason
    priority: float
    model_version_id: int | None = None
    probability: float | None = None
    human_label: str | None = None
    gold_label: str | None = None
    answers_needed: int = 2

    def __post_init__(self) -> None:
        if (self.reason is CurationReason.GOLD) != (self.gold_label is not None):
            raise ValueError("gold items, and no others, have a gold_label")
        if self.answers_needed < 1:
            raise ValueError(f"answers_needed = {self.answers_needed} must be at least 1")


@dataclass(frozen=True, slots=True)
class QueueItem:
    """An item of the queue as it stands.

    Attributes:
        id: Its key in the queue.
        task: What it is curated as.
        key, group_id, project_id, reason, priority, model_version_id, probability, human_label: See `NewItem`.
        answers_needed: Equal answers that settle it.
        answer_count: Answers that count so far.
        state: Where it stands.
        label, detail: What was settled, if anything was.
        is_gold: Whether its answer is known.
        dataset_version_id: The first data set that rests on it, if any does.
        opened_at, closed_at: When it joined the queue, and when it was closed.
    """

    id: int
    task: str
    key: ItemKey
    group_id: int
    project_id: int | None
    reason: CurationReason
    priority: float
    model_version_id: int | None
    probability: float | None
    human_label: str | None
    answers_needed: int
    answer_count: int
    state: CurationState
    label: str | None
    detail: str | None
    is_gold: bool
    dataset_version_id: int | None
    opened_at: datetime
    closed_at: datetime | None

    @classmethod
    def of(cls, row: CurationItem) -> "QueueItem":
        """The item of a row."""
        return cls(
            id=row.id,
            task=row.task,
            key=ItemKey(row.item_id, row.occasion_id),
            group_id=row.group_id,
            project_id=row.project_id,
            reason=CurationReason(row.reason),
            priority=row.priority,
            model_version_id=row.model_version_id,
            probability=row.probability,
            human_label=row.human_label,
            answers_needed=row.answers_needed,
            answer_count=row.answer_count,
            state=CurationState(row.state),
            label=row.label,
            detail=row.detail,
            is_gold=row.gold_label is not None,
            dataset_version_id=row.dataset_version_id,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
        )


def add_items(database: Database, task: str, items: Sequence[NewItem]) -> int:
    """Adds items to the queue in one transaction; those that are open in it already stay as they are.

    Returns:
        How many joined.
    """
    now = utc_now()
    with database.session() as session:
        groups = {item.group_id for item in items}
        there = {key for key, state in states_of(session, task, groups).items() if state is CurationState.OPEN}
        rows = {
            item.key: {
                "task": task,
                "item_id": item.key.item_id,
                "occasion_id": item.key.occasion_id,
                "group_id": item.group_id,
                "project_id": item.project_id,
                "reason": item.reason.value,
                "priority": item.priority,
                "model_version_id": item.model_version_id,
                "probability": item.probability,
                "human_label": item.human_label,
                "gold_label": item.gold_label,
                "answers_needed": item.answers_needed,
                "answer_count": 0,
                "state": CurationState.OPEN.value,
                "opened_at": now,
            }
            for item in items
            if item.key not in there
        }
        if rows:
            session.execute(insert(CurationItem), list(rows.values()))
        joined = Counter(Count(ITEMS, first=str(row["state"]), second=str(row["reason"])) for row in rows.values())
        add_counts(session, task, joined)
    return len(rows)


def states_of(
    session: Session, task: str, groups: Collection[int] | None = None, *, with_gold: bool = True
) -> dict[ItemKey, CurationState]:
    """The state of every item that is or was in the queue, of some groups or of all; the newest where it was twice."""
    states: dict[ItemKey, CurationState] = {}
    statement = (
        select(CurationItem.item_id, CurationItem.occasion_id, CurationItem.state)
        .where(CurationItem.task == task)
        .order_by(CurationItem.id)
    )
    if not with_gold:
        statement = statement.where(CurationItem.gold_label.is_(None))
    chosen = [None] if groups is None else _pieces(sorted(groups))
    for piece in chosen:
        within = statement if piece is None else statement.where(CurationItem.group_id.in_(piece))
        for item_id, occasion_id, state in session.execute(within):
            states[ItemKey(item_id, occasion_id)] = CurationState(state)
    return states


def _pieces(values: Sequence[_V]) -> list[Sequence[_V]]:
    return [values[start : start + _FEW] for start in range(0, len(values), _FEW)]


def _next_statement(*, with_reason: bool) -> Select[*tuple[Any, ...]]:
    # Not EXISTS: PostgreSQL would read every answer of the curator to hash them before it looks at the first item.
    answered = (
        select(CurationDecision.id)
        .where(
            CurationDecision.curation_item_id == CurationItem.id,
            CurationDecision.curator == bindparam("curator"),
            answer_counts(),
        )
        .limit(1)
        .scalar_subquery()
    )
    # What a curator has answered is told by the index; only what more than two have answered has to be looked up, which
    # are gold items and those of labs that ask for more than two equal answers.
    last, previous = CurationItem.last_curator, CurationItem.previous_curator
    curator: BindParameter[str] = bindparam("curator")
    unknown = and_(previous != curator, answered.is_(None))
    statement = select(CurationItem.id).where(
        CurationItem.task == bindparam("task"),
        CurationItem.state == CurationState.OPEN.value,
        or_(last.is_(None), and_(last != curator, or_(previous.is_(None), unknown))),
    )
    if with_reason:
        statement = statement.where(CurationItem.reason == bindparam("reason"))
    return statement.order_by(CurationItem.priority, CurationItem.id).limit(bindparam("limit"))


# Statements are made once: making one takes longer than running it.
_NEXT, _NEXT_OF_REASON = _next_statement(with_reason=False), _next_statement(with_reason=True)


def next_items(
    database: Database, task: str, curator: str, *, limit: int = 1, reason: CurationReason | None = None
) -> list[QueueItem]:
    """The next open items that a curator has not answered, first what should be looked at first.

    Args:
        database: Where the queue is.
        task: What they are curated as.
        curator: Who asks.
        limit: How many at most: more than one to load pictures ahead.
        reason: Only items that are there for this reason; None: all.
    """
    with database.reading() as session:
        return next_in(session, task, curator, limit=limit, reason=reason)


def next_in(
    session: Session, task: str, curator: str, *, limit: int, reason: CurationReason | None = None
) -> list[QueueItem]:
    """As `next_items`, in a session."""
    values: dict[str, object] = {"task": task, "curator": curator, "limit": limit}
    if reason is None:
        keys = session.scalars(_NEXT, values).all()
    else:
        keys = session.scalars(_NEXT_OF_REASON, values | {"reason": reason.value}).all()
    rows = {row.id: row for row in session.scalars(select(CurationItem).where(CurationItem.id.in_(keys)))}
    # An item may be gone by now: on PostgreSQL each query sees what others have done since the one before.
    return [QueueItem.of(rows[key]) for key in keys if key in rows]


def waiting_for(session: Session, task: str, curator: str, reason: CurationReason | None = None) -> int:
    """How many open items a curator has not answered, of one reason or all."""
    counts = read_counts(session, task, (ITEMS, WAITING), curator)
    wanted = [each.value for each in CurationReason if reason is None or each is reason]
    return sum(
        counts[Count(ITEMS, first=CurationState.OPEN.value, second=each)] - counts[Count(WAITING, curator, each)]
        for each in wanted
    )


def waiting_labels(database: Database, task: str) -> int:
    """How many items wait for anybody; gold items, whose label is known, do not count."""
    with database.reading() as session:
        counts = read_counts(session, task, (ITEMS,))
    reasons = (each for each in CurationReason if each is not CurationReason.GOLD)
    return sum(counts[Count(ITEMS, first=CurationState.OPEN.value, second=each.value)] for each in reasons)


def waiting_item(session: Session, task: str, curator: str, curation_item_id: int) -> QueueItem | None:
    """An item that is open and that a curator has not answered; None where it is not, or not of the task."""
    row = session.get(CurationItem, curation_item_id)
    if row is None or row.task != task or row.state != CurationState.OPEN.value:
        return None
    answered = session.scalar(
        select(CurationDecision.id)
        .where(
            CurationDecision.curation_item_id == curation_item_id, CurationDecision.curator == curator, answer_counts()
        )
        .limit(1)
    )
    return QueueItem.of(row) if answered is None else None


def queue_item(database: Database, curation_item_id: int) -> QueueItem:
    """One item of the queue.

    Raises:
        NotFoundError: there is no such item.
    """
    with database.reading() as session:
        row = session.get(CurationItem, curation_item_id)
        if row is None:
            raise NotFoundError(f"there is no item {curation_item_id} in the curators' queue; it may have been removed")
        return QueueItem.of(row)


def withdraw_open(
    database: Database,
    task: str,
    *,
    reason: CurationReason | None = None,
    items: Collection[ItemKey] | None = None,
) -> int:
    """Takes items that nobody has answered out of the queue, of one reason or all; what was answered stays.

    Args:
        database: Where the queue is.
        task: What they are curated as.
        reason: Only those that are there for it.
        items: Only these; None: all.

    Returns:
        How many were taken out.
    """
    taken: Counter[CurationReason] = Counter()
    with database.session() as session:
        unanswered = update(CurationItem).where(
            CurationItem.task == task, CurationItem.state == CurationState.OPEN.value, CurationItem.answer_count == 0
        )
        pieces = [None] if items is None else _pieces(sorted(items))
        for each, piece in product(CurationReason if reason is None else (reason,), pieces):
            statement = unanswered.where(CurationItem.reason == each.value)
            if piece is not None:
                pairs = [and_(CurationItem.item_id == key[0], CurationItem.occasion_id == key[1]) for key in piece]
                statement = statement.where(or_(*pairs))
            done = session.execute(statement.values(state=CurationState.WITHDRAWN.value, closed_at=utc_now()))
            taken[each] += done.rowcount  # type: ignore[attr-defined]  # an UPDATE's result has it
        states = (CurationState.WITHDRAWN.value, CurationState.OPEN.value)
        after, before = (
            Counter({Count(ITEMS, first=state, second=each.value): count for each, count in taken.items()})
            for state in states
        )
        add_counts(session, task, after, before)
    return taken.total()


def open_by_project(session: Session, task: str) -> Counter[int | None]:
    """How many items of each project wait in the queue."""
    rows = session.execute(
        select(CurationItem.project_id, func.count())
        .where(CurationItem.task == task, CurationItem.state == CurationState.OPEN.value)
        .group_by(CurationItem.project_id)
    )
    return Counter({row[0]: row[1] for row in rows})


__all__ = [
    "NewItem",
    "QueueItem",
    "add_items",
    "next_in",
    "next_items",
    "open_by_project",
    "queue_item",
    "states_of",
    "waiting_for",
    "waiting_labels",
    "withdraw_open",
]
