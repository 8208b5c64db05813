"""One drop with everything known of it, and one image."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.crystals.annotations import drop_annotations
from structloop.crystals.disagreements import disagreements_of
from structloop.crystals.scorings import DropPlace, chosen_scoring, drops_of, inspections_of, plate_row, scorings_of
from structloop.crystals.views import (
    DropDetail,
    DropInspectionView,
    ExperimentScoreView,
    ImageScoreView,
    ImageView,
    InspectionView,
    ModelReference,
    ScoredImageView,
)
from structloop.schema.crystals import Well
from structloop.schema.images import Focus, Modality
from structloop.store import Database
from structloop.store.tables import Drop, DropImageFile, ExperimentScore, ImageScore, Inspection, ModelVersion, Plate


def drop_detail(database: Database, drop_id: int, *, scoring_id: int | None = None) -> DropDetail:
    """A drop with its inspections, images, scores, annotations and neighbours.

    Args:
        database: Where the drop is.
        drop_id: Which drop.
        scoring_id: Which scoring to show; None: the plate's newest.

    Raises:
        NotFoundError: there is no such drop or scoring.
    """
    with database.reading() as session:
        plate_id = session.scalar(select(Drop.plate_id).where(Drop.id == drop_id))
        if plate_id is None:
            raise NotFoundError(f"there is no drop {drop_id}; was its plate removed?")
        plate = plate_row(session, plate_id)
        scorings = scorings_of(session, plate_id, plate.current_scoring_id)
        scoring = chosen_scoring(scorings, scoring_id, plate.barcode)
        scores = {} if scoring is None else _scores(session, scoring.id, drop_id)
        neighbours = drops_of(session, plate_id)
        place = next(index for index, row in enumerate(neighbours) if row.id == drop_id)
        inspections = inspections_of(session, plate_id)
        images = _images(session, drop_id)
        annotations = drop_annotations(session, drop_id)
        disputed = disagreements_of(session, plate_id, scoring, inspections, drop_id=drop_id)
    drop = neighbours[place]
    return DropDetail(
        id=drop_id,
        plate_id=plate_id,
        barcode=plate.barcode,
        well=str(Well(drop.row, drop.column)),
        row=drop.row,
        column=drop.column,
        drop=drop.number,
        position=place + 1,
        drop_count=len(neighbours),
        inspections=[_inspection(item, scores.get(item.id), images.get(item.number, [])) for item in inspections],
        best_inspection=_best_inspection(inspections, scores),
        scoring=scoring,
        scorings=scorings,
        annotations=annotations,
        disagreements=disputed.get(drop_id, []),
        previous_drop_id=neighbours[place - 1].id if place > 0 else None,
        next_drop_id=neighbours[place + 1].id if place + 1 < len(neighbours) else None,
        previous_well_drop_id=_in_next_well(neighbours[place::-1]),
        next_well_drop_id=_in_next_well(neighbours[place:]),
    )


def find_drop(database: Database, barcode: str, name: str) -> int:
    """The key of a drop by its plate's barcode and its name there, such as `A01.1`.

    Raises:
        NotFoundError: there is no such plate or drop.
    """
    well, _, number = name.partition(".")
    try:
        place = Well.parse(well)
        wanted = int(number)
    except ValueError as error:
        raise NotFoundError(f"'{name}' is no name of a drop; write well and drop, such as A01.1") from error
    with database.reading() as session:
        plate_id = session.scalar(select(Plate.id).where(Plate.barcode == barcode))
        if plate_id is None:
            raise NotFoundError(
                f"no plate '{barcode}' was imported; `structloop crystals plates` lists those there are"
            )
        drop_id = session.scalar(
            select(Drop.id).where(
                Drop.plate_id == plate_id, Drop.row == place.row, Drop.column == place.column, Drop.number == wanted
            )
        )
    if drop_id is None:
        raise NotFoundError(f"plate {barcode} has no drop {place}.{wanted}; name one of which there are images")
    return drop_id


def image_view(database: Database, image_id: int) -> ImageView:
    """The facts of one image.

    Raises:
        NotFoundError: there is no such image.
    """
    with database.reading() as session:
        row = session.execute(
            select(DropImageFile, Inspection.number)
            .join(Inspection, DropImageFile.inspection_id == Inspection.id)
            .where(DropImageFile.id == image_id)
        ).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no image {image_id}; was its plate removed?")
    return ImageView(**_image_fields(row[0], row[1]))


def _inspection(
    item: InspectionView, score: ExperimentScoreView | None, images: list[ScoredImageView]
) -> DropInspectionView:
    return DropInspectionView(
        id=item.id, number=item.number, imager=item.imager, taken_at=item.taken_at, score=score, images=images
    )


def _best_inspection(inspections: Sequence[InspectionView], scores: dict[int, ExperimentScoreView]) -> int | None:
    scored = [
        (score.probability, item.id, item.number)
        for item in inspections
        if (score := scores.get(item.id)) is not None and score.probability is not None
    ]
    return max(scored)[2] if scored else None


def _in_next_well(ahead: Sequence[DropPlace]) -> int | None:
    """Of the drops from here on, in one direction: the same drop of the next well, else that well's first one met."""
    here = ahead[0]
    others = [row for row in ahead if (row.row, row.column) != (here.row, here.column)]
    if not others:
        return None
    well = (others[0].row, others[0].column)
    same = (row.id for row in others if (row.row, row.column) == well and row.number == here.number)
    lowest = min((row for row in others if (row.row, row.column) == well), key=lambda row: row.number)
    return next(same, lowest.id)


