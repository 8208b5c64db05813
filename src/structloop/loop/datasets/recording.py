"""Recording versions and frozen test sets: the manifest first, then one transaction with all of it or nothing."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from structloop.core.errors import DatasetError
from structloop.loop.curation.tally import add_counts, counts_of_items
from structloop.loop.datasets.leakage import find_leaks, refuse_leaks
from structloop.loop.datasets.manifest import ManifestRow, count_rows, read_manifest, write_manifest
from structloop.loop.datasets.versions import (
    DatasetInfo,
    FrozenTestSetInfo,
    get_dataset,
    list_test_sets,
    newest_dataset,
)
from structloop.schema.loop import Partition
from structloop.store import Database
from structloop.store.kept import KeptFiles
from structloop.store.tables import CurationItem, DatasetVersion, FrozenTestSet

_FEW = 500


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that is to be recorded.

    Attributes:
        task: The review task's name.
        rows: Its rows.
        parent: The version it follows.
        test_set: The test set it keeps clear of, where there is one already.
        test_rows, test_name, test_why: A test set to freeze with it; no rows: none; no name: one is made up.
        counts: What is told of it beside `count_rows`.
        settings: How it was made.
        made_by, why: Who makes it, and why.
    """

    task: str
    rows: Sequence[ManifestRow]
    parent: DatasetInfo | None
    test_set: FrozenTestSetInfo | None
    made_by: str
    why: str
    test_rows: Sequence[ManifestRow] = ()
    test_name: str | None = None
    test_why: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


class ItemsChangedError(Exception):
    """What a version would rest on has changed meanwhile: it is made anew, and nobody is told."""


def record_version(database: Database, files: KeptFiles, new: NewVersion) -> int | None:
    """Records a version, and marks the settled items that it rests on, which then cannot be opened again.

    Returns:
        Its key: that of the version before where that one is the same; None where an answer it rests on was undone, or
        another version was made, in the meantime.

    Raises:
        DatasetError: an image is in it twice.
        StoreUnavailableError: the manifest cannot be written; nothing was recorded.
    """
    manifest = write_manifest(new.rows, files)
    if new.parent is not None and new.parent.manifest_sha256 == manifest and not new.test_rows:
        # A job that was killed after recording finds its own version here.
        return new.parent.id
    test_manifest = write_manifest(new.test_rows, files) if new.test_rows else None
    curated = {row.curation_item_id: row.label for row in new.rows if row.curation_item_id is not None}
    try:
        with database.session() as session:
            test_set_id = new.test_set.id if new.test_set is not None else None
            if test_manifest is not None:
                test_set_id = _freeze(session, test_manifest, new)
            number = session.scalar(select(func.max(DatasetVersion.number)).where(DatasetVersion.task == new.task))
            if number != (new.parent.number if new.parent is not None else None):
                return None
            version = DatasetVersion(
                task=new.task,
                number=(number or 0) + 1,
                parent_id=new.parent.id if new.parent is not None else None,
                test_set_id=test_set_id,
                manifest_sha256=manifest,
                counts={**count_rows(new.rows), **new.counts},
                settings=dict(new.settings),
                made_by=new.made_by,
                why=new.why,
            )
            session.add(version)
            session.flush()
            claim_items(session, curated, version.id)
            return version.id
    except (IntegrityError, ItemsChangedError):
        # Another process made a version at the same moment, or a curator undid an answer.
        return None


