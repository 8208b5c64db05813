"""The ways a plate was scored, and what every query of its drops starts from."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Subquery, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from structloop.core.errors import NotFoundError
from structloop.crystals.views import InspectionView, ModelReference, ScoringView
from structloop.schema.crystals import CombinationRule
from structloop.store.tables import Drop, DropImageFile, ExperimentScore, Inspection, ModelVersion, Plate, Scoring

# Statements are made once: making one takes longer than a small query.
_IMAGES_OF_INSPECTION = (
    select(func.count())
    .where(DropImageFile.inspection_id == Inspection.id, DropImageFile.superseded_by_id.is_(None))
    .scalar_subquery()
)
_INSPECTIONS = (
    select(
        Inspection.id,
        Inspection.number,
        Inspection.imager,
        Inspection.taken_at,
        _IMAGES_OF_INSPECTION.label("image_count"),
    )
    .where(Inspection.plate_id == bindparam("plate"))
    .order_by(Inspection.number)
)
_VISIBLE, _UV = aliased(ModelVersion), aliased(ModelVersion)
_SCORINGS = (
    select(
        Scoring.id,
        Scoring.rule,
        Scoring.alarm_threshold,
        Scoring.created_at,
        Scoring.updated_at,
        _VISIBLE.name.label("visible_name"),
        _VISIBLE.version.label("visible_version"),
        _UV.name.label("uv_name"),
        _UV.version.label("uv_version"),
    )
    .outerjoin(_VISIBLE, Scoring.model_visible_id == _VISIBLE.id)
    .outerjoin(_UV, Scoring.model_uv_id == _UV.id)
    .where(Scoring.plate_id == bindparam("plate"))
    .order_by(Scoring.updated_at.desc(), Scoring.id.desc())
)


class PlateRow(NamedTuple):
    """A plate's own columns."""

    id: int
    barcode: str
    rows: int
    columns: int
    drops: list[int]
    current_scoring_id: int | None


class DropPlace(NamedTuple):
    """A drop and where it is; rows and columns from 0."""

    id: int
    row: int
    column: int
    number: int


def plate_row(session: Session, plate_id: int) -> PlateRow:
    """A plate's own columns.

    Raises:
        NotFoundError: there is no such plate.
    """
    row = session.execute(
        select(Plate.id, Plate.barcode, Plate.rows, Plate.columns, Plate.drops, Plate.current_scoring_id).where(
            Plate.id == plate_id
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no plate {plate_id}; `structloop crystals plates` lists those there are")
    return PlateRow(*row)


def drops_of(session: Session, plate_id: int) -> list[DropPlace]:
    """The drops of a plate in plate order: along rows, then by number."""
    rows = session.execute(
        select(Drop.id, Drop.row, Drop.column, Drop.number)
        .where(Drop.plate_id == plate_id)
        .order_by(Drop.row, Drop.column, Drop.number)
    )
    return [DropPlace(*row) for row in rows]


def inspections_of(session: Session, plate_id: int) -> list[InspectionView]:
    """The inspections of a plate, by number, with how many images each has (replaced ones left out)."""
    rows = session.execute(_INSPECTIONS, {"plate": plate_id})
    return [
        InspectionView(
            id=row.id, number=row.number, imager=row.imager, taken_at=row.taken_at, image_count=row.image_count
        )
        for row in rows
    ]


def scorings_of(session: Session, plate_id: int, current_id: int | None) -> list[ScoringView]:
    """The ways a plate was scored, newest first."""
    rows = session.execute(_SCORINGS, {"plate": plate_id})
    return [
        ScoringView(
            id=row.id,
            rule=CombinationRule(row.rule),
            model_visible=_reference(row.visible_name, row.visible_version),
            model_uv=_reference(row.uv_name, row.uv_version),
            alarm_threshold=row.alarm_threshold,
            is_current=row.id == current_id,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


def chosen_scoring(scorings: Sequence[ScoringView], scoring_id: int | None, barcode: str) -> ScoringView | None:
    """The scoring asked for; the current one where none is; None where the plate was never scored.

    Raises:
        NotFoundError: the plate was not scored that way.
    """
    if scoring_id is None:
        return next((scoring for scoring in scorings if scoring.is_current), None)
    for scoring in scorings:
        if scoring.id == scoring_id:
            return scoring
    raise NotFoundError(f"plate {barcode} has no scoring {scoring_id}; leave it out for the newest one")


def best_scores(*, from_minimum: bool) -> Subquery:
    """Each drop's best experiment score so far under some scorings, which belong to different plates.

    Columns: those of `ExperimentScore`, without `created_at`. Experiments without a probability come last, so that a
    drop is there even when all that is known of it is an error. Of equal probabilities the later inspection's counts.
    To be executed with the parameter `scorings`, a list of keys.

    Args:
        from_minimum: Whether to leave out experiments below the parameter `minimum`.
    """
    place = func.row_number().over(
        partition_by=ExperimentScore.drop_id,
        order_by=(ExperimentScore.crystal_probability.desc().nulls_last(), ExperimentScore.inspection_id.desc()),
    )
    ranked = select(
        ExperimentScore.scoring_id,
        ExperimentScore.drop_id,
        ExperimentScore.inspection_id,
        ExperimentScore.image_visible_id,
        ExperimentScore.image_uv_id,
        ExperimentScore.visible_probability,
        ExperimentScore.uv_probability,
        ExperimentScore.crystal_probability,
        ExperimentScore.error,
        place.label("place"),
    ).where(ExperimentScore.scoring_id.in_(bindparam("scorings", expanding=True)))
    if from_minimum:
        ranked = ranked.where(ExperimentScore.crystal_probability >= bindparam("minimum"))
    inner = ranked.subquery()
    return select(*(column for column in inner.c if column.key != "place")).where(inner.c.place == 1).subquery()


def _reference(name: str | None, version: str | None) -> ModelReference | None:
    return None if name is None or version is None else ModelReference(name=name, version=version)


__all__ = [
    "DropPlace",
    "PlateRow",
    "best_scores",
    "chosen_scoring",
    "drops_of",
    "inspections_of",
    "plate_row",
    "scorings_of",
]
