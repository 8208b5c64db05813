"""Data sets of any review task: each application's labels for its own."""

from collections.abc import Callable, Sequence

from structloop.core.errors import DatasetError
from structloop.crystals.annotations import TASK as DROPS
from structloop.crystals.datasets import LabelChoice, drop_labels
from structloop.exposures.review import TASK as EXPOSURES
from structloop.loop.datasets.building import BuildSettings, OnProgress, PlannedDataset, build_dataset, plan_dataset
from structloop.loop.datasets.labels import ItemLabel, settled_labels
from structloop.loop.datasets.versions import DatasetInfo
from structloop.loop.tasks import REVIEW_TASKS
from structloop.store import Database, KeptFiles


def _exposure_labels(database: Database, choice: LabelChoice) -> list[ItemLabel]:
    """What curators settled, whatever the choice: exposures get their condition from curators alone."""
    with database.snapshot() as session:
        return settled_labels(session, EXPOSURES)[0]


_LABELS: dict[str, Callable[[Database, LabelChoice], Sequence[ItemLabel]]] = {
    DROPS: drop_labels,
    EXPOSURES: _exposure_labels,
}


def _labels_of(curated_as: str) -> Callable[[Database, LabelChoice], Sequence[ItemLabel]]:
    found = _LABELS.get(curated_as)
    if found is None:
        raise DatasetError(f"nothing gives labels of items that are curated as {curated_as}; it has no data sets")
    return found


def build_task_dataset(
    database: Database,
    files: KeptFiles,
    task: str,
    settings: BuildSettings,
    *,
    labels: LabelChoice,
    on_progress: OnProgress | None = None,
) -> DatasetInfo:
    """Makes a version of the data set of a review task.

    Raises:
        UnknownPluginError: there is no such task.
        DataLeakError, DatasetError, NotFoundError, StoreUnavailableError: see `build_dataset`.
    """
    review = REVIEW_TASKS.get(task)
    give = _labels_of(review.curated_as)
    return build_dataset(database, files, review, lambda: give(database, labels), settings, on_progress)


def plan_task_dataset(
    database: Database,
    files: KeptFiles,
    task: str,
    settings: BuildSettings,
    *,
    labels: LabelChoice,
) -> PlannedDataset:
    """What a version would hold, and what would leak; nothing is recorded.

    Raises:
        UnknownPluginError: there is no such task.
        DatasetError, NotFoundError: see `plan_dataset`.
    """
    review = REVIEW_TASKS.get(task)
    return plan_dataset(database, files, review, _labels_of(review.curated_as)(database, labels), settings)


__all__ = ["build_task_dataset", "plan_task_dataset"]
