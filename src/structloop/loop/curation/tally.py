"""What is counted of a queue, kept beside it: how the queue stands is read off, however many answers there are.

Every transaction that changes an item or its answers adds the difference, so that the counts are always those of the
rows (`recount` makes them anew from these). They are written last in a transaction and in one order, so that two
writers wait for each other at most.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, aliased

from structloop.schema.loop import CurationState
from structloop.store import Database
from structloop.store.tables import CurationDecision, CurationItem, CurationTally

ITEMS = "items"
"""Items, by state (first) and reason (second)."""
ANSWERS = "answers"
"""A curator's answers, by answer (first)."""
WAITING = "waiting"
"""A curator's answers to items that are open still, by reason (first)."""
SETTLED = "settled"
"""A curator's answers to settled items that are not gold, by whether they were settled so (first: `SAME`)."""
GOLD = "gold"
"""A curator's answers to gold items, by the known answer (first) and the one given (second)."""
TENTHS = "tenths"
"""A curator's answers by tenths of a second that they took (number); from a minute on by whole seconds."""
GIVEN = "given"
"""Answers, by answer (first), whether a data set rests on the item (second), and how many answers it has (number)."""
EQUAL = "equal"
"""Ordered pairs of equal answers to an item by different people, by the same as `GIVEN`."""

SAME, DIFFERENT = "same", "different"
USED, NEW = "used", "new"

_AT_ONCE = 500
_WITHDRAWAL = aliased(CurationDecision)


def answer_counts() -> ColumnElement[bool]:
    """Whether a row of `curation_decision` is an answer that nobody withdrew."""
    withdrawn = exists().where(_WITHDRAWAL.withdraws_id == CurationDecision.id)
    return and_(CurationDecision.answer.is_not(None), ~withdrawn)


class Count(NamedTuple):
    """What is counted; see the measures of this module."""

    measure: str
    curator: str = ""
    first: str = ""
    second: str = ""
    number: int = 0


Counts = Counter[Count]


class Given(NamedTuple):
    """An answer that counts."""

    curator: str
    answer: str
    seconds: float | None


def counts_of(item: CurationItem, answers: Iterable[Given]) -> Counts:
    """What one item and its answers that count add to the tally."""
    given = list(answers)
    is_open = item.state == CurationState.OPEN.value
    use = NEW if item.dataset_version_id is None else USED
    counts: Counts = Counter({Count(ITEMS, first=item.state, second=item.reason): 1})
    for each in given:
        counts[Count(ANSWERS, each.curator, each.answer)] += 1
        if is_open:
            counts[Count(WAITING, each.curator, item.reason)] += 1
        if item.gold_label is not None:
            counts[Count(GOLD, each.curator, item.gold_label, each.answer)] += 1
        elif item.label is not None:
            counts[Count(SETTLED, each.curator, SAME if each.answer == item.label else DIFFERENT)] += 1
        if each.seconds is not None:
            counts[Count(TENTHS, each.curator, number=_tenths(each.seconds))] += 1
    for answer, times in Counter(each.answer for each in given).items():
        counts[Count(GIVEN, "", answer, use, len(given))] += times
        counts[Count(EQUAL, "", answer, use, len(given))] += times * (times - 1)
    return counts


def _tenths(seconds: float) -> int:
    return math.floor(seconds * 10 + 0.5) if seconds < 60 else 10 * math.floor(seconds + 0.5)


def add_counts(session: Session, task: str, after: Counts, before: Counts | None = None) -> None:
    """Adds what changed from `before` to `after`; the last thing that a transaction does."""
    change = Counter(after)
    change.subtract(before or {})
    rows = [{"task": task, **count._asdict(), "value": value} for count, value in sorted(change.items()) if value]
    if not rows:
        return
    connection = session.connection()
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(CurationTally)
    key = ["task", *Count._fields]
    total = CurationTally.value + statement.excluded.value
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_={"value": total}), rows)


def read_counts(session: Session, task: str, measures: Collection[str] = (), curator: str | None = None) -> Counts:
    """The tally of a task.

    Args:
        session: An open session.
        task: Which.
        measures: Only these; empty: all.
        curator: Only what is this curator's own, or nobody's; None: everybody's.
    """
    table = CurationTally
    statement = select(table.measure, table.curator, table.first, table.second, table.number, table.value).where(
        table.task == task
    )
    if measures:
        statement = statement.where(table.measure.in_(measures))
    if curator is not None:
        statement = statement.where(table.curator.in_(("", curator)))
    return Counter({Count(*row[:5]): row[5] for row in session.execute(statement) if row[5]})


def counts_of_items(session: Session, keys: Sequence[int]) -> Counts:
    """What items add, together, as they stand now."""
    counts: Counts = Counter()
    for start in range(0, len(keys), _AT_ONCE):
        piece = keys[start : start + _AT_ONCE]
        items = session.scalars(
            select(CurationItem).where(CurationItem.id.in_(piece)).execution_options(populate_existing=True)
        ).all()
        given: dict[int, list[Given]] = {item.id: [] for item in items}
        rows = session.execute(_GIVEN.where(CurationDecision.curation_item_id.in_(piece)))
        given.update(_by_item(rows))
        for item in items:
            counts.update(counts_of(item, given[item.id]))
    return counts


def recount(database: Database, task: str) -> bool:
    """Counts anew from items and answers; nobody may answer meanwhile.

    Returns:
        Whether the tally was wrong.
    """
    with database.session() as session:
        kept = read_counts(session, task)
        keys = session.scalars(select(CurationItem.id).where(CurationItem.task == task).order_by(CurationItem.id)).all()
        fresh = Counter({count: value for count, value in counts_of_items(session, keys).items() if value})
        if fresh != kept:
            session.execute(delete(CurationTally).where(CurationTally.task == task))
            add_counts(session, task, fresh)
        return fresh != kept


_GIVEN = (
    select(
        CurationDecision.curation_item_id,
        CurationDecision.curator,
        CurationDecision.answer,
        CurationDecision.seconds,
    )
    .where(answer_counts())
    .order_by(CurationDecision.curation_item_id)
)


def _by_item(rows: Iterable[Any]) -> Iterator[tuple[int, list[Given]]]:
    for key, group in groupby(rows, key=lambda row: row[0]):
        yield key, [Given(row.curator, str(row.answer), row.seconds) for row in group]


__all__ = [
    "ANSWERS",
    "DIFFERENT",
    "EQUAL",
    "GIVEN",
    "GOLD",
    "ITEMS",
    "NEW",
    "SAME",
    "SETTLED",
    "TENTHS",
    "USED",
    "WAITING",
    "Count",
    "Counts",
    "Given",
    "add_counts",
    "answer_counts",
    "counts_of",
    "counts_of_items",
    "read_counts",
    "recount",
]
