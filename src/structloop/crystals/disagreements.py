"""Where a person and the model say different things of a drop, and what curators made of it.

A label counts for the inspection that was looked at: a drop that was clear on the first day is no disagreement with
the crystal of the eleventh. Labels of all schemes are compared through what they mean in the review task.
"""

from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.crystals.annotations import TASK
from structloop.crystals.curation.candidates import HumanLabel, human_labels
from structloop.crystals.schemes import CRYSTAL
from structloop.crystals.views import DisagreementState, DisagreementView, InspectionView, ScoringView
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store.tables import CurationItem, ExperimentScore

_FEW = 500
_STATES = {
    CurationState.OPEN: DisagreementState.QUEUED,
    CurationState.SETTLED: DisagreementState.SETTLED,
    CurationState.UNCERTAIN: DisagreementState.UNDECIDED,
    CurationState.UNUSABLE: DisagreementState.UNDECIDED,
    CurationState.WITHDRAWN: DisagreementState.UNASKED,
}


class _Asked(NamedTuple):
    """What became of a drop in the queue."""

    item_id: int
    state: CurationState
    label: str | None
    blind: bool


def disagreements_of(
    session: Session,
    plate_id: int,
    scoring: ScoringView | None,
    inspections: Collection[InspectionView],
    *,
    drop_id: int | None = None,
) -> dict[int, list[DisagreementView]]:
    """The disagreements of a plate under a scoring, by drop and from the oldest inspection on.

    The newest label of a drop at an inspection that is not withdrawn counts. Where it says neither crystal nor other,
    or the drop has no probability there, nobody disagrees.

    Args:
        session: An open session.
        plate_id: Which plate.
        scoring: What the model says; None: nothing, so that nobody disagrees.
        inspections: Those of the plate that count.
        drop_id: Only of this drop.
    """
    if scoring is None:
        return {}
    numbers = {item.id: item.number for item in inspections}
    labels = {
        key: said
        for key, said in human_labels(session, {plate_id}).items()
        if key.occasion_id in numbers and drop_id in (None, key.item_id)
    }
    differing = _differing(session, scoring, labels)
    if not differing:
        return {}
    asked = _asked(session, plate_id)
    found: dict[int, list[DisagreementView]] = defaultdict(list)
    for key in sorted(differing, key=lambda each: (each.item_id, numbers[each.occasion_id])):
        item = asked.get(key)
        found[key.item_id].append(
            DisagreementView(
                inspection=numbers[key.occasion_id],
                human_label=labels[key].label,
                probability=differing[key],
                state=DisagreementState.UNASKED if item is None else _STATES[item.state],
                curation_item_id=item.item_id
                if item is not None and item.state is CurationState.OPEN and not item.blind
                else None,
                settled_label=None if item is None else item.label,
            )
        )
    return dict(found)


def shown_disagreement(found: Collection[DisagreementView]) -> DisagreementView | None:
    """Of a drop's disagreements the one to show: the newest that nobody has settled, else the newest."""
    newest = sorted(found, key=lambda each: (each.state.is_open, each.inspection))
    return newest[-1] if newest else None


def _differing(session: Session, scoring: ScoringView, labels: dict[ItemKey, HumanLabel]) -> dict[ItemKey, float]:
    """The probability of each labelled drop of which the model says something else."""
    drops = sorted({key.item_id for key in labels})
    differing: dict[ItemKey, float] = {}
    for start in range(0, len(drops), _FEW):
        scores = session.execute(
            select(ExperimentScore.drop_id, ExperimentScore.inspection_id, ExperimentScore.crystal_probability).where(
                ExperimentScore.scoring_id == scoring.id,
                ExperimentScore.drop_id.in_(drops[start : start + _FEW]),
                ExperimentScore.crystal_probability.is_not(None),
            )
        )
        for drop, inspection, probability in scores:
            key = ItemKey(drop, inspection)
            said = labels.get(key)
            if said is None or probability is None:
                continue
            if (probability >= scoring.alarm_threshold) != (said.label == CRYSTAL):
                differing[key] = probability
    return differing


def _asked(session: Session, plate_id: int) -> dict[ItemKey, _Asked]:
    """What became of each drop of a plate that was ever in the queue; the newest where it was there twice.

    Gold items are left out: that a settled drop is asked about again must not show.
    """
    rows = session.execute(
        select(
            CurationItem.id,
            CurationItem.item_id,
            CurationItem.occasion_id,
            CurationItem.state,
            CurationItem.label,
            CurationItem.reason,
        )
        .where(CurationItem.task == TASK, CurationItem.group_id == plate_id, CurationItem.gold_label.is_(None))
        .order_by(CurationItem.id)
    )
    return {
        ItemKey(row.item_id, row.occasion_id): _Asked(
            row.id, CurationState(row.state), row.label, CurationReason(row.reason).is_blind
        )
        for row in rows
    }


__all__ = ["disagreements_of", "shown_disagreement"]
