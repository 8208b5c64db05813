"""How the queue stands: what is left of each reason, how well curators agree, and how each of them answers."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select

from structloop.loop.curation.agreement import CuratorRates, GivenAnswer, alpha_of_answers, curator_rates
from structloop.loop.curation.queue import answer_counts
from structloop.schema.loop import CurationReason, CurationState
from structloop.store import Database
from structloop.store.tables import CurationDecision, CurationItem


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """How a queue stands.

    Attributes:
        open: Items that wait, by reason; reasons of which none waits are left out.
        closed: Closed items by state.
        open_for_curator: Items that wait for the curator asked about; None where nobody was.
        alpha: Krippendorff's alpha of all answers; None where it is not defined.
        batch_alpha: The same of the items on which no data set rests yet.
        curators: Each curator's rates.
    """

    open: Mapping[CurationReason, int]
    closed: Mapping[CurationState, int]
    open_for_curator: int | None
    alpha: float | None
    batch_alpha: float | None
    curators: tuple[CuratorRates, ...]

    @property
    def open_count(self) -> int:
        """Items that wait for anybody."""
        return sum(self.open.values())


def queue_standing(database: Database, task: str, *, positive: str, curator: str | None = None) -> QueueStanding:
    """How the queue of a task stands.

    Args:
        database: Where the queue is.
        task: What its items are curated as.
        positive: The label that is looked for.
        curator: Whose remaining items are counted.
    """
    is_open = CurationItem.state == CurationState.OPEN.value
    with database.reading() as session:
        counts = session.execute(
            select(CurationItem.state, CurationItem.reason, func.count())
            .where(CurationItem.task == task)
            .group_by(CurationItem.state, CurationItem.reason)
        ).all()
        answered_open = None
        if curator is not None:
            answered_open = session.scalar(
                select(func.count())
                .select_from(CurationDecision)
                .join(CurationItem, CurationItem.id == CurationDecision.curation_item_id)
                .where(CurationDecision.curator == curator, CurationItem.task == task, is_open, answer_counts())
            )
    waiting: dict[CurationReason, int] = {}
    closed: dict[CurationState, int] = defaultdict(int)
    for state, reason, count in counts:
        if state == CurationState.OPEN.value:
            waiting[CurationReason(reason)] = count
        else:
            closed[CurationState(state)] += count
    given = given_answers(database, task)
    batch = {unit for unit, used in _used_units(database, task).items() if not used}
    return QueueStanding(
        open=waiting,
        closed=dict(closed),
        open_for_curator=None if answered_open is None else sum(waiting.values()) - answered_open,
        alpha=alpha_of_answers(given),
        batch_alpha=alpha_of_answers(each for each in given if each.unit in batch),
        curators=tuple(curator_rates(given, positive)),
    )


def given_answers(database: Database, task: str) -> list[GivenAnswer]:
    """Every answer that counts, oldest first, with what became of its item."""
    with database.reading() as session:
        rows = session.execute(
            select(
                CurationDecision.curation_item_id,
                CurationDecision.curator,
                CurationDecision.answer,
                CurationDecision.seconds,
                CurationItem.label,
                CurationItem.gold_label,
            )
            .join(CurationItem, CurationItem.id == CurationDecision.curation_item_id)
            .where(CurationItem.task == task, answer_counts())
            .order_by(CurationDecision.id)
        )
        return [
            GivenAnswer(row.curation_item_id, row.curator, str(row.answer), row.seconds, row.label, row.gold_label)
            for row in rows
        ]


def _used_units(database: Database, task: str) -> dict[int, bool]:
    """Of every item with an answer, whether a data set rests on it."""
    with database.reading() as session:
        rows = session.execute(
            select(CurationItem.id, CurationItem.dataset_version_id).where(
                CurationItem.task == task, CurationItem.answer_count > 0
            )
        )
        return {key: used is not None for key, used in rows}


__all__ = ["QueueStanding", "given_answers", "queue_standing"]
