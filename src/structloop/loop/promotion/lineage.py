"""Where a model version comes from: its training, its data set, the people whose answers it holds, what it began with.

Read from what trainings, curation and promotion recorded; nothing is kept for it.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.loop.curation.tally import answer_counts
from structloop.loop.datasets.manifest import ManifestRow
from structloop.loop.datasets.versions import DatasetInfo, dataset_rows, get_dataset
from structloop.loop.promotion.roles import RoleEvent, events_of
from structloop.loop.promotion.training_runs import RunInfo, get_run
from structloop.store import Database, KeptFiles
from structloop.store.tables import Annotation, CurationDecision, ModelVersion, TrainingRun

_FEW = 500
_LONGEST = 20


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one person gave to a data set.

    Attributes:
        name: The person.
        part: Whether as a curator, who answered what was asked, or as an annotator, who labelled of their own accord.
        images: Images of the data set that rest on it, too.
    """

    name: str
    part: Literal["curator", "annotator"]
    images: int


@dataclass(frozen=True, slots=True)
class Testimony:
    """What one person said of an image.

    Attributes:
        name: The person.
        part: See `Contribution`.
        answer: The curator's answer, or the annotator's label as its scheme has it.
    """

    name: str
    part: Literal["curator", "annotator"]
    answer: str


@dataclass(frozen=True)
class ModelStep:
    """One model version and what it rests on.

    Attributes:
        version_id: Its key.
        model: As `name@version`.
        card: Its card when it was recorded.
        run: The training that it came of; None where it was not trained here.
        dataset: What that learnt from.
        rows: The images of it.
        people: Whose answers it holds, the busiest first.
        events: The roles it was given, in their order.
    """

    version_id: int
    model: str
    card: dict[str, Any]
    run: RunInfo | None
    dataset: DatasetInfo | None
    rows: Sequence[ManifestRow]
    people: tuple[Contribution, ...]
    events: tuple[RoleEvent, ...]


def ancestry(database: Database, kept: KeptFiles, version_id: int) -> list[ModelStep]:
    """A model version, the one that its training began with, and so on, as far as it was recorded here.

    Raises:
        NotFoundError: there is no such model version.
        StoreError: the manifest of a data set is missing or damaged.
    """
    steps: list[ModelStep] = []
    seen: set[int] = set()
    next_id: int | None = version_id
    while next_id is not None and next_id not in seen and len(steps) < _LONGEST:
        seen.add(next_id)
        step = _step(database, kept, next_id)
        steps.append(step)
        next_id = None if step.run is None else _begun_with(database, step.run)
    return steps


def contributions(database: Database, rows: Sequence[ManifestRow]) -> tuple[Contribution, ...]:
    """Whose answers and labels the images of a data set rest on, the busiest first."""
    curated = Counter(row.curation_item_id for row in rows if row.curation_item_id is not None)
    annotated = Counter(row.annotation_id for row in rows if row.annotation_id is not None)
    with database.reading() as session:
        curators = _curators(session, curated)
        annotators = _annotators(session, annotated)
    found: list[tuple[Literal["curator", "annotator"], dict[str, int]]] = [
        ("curator", curators),
        ("annotator", annotators),
    ]
    people = [Contribution(name, part, images) for part, given in found for name, images in given.items()]
    return tuple(sorted(people, key=lambda one: (-one.images, one.name, one.part)))


def learnt_from(database: Database, name: str, version: str) -> DatasetInfo | None:
    """The data set that a model version was trained on here; None for one from elsewhere, such as the default."""
    with database.reading() as session:
        dataset_id = session.scalar(
            select(TrainingRun.dataset_version_id)
            .join(ModelVersion, ModelVersion.id == TrainingRun.model_version_id)
            .where(ModelVersion.name == name, ModelVersion.version == version)
            .order_by(TrainingRun.id.desc())
            .limit(1)
        )
    return None if dataset_id is None else get_dataset(database, dataset_id)


def said_of(database: Database, rows: Sequence[ManifestRow]) -> dict[str, tuple[Testimony, ...]]:
    """Who said what of images, by their keys: curators of what was settled, else whoever annotated."""
    curated = {row.curation_item_id for row in rows if row.curation_item_id is not None}
    annotated = {row.annotation_id for row in rows if row.annotation_id is not None}
    by_item: dict[int, list[Testimony]] = defaultdict(list)
    by_annotation: dict[int, Testimony] = {}
    with database.reading() as session:
        for some in _portions(curated):
            for item_id, name, answer in session.execute(
                select(CurationDecision.curation_item_id, CurationDecision.curator, CurationDecision.answer)
                .where(CurationDecision.curation_item_id.in_(some), answer_counts())
                .order_by(CurationDecision.id)
            ):
                by_item[item_id].append(Testimony(name, "curator", str(answer)))
        for some in _portions(annotated):
            for key, name, label in session.execute(
                select(Annotation.id, Annotation.annotator, Annotation.label).where(Annotation.id.in_(some))
            ):
                by_annotation[key] = Testimony(name, "annotator", str(label))
    return {
        row.key: tuple(by_item.get(row.curation_item_id or -1, ()))
        or tuple(by_annotation[key] for key in [row.annotation_id] if key in by_annotation)
        for row in rows
    }


def _step(database: Database, kept: KeptFiles, version_id: int) -> ModelStep:
    with database.reading() as session:
        version = session.get(ModelVersion, version_id)
        if version is None:
            raise NotFoundError(f"there is no model version {version_id}")
        model, card = f"{version.name}@{version.version}", version.card
        run_id = session.scalar(
            select(TrainingRun.id)
            .where(TrainingRun.model_version_id == version_id)
            .order_by(TrainingRun.id.desc())
            .limit(1)
        )
    run = None if run_id is None else get_run(database, run_id)
    dataset = None if run is None or run.dataset_version_id is None else get_dataset(database, run.dataset_version_id)
    rows = [] if dataset is None else dataset_rows(dataset, kept)
    return ModelStep(
        version_id,
        model,
        card,
        run,
        dataset,
        rows,
        contributions(database, rows),
        tuple(events_of(database, version_id)),
    )


def _begun_with(database: Database, run: RunInfo) -> int | None:
    """The version of the model that a training began with; of several, the last that was there when it began."""
    with database.reading() as session:
        found = session.execute(
            select(ModelVersion.id, ModelVersion.created_at)
            .where(ModelVersion.name == run.start)
            .order_by(ModelVersion.id)
        ).all()
    there = [version_id for version_id, at in found if at <= run.created_at]
    # A model is recorded when it first scores, which may be after it was first trained from.
    return there[-1] if there else next((version_id for version_id, _ in found), None)


def _curators(session: Session, images: Counter[int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for some in _portions(images):
        rows = session.execute(
            select(CurationDecision.curator, CurationDecision.curation_item_id)
            .where(CurationDecision.curation_item_id.in_(some), answer_counts())
            .distinct()
        )
        for curator, item_id in rows:
            found[curator] += images[item_id]
    return found


def _annotators(session: Session, images: Counter[int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for some in _portions(images):
        for annotator, key in session.execute(
            select(Annotation.annotator, Annotation.id).where(Annotation.id.in_(some))
        ):
            found[annotator] += images[key]
    return found


def _portions(keys: Collection[int]) -> list[list[int]]:
    ordered = sorted(keys)
    return [ordered[start : start + _FEW] for start in range(0, len(ordered), _FEW)]


__all__ = ["Contribution", "ModelStep", "Testimony", "ancestry", "contributions", "learnt_from", "said_of"]
