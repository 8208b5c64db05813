"""Models in the shadow: they score what production scores, and nothing but their image scores is kept.

No experiment's score, hit or plate map changes; a comparison of the two needs no more than the image scores. A shadow
that cannot be used is reported and stands in nobody's way.
"""

from collections.abc import Callable

from structloop.core.errors import ModelError
from structloop.crystals.scoring.assignment import ModelAssignment, ModelSource
from structloop.crystals.scoring.image_results import open_unchanged, record_batch
from structloop.crystals.scoring.images import primary_images
from structloop.crystals.scoring.pipeline import score_images
from structloop.crystals.scoring.production import ProductionModels
from structloop.crystals.scoring.results import record_models
from structloop.schema.images import Modality
from structloop.store import Database


def score_shadows(
    database: Database,
    source: ModelSource,
    plate_id: int,
    production: ProductionModels,
    inspection: int | None,
    *,
    batch_size: int,
    threads: int | None,
    should_stop: Callable[[], bool] | None,
) -> list[str]:
    """Scores the images of a plate with every model in the shadow that has not scored them yet.

    Returns:
        Why shadows could not score.
    """
    problems = list(production.problems)
    for modality, card in production.shadows:
        lone = ModelAssignment(*(card if each is modality else None for each in (Modality.VISIBLE, Modality.UV)))
        version = record_models(database, lone)[modality]
        with database.reading() as session:
            images = primary_images(session, plate_id, modality, version, inspection)
        pending = [image for image in images if image.is_pending]
        if not pending:
            continue
        try:
            classifier = source.load(card.name)
        except ModelError as error:
            problems.append(f"shadow {card.name}@{card.version}: {error}")
            continue
        batches = score_images(classifier, pending, open_unchanged, modality, batch_size=batch_size, threads=threads)
        for batch in batches:
            record_batch(database, version, batch)
            if should_stop is not None and should_stop():
                batches.close()
                return problems
    return problems


__all__ = ["score_shadows"]
