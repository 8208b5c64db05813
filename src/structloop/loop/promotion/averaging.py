"""An average of models, weighted and calibrated on one's own validation items; the frozen test set is not touched."""

from collections.abc import Sequence
from typing import Literal

from structloop.core.errors import EvaluationSetError
from structloop.loop.datasets.versions import find_dataset, load_split
from structloop.loop.promotion.bench import Bench, Tell, judge_on
from structloop.loop.promotion.roles import give_role, record_version
from structloop.loop.promotion.sharing import AverageRequest, average_models, calibrate, evaluation_weights
from structloop.loop.tasks import REVIEW_TASKS
from structloop.schema.models import ModelCard

Weighting = Literal["uniform", "evaluation"]


def average_for_task(
    bench: Bench,
    task: str,
    names: Sequence[str],
    name: str,
    *,
    weighting: Weighting = "uniform",
    rank: int | None = None,
    dataset: str | None = None,
    who: str,
    on_progress: Tell | None = None,
) -> ModelCard:
    """Averages models and records the result as a candidate for `task`; the gate decides about it like about any.

    Evaluation weights are by balanced accuracy above chance on validation items: the frozen test set, by which the gate
    judges, must not have chosen anything before.

    Args:
        bench: Models and data sets.
        task: The review task.
        names: Of the models, on one base.
        name: Of the average.
        weighting: All alike, or by evaluation.
        rank: See `AverageRequest`.
        dataset: Whose validation items are used; None: the task's newest version.
        who: Who asks.
        on_progress: Called with images done, images in all, and what is done.

    Raises:
        EvaluationSetError: there are no validation items.
        ModelError, NotFoundError: no such model or data set, or the models cannot be averaged.
    """
    review = REVIEW_TASKS.get(task)
    info = find_dataset(bench.database, dataset or task)
    items = load_split(bench.database, bench.kept, info.id, review).validation
    if not items:
        raise EvaluationSetError(f"data set {info.name} has no validation items to calibrate the average on")
    weights: tuple[float, ...] = tuple(1.0 for _ in names)
    if weighting == "evaluation":
        judged = [judge_on(bench, review, items, each, on_progress=on_progress).overall for each in names]
        weights = evaluation_weights(
            [0.5 if each.balanced_accuracy is None else each.balanced_accuracy.value for each in judged]
        )
    average_models(bench.registry, AverageRequest(name, tuple(names), weights, rank))
    card = calibrate(bench.registry, judge_on(bench, review, items, name, on_progress=on_progress))
    version_id = record_version(bench.database, card)
    give_role(bench.database, task, version_id, "candidate", who=who, why=card.origin[:1000])
    return card


__all__ = ["Weighting", "average_for_task"]
