"""How the queue stands: what is left of each reason, how well curators agree, and how each of them answers."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import accumulate

from structloop.loop.curation.agreement import CuratorRates, alpha_of_counts
from structloop.loop.curation.tally import (
    ANSWERS,
    EQUAL,
    GIVEN,
    GOLD,
    ITEMS,
    NEW,
    SAME,
    SETTLED,
    TENTHS,
    USED,
    WAITING,
    Counts,
    read_counts,
)
from structloop.schema.loop import UNCERTAIN, UNUSABLE, CurationReason, CurationState
from structloop.store import Database


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
    with database.reading() as session:
        counts = read_counts(session, task)
    waiting: dict[CurationReason, int] = {}
    closed: dict[CurationState, int] = defaultdict(int)
    answered_open = 0
    for count, value in counts.items():
        if count.measure == WAITING and count.curator == curator:
            answered_open += value
        elif count.measure == ITEMS and count.first == CurationState.OPEN.value:
            waiting[CurationReason(count.second)] = value
        elif count.measure == ITEMS:
            closed[CurationState(count.first)] += value
    return QueueStanding(
        open=waiting,
        closed=dict(closed),
        open_for_curator=None if curator is None else sum(waiting.values()) - answered_open,
        alpha=_alpha(counts, (NEW, USED)),
        batch_alpha=_alpha(counts, (NEW,)),
        curators=tuple(curator_rates(counts, positive)),
    )


def curator_rates(counts: Counts, positive: str) -> list[CuratorRates]:
    """The rates of each curator whose answers are counted, by name.

    Args:
        counts: What is counted of a queue.
        positive: The label that is looked for.
    """
    own: dict[str, Counts] = defaultdict(Counter)
    for count, value in counts.items():
        if count.curator:
            own[count.curator][count] = value
    return [_rates(curator, own[curator], positive) for curator in sorted(own)]


def _rates(curator: str, own: Counts, positive: str) -> CuratorRates:
    answers, settled = _by_first(own, ANSWERS), _by_first(own, SETTLED)
    gold = {(count.first, count.second): value for count, value in own.items() if count.measure == GOLD}
    positives = {given: value for (known, given), value in gold.items() if known == positive}
    tenths = {count.number: value for count, value in own.items() if count.measure == TENTHS}
    return CuratorRates(
        curator=curator,
        answers=answers.total(),
        agreed=settled[SAME],
        compared=settled.total(),
        gold_right=sum(value for (known, given), value in gold.items() if known == given),
        gold_answered=sum(gold.values()),
        gold_positive_found=positives.get(positive, 0),
        gold_positives=sum(positives.values()),
        undecided=answers[UNCERTAIN] + answers[UNUSABLE],
        median_seconds=_median(tenths) / 10 if tenths else None,
    )


def _by_first(own: Counts, measure: str) -> Counter[str]:
    return Counter({count.first: value for count, value in own.items() if count.measure == measure})


def _median(counts: Mapping[int, int]) -> float:
    """The median of whole numbers, from how often there is each."""
    values, times = zip(*sorted(counts.items()), strict=True)
    ends = list(accumulate(times))
    low, high = (bisect_right(ends, place) for place in ((ends[-1] - 1) // 2, ends[-1] // 2))
    return float(values[low] + values[high]) / 2


def _alpha(counts: Counts, uses: Collection[str]) -> float | None:
    totals: Counter[tuple[str, int]] = Counter()
    equal: Counter[int] = Counter()
    for count, value in counts.items():
        if count.second in uses and count.measure == GIVEN:
            totals[count.first, count.number] += value
        elif count.second in uses and count.measure == EQUAL:
            equal[count.number] += value
    return alpha_of_counts(totals, equal)


__all__ = ["QueueStanding", "curator_rates", "queue_standing"]