def record_imported(
    database: Database,
    files: KeptFiles,
    task: str,
    rows: Sequence[ManifestRow],
    *,
    name: str,
    made_by: str,
    why: str = "",
    withhold_leaks: bool = False,
) -> DatasetInfo:
    """Records a set of images from elsewhere: its test part as a frozen test set, the rest as a new version.

    The new version holds what the version before held, too. Imported images that it has already are not added again.

    Args:
        database: Where the version is recorded.
        files: Where manifests are kept.
        task: The review task's name.
        rows: The imported images.
        name: What the set is called; its test set gets that name.
        made_by: Who imports it.
        why: Why, in a line.
        withhold_leaks: Whether images that leak a test set are left out; else they are refused.

    Raises:
        DataLeakError: images leak a test set, and are not to be withheld.
        DatasetError: there is another test set of that name, nothing is new, or another version was made meanwhile.
        StoreUnavailableError: the manifest cannot be written; nothing was recorded.
    """
    test_sets = list_test_sets(database, task)
    frozen = {each.name: read_manifest(each.manifest_sha256, files) for each in test_sets}
    test_rows = [row for row in rows if row.partition is Partition.TEST]
    if test_rows and name in frozen:
        if {row.sha256 for row in frozen[name]} != {row.sha256 for row in test_rows}:
            raise DatasetError(f"{task} has a test set '{name}' already; a frozen one stays: name the set otherwise")
        test_rows = []
    parent = newest_dataset(database, task)
    before = read_manifest(parent.manifest_sha256, files) if parent is not None else []
    known = {row.key for row in before} | {row.sha256 for row in before}
    fresh = [row for row in rows if row.partition is not Partition.TEST and not {row.key, row.sha256} & known]
    tests = [row for each in frozen.values() for row in each] + test_rows
    # A new test set must be clear of what is learnt from already, too: no later model could be judged by it.
    leaks = find_leaks(database, [*fresh, *(row for row in before if row.partition is not Partition.TEST)], tests)
    if not withhold_leaks:
        refuse_leaks(leaks)
    leaking = {leak.train.key for leak in leaks}
    first = test_sets[0] if test_sets else None
    # The version is judged by the test set that it was judged by before; a first one by what comes with it.
    own_tests = [row for row in before if row.partition is Partition.TEST] or (test_rows if first is None else [])
    learnt = [row for row in (*before, *fresh) if row.partition is not Partition.TEST and row.key not in leaking]
    if not learnt and not test_rows:
        raise DatasetError(f"nothing of '{name}' is new to {task}; nothing was recorded")
    dataset_id = record_version(
        database,
        files,
        NewVersion(
            task=task,
            rows=[*learnt, *own_tests],
            parent=parent,
            test_set=first,
            test_rows=test_rows,
            test_name=name,
            test_why=f"imported with {name}",
            counts={"imported": len(fresh), "leaks_withheld": len(leaks)},
            settings={"imported": name},
            made_by=made_by,
            why=why or f"imported {name}",
        ),
    )
    if dataset_id is None:
        raise DatasetError("another version was made while this one was imported; import it again")
    return get_dataset(database, dataset_id)


def claim_items(session: Session, curated: Mapping[int, str], dataset_id: int) -> None:
    """Marks settled items as used by a data set, where they still say what its rows say.

    Raises:
        ItemsChangedError: one of them does not.
    """
    keys = sorted(curated)
    fresh: dict[str, list[int]] = defaultdict(list)
    for start in range(0, len(keys), _FEW):
        piece = keys[start : start + _FEW]
        there = session.execute(
            select(CurationItem.id, CurationItem.task, CurationItem.label, CurationItem.dataset_version_id)
            .where(CurationItem.id.in_(piece))
            .with_for_update()
        ).all()
        # What another version rests on cannot have changed; a frozen test set may keep an older label of an item.
        changed = [row for row in there if row.dataset_version_id is None and row.label != curated[row.id]]
        if changed or len(there) != len(piece):
            raise ItemsChangedError
        for row in there:
            if row.dataset_version_id is None:
                fresh[row.task].append(row.id)
    counted = {task: counts_of_items(session, items) for task, items in fresh.items()}
    for items in fresh.values():
        for start in range(0, len(items), _FEW):
            session.execute(
                update(CurationItem)
                .where(CurationItem.id.in_(items[start : start + _FEW]))
                .values(dataset_version_id=dataset_id)
            )
    for task, items in sorted(fresh.items()):
        add_counts(session, task, counts_of_items(session, items), counted[task])


def _freeze(session: Session, manifest: str, new: NewVersion) -> int:
    count = session.scalar(select(func.count()).select_from(FrozenTestSet).where(FrozenTestSet.task == new.task)) or 0
    frozen = FrozenTestSet(
        task=new.task,
        name=new.test_name or f"test-{count + 1}",
        manifest_sha256=manifest,
        counts=count_rows(new.test_rows),
        made_by=new.made_by,
        why=new.test_why,
    )
    session.add(frozen)
    session.flush()
    return new.test_set.id if new.test_set is not None else frozen.id


__all__ = ["ItemsChangedError", "NewVersion", "claim_items", "record_imported", "record_version"]
