"""Scoring a plate from beginning to end, in a way that may be stopped or killed anywhere and simply run again."""

import time
from collections.abc import Callable, Sequence

from sqlalchemy import func, select

from structloop.core.errors import NotFoundError
from structloop.crystals.scoring.assignment import ModelSource, assign_models
from structloop.crystals.scoring.image_results import is_lasting, open_unchanged, record_batch
from structloop.crystals.scoring.images import PrimaryImage, primary_images
from structloop.crystals.scoring.pipeline import ScoredImage, score_images
from structloop.crystals.scoring.production import ProductionModels, production_models
from structloop.crystals.scoring.report import ImageFailure, ScoreReport
from structloop.crystals.scoring.results import record_experiments, record_models, record_scoring, summarise_plate
from structloop.crystals.scoring.shadows import score_shadows
from structloop.schema.crystals import CombinationRule
from structloop.store import Database
from structloop.store.tables import ExperimentScore, Inspection, Plate

Progress = Callable[[int, int | None, str], None]

# While a plate is scored, the plate map fills; combining may take this share of the time.
COMBINING_SHARE = 0.1
COMBINING_EVERY_S = 2.0


def score_plate(
    database: Database,
    source: ModelSource,
    plate_id: int,
    *,
    models: Sequence[str] = (),
    rule: CombinationRule = CombinationRule.MAX,
    inspection: int | None = None,
    batch_size: int = 16,
    threads: int | None = None,
    on_progress: Progress | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> ScoreReport:
    """Scores the images of a plate that have no score yet, and combines them per experiment.

    Every batch is committed by itself. An image is scored once per model version, however often this is called, by
    however many processes. A file that is damaged is recorded as such once; one that is missing, changed or unreadable
    for now is reported and tried again the next time. The scoring becomes the plate's current one.

    Args:
        database: Where the plate is.
        source: Where models come from.
        plate_id: The plate.
        models: Names of models, each scoring the modalities that its card lists; none: those in production, and where
            nothing was promoted the default model. Models in the shadow then score, too, silently.
        rule: How visible and UV become one probability.
        inspection: Only the inspection of that number; None: all.
        batch_size: Images per call of the network.
        threads: Threads that decode images; None: one per core.
        on_progress: Called with images done, images in all, and what is being done.
        should_stop: Asked after every batch; True ends early with what there is.

    Raises:
        NotFoundError: no such plate, or it has no such inspection.
        ModelNotFoundError, ModelFormatError, UnsupportedModalityError: the models cannot be used for this.
        StoreUnavailableError: the database cannot be written.
    """
    barcode = _barcode(database, plate_id, inspection)
    chosen = ProductionModels(assign_models(source, models)) if models else production_models(database, source)
    assignment = chosen.assignment
    versions = record_models(database, assignment)
    scoring_id = record_scoring(database, plate_id, assignment, versions, rule)
    report = ScoreReport(
        plate_id=plate_id,
        barcode=barcode,
        scoring_id=scoring_id,
        models={modality.value: f"{card.name}@{card.version}" for modality, card in assignment.served},
        rule=rule.value,
        alarm_threshold=assignment.alarm_threshold,
    )
    with database.reading() as session:
        found = {
            modality: primary_images(session, plate_id, modality, versions[modality], inspection)
            for modality in versions
        }
    pending = {modality: [image for image in images if image.is_pending] for modality, images in found.items()}
    total = sum(len(images) for images in found.values())
    done = report.images_known = total - sum(len(images) for images in pending.values())
    retried: dict[int, str] = {}
    due = _Due()

    def tell(message: str) -> None:
        if on_progress is not None:
            on_progress(done, total, message)

    def combine() -> None:
        record_experiments(database, plate_id, scoring_id, versions, rule, retried, inspection)
        summarise_plate(database, plate_id)

    tell("looking for images to score")
    for modality, card in assignment.served:
        if not pending[modality] or report.stopped:
            continue
        tell(f"loading {card.name}")
        classifier = chosen.load(source, modality, card)
        batches = score_images(
            classifier, pending[modality], open_unchanged, modality, batch_size=batch_size, threads=threads
        )
        for batch in batches:
            record_batch(database, versions[modality], batch)
            _note_failures(batch, report, retried)
            done += len(batch)
            report.images_scored += sum(outcome.error is None for outcome in batch)
            tell(f"scoring {modality} images")
            if due.is_now():
                with due:
                    combine()
            if should_stop is not None and should_stop():
                report.stopped = True
                batches.close()
                break
    tell("combining")
    combine()
    if not report.stopped:
        summarise_plate(database, plate_id, scoring_id)
        if chosen.shadows:
            tell("scoring in the shadow")
        report.shadow_problems += score_shadows(
            database,
            source,
            plate_id,
            chosen,
            inspection,
            batch_size=batch_size,
            threads=threads,
            should_stop=should_stop,
        )
    _fill_summary(database, plate_id, inspection, report)
    return report


class _Due:
    """Says when to combine again, so that combining takes a small share of the time however large the plate is."""

    def __init__(self) -> None:
        self._next = time.monotonic() + COMBINING_EVERY_S
        self._started = 0.0

    def is_now(self) -> bool:
        return time.monotonic() >= self._next

    def __enter__(self) -> None:
        self._started = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self._next = now + max(COMBINING_EVERY_S, (now - self._started) / COMBINING_SHARE)


def _barcode(database: Database, plate_id: int, inspection: int | None) -> str:
    with database.reading() as session:
        barcode = session.scalar(select(Plate.barcode).where(Plate.id == plate_id))
        if barcode is None:
            raise NotFoundError(f"there is no plate {plate_id}")
        numbers = session.scalars(
            select(Inspection.number).where(Inspection.plate_id == plate_id).order_by(Inspection.number)
        ).all()
    if inspection is not None and inspection not in numbers:
        there = ", ".join(str(number) for number in numbers) or "none"
        raise NotFoundError(f"plate '{barcode}' has no inspection {inspection}; it has {there}")
    return barcode


def _note_failures(batch: Sequence[ScoredImage[PrimaryImage]], report: ScoreReport, retried: dict[int, str]) -> None:
    for outcome in batch:
        if outcome.error is not None:
            lasting = is_lasting(outcome.error)
            report.failures.append(ImageFailure(outcome.item.path, str(outcome.error), will_retry=not lasting))
            if not lasting:
                retried[outcome.item.image_id] = str(outcome.error)


def _fill_summary(database: Database, plate_id: int, inspection: int | None, report: ScoreReport) -> None:
    counts = (
        select(func.count(ExperimentScore.crystal_probability), func.count())
        .join(Inspection, Inspection.id == ExperimentScore.inspection_id)
        .where(ExperimentScore.scoring_id == report.scoring_id)
    )
    if inspection is not None:
        counts = counts.where(Inspection.number == inspection)
    with database.reading() as session:
        plate = session.get_one(Plate, plate_id)
        report.experiments, tried = session.execute(counts).one()
        report.experiments_failed = tried - report.experiments
        report.hits = plate.hit_count
        report.best_probability = plate.best_probability


__all__ = ["score_plate"]
