"""Curators' answers: recorded once each, settled when enough agree, undone by a row that withdraws another.

Two curators may answer the same item at once: whoever comes second waits for the first, and then either settles the
item, leaves it to a third, or is told that it is closed. Nothing that anybody answered is ever changed or lost.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from structloop.core.errors import CurationClosedError, CurationError, NotFoundError
from structloop.loop.curation.queue import QueueItem
from structloop.loop.curation.settling import settle
from structloop.loop.curation.tally import Given, add_counts, answer_counts, counts_of
from structloop.schema.loop import CurationReason, CurationState
from structloop.store import Database
from structloop.store.tables import CurationDecision, CurationItem
from structloop.store.tables.base import utc_now

LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer came to.

    Attributes:
        decision_id: The answer's key.
        item: The item as it stands after it.
    """

    decision_id: int
    item: QueueItem


def answer(
    database: Database,
    curation_item_id: int,
    *,
    curator: str,
    answer: str,
    allowed: Collection[str],
    detail: str | None = None,
    seconds: float | None = None,
) -> Answered:
    """Records a curator's answer, and settles the item where enough agree.

    Args:
        database: Where the queue is.
        curation_item_id: Which item of the queue.
        curator: Who answers.
        answer: One of `allowed`.
        allowed: What may be answered: the task's labels, and that it cannot be told or judged.
        detail: The kind within the label, such as a crystal type.
        seconds: Time from showing the item to the answer.

    Raises:
        NotFoundError: there is no such item.
        CurationError: the answer is none of those allowed, or the curator has no name.
        CurationClosedError: the item is closed, or this curator has answered it.
    """
    name = checked_curator(curator)
    if answer not in allowed:
        raise CurationError(f"'{answer}' is no answer here; use one of {', '.join(allowed)}")
    try:
        with database.session() as session:
            item = _locked(session, curation_item_id)
            if item.state != CurationState.OPEN.value:
                raise CurationClosedError(
                    f"item {curation_item_id} is closed ({item.label or item.state}); go on with the next one"
                )
            before = _answers(session, curation_item_id)
            if any(row.curator == name for row in before):
                raise _answered_already(curation_item_id, name)
            attempts = session.scalar(
                select(func.count()).where(
                    CurationDecision.curation_item_id == curation_item_id,
                    CurationDecision.curator == name,
                    CurationDecision.answer.is_not(None),
                )
            )
            row = CurationDecision(
                curation_item_id=curation_item_id,
                curator=name,
                answer=answer,
                detail=detail,
                attempt=attempts or 0,
                probability_visible=item.probability is not None and not CurationReason(item.reason).is_blind,
                seconds=seconds,
            )
            session.add(row)
            session.flush()
            _settle(session, item, before, [*before, row])
            return Answered(row.id, QueueItem.of(item))
    except IntegrityError as error:
        # Another process answered for the same curator between our look and our row; the first answer counts.
        raise _answered_already(curation_item_id, name) from error


def undo(database: Database, task: str, *, curator: str, curation_item_id: int | None = None) -> QueueItem:
    """Withdraws a curator's answer: the newest one, or that to one item. The item is open again, if it had been closed.

    Args:
        database: Where the queue is.
        task: What the items are curated as.
        curator: Whose answer.
        curation_item_id: The answer to this item; None: the newest answer to any.

    Returns:
        The item as it stands after it.

    Raises:
        NotFoundError: the curator has given no such answer.
        CurationClosedError: the item was closed by somebody else's later answer, was taken out of the queue, or a data
            set rests on it.
    """
    name = checked_curator(curator)
    with database.session() as session:
        statement = (
            select(CurationDecision)
            .join(CurationItem, CurationItem.id == CurationDecision.curation_item_id)
            .where(CurationDecision.curator == name, CurationItem.task == task, answer_counts())
            .order_by(CurationDecision.id.desc())
            .limit(1)
        )
        if curation_item_id is not None:
            statement = statement.where(CurationDecision.curation_item_id == curation_item_id)
        newest = session.scalar(statement)
        if newest is None:
            what = "" if curation_item_id is None else f" to item {curation_item_id}"
            raise NotFoundError(f"{name} has given no answer{what} that could be undone; nothing was changed")
        item = _locked(session, newest.curation_item_id)
        # Looked at again under the lock: another window of the same curator may have been faster.
        answers = _answers(session, item.id)
        if newest.id not in {row.id for row in answers}:
            raise NotFoundError(f"the answer of {name} to item {item.id} was undone already; nothing was changed")
        _check_may_reopen(item, newest, answers)
        session.add(
            CurationDecision(
                curation_item_id=item.id,
                curator=name,
                answer=None,
                probability_visible=newest.probability_visible,
                withdraws_id=newest.id,
            )
        )
        _settle(session, item, answers, [row for row in answers if row.id != newest.id])
        return QueueItem.of(item)


