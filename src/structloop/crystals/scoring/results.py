"""From image scores to experiment scores, and to what the list of plates shows. Derived; can be made again."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from structloop.crystals.combining import combine_probabilities
from structloop.crystals.scoring.assignment import SCORED_MODALITIES, ModelAssignment
from structloop.crystals.scoring.images import PrimaryImage, primary_images
from structloop.crystals.summaries import Experiment, forget_scores_without_images, write_score_summary
from structloop.schema.crystals import CombinationRule
from structloop.schema.images import Modality
from structloop.store import Database
from structloop.store.database import insert_or_ignore, upsert
from structloop.store.tables import ExperimentScore, Inspection, ModelVersion, Plate, Scoring, scoring_key
from structloop.store.tables.base import utc_now

# SQLite allows 32,766 values in one statement, and a row has ten.
ROWS_PER_STATEMENT = 1000
ERROR_LENGTH = 2000


def record_models(database: Database, assignment: ModelAssignment) -> dict[Modality, int]:
    """The ids of the model versions of an assignment, recorded with their cards where they are new."""
    ids: dict[Modality, int] = {}
    with database.session() as session:
        for modality, card in assignment.served:
            row = {
                "name": card.name,
                "version": card.version,
                "card": card.model_dump(mode="json"),
                "created_at": utc_now(),
            }
            session.execute(insert_or_ignore(database, ModelVersion, [row]))
            ids[modality] = session.scalars(
                select(ModelVersion.id).where(ModelVersion.name == card.name, ModelVersion.version == card.version)
            ).one()
    return ids


def record_scoring(
    database: Database,
    plate_id: int,
    assignment: ModelAssignment,
    versions: Mapping[Modality, int],
    rule: CombinationRule,
) -> int:
    """The id of this way of scoring the plate; it becomes the plate's current one where the plate has none yet."""
    visible, uv = versions.get(Modality.VISIBLE), versions.get(Modality.UV)
    key = scoring_key(plate_id, visible, uv, rule.value)
    now = utc_now()
    row = {
        "key": key,
        "plate_id": plate_id,
        "model_visible_id": visible,
        "model_uv_id": uv,
        "rule": rule.value,
        "alarm_threshold": assignment.alarm_threshold,
        "created_at": now,
        "updated_at": now,
    }
    with database.session() as session:
        session.execute(upsert(database, Scoring, [row], key=["key"], update=["alarm_threshold", "updated_at"]))
        scoring_id = session.scalars(select(Scoring.id).where(Scoring.key == key)).one()
        session.execute(
            update(Plate)
            .where(Plate.id == plate_id, Plate.current_scoring_id.is_(None))
            .values(current_scoring_id=scoring_id)
        )
    return scoring_id


def record_experiments(
    database: Database,
    plate_id: int,
    scoring_id: int,
    versions: Mapping[Modality, int],
    rule: CombinationRule,
    failures: Mapping[int, str],
    inspection: int | None,
) -> None:
    """Combines the image scores of a plate and writes one row per experiment that has nothing left to score.

    Rows of experiments that have no image any more, because theirs was found to belong elsewhere, are deleted.

    Args:
        failures: Images that could not be read this time, by id, with the reason. Such a reason is kept only here,
            not with the image's scores, so that the image is tried again.
        inspection: Only the inspection of that number; None: all.
    """
    with database.reading() as session:
        images = {
            modality: primary_images(session, plate_id, modality, versions.get(modality), inspection)
            for modality in SCORED_MODALITIES
        }
    rows = _experiment_rows(images, versions, rule, failures)
    now = utc_now()
    updated = [
        "image_visible_id",
        "image_uv_id",
        "visible_probability",
        "uv_probability",
        "crystal_probability",
        "error",
    ]
    for chunk in _chunks([row | {"scoring_id": scoring_id, "created_at": now} for row in rows]):
        with database.session() as session:
            _lock(session, plate_id)
            session.execute(
                upsert(database, ExperimentScore, chunk, key=["scoring_id", "drop_id", "inspection_id"], update=updated)
            )
    with database.session() as session:
        _lock(session, plate_id)
        covered = select(Inspection.id).where(Inspection.plate_id == plate_id)
        if inspection is not None:
            covered = covered.where(Inspection.number == inspection)
        forget_scores_without_images(session, scoring_id, session.scalars(covered).all())
        _date_hits(session, scoring_id)


