"""Versions of data sets and frozen test sets in the store: listed, read, compared. None is ever changed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.datasets.manifest import ManifestRow, read_manifest
from structloop.loop.datasets.splitting import GroupBy, group_name, resolve_grouping
from structloop.loop.tasks import ReviewTask
from structloop.schema.loop import Partition
from structloop.store import Database
from structloop.store.kept import KeptFiles
from structloop.store.tables import DatasetVersion, FrozenTestSet


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """A version of a data set, without its rows.

    Attributes:
        id: Its key.
        task: The review task.
        number: From 1, per task.
        parent_id: The version it follows; None for the first.
        test_set_id, test_set: The frozen test set it keeps clear of; None where there is none.
        manifest_sha256: Of its manifest.
        counts: See `count_rows`, and what was withheld.
        settings: How it was made.
        made_by, why, created_at: Who made it, why, and when.
    """

    id: int
    task: str
    number: int
    parent_id: int | None
    test_set_id: int | None
    test_set: str | None
    manifest_sha256: str
    counts: dict[str, Any]
    settings: dict[str, Any]
    made_by: str
    why: str
    created_at: datetime

    @property
    def name(self) -> str:
        """What people call it, such as `crystals/visible#3`."""
        return f"{self.task}#{self.number}"


@dataclass(frozen=True, slots=True)
class FrozenTestSetInfo:
    """A frozen test set, without its rows."""

    id: int
    task: str
    name: str
    manifest_sha256: str
    counts: dict[str, Any]
    made_by: str
    why: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """An image that two versions hold differently."""

    key: str
    before: ManifestRow
    after: ManifestRow


@dataclass(frozen=True, slots=True)
class DatasetDiff:
    """What differs between two versions.

    Attributes:
        added, removed: Images that only the later, or only the earlier, holds.
        relabelled: Images with another label or kind.
        moved: Images in another part.
        unchanged: How many images are the same in both.
    """

    added: tuple[ManifestRow, ...]
    removed: tuple[ManifestRow, ...]
    relabelled: tuple[ChangedRow, ...]
    moved: tuple[ChangedRow, ...]
    unchanged: int


def list_datasets(database: Database, task: str | None = None) -> list[DatasetInfo]:
    """All versions, the newest first, of one task or of all."""
    with database.reading() as session:
        return _infos(session, task=task)


def get_dataset(database: Database, dataset_id: int) -> DatasetInfo:
    """One version.

    Raises:
        NotFoundError: there is no such version.
    """
    with database.reading() as session:
        found = _infos(session, dataset_id=dataset_id)
    if not found:
        raise NotFoundError(f"there is no data set {dataset_id}; `structloop loop datasets list` shows those there are")
    return found[0]


def newest_dataset(database: Database, task: str) -> DatasetInfo | None:
    """The newest version of a task; None where there is none."""
    return next(iter(list_datasets(database, task)), None)


def find_dataset(database: Database, name: str) -> DatasetInfo:
    """The version that a person means: `crystals/visible#3`, `crystals/visible` (its newest), or the key `17`.

    Raises:
        NotFoundError: there is none.
    """
    task, _, number = name.partition("#")
    if name.isdecimal():
        return get_dataset(database, int(name))
    for info in list_datasets(database, task):
        if not number or str(info.number) == number:
            return info
    raise NotFoundError(f"there is no data set '{name}'; `structloop loop datasets list` shows those there are")


def list_test_sets(database: Database, task: str | None = None) -> list[FrozenTestSetInfo]:
    """All frozen test sets, the newest first, of one task or of all."""
    statement = select(FrozenTestSet).order_by(FrozenTestSet.id.desc())
    if task is not None:
        statement = statement.where(FrozenTestSet.task == task)
    with database.reading() as session:
        return [
            FrozenTestSetInfo(
                row.id, row.task, row.name, row.manifest_sha256, row.counts, row.made_by, row.why, row.created_at
            )
            for row in session.scalars(statement)
        ]


def dataset_rows(dataset: DatasetInfo | FrozenTestSetInfo, files: KeptFiles) -> list[ManifestRow]:
    """The rows of a version or of a test set.

    Raises:
        NotFoundError: its manifest is missing or damaged.
    """
    return read_manifest(dataset.manifest_sha256, files)


def labelled_items(rows: Sequence[ManifestRow], task: ReviewTask, by: GroupBy = GroupBy.AUTO) -> Split:
    """Rows as training and evaluation take them: the pixels are read when they are asked for.

    Tags: `detail`, `source`, `project`, `plate`, `imager`, `kind`, as far as they are known.
    """
    grouping = resolve_grouping(by, rows)
    parts: dict[Partition, list[LabelledItem]] = {partition: [] for partition in Partition}
    for row in rows:
        tags = {
            "detail": row.detail,
            "source": row.source.value,
            "project": row.project,
            "plate": row.group,
            "imager": row.imager,
            "kind": row.kind,
        }
        parts[row.partition].append(
            LabelledItem(
                key=row.key,
                group=group_name(row, grouping),
                label=row.label,
                load=partial(task.load, row.image()),
                sha256=row.sha256,
                tags=tuple((name, value) for name, value in tags.items() if value),
            )
        )
    return Split(*(tuple(parts[partition]) for partition in (Partition.TRAIN, Partition.VALIDATION, Partition.TEST)))


def load_split(database: Database, files: KeptFiles, dataset_id: int, task: ReviewTask) -> Split:
    """The items of a version in their parts.

    Raises:
        NotFoundError: there is no such version, or its manifest is missing or damaged.
    """
    info = get_dataset(database, dataset_id)
    return labelled_items(dataset_rows(info, files), task, GroupBy(info.settings.get("group_by", GroupBy.AUTO.value)))


def compare(before: Sequence[ManifestRow], after: Sequence[ManifestRow]) -> DatasetDiff:
    """What differs between the rows of two versions."""
    old, new = {row.key: row for row in before}, {row.key: row for row in after}
    shared = [ChangedRow(key, old[key], new[key]) for key in sorted(old.keys() & new.keys())]
    relabelled = tuple(
        each for each in shared if (each.before.label, each.before.detail) != (each.after.label, each.after.detail)
    )
    moved = tuple(each for each in shared if each.before.partition is not each.after.partition)
    different = {each.key for each in (*relabelled, *moved)}
    return DatasetDiff(
        added=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        removed=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        relabelled=relabelled,
        moved=moved,
        unchanged=len(shared) - len(different),
    )


def summarise(diff: DatasetDiff) -> dict[str, Any]:
    """Counts of a diff as JSON."""
    return {
        "added": dict(sorted(Counter(row.label for row in diff.added).items())),
        "removed": dict(sorted(Counter(row.label for row in diff.removed).items())),
        "relabelled": dict(
            sorted(Counter(f"{each.before.label} -> {each.after.label}" for each in diff.relabelled).items())
        ),
        "moved": dict(
            sorted(
                Counter(f"{each.before.partition.value} -> {each.after.partition.value}" for each in diff.moved).items()
            )
        ),
        "unchanged": diff.unchanged,
    }


def _infos(session: Session, *, task: str | None = None, dataset_id: int | None = None) -> list[DatasetInfo]:
    statement = (
        select(DatasetVersion, FrozenTestSet.name)
        .outerjoin(FrozenTestSet, FrozenTestSet.id == DatasetVersion.test_set_id)
        .order_by(DatasetVersion.id.desc())
    )
    if task is not None:
        statement = statement.where(DatasetVersion.task == task)
    if dataset_id is not None:
        statement = statement.where(DatasetVersion.id == dataset_id)
    return [
        DatasetInfo(
            id=row.id,
            task=row.task,
            number=row.number,
            parent_id=row.parent_id,
            test_set_id=row.test_set_id,
            test_set=name,
            manifest_sha256=row.manifest_sha256,
            counts=row.counts,
            settings=row.settings,
            made_by=row.made_by,
            why=row.why,
            created_at=row.created_at,
        )
        for row, name in session.execute(statement)
    ]


__all__ = [
    "ChangedRow",
    "DatasetDiff",
    "DatasetInfo",
    "FrozenTestSetInfo",
    "compare",
    "dataset_rows",
    "find_dataset",
    "get_dataset",
    "labelled_items",
    "list_datasets",
    "list_test_sets",
    "load_split",
    "newest_dataset",
    "summarise",
]
