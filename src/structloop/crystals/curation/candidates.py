"""All scored experiments in arrays, with what people said of them: what the queue is chosen from."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.crystals.annotations import OLDEST_FIRST, TASK
from structloop.crystals.schemes import CRYSTAL, OTHER, SCHEMES
from structloop.loop.curation import NewItem
from structloop.loop.curation.selection import UNLABELLED, ScoredItems
from structloop.schema.loop import CurationReason, ItemKey
from structloop.store import Database
from structloop.store.tables import Annotation, ExperimentScore, Plate, Scoring

_BATCH = 20_000
_FEW = 500


@dataclass(frozen=True, eq=False)
class Candidates:
    """Scored experiments, one entry of each array per experiment.

    Attributes:
        items: What selection looks at.
        inspection_id, plate_id: (n,) int64.
        project_id: (n,) int64, 0 where the plate belongs to no project.
        model_version_id: (n,) int64, of the model of the visible images where there is one, else of UV; 0: none.
    """

    items: ScoredItems
    inspection_id: NDArray[np.int64]
    plate_id: NDArray[np.int64]
    project_id: NDArray[np.int64]
    model_version_id: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.items)

    def key(self, index: int) -> ItemKey:
        """The drop at its inspection."""
        return ItemKey(int(self.items.item[index]), int(self.inspection_id[index]))

    def keys(self) -> list[ItemKey]:
        """All of them, in order."""
        pairs = zip(self.items.item.tolist(), self.inspection_id.tolist(), strict=True)
        return [ItemKey(drop, inspection) for drop, inspection in pairs]


def load_candidates(database: Database, plates: Collection[int] | None = None) -> Candidates:
    """The experiments of every plate under its current scoring, or of some plates."""
    with database.snapshot() as session:
        return candidates_in(session, plates)


def candidates_in(session: Session, plates: Collection[int] | None = None) -> Candidates:
    """As `load_candidates`, in a session."""
    statement = (
        select(
            ExperimentScore.drop_id,
            ExperimentScore.inspection_id,
            Plate.id,
            Plate.project_id,
            Scoring.model_visible_id,
            Scoring.model_uv_id,
            Scoring.alarm_threshold,
            ExperimentScore.crystal_probability,
            ExperimentScore.visible_probability,
            ExperimentScore.uv_probability,
        )
        .join(Scoring, Scoring.id == ExperimentScore.scoring_id)
        .join(Plate, Plate.current_scoring_id == Scoring.id)
    )
    if plates is not None:
        statement = statement.where(Plate.id.in_(plates))
    parts = [
        # Keys are whole numbers far below 2**53, which float64 holds exactly; NULL becomes NaN.
        np.array([tuple(row) for row in rows], dtype=np.float64)
        for rows in session.execute(statement.execution_options(yield_per=_BATCH)).partitions()
    ]
    labels = human_labels(session, plates)
    table = np.concatenate(parts) if parts else np.zeros((0, 10))
    keys = [_whole(table[:, column]) for column in range(6)]
    drop, inspection, plate, project, visible, uv = keys
    human = np.full(len(table), UNLABELLED, dtype=np.int8)
    if labels:
        places = {key: place for place, key in enumerate(zip(drop.tolist(), inspection.tolist(), strict=True))}
        for key, label in labels.items():
            place = places.get(key)
            if place is not None:
                human[place] = int(label.label == CRYSTAL)
    items = ScoredItems(
        probability=table[:, 7],
        threshold=table[:, 6],
        human=human,
        views=table[:, 8:10],
        # Plates of no project do not belong together: each counts for itself.
        project=np.where(project > 0, project, -plate),
        item=drop,
    )
    return Candidates(items, inspection, plate, project, np.where(visible > 0, visible, uv))


def new_item(candidates: Candidates, index: int, reason: CurationReason, place: int, answers_needed: int) -> NewItem:
    """An item of the queue for one of the candidates."""
    items = candidates.items
    probability = float(items.probability[index])
    human = int(items.human[index])
    return NewItem(
        key=candidates.key(index),
        group_id=int(candidates.plate_id[index]),
        project_id=int(candidates.project_id[index]) or None,
        reason=reason,
        priority=float(place),
        model_version_id=int(candidates.model_version_id[index]) or None,
        probability=None if math.isnan(probability) else probability,
        human_label=None if human < 0 else CRYSTAL if human else OTHER,
        answers_needed=answers_needed,
    )


class HumanLabel(NamedTuple):
    """What a person says of a drop at an inspection, as a label of the review tasks."""

    label: str
    detail: str
    annotation_id: int


def human_labels(session: Session, plates: Collection[int] | None = None) -> dict[ItemKey, HumanLabel]:
    """What people say of drops at inspections, as the labels of the review tasks.

    The newest label that is not withdrawn counts; drops of which it says neither are left out.
    """
    statement = (
        select(
            Annotation.id,
            Annotation.item_id,
            Annotation.occasion_id,
            Annotation.scheme,
            Annotation.label,
            Annotation.withdraws_id,
        )
        .where(Annotation.task == TASK, Annotation.occasion_id.is_not(None))
        .order_by(*OLDEST_FIRST)
    )
    rows = []
    if plates is None:
        rows = list(session.execute(statement))
    else:
        wanted = sorted(plates)
        for start in range(0, len(wanted), _FEW):
            rows += list(session.execute(statement.where(Annotation.group_id.in_(wanted[start : start + _FEW]))))
    withdrawn = {row.withdraws_id for row in rows if row.withdraws_id is not None}
    newest = {
        ItemKey(row.item_id, row.occasion_id): row for row in rows if row.label is not None and row.id not in withdrawn
    }
    labels = {}
    for key, row in newest.items():
        meaning = SCHEMES.meaning(row.scheme, row.label)
        if meaning is not None:
            detail = SCHEMES.get(row.scheme).details.get(row.label, "")
            labels[key] = HumanLabel(meaning, detail, row.id)
    return labels


def _whole(column: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.nan_to_num(column, nan=0.0).astype(np.int64)


__all__ = ["Candidates", "HumanLabel", "candidates_in", "human_labels", "load_candidates", "new_item"]
