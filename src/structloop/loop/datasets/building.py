"""Building a version of a data set: from labels to rows, split by group, kept clear of the test set, recorded once."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from structloop.core.errors import DatasetError, NotFoundError
from structloop.loop.datasets.labels import ItemLabel
from structloop.loop.datasets.leakage import Leak, find_leaks, refuse_leaks
from structloop.loop.datasets.manifest import ManifestRow, read_manifest
from structloop.loop.datasets.recording import NewVersion, record_version
from structloop.loop.datasets.splitting import (
    GroupBy,
    draw_groups,
    group_name,
    labels_by_group,
    resolve_grouping,
    split_groups,
)
from structloop.loop.datasets.versions import (
    DatasetInfo,
    FrozenTestSetInfo,
    get_dataset,
    list_test_sets,
    newest_dataset,
)
from structloop.loop.tasks import ReviewTask
from structloop.schema.loop import LabelSource, Partition
from structloop.store import Database
from structloop.store.kept import KeptFiles

_TRIES = 3

OnProgress = Callable[[int, int | None, str], None]


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """How a version is made.

    Attributes:
        made_by: Who makes it.
        why: Why, in a line.
        group_by: What splits keep together.
        validation_share: Part of what is learnt from that is held back to choose on.
        test_share: Part of the items for a frozen test set, where the task has none yet; 0: do without.
        test_set: Name of the test set to keep clear of; None: the newest one of the task.
        withhold_leaks: Whether images that leak a test set are left out; else they are refused.
        seed: Of the draws.
    """

    made_by: str
    why: str = ""
    group_by: GroupBy = GroupBy.AUTO
    validation_share: float = 0.15
    test_share: float = 0.2
    test_set: str | None = None
    withhold_leaks: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.validation_share < 1 or not 0 <= self.test_share < 1:
            raise DatasetError("validation_share and test_share must be at least 0 and less than 1; correct them")


@dataclass(frozen=True, slots=True)
class PlannedDataset:
    """What a version would hold.

    Attributes:
        rows: Its rows, without what leaks.
        leaks: Images that leak the test set; they are not among the rows.
        withheld: Images left out because their group is in the test set.
        unlabelled: Labels whose item has no image for the task.
        test_rows: Rows of a test set that would be frozen with it; empty where there is one already.
        test_set: The test set it keeps clear of, if there is one already.
        group_by: What the split keeps together.
    """

    rows: tuple[ManifestRow, ...]
    leaks: tuple[Leak, ...]
    withheld: int
    unlabelled: int
    test_rows: tuple[ManifestRow, ...]
    test_set: FrozenTestSetInfo | None
    group_by: GroupBy
    parent: DatasetInfo | None = field(default=None)


def plan_dataset(
    database: Database,
    files: KeptFiles,
    task: ReviewTask,
    labels: Sequence[ItemLabel],
    settings: BuildSettings,
    on_progress: OnProgress | None = None,
) -> PlannedDataset:
    """Works out what a version would hold; nothing is recorded but perceptual hashes.

    Imported images of the version before are carried over; groups stay in the part that they were in.

    Raises:
        DatasetError: a label is none of the task's, or nothing is left to learn from.
        NotFoundError: there is no test set of that name, or a manifest is missing.
    """
    tell = on_progress or (lambda _done, _total, _message: None)
    tell(0, None, "collecting images")
    parent = newest_dataset(database, task.name)
    before = read_manifest(parent.manifest_sha256, files) if parent is not None else []
    rows, unlabelled = _rows_of_labels(database, task, labels)
    known = {row.key for row in rows} | {row.sha256 for row in rows}
    rows += [
        row
        for row in before
        if row.source is LabelSource.IMPORTED
        and row.partition is not Partition.TEST
        and not {row.key, row.sha256} & known
    ]
    test_sets = list_test_sets(database, task.name)
    test_set = _chosen_test_set(test_sets, task.name, settings.test_set)
    frozen = read_manifest(test_set.manifest_sha256, files) if test_set is not None else []
    # Nothing of any test set is learnt from, whichever one this version is judged by.
    guarded = [row for each in test_sets for row in read_manifest(each.manifest_sha256, files)]
    by = resolve_grouping(settings.group_by, [*rows, *guarded])
    fresh: list[ManifestRow] = []
    if test_set is None and settings.test_share > 0:
        sizes = {name: sum(counts.values()) for name, counts in labels_by_group(rows, by).items()}
        drawn = draw_groups(sizes, settings.test_share, settings.seed, leave=2)
        fresh = [row.in_partition(Partition.TEST) for row in rows if group_name(row, by) in drawn]
    held = {group_name(row, by) for row in (*guarded, *fresh)}
    free = [row for row in rows if group_name(row, by) not in held]
    leaks = find_leaks(
        database,
        free,
        [*guarded, *fresh],
        on_progress=lambda done, total: tell(done, total, "comparing images"),
    )
    leaking = {leak.train.key for leak in leaks}
    learnt = [row for row in free if row.key not in leaking]
    if not learnt:
        raise DatasetError(f"nothing is left to learn {task.name} from; annotate or curate more, or import a data set")
    parts = split_groups(
        labels_by_group(learnt, by),
        positive=task.positive,
        validation_share=settings.validation_share,
        seed=settings.seed,
        fixed=_places_before(before, by),
    )
    placed = [row.in_partition(parts[group_name(row, by)]) for row in learnt]
    return PlannedDataset(
        rows=(*placed, *frozen, *fresh),
        leaks=tuple(leaks),
        withheld=len(rows) - len(free) - len(fresh),
        unlabelled=unlabelled,
        test_rows=tuple(fresh),
        test_set=test_set,
        group_by=by,
        parent=parent,
    )


def build_dataset(
    database: Database,
    files: KeptFiles,
    task: ReviewTask,
    labels: Callable[[], Sequence[ItemLabel]],
    settings: BuildSettings,
    on_progress: OnProgress | None = None,
) -> DatasetInfo:
    """Makes a version of a task's data set, and a frozen test set where it has none yet.

    Where nothing has changed since the newest version, that one is returned.

    While it is made, people may go on answering: what they settle joins the next version. Where they undo an answer
    that this one rests on, it is made anew.

    Args:
        database: Where labels are, and the version is recorded.
        files: Where manifests are kept.
        task: The review task.
        labels: Gives the labels; called again where it must be made anew.
        settings: How.
        on_progress: Called with what is done, of how much, and what it is.

    Raises:
        DataLeakError: images leak the test set, and are not to be withheld.
        DatasetError: see `plan_dataset`, or answers kept changing.
        NotFoundError: see `plan_dataset`.
        StoreUnavailableError: the manifest cannot be written; nothing was recorded.
    """
    for _ in range(_TRIES):
        plan = plan_dataset(database, files, task, labels(), settings, on_progress)
        if not settings.withhold_leaks:
            refuse_leaks(plan.leaks)
        dataset_id = record_version(
            database,
            files,
            NewVersion(
                task=task.name,
                rows=plan.rows,
                parent=plan.parent,
                test_set=plan.test_set,
                test_rows=plan.test_rows,
                test_why=f"whole groups drawn at random (share {settings.test_share:g}, seed {settings.seed})",
                counts={
                    "withheld": plan.withheld,
                    "leaks_withheld": len(plan.leaks),
                    "without_image": plan.unlabelled,
                },
                settings=_settings_json(settings, plan.group_by),
                made_by=settings.made_by,
                why=settings.why,
            ),
        )
        if dataset_id is not None:
            return get_dataset(database, dataset_id)
    raise DatasetError("answers were undone, or other versions made, while this one was built; build it again")


def _rows_of_labels(database: Database, task: ReviewTask, labels: Sequence[ItemLabel]) -> tuple[list[ManifestRow], int]:
    strange = next((each.label for each in labels if each.label not in task.labels), None)
    if strange is not None:
        raise DatasetError(f"label '{strange}' is none of {task.name}; its labels are {', '.join(task.labels)}")
    images = task.find_images(database, {each.item for each in labels})
    rows = [
        ManifestRow(
            key=image.key,
            partition=Partition.TRAIN,
            label=each.label,
            detail=each.detail,
            source=each.source,
            project=image.project,
            group=image.group,
            path=str(image.path),
            sha256=image.sha256,
            modality=image.modality,
            imager=image.source,
            kind=image.kind,
            item_id=each.item.item_id,
            occasion_id=each.item.occasion_id,
            curation_item_id=each.curation_item_id,
            annotation_id=each.annotation_id,
        )
        for each in labels
        if (image := images.get(each.item)) is not None
    ]
    return rows, len(labels) - len(rows)


def _chosen_test_set(there: Sequence[FrozenTestSetInfo], task: str, name: str | None) -> FrozenTestSetInfo | None:
    if name is None:
        return next(iter(there), None)
    for each in there:
        if each.name == name:
            return each
    raise NotFoundError(f"{task} has no test set '{name}'; it has {', '.join(each.name for each in there) or 'none'}")


def _places_before(rows: Sequence[ManifestRow], by: GroupBy) -> Mapping[str, Partition]:
    """Where each group was; one that an earlier, finer grouping had cut goes to where most of it was."""
    counts: dict[str, Counter[Partition]] = {}
    for row in rows:
        if row.partition is not Partition.TEST:
            counts.setdefault(group_name(row, by), Counter())[row.partition] += 1
    return {name: count.most_common(1)[0][0] for name, count in counts.items()}


def _settings_json(settings: BuildSettings, by: GroupBy) -> dict[str, Any]:
    return {
        "group_by": by.value,
        "validation_share": settings.validation_share,
        "test_share": settings.test_share,
        "withhold_leaks": settings.withhold_leaks,
        "seed": settings.seed,
    }


__all__ = ["BuildSettings", "PlannedDataset", "build_dataset", "plan_dataset"]
