"""Data sets of drops: which labels they rest on, and the review task that they are of."""

from enum import StrEnum

from structloop.crystals.annotations import TASK
from structloop.crystals.curation.candidates import candidates_in, human_labels
from structloop.loop.datasets.building import BuildSettings, OnProgress, PlannedDataset, build_dataset, plan_dataset
from structloop.loop.datasets.labels import ItemLabel, settled_labels
from structloop.loop.datasets.versions import DatasetInfo
from structloop.loop.tasks import REVIEW_TASKS, ReviewTask
from structloop.schema.loop import ItemKey, LabelSource
from structloop.store import Database, KeptFiles


class LabelChoice(StrEnum):
    """Which labels a data set rests on.

    Attributes:
        CURATED: Only what curators settled.
        AGREED: That, and people's labels with which the model agrees; disputed items wait for the curators.
        ANNOTATED: That, and every label that a person gave, disputed ones included.
    """

    CURATED = "curated"
    AGREED = "agreed"
    ANNOTATED = "annotated"


def drop_labels(database: Database, choice: LabelChoice = LabelChoice.AGREED) -> list[ItemLabel]:
    """The labels of drops at inspections, all as they were at one moment.

    What curators settled comes before what others said. What waits for curators, or could not be settled by them, joins
    no data set, unless every annotation is asked for.
    """
    with database.snapshot() as session:
        settled, unsettled = settled_labels(session, TASK)
        if choice is LabelChoice.CURATED:
            return settled
        said = human_labels(session)
        agreeing: set[ItemKey] = set()
        if choice is LabelChoice.AGREED:
            candidates = candidates_in(session)
            items = candidates.items
            # NaN is above no threshold, and agrees with nobody.
            positive = items.probability >= items.threshold
            negative = items.probability < items.threshold
            agrees = ((items.human == 1) & positive) | ((items.human == 0) & negative)
            agreeing = {candidates.key(int(place)) for place in agrees.nonzero()[0]}
    curated = {each.item for each in settled}
    source = LabelSource.AGREED if choice is LabelChoice.AGREED else LabelSource.ANNOTATED
    others = [
        ItemLabel(key, label.label, label.detail, source, annotation_id=label.annotation_id)
        for key, label in said.items()
        if key not in curated and (choice is LabelChoice.ANNOTATED or (key in agreeing and key not in unsettled))
    ]
    return [*settled, *others]


def crystal_task(name: str) -> ReviewTask:
    """The review task of that name.

    Raises:
        UnknownPluginError: there is none.
    """
    return REVIEW_TASKS.get(name)


def build_crystal_dataset(
    database: Database,
    files: KeptFiles,
    task: str,
    settings: BuildSettings,
    *,
    labels: LabelChoice = LabelChoice.AGREED,
    on_progress: OnProgress | None = None,
) -> DatasetInfo:
    """Makes a version of the data set of a review task of drops.

    Raises:
        UnknownPluginError: there is no such task.
        DataLeakError, DatasetError, NotFoundError, StoreUnavailableError: see `build_dataset`.
    """
    return build_dataset(
        database, files, crystal_task(task), lambda: drop_labels(database, labels), settings, on_progress
    )


def plan_crystal_dataset(
    database: Database,
    files: KeptFiles,
    task: str,
    settings: BuildSettings,
    *,
    labels: LabelChoice = LabelChoice.AGREED,
    on_progress: OnProgress | None = None,
) -> PlannedDataset:
    """What a version would hold, and what would leak; nothing is recorded.

    Raises:
        UnknownPluginError: there is no such task.
        DatasetError, NotFoundError: see `plan_dataset`.
    """
    return plan_dataset(database, files, crystal_task(task), drop_labels(database, labels), settings, on_progress)


__all__ = ["LabelChoice", "build_crystal_dataset", "crystal_task", "drop_labels", "plan_crystal_dataset"]
