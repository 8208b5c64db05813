"""Where candidates are judged: the models, the data sets, and both models on the same items."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from structloop.core.errors import EvaluationSetError, ModelError, TrainingError
from structloop.loop.datasets.items import LabelledItem, Split
from structloop.loop.evaluation.comparing import Comparison, compare
from structloop.loop.evaluation.judging import Judgement, judge_items
from structloop.loop.promotion.gate import GateVerdict
from structloop.loop.promotion.roles import standing
from structloop.loop.tasks import ReviewTask
from structloop.models.classifiers.protocol import Classifier
from structloop.models.registry import ModelRegistry
from structloop.models.runtime import Runtime
from structloop.schema.images import Modality
from structloop.schema.models import Metric
from structloop.store import Database, DerivedFiles, KeptFiles

Tell = Callable[[int, int | None, str], None]
_LISTED = 50


class Classifiers(Protocol):
    """Where models are loaded."""

    def load(self, name: str) -> Classifier:
        """The model of that name, ready to run."""
        ...


@dataclass(frozen=True)
class Bench:
    """What trainings and comparisons work with.

    Attributes:
        database: Labels, data sets, roles.
        registry: The models.
        classifiers: Models ready to run.
        kept: Manifests of data sets.
        derived: Cached features.
        folder: Where trainings keep their state.
        runtime: How networks are run.
        threads, batch_size: As the settings say.
    """

    database: Database
    registry: ModelRegistry
    classifiers: Classifiers
    kept: KeptFiles
    derived: DerivedFiles
    folder: Path
    runtime: Runtime = field(default_factory=Runtime)
    threads: int | None = None
    batch_size: int = 16


def compare_on(
    bench: Bench,
    task: ReviewTask,
    items: tuple[LabelledItem, ...],
    current: str,
    candidate: str,
    *,
    on_progress: Tell | None = None,
) -> Comparison:
    """Compares two models, by name, on items of a task.

    Raises:
        EvaluationSetError: the items cannot be judged by.
        ModelError: a model cannot be used.
    """
    judged = [judge_on(bench, task, items, name, on_progress=on_progress) for name in (current, candidate)]
    return compare(judged[0], judged[1])


def in_production(bench: Bench, task: ReviewTask) -> str:
    """Name of the model that does the work of a task: the one promoted, else the task's own, or the settings'."""
    held = standing(bench.database, task.name).production
    if held is not None:
        return held.model.rpartition("@")[0]
    return task.default_model or bench.registry.default_name


def beside_production(
    bench: Bench,
    task: ReviewTask,
    items: tuple[LabelledItem, ...],
    judged: Judgement,
    *,
    on_progress: Tell | None = None,
) -> Comparison | None:
    """A judged model beside the one that does the work now, on the same items.

    Where nothing was promoted yet that is the default model, for people to see what they give up; the gate asks nothing
    of it. None where the default model is the judged one itself, or cannot be used for the task.

    Raises:
        EvaluationSetError: the items cannot be judged by.
        ModelError: the model in production cannot be used.
    """
    name = in_production(bench, task)
    if standing(bench.database, task.name).production is not None:
        return compare(judge_on(bench, task, items, name, on_progress=on_progress), judged)
    try:
        if name == judged.card.name or not bench.registry.card(name).serves(modality_of(task)):
            return None
        return compare(judge_on(bench, task, items, name, on_progress=on_progress), judged)
    except ModelError:
        return None


def test_items(split: Split, dataset: str) -> tuple[LabelledItem, ...]:
    """The frozen test set of a data set.

    Raises:
        EvaluationSetError: it has none.
    """
    if not split.test:
        raise EvaluationSetError(
            f"data set {dataset} has no frozen test set to judge by; build a version with one (more plates are needed "
            "where it was too small)"
        )
    return split.test


def judge_on(
    bench: Bench, task: ReviewTask, items: tuple[LabelledItem, ...], name: str, *, on_progress: Tell | None = None
) -> Judgement:
    """Judges one model, by name, on items of a task.

    Raises:
        EvaluationSetError: the items cannot be judged by.
        ModelError: the model cannot be used.
    """
    return judge_items(
        bench.classifiers.load(name),
        items,
        modality_of(task),
        batch_size=bench.batch_size,
        threads=bench.threads,
        on_progress=on_progress,
    )


def modality_of(task: ReviewTask) -> Modality:
    """The modality of a task's images.

    Raises:
        TrainingError: it has none, and classifiers of drops are trained for one.
    """
    if task.modality is None:
        raise TrainingError(f"review task {task.name} has no modality; train one that has, such as crystals/visible")
    return task.modality


def comparison_evidence(verdict: GateVerdict, comparison: Comparison | None, judged: Judgement) -> dict[str, Any]:
    """What a role's evidence holds: the verdict and what it saw, without lists that grow with the test set."""
    whole: dict[str, Any] = {"candidate": judged.to_json()} if comparison is None else comparison.to_json()
    for side in ("current", "candidate"):
        if side in whole:
            whole[side] = {key: value for key, value in whole[side].items() if key not in ("by_group", "unreadable")}
    if "disagreements" in whole:
        whole["disagreements"] = whole["disagreements"][:_LISTED]
    return {"verdict": verdict.to_json(), "comparison": whole}


def put_on_card(registry: ModelRegistry, name: str, judged: Judgement) -> None:
    """Writes what was measured on a test set on the card of model `name`; its version stays."""
    dataset = f"frozen test set of {len(judged.items)} images from {judged.load.groups} groups"
    found = {
        "recall at the alarm threshold": judged.overall.recall,
        "precision at the alarm threshold": judged.overall.precision,
        "balanced accuracy": judged.overall.balanced_accuracy,
        "AUC": judged.overall.auc,
        "average precision": judged.overall.average_precision,
        "all labels right": judged.all_labels,
    }
    metrics = tuple(
        Metric(name=key, value=value.value, low=value.low, high=value.high, dataset=dataset, modality=judged.modality)
        for key, value in found.items()
        if value is not None
    )
    card = registry.card(name).updated(metrics=metrics)
    registry.add(card, registry.folder(name), replace_existing=True)


__all__ = [
    "Bench",
    "Classifiers",
    "beside_production",
    "compare_on",
    "comparison_evidence",
    "in_production",
    "judge_on",
    "modality_of",
    "put_on_card",
    "test_items",
]
