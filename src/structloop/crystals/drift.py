"""Whether an imager or a kind of plate looks new to a task's model: its newest plates beside the data set."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from sqlalchemy import select

from structloop.crystals.annotations import TASK
from structloop.crystals.curation.asking import ask_about
from structloop.crystals.review import images_of
from structloop.loop.curation.queue import states_of
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.evaluation.drift import DriftReport, DriftSample, detect_drift, pick_diverse
from structloop.loop.tasks import ReviewTask
from structloop.loop.training.feature_cache import FeatureCache
from structloop.models.classifiers.features import FeatureExtractor
from structloop.schema.images import Modality
from structloop.schema.loop import CurationReason, CurationState, ItemKey, TaskImage
from structloop.store import Database
from structloop.store.tables import Drop, Inspection, Plate

Tell = Callable[[int, int | None, str], None]
By = Literal["imager", "kind"]

NEWEST_PLATES = 20
"""Plates of each imager or kind that are looked at, those imaged last."""
IMAGES_PER_PLATE = 40


@dataclass(frozen=True)
class SourceDrift:
    """What is said of one imager or kind of plate.

    Attributes:
        report: The comparison with the training set.
        to_label: Where it looks new, the images to label, the most different first.
    """

    report: DriftReport
    to_label: tuple[TaskImage, ...]


@dataclass(frozen=True, slots=True)
class QueuedDrift:
    """What became of images to label.

    Attributes:
        joined: Drops at inspections that joined the queue.
        known: Of the others: they wait there already, or curators have answered them.
    """

    joined: tuple[ItemKey, ...]
    known: int


def drift_by_source(
    database: Database,
    task: ReviewTask,
    modality: Modality,
    known: Sequence[LabelledItem],
    extractor: FeatureExtractor,
    cache: FeatureCache,
    *,
    by: By = "imager",
    to_label: int = 40,
    seed: int = 0,
    on_progress: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[SourceDrift]:
    """Compares the newest plates of every imager (or kind of plate) with what the model was trained on.

    Args:
        database: Where plates are.
        task: The review task, which reads the images.
        modality: Of the images.
        known: The data set's items that the model learnt from; their tag `plate` is what is permuted.
        extractor: The features of the model's base.
        cache: Features that are known already.
        by: What makes a source.
        to_label: Images to ask for where a source looks new.
        seed: Of permutations and draws.
        on_progress: Called with images done, images in all, and what is done.
        should_stop: Asked between batches; True leaves out the sources that were not looked at wholly.

    Raises:
        ValueError: there is nothing to compare with.
    """
    trained = cache.features(extractor, known, on_progress=on_progress, should_stop=should_stop)
    reference = DriftSample(trained.features, [item.tag("plate") or item.group for item in trained.items])
    learnt = {item.sha256 for item in known}
    found = []
    for source, images in sorted(_newest(database, modality, by).items()):
        new_images = {image.key: image for image in images if image.sha256 not in learnt}
        items = [_item(image, task) for image in new_images.values()]
        seen = cache.features(extractor, items, on_progress=on_progress, should_stop=should_stop)
        if should_stop is not None and should_stop():
            break
        if not seen.items:
            continue
        new = DriftSample(seen.features, [item.group for item in seen.items])
        report = detect_drift(source, reference, new, seed=seed, to_label=min(to_label, len(seen.items)))
        chosen = pick_diverse(reference, new, to_label) if report.is_alarm else []
        found.append(SourceDrift(report, tuple(new_images[seen.items[place].key] for place in chosen)))
    return found


def queue_drift(database: Database, items: Sequence[ItemKey], *, answers_needed: int = 2) -> QueuedDrift:
    """Puts what a drift alarm names at the head of the curators' queue, in that order.

    What waits there already, or was answered by curators, is not asked about again.

    Args:
        database: Where the queue is.
        items: Drops at inspections, the most different first.
        answers_needed: Equal answers that settle an item.

    Raises:
        NotFoundError: a drop or its inspection was removed.
    """
    wanted = list(dict.fromkeys(items))
    with database.reading() as session:
        states = states_of(session, TASK)
    joining = [key for key in wanted if states.get(key, CurationState.WITHDRAWN) is CurationState.WITHDRAWN]
    if joining:
        ask_about(database, joining, reason=CurationReason.DRIFT, answers_needed=answers_needed)
    return QueuedDrift(tuple(joining), len(wanted) - len(joining))


def _item(image: TaskImage, task: ReviewTask) -> LabelledItem:
    # Nobody said what it shows; features need no label.
    return LabelledItem(image.key, image.group, "", partial(task.load, image), sha256=image.sha256)


def _newest(database: Database, modality: Modality, by: By) -> dict[str, list[TaskImage]]:
    """Images of the newest inspection of each of the newest plates, by source; those of no named source are out."""
    with database.reading() as session:
        rows = session.execute(
            select(Inspection.id, Inspection.plate_id, Inspection.imager, Plate.layout, Plate.rows, Plate.columns)
            .join(Plate, Plate.id == Inspection.plate_id)
            .order_by(Inspection.id.desc())
        ).all()
        plates: dict[str, dict[int, int]] = defaultdict(dict)
        for inspection_id, plate_id, imager, layout, height, width in rows:
            source = (imager or "") if by == "imager" else f"{layout} {height}x{width}"
            if source and plate_id not in plates[source] and len(plates[source]) < NEWEST_PLATES:
                plates[source][plate_id] = inspection_id
        drops: dict[int, list[int]] = defaultdict(list)
        wanted = {plate_id for chosen in plates.values() for plate_id in chosen}
        for plate_id in sorted(wanted):
            # Drops spread over the plate say more of it than its first rows.
            ids = session.scalars(select(Drop.id).where(Drop.plate_id == plate_id).order_by(Drop.id)).all()
            step = max(1, len(ids) // IMAGES_PER_PLATE)
            drops[plate_id] = list(ids[::step][:IMAGES_PER_PLATE])
    return {
        source: list(
            images_of(
                database,
                [ItemKey(drop, inspection) for plate, inspection in chosen.items() for drop in drops[plate]],
                modality,
            ).values()
        )
        for source, chosen in plates.items()
    }


__all__ = ["IMAGES_PER_PLATE", "NEWEST_PLATES", "QueuedDrift", "SourceDrift", "drift_by_source", "queue_drift"]
