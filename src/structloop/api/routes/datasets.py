"""Data sets: versions with their rows, what differs between two, and making a new one."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from sqlalchemy import select

from structloop.api.dataset_shapes import (
    BuildDatasetRequest,
    ChangedRowView,
    DatasetDiffView,
    DatasetPlanView,
    DatasetRowPage,
    DatasetRowView,
    DatasetView,
    LeakView,
    ReviewTaskView,
    TestSetView,
)
from structloop.api.dependencies import DatabaseDependency, KeptFilesDependency, QueueDependency
from structloop.api.errors import problems
from structloop.api.learning_views import dataset_view
from structloop.api.routes.parameters import DatasetId, Limit, Offset
from structloop.api.shapes import JobView
from structloop.api.submitting import job_view
from structloop.crystals.datasets import LabelChoice
from structloop.jobs import job_key
from structloop.jobs.datasets import plan_task_dataset
from structloop.loop.curation.queue import waiting_labels
from structloop.loop.datasets import (
    BuildSettings,
    FrozenTestSetInfo,
    GroupBy,
    ManifestRow,
    compare,
    dataset_rows,
    get_dataset,
    summarise,
)
from structloop.loop.datasets import list_datasets as find_datasets
from structloop.loop.datasets import list_test_sets as find_test_sets
from structloop.loop.datasets.manifest import count_rows
from structloop.loop.datasets.versions import ChangedRow
from structloop.loop.tasks import REVIEW_TASKS, ReviewTask
from structloop.schema.images import Modality
from structloop.schema.loop import Partition
from structloop.store import Database
from structloop.store.tables import DropImageFile

router = APIRouter(tags=["datasets"], responses=problems(HTTPStatus.UNPROCESSABLE_ENTITY))
_NOT_FOUND = problems(HTTPStatus.NOT_FOUND)
_BUILD = problems(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_SHOWN = 200
_FEW = 500

TaskChoice = Annotated[str | None, Query(min_length=1, max_length=100, description="Only those of this task.")]


@router.get("/review-tasks", operation_id="list_review_tasks", summary="What models learn from people")
def list_review_tasks() -> list[ReviewTaskView]:
    """The installed review tasks, by name."""
    return [_task_view(task) for task in sorted(REVIEW_TASKS, key=lambda task: task.name)]


@router.get("/datasets", operation_id="list_datasets", summary="List versions of data sets")
def list_datasets(database: DatabaseDependency, task: TaskChoice = None) -> list[DatasetView]:
    """All versions, the newest first."""
    return [dataset_view(info) for info in find_datasets(database, task)]


@router.get("/test-sets", operation_id="list_test_sets", summary="List frozen test sets")
def list_test_sets(database: DatabaseDependency, task: TaskChoice = None) -> list[TestSetView]:
    """All frozen test sets, the newest first."""
    return [_test_set_view(info) for info in find_test_sets(database, task)]


@router.get("/datasets/{dataset_id}", operation_id="get_dataset", summary="A version", responses=_NOT_FOUND)
def get_dataset_version(database: DatabaseDependency, dataset_id: DatasetId) -> DatasetView:
    """A version with its counts, and how it was made."""
    return dataset_view(get_dataset(database, dataset_id))


@router.get(
    "/datasets/{dataset_id}/rows", operation_id="list_dataset_rows", summary="Images of a version", responses=_NOT_FOUND
)
def list_dataset_rows(
    database: DatabaseDependency,
    files: KeptFilesDependency,
    dataset_id: DatasetId,
    partition: Annotated[Partition | None, Query(description="Only those of this part.")] = None,
    label: Annotated[str | None, Query(max_length=100, description="Only those with this label.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> DatasetRowPage:
    """The images of a version, by key, a page at a time."""
    rows = [
        row
        for row in dataset_rows(get_dataset(database, dataset_id), files)
        if (partition is None or row.partition is partition) and (label is None or row.label == label)
    ]
    return DatasetRowPage(items=_row_views(database, rows[offset : offset + limit]), total=len(rows))


@router.get(
    "/datasets/{dataset_id}/diff/{other_id}",
    operation_id="compare_datasets",
    summary="What differs between two versions",
    responses=_NOT_FOUND,
)
def compare_datasets(
    database: DatabaseDependency, files: KeptFilesDependency, dataset_id: DatasetId, other_id: DatasetId
) -> DatasetDiffView:
    """From the version `dataset_id` to `other_id`: images added, removed, labelled otherwise, moved."""
    before, after = get_dataset(database, dataset_id), get_dataset(database, other_id)
    diff = compare(dataset_rows(before, files), dataset_rows(after, files))
    return DatasetDiffView(
        before=dataset_view(before),
        after=dataset_view(after),
        counts=summarise(diff),
        added=_row_views(database, diff.added[:_SHOWN]),
        removed=_row_views(database, diff.removed[:_SHOWN]),
        relabelled=_changed_views(database, diff.relabelled[:_SHOWN]),
        moved=_changed_views(database, diff.moved[:_SHOWN]),
    )


@router.post(
    "/datasets",
    operation_id="build_dataset",
    summary="Make a version",
    status_code=HTTPStatus.ACCEPTED,
    responses=_BUILD,
)
def build_dataset(queue: QueueDependency, body: BuildDatasetRequest) -> JobView:
    """Asks for a job that makes a version; the newest version of the task is its result."""
    REVIEW_TASKS.get(body.task)
    request = body.model_dump(mode="json")
    return job_view(queue.progress(queue.submit("loop.dataset", request, body.task, job_key("loop.dataset", request))))


@router.post("/datasets/plan", operation_id="plan_dataset", summary="What a version would hold", responses=_BUILD)
def plan_dataset(
    database: DatabaseDependency, files: KeptFilesDependency, body: BuildDatasetRequest
) -> DatasetPlanView:
    """Counts of a version, and images that would leak a test set, both of each pair; nothing is recorded."""
    settings = BuildSettings(
        made_by=body.made_by,
        why=body.why,
        group_by=GroupBy(body.group_by),
        validation_share=body.validation_share,
        test_share=body.test_share,
        test_set=body.test_set,
        withhold_leaks=body.withhold_leaks,
        seed=body.seed,
    )
    plan = plan_task_dataset(database, files, body.task, settings, labels=LabelChoice(body.labels))
    shown = plan.leaks[:_SHOWN]
    trains = _row_views(database, [leak.train for leak in shown])
    tests = _row_views(database, [leak.test for leak in shown])
    by: Literal["project", "plate"] = "project" if plan.group_by is GroupBy.PROJECT else "plate"
    return DatasetPlanView(
        counts=count_rows(plan.rows),
        withheld=plan.withheld,
        without_image=plan.unlabelled,
        leaks=[
            LeakView(train=train, test=test, similarity=leak.similarity, same_file=leak.same_file)
            for train, test, leak in zip(trains, tests, shown, strict=True)
        ],
        leak_count=len(plan.leaks),
        freezes_test_set=bool(plan.test_rows),
        test_set=plan.test_set.name if plan.test_set is not None else None,
        group_by=by,
        waiting=waiting_labels(database, REVIEW_TASKS.get(body.task).curated_as),
    )


def _task_view(task: ReviewTask) -> ReviewTaskView:
    return ReviewTaskView(
        name=task.name,
        title=task.title,
        labels=list(task.labels),
        positive=task.positive,
        modality=task.modality,
        details={label: list(kinds) for label, kinds in task.details.items()},
        curated_as=task.curated_as,
    )


def _test_set_view(info: FrozenTestSetInfo) -> TestSetView:
    return TestSetView(
        id=info.id,
        task=info.task,
        name=info.name,
        counts=info.counts,
        made_by=info.made_by,
        why=info.why,
        created_at=info.created_at,
    )


def _changed_views(database: Database, changes: Sequence[ChangedRow]) -> list[ChangedRowView]:
    before = _row_views(database, [each.before for each in changes])
    after = _row_views(database, [each.after for each in changes])
    return [
        ChangedRowView(key=each.key, before=old, after=new)
        for each, old, new in zip(changes, before, after, strict=True)
    ]


def _is_exposure(row: ManifestRow) -> bool:
    return row.modality is Modality.ELECTRONS


def _row_views(database: Database, rows: Sequence[ManifestRow]) -> list[DatasetRowView]:
    images: dict[tuple[int, str], int] = {}
    drops = sorted({row.item_id for row in rows if row.item_id is not None and not _is_exposure(row)})
    with database.reading() as session:
        for start in range(0, len(drops), _FEW):
            found = session.execute(
                select(DropImageFile.id, DropImageFile.drop_id, DropImageFile.sha256)
                .where(DropImageFile.drop_id.in_(drops[start : start + _FEW]))
                .order_by(DropImageFile.id)
            )
            images.update({(drop_id, sha256): image_id for image_id, drop_id, sha256 in found})
    return [
        DatasetRowView(
            key=row.key,
            partition=row.partition,
            label=row.label,
            detail=row.detail,
            source=row.source,
            project=row.project,
            group=row.group,
            modality=row.modality,
            sha256=row.sha256,
            drop_id=None if _is_exposure(row) else row.item_id,
            image_id=None if row.item_id is None else images.get((row.item_id, row.sha256)),
            exposure_id=row.item_id if _is_exposure(row) else None,
            curation_item_id=row.curation_item_id,
            annotation_id=row.annotation_id,
        )
        for row in rows
    ]
