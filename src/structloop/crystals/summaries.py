"""What the list of plates shows of a plate, and which experiment scores no longer belong to any image."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from structloop.schema.images import Modality
from structloop.store.tables import Drop, DropImageFile, ExperimentScore, Plate, Scoring

Experiment = tuple[int, int]
"""Ids of drop and inspection."""

# Each place is two values, and SQLite allows 32,766 in one statement.
PLACES_PER_STATEMENT = 5000
_SCORED = (Modality.VISIBLE.value, Modality.UV.value)


def write_image_counts(session: Session, plate_id: int) -> None:
    """Writes how many images a plate has, and how many pairs of drop and inspection have one; replaced ones left out.

    Args:
        session: Open session; its transaction holds the change.
        plate_id: The plate.
    """
    live = (
        select(DropImageFile.drop_id, DropImageFile.inspection_id, func.count().label("images"))
        .join(Drop, Drop.id == DropImageFile.drop_id)
        .where(Drop.plate_id == plate_id, DropImageFile.superseded_by_id.is_(None))
        .group_by(DropImageFile.drop_id, DropImageFile.inspection_id)
        .subquery()
    )
    images, experiments = session.execute(select(func.sum(live.c.images), func.count()).select_from(live)).one()
    session.execute(
        update(Plate).where(Plate.id == plate_id).values(image_count=int(images or 0), experiment_count=experiments)
    )


def write_score_summary(session: Session, plate_id: int) -> None:
    """Writes the plate's summary under its current scoring; nothing where it was never scored.

    A drop is a hit when its best probability over the inspections reaches the scoring's threshold. It became one when,
    under any scoring of the plate, it first reached that scoring's threshold: scoring again with another model makes
    news only of drops that no model had found before. Experiments that only failed do not count as scored.

    Args:
        session: Open session; its transaction holds the change.
        plate_id: The plate.
    """
    current = session.scalar(select(Plate.current_scoring_id).where(Plate.id == plate_id))
    if current is not None:
        session.execute(update(Plate).where(Plate.id == plate_id).values(**_summary(session, plate_id, current)))


def _summary(session: Session, plate_id: int, scoring_id: int) -> dict[str, Any]:
    threshold = session.scalars(select(Scoring.alarm_threshold).where(Scoring.id == scoring_id)).one()
    mine = ExperimentScore.scoring_id == scoring_id
    probability = ExperimentScore.crystal_probability
    # COUNT of a column leaves out NULL: experiments without a probability only failed.
    scored, best = session.execute(select(func.count(probability), func.max(probability)).where(mine)).one()
    hits = select(ExperimentScore.drop_id).where(mine, probability >= threshold).distinct()
    hit_count = session.scalar(select(func.count()).select_from(hits.subquery()))
    first_hit = (
        select(func.min(ExperimentScore.hit_at).label("at"))
        .join(Scoring, and_(Scoring.id == ExperimentScore.scoring_id, Scoring.plate_id == plate_id))
        .where(ExperimentScore.drop_id.in_(hits), ExperimentScore.hit_at.is_not(None))
        .group_by(ExperimentScore.drop_id)
        .subquery()
    )
    newest = session.scalar(select(func.max(first_hit.c.at)))
    return {"scored_count": scored, "hit_count": hit_count, "best_probability": best, "newest_hit_at": newest}


def forget_scores_without_images(session: Session, scoring_id: int, inspection_ids: Collection[int]) -> None:
    """Deletes the scores of experiments that have no current image any more.

    Their images were found to belong elsewhere: to another well, inspection or plate.

    Args:
        session: Open session; its transaction holds the change.
        scoring_id: The scoring whose rows are looked at.
        inspection_ids: Only these inspections.
    """
    current = (
        select(DropImageFile.id)
        .where(
            DropImageFile.drop_id == ExperimentScore.drop_id,
            DropImageFile.inspection_id == ExperimentScore.inspection_id,
            DropImageFile.modality.in_(_SCORED),
            DropImageFile.superseded_by_id.is_(None),
        )
        .exists()
    )
    session.execute(
        delete(ExperimentScore)
        .where(ExperimentScore.scoring_id == scoring_id, ExperimentScore.inspection_id.in_(inspection_ids), ~current)
        .execution_options(synchronize_session=False)
    )


def settle_left_places(session: Session, places: Collection[Experiment]) -> None:
    """Brings the scores and plates of experiments up to date that lost images to other places.

    A score that was made from a replaced image is deleted at these places, under every scoring: what it says is true of
    another drop. An experiment that has other images gets its score again, from the image scores that are kept, when
    its plate is next scored. Then the plates are summarised again.

    Args:
        session: Open session; its transaction holds the change.
        places: Drops and inspections that images have left.
    """
    if not places:
        return
    ordered = sorted(places)
    drops = {drop for drop, _ in ordered}
    plates = sorted(session.scalars(select(Drop.plate_id).where(Drop.id.in_(drops)).distinct()))
    of_these = ExperimentScore.scoring_id.in_(select(Scoring.id).where(Scoring.plate_id.in_(plates)))
    replaced = (
        select(DropImageFile.id)
        .where(
            or_(
                DropImageFile.id == ExperimentScore.image_visible_id,
                DropImageFile.id == ExperimentScore.image_uv_id,
            ),
            DropImageFile.superseded_by_id.is_not(None),
        )
        .exists()
    )
    for start in range(0, len(ordered), PLACES_PER_STATEMENT):
        at_place = tuple_(ExperimentScore.drop_id, ExperimentScore.inspection_id).in_(
            ordered[start : start + PLACES_PER_STATEMENT]
        )
        session.execute(
            delete(ExperimentScore).where(of_these, at_place, replaced).execution_options(synchronize_session=False)
        )
    for plate_id in plates:
        write_image_counts(session, plate_id)
        write_score_summary(session, plate_id)


__all__ = [
    "Experiment",
    "forget_scores_without_images",
    "settle_left_places",
    "write_image_counts",
    "write_score_summary",
]