def checked_curator(name: str) -> str:
    """A curator's name without blanks around it.

    Raises:
        CurationError: it is empty or too long.
    """
    plain = " ".join(name.split())
    if not plain or len(plain) > LONGEST_NAME:
        raise CurationError(f"a curator's name has 1 to {LONGEST_NAME} characters; give one")
    return plain


def _locked(session: Session, curation_item_id: int) -> CurationItem:
    """The item, kept from others until the transaction ends (SQLite keeps everything from others)."""
    item = session.get(CurationItem, curation_item_id, with_for_update=True)
    if item is None:
        raise NotFoundError(f"there is no item {curation_item_id} in the curators' queue; it may have been removed")
    return item


def _answers(session: Session, curation_item_id: int) -> list[CurationDecision]:
    """The answers to an item that count, oldest first."""
    return list(
        session.scalars(
            select(CurationDecision)
            .where(CurationDecision.curation_item_id == curation_item_id, answer_counts())
            .order_by(CurationDecision.id)
        )
    )


def _settle(
    session: Session, item: CurationItem, before: Sequence[CurationDecision], answers: Sequence[CurationDecision]
) -> None:
    """Makes an item what its answers come to, and counts what that changes."""
    counted = counts_of(item, _given(before))
    item.answer_count = len(answers)
    item.last_curator = answers[-1].curator if answers else None
    item.previous_curator = answers[-2].curator if len(answers) > 1 else None
    # Everybody may answer a gold item, and what they say does not change what it is.
    if item.gold_label is None:
        outcome = settle([(str(row.answer), row.detail) for row in answers], item.answers_needed)
        was_open = item.state == CurationState.OPEN.value
        item.state, item.label, item.detail = outcome.state.value, outcome.label, outcome.detail
        if outcome.state is CurationState.OPEN:
            item.closed_at = None
        elif was_open:
            item.closed_at = utc_now()
    session.flush()
    add_counts(session, item.task, counts_of(item, _given(answers)), counted)


def _given(answers: Iterable[CurationDecision]) -> list[Given]:
    return [Given(row.curator, str(row.answer), row.seconds) for row in answers]


def _check_may_reopen(item: CurationItem, newest: CurationDecision, answers: list[CurationDecision]) -> None:
    if item.state == CurationState.OPEN.value:
        return
    if item.state == CurationState.WITHDRAWN.value:
        raise CurationClosedError(f"item {item.id} was taken out of the queue; its answers stay as they are")
    if item.dataset_version_id is not None:
        raise CurationClosedError(
            f"data set {item.dataset_version_id} rests on item {item.id}, so its answers stay as they are; "
            "put the item into the queue again instead"
        )
    if answers[-1].id != newest.id:
        raise CurationClosedError(
            f"item {item.id} was closed by {answers[-1].curator} after {newest.curator} answered; "
            f"{answers[-1].curator} can still undo that"
        )


def _answered_already(curation_item_id: int, name: str) -> CurationClosedError:
    return CurationClosedError(f"{name} has answered item {curation_item_id} already; undo that answer first")


__all__ = ["Answered", "answer", "checked_curator", "undo"]
