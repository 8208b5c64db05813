"""All scored experiments in arrays, with what people said of them: what the queue is chosen from."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, select, true
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

    def chosen(self, which: NDArray[np.bool_]) -> "Candidates":
        """Some of them: `which` is `(n,)`."""
        return Candidates(self.items.chosen(which), *(getattr(self, name)[which] for name in _OWN))


_OWN = ("inspection_id", "plate_id", "project_id", "model_version_id")


Keep = Callable[[Candidates], NDArray[np.bool_]]


def load_candidates(database: Database, plates: Collection[int] | None = None, keep: Keep | None = None) -> Candidates:
    """The experiments of every plate under its current scoring, or of some plates; see `candidates_in`."""
    with database.snapshot() as session:
        return candidates_in(session, plates, keep)


def candidates_in(session: Session, plates: Collection[int] | None = None, keep: Keep | None = None) -> Candidates:
    """The experiments of every plate under its current scoring, or of some plates.

    Args:
        session: An open session.
        plates: Only these; None: all.
        keep: Which to keep of a batch: `(n,)`. Batches are read one after the other, so that an archive of any size is
            looked through in the memory of what is kept. None: all.
    """
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
    labels = human_labels(session, plates)
    labelled = Members(key.item_id for key in labels)
    parts = []
    for rows in session.execute(statement.execution_options(yield_per=_BATCH)).partitions():
        # Keys are whole numbers far below 2**53, which float64 holds exactly; NULL becomes NaN.
        part = _candidates(np.array([tuple(row) for row in rows], dtype=np.float64), labels, labelled)
        parts.append(part if keep is None else part.chosen(keep(part)))
    return _together(parts) if parts else _candidates(np.zeros((0, 10)), labels, labelled)


class Members:
    """Whether whole numbers are among some: quick for many at once."""

    def __init__(self, values: Iterable[int]) -> None:
        self._sorted = np.unique(np.fromiter(values, dtype=np.int64))

    def __call__(self, asked: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`(n,)`, of each of `asked`."""
        if not len(self._sorted):
            return np.zeros(len(asked), dtype=np.bool_)
        places = np.searchsorted(self._sorted, asked).clip(max=len(self._sorted) - 1)
        found: NDArray[np.bool_] = self._sorted[places] == asked
        return found


def _candidates(table: NDArray[np.float64], labels: Mapping[ItemKey, "HumanLabel"], labelled: Members) -> Candidates:
    keys = [_whole(table[:, column]) for column in range(6)]
    drop, inspection, plate, project, visible, uv = keys
    human = np.full(len(table), UNLABELLED, dtype=np.int8)
    for place in np.flatnonzero(labelled(drop)).tolist():
        label = labels.get(ItemKey(int(drop[place]), int(inspection[place])))
        if label is not None:
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


def _together(parts: Sequence[Candidates]) -> Candidates:
    items = ScoredItems(
        **{
            field.name: np.concatenate([getattr(part.items, field.name) for part in parts])
            for field in fields(ScoredItems)
        }
    )
    rest = [np.concatenate([getattr(part, name) for part in parts]) for name in _OWN]
    return Candidates(items, *rest)


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
    here = (Annotation.task == TASK, Annotation.occasion_id.is_not(None))
    withdrawals = select(Annotation.withdraws_id).where(*here, Annotation.withdraws_id.is_not(None))
    statement = (
        select(Annotation.id, Annotation.item_id, Annotation.occasion_id, Annotation.scheme, Annotation.label)
        .where(*here, Annotation.label.is_not(None))
        .order_by(*OLDEST_FIRST)
    )
    labels: dict[ItemKey, HumanLabel] = {}
    meanings: dict[tuple[str, str], tuple[str | None, str]] = {}
    for within in _pieces(plates):
        withdrawn = set(session.scalars(withdrawals.where(within)))
        for key, item_id, occasion_id, scheme, label in session.execute(
            statement.where(within).execution_options(yield_per=_BATCH)
        ):
            if key in withdrawn or occasion_id is None or label is None:
                continue
            if (scheme, label) not in meanings:
                meaning = SCHEMES.meaning(scheme, label)
                detail = "" if meaning is None else SCHEMES.get(scheme).details.get(label, "")
                meanings[scheme, label] = meaning, detail
            meaning, detail = meanings[scheme, label]
            if meaning is None:
                labels.pop(ItemKey(item_id, occasion_id), None)
            else:
                labels[ItemKey(item_id, occasion_id)] = HumanLabel(meaning, detail, key)
    return labels


def _pieces(plates: Collection[int] | None) -> Iterator[ColumnElement[bool]]:
    """Which annotations are of the plates, a few plates at a time; an item's are all in one piece."""
    if plates is None:
        yield true()
        return
    wanted = sorted(plates)
    for start in range(0, len(wanted), _FEW):
        yield Annotation.group_id.in_(wanted[start : start + _FEW])


def _whole(column: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.nan_to_num(column, nan=0.0).astype(np.int64)


__all__ = ["Candidates", "HumanLabel", "Members", "candidates_in", "human_labels", "load_candidates", "new_item"]