def _scores(session: Session, scoring_id: int, drop_id: int) -> dict[int, ExperimentScoreView]:
    rows = session.scalars(
        select(ExperimentScore).where(ExperimentScore.scoring_id == scoring_id, ExperimentScore.drop_id == drop_id)
    )
    return {
        row.inspection_id: ExperimentScoreView(
            probability=row.crystal_probability,
            visible_probability=row.visible_probability,
            uv_probability=row.uv_probability,
            image_visible_id=row.image_visible_id,
            image_uv_id=row.image_uv_id,
            error=row.error,
        )
        for row in rows
    }


def _images(session: Session, drop_id: int) -> dict[int, list[ScoredImageView]]:
    """The images of a drop by number of inspection: visible first, and the one that is scored first."""
    scores: dict[int, list[ImageScoreView]] = defaultdict(list)
    rows = session.execute(
        select(ImageScore, ModelVersion.name, ModelVersion.version)
        .join(DropImageFile, ImageScore.image_id == DropImageFile.id)
        .join(ModelVersion, ImageScore.model_version_id == ModelVersion.id)
        .where(DropImageFile.drop_id == drop_id)
        .order_by(ImageScore.created_at.desc(), ImageScore.model_version_id.desc())
    )
    for score, name, version in rows:
        scores[score.image_id].append(
            ImageScoreView(
                model=ModelReference(name=name, version=version),
                probability=score.probability,
                error=score.error,
                created_at=score.created_at,
            )
        )
    images: dict[int, list[ScoredImageView]] = defaultdict(list)
    for image, number in session.execute(
        select(DropImageFile, Inspection.number)
        .join(Inspection, DropImageFile.inspection_id == Inspection.id)
        .where(DropImageFile.drop_id == drop_id)
    ):
        images[number].append(ScoredImageView(**_image_fields(image, number), scores=scores[image.id]))
    order = list(Modality)
    for several in images.values():
        several.sort(
            key=lambda image: (
                image.superseded_by_id is not None,
                order.index(image.modality),
                image.focus is not Focus.EXTENDED,
                image.profile,
                -image.id,
            )
        )
    return images


def _image_fields(row: DropImageFile, inspection: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "drop_id": row.drop_id,
        "inspection": inspection,
        "modality": Modality(row.modality),
        "profile": row.profile,
        "focus": Focus(row.focus),
        "width_px": row.width_px,
        "height_px": row.height_px,
        "um_per_pixel": row.um_per_pixel,
        "taken_at": row.taken_at,
        "imported_at": row.imported_at,
        "path": row.path,
        "size_bytes": row.size_bytes,
        "sha256": row.sha256,
        "superseded_by_id": row.superseded_by_id,
    }


__all__ = ["drop_detail", "find_drop", "image_view"]
