"""Filling the queue of curators from scores and human labels of drops."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select

from structloop.crystals.annotations import TASK
from structloop.crystals.curation.candidates import Candidates, Members, load_candidates, new_item
from structloop.crystals.curation.looking_alike import LooksTheSame
from structloop.loop.curation import add_items, mix
from structloop.loop.curation.queue import open_by_project, states_of
from structloop.loop.curation.selection import (
    UNLABELLED,
    Indices,
    ScoredItems,
    agreements,
    conflicts,
    disagreements,
    flagged,
    label_errors,
    near_threshold,
)
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store import Database
from structloop.store.tables import CurationItem

DEFAULT_PROJECT_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class FillReport:
    """What filling the queue did.

    Attributes:
        looked_at: Scored experiments.
        labelled: Of these, those that a person has labelled.
        held_out: Of the labels, those that were compared with models that had not learnt from them.
        found: Items that each reason found, before quotas, caps and look-alikes.
        added: Items that joined the queue, by reason.
        cap: How many items one project may have in the queue.
    """

    looked_at: int
    labelled: int
    held_out: int
    found: dict[str, int]
    added: dict[str, int]
    cap: int

    @property
    def added_count(self) -> int:
        """Items that joined the queue."""
        return sum(self.added.values())

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {**asdict(self), "added_count": self.added_count}


def fill_queue(
    database: Database,
    *,
    size: int = 200,
    plates: Collection[int] | None = None,
    shares: Mapping[CurationReason, float] | None = None,
    project_share: float = DEFAULT_PROJECT_SHARE,
    answers_needed: int = 2,
    near_width: float = 0.15,
    drifted: Collection[ItemKey] = (),
    out_of_sample: Mapping[ItemKey, float] | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int | None, str], None] | None = None,
) -> FillReport:
    """Chooses drops that people should look at, and adds them to the queue.

    What is or was in the queue is not chosen again, unless it was taken out unanswered. A drop is asked about once,
    whatever its inspections look like, unless the model or a person says something else of another one. Later fillings
    ask about those of its inspections that look different from what was asked.

    Args:
        database: Where plates, scores, labels and the queue are.
        size: How many to add at most.
        plates: Only drops of these plates; None: of all.
        shares: Share of each reason; None: the usual ones.
        project_share: What part of `size` one project may have in the queue at most, where several have scores; a
            plate of no project counts as a project.
        answers_needed: Equal answers that settle an item.
        near_width: How close to the threshold is near.
        drifted: Items that a drift alarm names.
        out_of_sample: Probabilities by a model that has not learnt from the items' labels, to find label errors with;
            the scores where an item has none.
        seed: Of the random audit.
        on_progress: Called with what is done, of how much, and what it is.

    Raises:
        ValueError: `size`, `project_share` or `shares` make no sense.
    """
    if size < 1 or not 0 < project_share <= 1:
        raise ValueError(f"size {size} must be at least 1 and project_share {project_share} above 0 and at most 1")
    tell = on_progress or (lambda _done, _total, _message: None)
    tell(0, None, "reading scores")
    with database.reading() as session:
        states = states_of(session, TASK, with_gold=False)
        waiting = open_by_project(session, TASK)
        without_project = _waiting_without_project(session.execute(_OPEN_WITHOUT_PROJECT).all())
    # What was taken out of the queue unanswered may be asked about again.
    asked = {key for key, state in states.items() if state is not CurationState.WITHDRAWN}
    sieve = _Sieve({key.item_id for key in asked} | {key.item_id for key in drifted}, near_width)
    candidates = load_candidates(database, plates, sieve)
    items = candidates.items
    keys = candidates.keys()
    present = [place for place, key in enumerate(keys) if key in asked]
    rng = np.random.default_rng(seed)
    found = _search(candidates, keys, rng, near_width, set(drifted), out_of_sample)
    several = len(sieve.projects) > 1
    cap = max(1, math.ceil(size * project_share)) if several else size + sum(waiting.values())
    queued = {project: count for project, count in waiting.items() if project is not None} | without_project
    tell(0, None, "comparing pictures")
    chosen = mix(
        found,
        size,
        project=items.project,
        item=items.item,
        once=_questions(items),
        shares=shares,
        cap=cap,
        queued=queued,
        present=present,
        is_duplicate=LooksTheSame(database, candidates),
    )
    new = [new_item(candidates, each.index, each.reason, place, answers_needed) for place, each in enumerate(chosen)]
    add_items(database, TASK, new)
    tell(len(new), len(new), "done")
    return FillReport(
        looked_at=sieve.looked_at,
        labelled=int((items.human >= 0).sum()),
        held_out=sum(key in (out_of_sample or {}) for key, said in zip(keys, items.human, strict=True) if said >= 0),
        found={reason.value: len(indices) for reason, indices in found.items()},
        added=dict(Counter(item.reason.value for item in new)),
        cap=cap,
    )


class _Sieve:
    """Lets through what some reason could choose, and what was asked about before, and counts all of them."""

    def __init__(self, wanted: Collection[int], near_width: float) -> None:
        self._wanted = Members(wanted)
        self._near_width = near_width
        self.looked_at = 0
        self.projects: set[int] = set()

    def __call__(self, batch: Candidates) -> NDArray[np.bool_]:
        items = batch.items
        self.looked_at += len(items)
        self.projects.update(np.unique(items.project).tolist())
        kept: NDArray[np.bool_] = (items.human != UNLABELLED) | self._wanted(items.item)
        kept[near_threshold(items, self._near_width)] = True
        kept[conflicts(items)] = True
        return kept


_OPEN_WITHOUT_PROJECT = (
    select(CurationItem.group_id, func.count())
    .where(
        CurationItem.task == TASK,
        CurationItem.state == CurationState.OPEN.value,
        CurationItem.project_id.is_(None),
    )
    .group_by(CurationItem.group_id)
)


def _waiting_without_project(rows: Sequence[Any]) -> dict[int, int]:
    """Waiting items of plates of no project, by what stands for such a plate's project."""
    return {-row[0]: row[1] for row in rows}


