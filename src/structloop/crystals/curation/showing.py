"""The queue's items with everything a curator looks at, and curators' answers about drops."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import CurationError, NotFoundError
from structloop.crystals.annotations import TASK
from structloop.crystals.curation.views import (
    CurationAnswerView,
    CurationItemView,
    CurationNextView,
    CurationQueueView,
    CuratorRatesView,
    GivenAnswerView,
)
from structloop.crystals.review import VISIBLE, primary_image_ids
from structloop.crystals.schemes import CRYSTAL, CRYSTAL_TYPES
from structloop.crystals.scorings import inspections_of
from structloop.crystals.views import InspectionView, ModelReference
from structloop.loop import curation
from structloop.loop.curation import QueueItem
from structloop.loop.curation.answering import checked_curator
from structloop.loop.curation.queue import next_in, waiting_for, waiting_item
from structloop.loop.curation.tally import answer_counts
from structloop.schema.crystals import Well
from structloop.schema.images import Modality
from structloop.schema.loop import CurationReason, CurationState
from structloop.store import Database
from structloop.store.tables import CurationDecision, Drop, ModelVersion, Plate, Project


class _Place(NamedTuple):
    plate_id: int
    barcode: str
    row: int
    column: int
    number: int
    project: str | None
    kind: str


def next_views(
    database: Database,
    curator: str,
    *,
    limit: int = 1,
    reason: CurationReason | None = None,
    first: int | None = None,
) -> CurationNextView:
    """The next items of a curator with their pictures, several of them to load ahead.

    Args:
        database: Where the queue is.
        curator: Who asks.
        limit: How many at most.
        reason: Only items that are there for this reason.
        first: Key of an item that comes before the others, where it waits for this curator.

    Raises:
        CurationError: the curator has no name.
    """
    name = checked_curator(curator)
    with database.reading() as session:
        items = next_in(session, TASK, name, limit=limit, reason=reason)
        wanted = None if first is None else waiting_item(session, TASK, name, first)
        if wanted is not None:
            items = [wanted, *(item for item in items if item.id != wanted.id)][:limit]
        return CurationNextView(items=_views(session, items), open_for_curator=waiting_for(session, TASK, name, reason))


def item_view(database: Database, curation_item_id: int) -> CurationItemView:
    """One item of the queue.

    Raises:
        NotFoundError: there is no such item.
    """
    item = curation.queue_item(database, curation_item_id)
    with database.reading() as session:
        views = _views(session, [item])
        if not views:
            raise NotFoundError(f"the plate of item {curation_item_id} was removed; its answers are kept")
        return views[0].model_copy(update={"answers": _answers(session, item)})


def answer_item(
    database: Database,
    curation_item_id: int,
    *,
    curator: str,
    answer: str,
    crystal_type: str | None = None,
    seconds: float | None = None,
) -> CurationAnswerView:
    """Records a curator's answer about a drop.

    Args:
        database: Where the queue is.
        curation_item_id: Which item.
        curator: Who answers.
        answer: `crystal`, `other`, `uncertain` or `unusable`.
        crystal_type: One of `CRYSTAL_TYPES`, with the answer `crystal` only.
        seconds: Time from showing the item to the answer.

    Raises:
        NotFoundError: there is no such item.
        CurationError: there is no such answer or crystal type, or the curator has no name.
        CurationClosedError: the item is closed, or this curator has answered it.
    """
    if crystal_type is not None and (answer != CRYSTAL or crystal_type not in CRYSTAL_TYPES):
        raise CurationError(
            f"crystal type '{crystal_type}' does not go with the answer '{answer}'; types are "
            f"{', '.join(CRYSTAL_TYPES)}, and only of a crystal"
        )
    done = curation.answer(
        database,
        curation_item_id,
        curator=curator,
        answer=answer,
        allowed=VISIBLE.answers,
        detail=crystal_type,
        seconds=seconds,
    )
    with database.reading() as session:
        return CurationAnswerView(decision_id=done.decision_id, item=_views(session, [done.item])[0])


def undo_answer(database: Database, *, curator: str, curation_item_id: int | None = None) -> CurationItemView:
    """Withdraws a curator's newest answer, or that to one item.

    Raises:
        NotFoundError: the curator has given no such answer.
        CurationClosedError: the item cannot be opened again.
    """
    item = curation.undo(database, TASK, curator=curator, curation_item_id=curation_item_id)
    with database.reading() as session:
        return _views(session, [item])[0]


def queue_view(database: Database, curator: str | None = None) -> CurationQueueView:
    """How the queue stands, for a curator or for nobody in particular."""
    standing = curation.queue_standing(database, TASK, positive=CRYSTAL, curator=curator)
    return CurationQueueView(
        open=standing.open_count,
        open_by_reason=dict(standing.open),
        open_for_curator=standing.open_for_curator,
        settled=standing.closed.get(CurationState.SETTLED, 0),
        uncertain=standing.closed.get(CurationState.UNCERTAIN, 0),
        unusable=standing.closed.get(CurationState.UNUSABLE, 0),
        withdrawn=standing.closed.get(CurationState.WITHDRAWN, 0),
        alpha=standing.alpha,
        batch_alpha=standing.batch_alpha,
        curators=[
            CuratorRatesView(
                curator=each.curator,
                answers=each.answers,
                agreement=each.agreement,
                gold_accuracy=each.gold_accuracy,
                gold_answered=each.gold_answered,
                gold_crystals_found=each.gold_positive_found,
                gold_crystals=each.gold_positives,
                undecided=each.undecided,
                median_seconds=each.median_seconds,
            )
            for each in standing.curators
        ],
    )


def _answers(session: Session, item: QueueItem) -> list[GivenAnswerView]:
    """Who answered what, oldest first; nothing of an item that still waits for independent answers."""
    if item.state is CurationState.OPEN:
        return []
    rows = session.scalars(
        select(CurationDecision)
        .where(CurationDecision.curation_item_id == item.id, answer_counts())
        .order_by(CurationDecision.id)
    )
    return [
        GivenAnswerView(
            curator=row.curator,
            answer=str(row.answer),
            crystal_type=row.detail,
            probability_visible=row.probability_visible,
            seconds=row.seconds,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _views(session: Session, items: Sequence[QueueItem]) -> list[CurationItemView]:
    """Views of items; those whose plate was removed are left out."""
    drops = {
        row.id: _Place(row.plate_id, row.barcode, row.row, row.column, row.number, row.project,
            f"{row.layout} {row.plate_rows}x{row.plate_columns}",
        )
        for row in session.execute(
            select(
                Drop.id, Drop.row, Drop.column, Drop.number, Plate.id.label("plate_id"), Plate.barcode,
                Project.name.label("project"), Plate.layout, Plate.rows.label("plate_rows"),
                Plate.columns.label("plate_columns"),
            )
            .join(Plate, Plate.id == Drop.plate_id)
            .outerjoin(Project, Project.id == Plate.project_id)
            .where(Drop.id.in_({item.key.item_id for item in items}))
        )
    }  # fmt: skip
    versions = {item.model_version_id for item in items if item.model_version_id is not None}
    models = {
        row.id: ModelReference(name=row.name, version=row.version)
        for row in session.execute(
            select(ModelVersion.id, ModelVersion.name, ModelVersion.version).where(ModelVersion.id.in_(versions))
        )
    }
    inspections = {plate: inspections_of(session, plate) for plate in {row.plate_id for row in drops.values()}}
    images = primary_image_ids(session, [item.key for item in items])
    return [
        _view(item, drops[item.key.item_id], inspections[drops[item.key.item_id].plate_id], images, models)
        for item in items
        if item.key.item_id in drops
    ]


def _view(
    item: QueueItem,
    place: _Place,
    inspections: list[InspectionView],
    images: dict[tuple[int, int, str], int],
    models: dict[int, ModelReference],
) -> CurationItemView:
    # An item of the audit is shown blind; that of a gold item nothing must tell it from an audit.
    blind = item.reason.is_blind and item.state is CurationState.OPEN
    visible = images.get((*item.key, Modality.VISIBLE.value))
    uv = images.get((*item.key, Modality.UV.value))
    return CurationItemView(
        id=item.id,
        drop_id=item.key.item_id,
        plate_id=place.plate_id,
        barcode=place.barcode,
        well=str(Well(place.row, place.column)),
        drop=place.number,
        project=place.project,
        inspection=next((each.number for each in inspections if each.id == item.key.occasion_id), 0),
        inspections=inspections,
        image_visible_id=visible,
        image_uv_id=uv,
        image_visible_url=_url(visible),
        image_uv_url=_url(uv),
        reason=None if blind else item.reason,
        drift_of=_drift_of(item, place, inspections) if item.reason is CurationReason.DRIFT else None,
        is_blind=blind,
        probability=None if blind else item.probability,
        model=None if blind or item.model_version_id is None else models.get(item.model_version_id),
        human_label=None if blind else item.human_label,
        crystal_types=list(CRYSTAL_TYPES),
        # Gold items collect answers of everybody; the number would tell them from others.
        answer_count=0 if blind else item.answer_count,
        answers_needed=item.answers_needed,
        state=item.state,
        label=item.label,
        crystal_type=item.detail,
        dataset_id=item.dataset_version_id,
        answers=[],
        opened_at=item.opened_at,
        closed_at=item.closed_at,
    )


def _drift_of(item: QueueItem, place: _Place, inspections: list[InspectionView]) -> str:
    imager = next((each.imager for each in inspections if each.id == item.key.occasion_id), None)
    return imager or place.kind


def _url(image_id: int | None) -> str | None:
    return None if image_id is None else f"/api/v1/images/{image_id}/original"


__all__ = ["answer_item", "item_view", "next_views", "queue_view", "undo_answer"]