def _lock(session: Session, plate_id: int) -> None:
    """Makes whoever writes the plate's experiment scores wait until this transaction ends.

    Imports lock the plate, too: an image that one is moving just now has left before the rows are looked at, or the
    import finds them when it does. Scorers write rows in different orders; taking turns, none waits in a circle.
    """
    session.execute(select(Plate.id).where(Plate.id == plate_id).with_for_update())


def _date_hits(session: Session, scoring_id: int) -> None:
    """Notes the moment on rows that have just become hits, and clears it on those that are none any more."""
    threshold = session.scalars(select(Scoring.alarm_threshold).where(Scoring.id == scoring_id)).one()
    probability = ExperimentScore.crystal_probability
    new = (probability >= threshold, ExperimentScore.hit_at.is_(None))
    over = (or_(probability.is_(None), probability < threshold), ExperimentScore.hit_at.is_not(None))
    for condition, moment in ((new, utc_now()), (over, None)):
        session.execute(
            update(ExperimentScore)
            .where(ExperimentScore.scoring_id == scoring_id, *condition)
            .values(hit_at=moment)
            .execution_options(synchronize_session=False)
        )


def _experiment_rows(
    images: Mapping[Modality, list[PrimaryImage]],
    versions: Mapping[Modality, int],
    rule: CombinationRule,
    failures: Mapping[int, str],
) -> list[dict[str, Any]]:
    by_experiment: dict[Experiment, dict[Modality, PrimaryImage]] = {}
    for modality, found in images.items():
        for image in found:
            by_experiment.setdefault((image.drop_id, image.inspection_id), {})[modality] = image
    complete = {
        experiment: pair
        for experiment, pair in sorted(by_experiment.items())
        if not any(
            image.is_pending and image.image_id not in failures
            for modality, image in pair.items()
            if modality in versions
        )
    }

    def column(modality: Modality) -> list[float]:
        found = (pair.get(modality) for pair in complete.values())
        return [math.nan if image is None or image.probability is None else image.probability for image in found]

    visible, uv = column(Modality.VISIBLE), column(Modality.UV)
    combined = combine_probabilities(np.array(visible), np.array(uv), rule).tolist()
    rows: list[dict[str, Any]] = []
    for (experiment, pair), visible_p, uv_p, combined_p in zip(complete.items(), visible, uv, combined, strict=True):
        visible_image, uv_image = pair.get(Modality.VISIBLE), pair.get(Modality.UV)
        rows.append(
            {
                "drop_id": experiment[0],
                "inspection_id": experiment[1],
                "image_visible_id": visible_image.image_id if visible_image else None,
                "image_uv_id": uv_image.image_id if uv_image else None,
                "visible_probability": _number(visible_p),
                "uv_probability": _number(uv_p),
                "crystal_probability": _number(combined_p),
                "error": _error(pair, versions, failures),
            }
        )
    return rows


def _error(
    pair: Mapping[Modality, PrimaryImage], versions: Mapping[Modality, int], failures: Mapping[int, str]
) -> str | None:
    reasons = []
    for modality, image in pair.items():
        reason = image.error or failures.get(image.image_id)
        if reason is not None:
            reasons.append(f"{modality}: {reason}")
    if not reasons and not any(modality in versions for modality in pair):
        reasons.append(f"no chosen model serves {' or '.join(pair)} images")
    return "; ".join(reasons)[:ERROR_LENGTH] or None


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _chunks(rows: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        yield rows[start : start + ROWS_PER_STATEMENT]


def summarise_plate(database: Database, plate_id: int, scoring_id: int | None = None) -> None:
    """Writes the plate's summary: experiments with a result, hits, best probability, newest hit.

    What it says is described with `structloop.crystals.summaries.write_score_summary`.

    Args:
        scoring_id: Becomes the plate's current scoring; None: the one it has stays.
    """
    with database.session() as session:
        if scoring_id is not None:
            session.execute(update(Plate).where(Plate.id == plate_id).values(current_scoring_id=scoring_id))
        write_score_summary(session, plate_id)


__all__ = ["record_experiments", "record_models", "record_scoring", "summarise_plate"]
