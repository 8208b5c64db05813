"""What the queue has settled, as labels of items, and what it keeps out of every data set."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.schema.loop import CurationState, ItemKey, LabelSource
from structloop.store.tables import CurationItem


@dataclass(frozen=True, slots=True)
class ItemLabel:
    """A label of an item that a data set may hold.

    Attributes:
        item: What is labelled.
        label: One of the task's labels.
        detail: The kind within it; empty where not known.
        source: What it rests on.
        curation_item_id: The item of the queue, for curated labels.
        annotation_id: The annotation, for labels that a person gave.
    """

    item: ItemKey
    label: str
    detail: str
    source: LabelSource
    curation_item_id: int | None = None
    annotation_id: int | None = None


def settled_labels(session: Session, curated_as: str) -> tuple[list[ItemLabel], set[ItemKey]]:
    """The labels that curators settled, and the items on which they have not: open, uncertain, unusable.

    Gold items say nothing new about themselves. Of an item that was asked about twice the newest answer counts.
    """
    rows = session.execute(
        select(
            CurationItem.id,
            CurationItem.item_id,
            CurationItem.occasion_id,
            CurationItem.state,
            CurationItem.label,
            CurationItem.detail,
        )
        .where(CurationItem.task == curated_as, CurationItem.gold_label.is_(None))
        .order_by(CurationItem.id)
    )
    settled: dict[ItemKey, ItemLabel] = {}
    unsettled: set[ItemKey] = set()
    for row in rows:
        key = ItemKey(row.item_id, row.occasion_id)
        if row.state == CurationState.WITHDRAWN.value:
            continue
        if row.label is None:
            settled.pop(key, None)
            unsettled.add(key)
        else:
            unsettled.discard(key)
            settled[key] = ItemLabel(key, row.label, row.detail or "", LabelSource.CURATED, row.id)
    return list(settled.values()), unsettled


__all__ = ["ItemLabel", "settled_labels"]
