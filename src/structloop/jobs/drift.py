"""Looking for drift in a workspace: the model in production, its data set, and the newest plates."""

from collections.abc import Callable, Sequence
from typing import Any

from structloop.crystals.drift import By, SourceDrift, Tell, drift_by_source
from structloop.jobs.training import bench_of
from structloop.jobs.workspace import Workspace
from structloop.loop.datasets.versions import find_dataset, load_split
from structloop.loop.promotion.bench import in_production, modality_of
from structloop.loop.tasks import REVIEW_TASKS
from structloop.loop.training.fast_head_models import open_base
from structloop.loop.training.feature_cache import FeatureCache


def look_for_drift(
    workspace: Workspace,
    task: str,
    *,
    by: By = "imager",
    dataset: str | None = None,
    count: int = 40,
    on_progress: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[SourceDrift]:
    """Which imagers or kinds of plates look new to the model in production of a task.

    Args:
        workspace: Where everything is.
        task: The review task, such as `crystals/visible`.
        by: Imagers, or kinds of plates.
        dataset: What the model learnt from; None: the newest version.
        count: Images to ask for.
        on_progress: Called with images done, images in all, and what is done.
        should_stop: Asked between batches.

    Raises:
        UnknownPluginError: there is no such task.
        NotFoundError: there is no such data set.
        ModelError: the model gives no features.
    """
    bench = bench_of(workspace)
    review = REVIEW_TASKS.get(task)
    modality = modality_of(review)
    info = find_dataset(workspace.database, dataset or task)
    split = load_split(workspace.database, workspace.kept, info.id, review)
    base = open_base(workspace.models, in_production(bench, review), modality, bench.runtime)
    return drift_by_source(
        workspace.database,
        review,
        modality,
        split.train + split.validation,
        base.extractor,
        FeatureCache(workspace.files, threads=workspace.settings.threads),
        by=by,
        to_label=count,
        on_progress=on_progress,
        should_stop=should_stop,
    )


def drift_to_json(found: Sequence[SourceDrift]) -> list[dict[str, Any]]:
    """What is said of each source, as JSON."""
    return [
        {
            "source": each.report.source,
            "alarm": each.report.is_alarm,
            "possible": each.report.possible,
            "plates": each.report.groups[0],
            "p_values": {test.what: test.p_value for test in each.report.tests},
            "message": each.report.message,
            "label": [image.key for image in each.to_label],
            "items": [list(image.item) for image in each.to_label],
        }
        for each in found
    ]


__all__ = ["drift_to_json", "look_for_drift"]
