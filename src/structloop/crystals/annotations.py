"""Human scores of drops: append-only, with who gave them, and kept apart from what models say.

To undo is to add a row that withdraws another. A drop's current label is the newest that is not withdrawn.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import LabelsError, NotFoundError
from structloop.crystals.schemes import AXIS_SCHEME, CRYSTAL, GRADE_SCHEME, SCHEMES
from structloop.crystals.views import AnnotationView
from structloop.store import Database
from structloop.store.tables import Annotation, Drop, Inspection

TASK = "crystals/drops"
"""The review task of human scores given in the drop viewer: a drop at an inspection, all modalities seen."""
OLDEST_FIRST = (Annotation.created_at, Annotation.id)
"""The order in which labels were given: an import may add old ones later."""


class CurrentLabel(NamedTuple):
    """What was said last of a drop."""

    scheme: str
    label: str
    is_crystal: bool | None


def annotate(
    database: Database,
    drop_id: int,
    *,
    inspection: int,
    scheme: str,
    label: str,
    annotator: str,
    score_visible: bool,
    seconds: float | None = None,
) -> AnnotationView:
    """Adds a person's label of a drop.

    Args:
        database: Where the drop is.
        drop_id: Which drop.
        inspection: Number of the inspection that was looked at.
        scheme: A name of `SCHEMES`.
        label: A label of that scheme.
        annotator: Who says so.
        score_visible: Whether the model's score was shown.
        seconds: Time from showing the drop to the answer.

    Raises:
        NotFoundError: there is no such drop, or its plate has no such inspection.
        LabelsError: the scheme has no such label, or there is no such scheme.
    """
    labels = SCHEMES.get(scheme).meanings
    if label not in labels:
        raise LabelsError(f"label '{label}' is not in the scheme {scheme}; use one of {', '.join(labels)}")
    with database.session() as session:
        plate_id = session.scalar(select(Drop.plate_id).where(Drop.id == drop_id))
        if plate_id is None:
            raise NotFoundError(f"there is no drop {drop_id}; was its plate removed?")
        inspection_id = session.scalar(
            select(Inspection.id).where(Inspection.plate_id == plate_id, Inspection.number == inspection)
        )
        if inspection_id is None:
            raise NotFoundError(f"the plate of drop {drop_id} has no inspection {inspection}; name one that it has")
        row = Annotation(
            task=TASK,
            item_id=drop_id,
            group_id=plate_id,
            occasion_id=inspection_id,
            scheme=scheme,
            label=label,
            annotator=annotator,
            score_visible=score_visible,
            seconds=seconds,
        )
        session.add(row)
        session.flush()
        return _view(row, label, inspection, withdrawn=False)


def withdraw(database: Database, annotation_id: int, *, annotator: str) -> AnnotationView:
    """Withdraws an annotation by adding a row that says so; withdrawing again changes nothing.

    Raises:
        NotFoundError: there is no such annotation.
    """
    with database.session() as session:
        row = session.get(Annotation, annotation_id)
        if row is None or row.task != TASK or row.label is None:
            raise NotFoundError(f"there is no annotation {annotation_id}; it may belong to another server's database")
        same_item = _rows(session, Annotation.item_id == row.item_id)
        if annotation_id not in _withdrawn(same_item):
            session.add(
                Annotation(
                    task=TASK,
                    item_id=row.item_id,
                    group_id=row.group_id,
                    occasion_id=row.occasion_id,
                    scheme=row.scheme,
                    label=None,
                    annotator=annotator,
                    score_visible=row.score_visible,
                    withdraws_id=annotation_id,
                )
            )
        number = session.scalar(select(Inspection.number).where(Inspection.id == row.occasion_id))
        return _view(row, row.label, number, withdrawn=True)


def annotations_of_drop(database: Database, drop_id: int) -> list[AnnotationView]:
    """What people said of a drop, newest first, withdrawn ones included.

    Raises:
        NotFoundError: there is no such drop.
    """
    with database.reading() as session:
        if session.scalar(select(Drop.id).where(Drop.id == drop_id)) is None:
            raise NotFoundError(f"there is no drop {drop_id}; was its plate removed?")
        return drop_annotations(session, drop_id)


def drop_annotations(session: Session, drop_id: int) -> list[AnnotationView]:
    """As `annotations_of_drop`, in a session, of a drop that is known to exist."""
    rows = _rows(session, Annotation.item_id == drop_id)
    withdrawn = _withdrawn(rows)
    occasions = {row.occasion_id for row in rows}
    inspections = session.execute(select(Inspection.id, Inspection.number).where(Inspection.id.in_(occasions)))
    numbers = {row.id: row.number for row in inspections}
    return [
        _view(row, row.label, numbers.get(row.occasion_id or 0), withdrawn=row.id in withdrawn)
        for row in reversed(rows)
        if row.label is not None
    ]


def current_labels(
    session: Session, plate_id: int | Iterable[int], *, inspection_id: int | None = None
) -> dict[int, CurrentLabel]:
    """The current label of each drop of a plate (or of several) that has one, by the drop's key.

    Args:
        session: An open session.
        plate_id: Which plate or plates.
        inspection_id: Only labels given at this inspection.
    """
    plates = [plate_id] if isinstance(plate_id, int) else list(plate_id)
    statement = (
        select(
            Annotation.id,
            Annotation.item_id,
            Annotation.occasion_id,
            Annotation.scheme,
            Annotation.label,
            Annotation.withdraws_id,
        )
        .where(Annotation.task == TASK, Annotation.group_id.in_(plates))
        .order_by(*OLDEST_FIRST)
    )
    rows = session.execute(statement).all()
    withdrawn = {row.withdraws_id for row in rows if row.withdraws_id is not None}
    labels: dict[int, CurrentLabel] = {}
    for row in rows:
        if row.label is None or row.id in withdrawn:
            continue
        if inspection_id is None or row.occasion_id == inspection_id:
            labels[row.item_id] = CurrentLabel(row.scheme, row.label, is_crystal(row.scheme, row.label))
    return labels


def is_crystal(scheme: str, label: str) -> bool | None:
    """Whether a label counts as crystal; None when it says neither, or is not known any more."""
    meaning = SCHEMES.meaning(scheme, label)
    return None if meaning is None else meaning == CRYSTAL


def _rows(session: Session, condition: object) -> Sequence[Annotation]:
    return session.scalars(
        select(Annotation).where(Annotation.task == TASK, condition).order_by(*OLDEST_FIRST)  # type: ignore[arg-type]
    ).all()


def _withdrawn(rows: Sequence[Annotation]) -> set[int]:
    return {row.withdraws_id for row in rows if row.withdraws_id is not None}


def _view(row: Annotation, label: str, inspection: int | None, *, withdrawn: bool) -> AnnotationView:
    return AnnotationView(
        id=row.id,
        drop_id=row.item_id,
        inspection=inspection,
        scheme=row.scheme,
        label=label,
        is_crystal=is_crystal(row.scheme, label),
        annotator=row.annotator,
        score_visible=row.score_visible,
        seconds=row.seconds,
        withdrawn=withdrawn,
        created_at=row.created_at,
    )


__all__ = [
    "AXIS_SCHEME",
    "GRADE_SCHEME",
    "OLDEST_FIRST",
    "SCHEMES",
    "TASK",
    "CurrentLabel",
    "annotate",
    "annotations_of_drop",
    "current_labels",
    "drop_annotations",
    "is_crystal",
    "withdraw",
]
