"""One queue from many reasons: quotas, a cap per project, and near-duplicates of a time series once."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from structloop.loop.curation.selection import Indices
from structloop.schema.loop import CurationReason

DEFAULT_SHARES: Mapping[CurationReason, float] = {
    CurationReason.DISAGREEMENT: 0.35,
    CurationReason.LABEL_ERROR: 0.15,
    CurationReason.NEAR_THRESHOLD: 0.2,
    CurationReason.CONFLICT: 0.1,
    CurationReason.DRIFT: 0.1,
    CurationReason.AUDIT: 0.1,
}
"""Shares of the queue; what one reason cannot fill goes to the others in proportion."""

# The reason named where several fit an item: what says most about why to look comes first.
_PRECEDENCE = (
    CurationReason.LABEL_ERROR,
    CurationReason.DISAGREEMENT,
    CurationReason.CONFLICT,
    CurationReason.NEAR_THRESHOLD,
    CurationReason.DRIFT,
    CurationReason.AUDIT,
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An item chosen for the queue: its place among the items, and why."""

    index: int
    reason: CurationReason


def mix(
    found: Mapping[CurationReason, Indices],
    size: int,
    *,
    project: NDArray[np.int64],
    item: NDArray[np.int64],
    once: NDArray[np.int64] | None = None,
    shares: Mapping[CurationReason, float] | None = None,
    cap: int | None = None,
    queued: Mapping[int, int] | None = None,
    present: Collection[int] = (),
    is_duplicate: Callable[[int, Sequence[int]], bool] = lambda _index, _others: False,
) -> list[Chosen]:
    """Chooses items for the queue, in the order in which they should be looked at: the reasons mixed by their shares.

    Args:
        found: What each reason found, surest first; an item may be found by several.
        size: How many to choose at most.
        project: (n,) the project of each of the items that `found` points to.
        item: (n,) what near-duplicates in time share.
        once: (n,) of those with the same number one is chosen at most; None: each for itself.
        shares: Share of each reason; one that is left out gets none. None: `DEFAULT_SHARES`.
        cap: How many items one project may have in the queue at most, those waiting there included; None: no cap.
        queued: How many items of each project wait in the queue already.
        present: Items that were in the queue before, or are: they are not chosen again, and what looks like them is not
            either.
        is_duplicate: Whether an item looks like one of those, chosen or present, of the same `item`; called only where
            there is such a one.

    Returns:
        The chosen items, each once, first what should be looked at first.

    Raises:
        ValueError: a share is negative, or all are 0.
    """
    wanted = DEFAULT_SHARES if shares is None else shares
    if any(share < 0 for share in wanted.values()) or not any(share > 0 for share in wanted.values()):
        raise ValueError("shares of the queue must not be negative, nor all be 0")
    waiting = Counter(queued or {})
    question = once if once is not None else np.arange(len(item))
    asked: set[int] = set()
    same: dict[int, list[int]] = defaultdict(list)
    for place in present:
        same[int(item[place])].append(place)
    streams = _streams(found, wanted, set(present))
    chosen: list[Chosen] = []
    passed: Counter[CurationReason] = Counter()
    while len(chosen) < size and streams:
        # Stride scheduling: the reason that is furthest behind its share is next.
        reason = min(streams, key=lambda each: ((passed[each] + 0.5) / wanted[each], _PRECEDENCE.index(each)))
        index = next(
            (
                index
                for index in streams[reason]
                if int(question[index]) not in asked
                and (cap is None or waiting[int(project[index])] < cap)
                and not (same[int(item[index])] and is_duplicate(index, same[int(item[index])]))
            ),
            None,
        )
        if index is None:
            del streams[reason]
            continue
        chosen.append(Chosen(index, reason))
        passed[reason] += 1
        asked.add(int(question[index]))
        waiting[int(project[index])] += 1
        same[int(item[index])].append(index)
    return chosen


def _streams(
    found: Mapping[CurationReason, Indices], shares: Mapping[CurationReason, float], taken: set[int]
) -> dict[CurationReason, Iterator[int]]:
    """Each reason's items without those that a reason before it names, as iterators that are walked once."""
    streams: dict[CurationReason, Iterator[int]] = {}
    for reason in _PRECEDENCE:
        if reason not in found or shares.get(reason, 0) <= 0:
            continue
        own = [int(index) for index in found[reason] if int(index) not in taken]
        taken.update(own)
        streams[reason] = iter(own)
    return streams


__all__ = ["DEFAULT_SHARES", "Chosen", "mix"]
