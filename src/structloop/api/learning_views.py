"""From trainings, roles and lineages of the loop to what the API shows of them."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select

from structloop.api.dataset_shapes import DatasetView
from structloop.api.learning_shapes import (
    ContributionView,
    DropLineageView,
    LearntImageView,
    ModelRolesView,
    ModelStepView,
    RoleEventView,
    ScoreLineageView,
    TrainingRunView,
)
from structloop.core.errors import NotFoundError
from structloop.crystals.drops import drop_detail
from structloop.crystals.views import DropDetail, DropInspectionView, ImageScoreView, ScoredImageView
from structloop.loop.datasets import DatasetInfo
from structloop.loop.promotion.lineage import ModelStep, ancestry
from structloop.loop.promotion.roles import RoleEvent, fold, history
from structloop.loop.promotion.training_runs import RunInfo
from structloop.schema.images import Modality
from structloop.store import Database, KeptFiles
from structloop.store.tables import ModelVersion


def dataset_view(info: DatasetInfo) -> DatasetView:
    """A version of a data set as the API shows it."""
    return DatasetView(
        id=info.id,
        name=info.name,
        task=info.task,
        number=info.number,
        parent_id=info.parent_id,
        test_set_id=info.test_set_id,
        test_set=info.test_set,
        manifest_sha256=info.manifest_sha256,
        counts=info.counts,
        settings=info.settings,
        made_by=info.made_by,
        why=info.why,
        created_at=info.created_at,
    )


def run_view(run: RunInfo, names: Mapping[int, str]) -> TrainingRunView:
    """A training as the API shows it.

    Args:
        run: The training.
        names: Of data sets, by key.
    """
    return TrainingRunView(
        id=run.id,
        task=run.task,
        method=run.method,
        dataset_id=run.dataset_version_id,
        dataset=None if run.dataset_version_id is None else names.get(run.dataset_version_id),
        start=run.start,
        name=run.name,
        seed=run.seed,
        state=run.state,
        model=run.model,
        problem=run.problem,
        course=run.course,
        created_at=run.created_at,
        finished_at=run.finished_at,
    )


def roles_view(database: Database, task: str, default_model: str) -> ModelRolesView:
    """Which model does the work of a task, and everything that was decided, the newest first."""
    events = history(database, task)
    now = fold(task, events)
    return ModelRolesView(
        task=task,
        default_model=default_model,
        production=None if now.production is None else _event_view(now.production),
        before=[_event_view(event, whole=False) for event in now.before],
        shadows=[_event_view(event) for event in _judged(now.shadows, events)],
        candidates=[_event_view(event) for event in now.candidates],
        history=[_event_view(event, whole=False) for event in reversed(events)],
    )


def drop_lineage(
    database: Database, files: KeptFiles, drop_id: int, inspection: int | None, scoring: int | None
) -> DropLineageView:
    """Where the scores of a drop at an inspection come from.

    Raises:
        NotFoundError: there is no such drop, inspection or scoring, or none of its inspections has a score.
    """
    detail = drop_detail(database, drop_id, scoring_id=scoring)
    number = inspection if inspection is not None else detail.best_inspection
    looked_at = next((each for each in detail.inspections if each.number == number), None)
    if looked_at is None:
        raise NotFoundError(
            f"drop {drop_id} has no score to explain; score its plate first"
            if number is None
            else f"the plate of drop {drop_id} has no inspection {number}; name one it has"
        )
    known: dict[int, list[ModelStep]] = {}
    scores = [
        _score_view(database, files, detail, looked_at, image, score, known)
        for image in looked_at.images
        for score in image.scores
    ]
    return DropLineageView(
        drop_id=detail.id,
        plate_id=detail.plate_id,
        barcode=detail.barcode,
        well=detail.well,
        drop=detail.drop,
        inspection=looked_at.number,
        probability=None if looked_at.score is None else looked_at.score.probability,
        rule=None if detail.scoring is None else detail.scoring.rule.value,
        scores=sorted(scores, key=lambda each: (not each.is_current, each.modality is not Modality.VISIBLE)),
    )


def _judged(given: Sequence[RoleEvent], events: Sequence[RoleEvent]) -> list[RoleEvent]:
    """Events with the evidence that their version earned as a candidate, where they have none of their own."""
    earned = {event.version_id: event.evidence for event in events if event.evidence}
    return [
        RoleEvent(
            event.id, event.version_id, event.model, event.role, event.goes_back, event.who, event.why, event.at,
            event.evidence or earned.get(event.version_id, {}),
        )
        for event in given
    ]  # fmt: skip


def _event_view(event: RoleEvent, *, whole: bool = True) -> RoleEventView:
    return RoleEventView(
        id=event.id,
        model=event.model,
        role=event.role,
        goes_back=event.goes_back,
        who=event.who,
        why=event.why,
        at=event.at,
        evidence=dict(event.evidence) if whole else {},
    )


def _score_view(
    database: Database,
    files: KeptFiles,
    detail: DropDetail,
    looked_at: DropInspectionView,
    image: ScoredImageView,
    score: ImageScoreView,
    known: dict[int, list[ModelStep]],
) -> ScoreLineageView:
    with database.reading() as session:
        version_id = session.scalars(
            select(ModelVersion.id).where(
                ModelVersion.name == score.model.name, ModelVersion.version == score.model.version
            )
        ).one()
    if version_id not in known:
        known[version_id] = ancestry(database, files, version_id)
    shown = looked_at.score
    used = {None if shown is None else shown.image_visible_id, None if shown is None else shown.image_uv_id}
    models = () if detail.scoring is None else (detail.scoring.model_visible, detail.scoring.model_uv)
    return ScoreLineageView(
        image_id=image.id,
        modality=image.modality,
        probability=score.probability,
        error=score.error,
        scored_at=score.created_at,
        is_current=image.id in used and score.model in models,
        steps=[_step_view(step, image.sha256) for step in known[version_id]],
    )


def _step_view(step: ModelStep, sha256: str) -> ModelStepView:
    name, _, version = step.model.rpartition("@")
    training = step.card.get("training", {})
    learnt = next((row for row in step.rows if row.sha256 == sha256), None)
    return ModelStepView(
        name=name,
        version=version,
        summary=step.card.get("summary", ""),
        trained_on=training.get("description", ""),
        synthetic=training.get("synthetic", False),
        run=None
        if step.run is None
        else run_view(step.run, {} if step.dataset is None else {step.dataset.id: step.dataset.name}),
        dataset=None if step.dataset is None else dataset_view(step.dataset),
        people=[ContributionView(name=each.name, part=each.part, images=each.images) for each in step.people],
        learnt=None
        if learnt is None
        else LearntImageView(
            partition=learnt.partition,
            label=learnt.label,
            source=learnt.source,
            curation_item_id=learnt.curation_item_id,
            annotation_id=learnt.annotation_id,
        ),
        events=[_event_view(event, whole=False) for event in step.events],
    )


__all__ = ["dataset_view", "drop_lineage", "roles_view", "run_view"]