def _questions(items: ScoredItems) -> NDArray[np.int64]:
    """(n,) Equal numbers where it is the same drop, of which model and person say the same."""
    says = items.probability >= items.threshold
    asked = np.stack([items.item, says.astype(np.int64), items.human.astype(np.int64)], axis=1)
    return np.unique(asked, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _search(
    candidates: Candidates,
    keys: Sequence[ItemKey],
    rng: np.random.Generator,
    near_width: float,
    drifted: Collection[ItemKey],
    out_of_sample: Mapping[ItemKey, float] | None,
) -> dict[CurationReason, Indices]:
    items = candidates.items
    flags = np.array([key in drifted for key in keys], dtype=np.bool_)
    return {
        CurationReason.LABEL_ERROR: _suspects(items, keys, out_of_sample or {}),
        CurationReason.DISAGREEMENT: disagreements(items),
        CurationReason.CONFLICT: conflicts(items),
        CurationReason.NEAR_THRESHOLD: near_threshold(items, near_width),
        CurationReason.DRIFT: flagged(flags, rng),
        CurationReason.AUDIT: agreements(items, rng),
    }


def _suspects(items: ScoredItems, keys: Sequence[ItemKey], out_of_sample: Mapping[ItemKey, float]) -> Indices:
    """Labels that look wrong out of sample, then those that look wrong by the scores, which are another measure."""
    known = np.array([key in out_of_sample for key in keys], dtype=np.bool_)
    held_out = np.array([out_of_sample.get(key, np.nan) for key in keys], dtype=np.float64)
    by_models = label_errors(replace(items, human=np.where(known, items.human, UNLABELLED).astype(np.int8)), held_out)
    by_scores = label_errors(replace(items, human=np.where(known, UNLABELLED, items.human).astype(np.int8)))
    return np.concatenate([by_models, by_scores])


__all__ = ["DEFAULT_PROJECT_SHARE", "FillReport", "fill_queue"]
