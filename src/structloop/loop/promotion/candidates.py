"""From a data set to a candidate: train, judge on the frozen test set beside production, record, let policy decide."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from structloop.core.errors import (
    DatasetError,
    ModelExistsError,
    StoreUnavailableError,
    StructloopError,
    TrainingStoppedError,
)
from structloop.loop.datasets.items import Split
from structloop.loop.datasets.versions import DatasetInfo, find_dataset, load_split
from structloop.loop.promotion.bench import (
    Bench,
    beside_production,
    comparison_evidence,
    in_production,
    judge_on,
    modality_of,
    put_on_card,
)
from structloop.loop.promotion.gate import GateVerdict, judge_first, judge_gate
from structloop.loop.promotion.roles import RoleEvent, give_role, promote, record_version, standing
from structloop.loop.promotion.training_runs import RunInfo, begin_run, end_run, note_course
from structloop.loop.tasks import REVIEW_TASKS, ReviewTask
from structloop.loop.training.fast_head_models import FastHeadSettings, train_fast_head
from structloop.loop.training.feature_cache import FeatureCache
from structloop.loop.training.lora_models import LoraRequest, train_lora_model
from structloop.models.training.lora_settings import LoraProgress, LoraSettings
from structloop.schema.models import ModelCard, TrainingDataset

Method = Literal["fast-head", "lora"]
Tell = Callable[[int, int | None, str], None]

POLICY = "policy"
"""Who promotes where the gate alone decides."""

_NOTED_EVERY_S = 2.0


@dataclass(frozen=True)
class TrainingOrder:
    """What a training is asked.

    Attributes:
        task: The review task.
        dataset: A version of its data set, such as `crystals/visible#3`; None: the newest.
        method: A fast head, or LoRA by the AXIS recipe.
        start: A model (or, for LoRA, a checkpoint) to begin with; None: what is in production, else the default model.
        base: For LoRA from an adapter: the network below it.
        name: Of the model to be; None makes one.
        recipe: Of LoRA.
        prevalence: Share of positives for which probabilities shall hold; None: the training's.
        seed: Of everything random.
        promotes_by_gate: Whether a candidate that passes the gate goes to production without a person.
        allow_download: Whether a checkpoint may be fetched.
    """

    task: str
    dataset: str | None = None
    method: Method = "fast-head"
    start: str | None = None
    base: str | None = None
    name: str | None = None
    recipe: LoraSettings = field(default_factory=LoraSettings)
    prevalence: float | None = None
    seed: int = 0
    promotes_by_gate: bool = False
    allow_download: bool = False


@dataclass(frozen=True)
class Candidate:
    """What came of a training.

    Attributes:
        run: The training run.
        card: Of the model, its numbers on the test set included.
        version_id: Of the model version.
        verdict: The gate's; None where there is no test set.
        promoted: The event, where policy promoted it.
        unreadable: Images that could not be read, by key, with the reason.
    """

    run: RunInfo
    card: ModelCard
    version_id: int
    verdict: GateVerdict | None
    promoted: RoleEvent | None
    unreadable: Mapping[str, str]


def train_candidate(
    bench: Bench,
    order: TrainingOrder,
    *,
    on_progress: Tell | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Candidate:
    """Trains a model on a data set and records it as a candidate for its task.

    Called again for the same, after a killed process, a stop or a full disk, it goes on from the last saved state.

    Raises:
        NotFoundError: there is no such data set.
        TrainingError, TrainingStoppedError, ModelError, DatasetError: it cannot be trained; the run says why.
        UnknownPluginError: there is no such task.
    """
    task = REVIEW_TASKS.get(order.task)
    dataset = find_dataset(bench.database, order.dataset or order.task)
    if dataset.task != task.name:
        raise DatasetError(f"data set {dataset.name} is of another task than {task.name}; name one of this task's")
    start = order.start or in_production(bench, task)
    run = begin_run(
        bench.database,
        task=task.name,
        method=order.method,
        dataset_version_id=dataset.id,
        start=start,
        name=order.name,
        seed=order.seed,
        settings=asdict(order),
    )
    try:
        _refuse_taken(bench, order.name, run)
        split = load_split(bench.database, bench.kept, dataset.id, task)
        unreadable = _train(bench, order, run, task, dataset, split, on_progress, should_stop)
        return _judged(bench, order, run, task, split, unreadable, on_progress)
    except TrainingStoppedError as error:
        end_run(bench.database, run.id, "stopped", problem=str(error))
        raise
    except StructloopError as error:
        # On a full disk this cannot be recorded either. What happened first is what must be told, and a run that is
        # recorded as running is taken up again like any other.
        with suppress(StoreUnavailableError):
            end_run(bench.database, run.id, "failed", problem=str(error))
        raise


def _refuse_taken(bench: Bench, name: str | None, run: RunInfo) -> None:
    """Says at the beginning of a training, not at its end, that the name is taken by another model."""
    # A run that measured something already has made it itself.
    if name is not None and not run.course and name in bench.registry.names():
        raise ModelExistsError(f"there is a model '{name}' already; give the one to be trained another name")


def _train(
    bench: Bench,
    order: TrainingOrder,
    run: RunInfo,
    task: ReviewTask,
    dataset: DatasetInfo,
    split: Split,
    on_progress: Tell | None,
    should_stop: Callable[[], bool] | None,
) -> Mapping[str, str]:
    described = TrainingDataset(
        name=dataset.task,
        version=f"{dataset.number} ({dataset.manifest_sha256[:12]})",
        description=dataset.why or f"data set {dataset.name}, made by {dataset.made_by}",
        images=len(split.train) + len(split.validation),
    )
    if order.method == "fast-head":
        asked = FastHeadSettings(run.name, run.start, modality_of(task), prevalence=order.prevalence, seed=order.seed)
        cache = FeatureCache(bench.derived, threads=bench.threads)
        head = train_fast_head(
            bench.registry, cache, asked, split, described, runtime=bench.runtime, on_progress=on_progress
        )
        losses = {f"{strength:g}": loss for strength, loss in head.fit.losses.items()}
        course = {"strength": head.fit.strength, "folds": head.fit.folds, "losses": losses}
        note_course(bench.database, run.id, course)
        return head.unreadable
    request = LoraRequest(
        run.name,
        run.start,
        modality_of(task),
        base=order.base,
        recipe=order.recipe,
        prevalence=order.prevalence,
        allow_download=order.allow_download,
    )
    noted = 0.0

    def told(progress: LoraProgress) -> None:
        nonlocal noted
        if on_progress is not None:
            on_progress(progress.step, progress.steps, f"epoch {progress.epoch}, loss {progress.loss:.3f}")
        if time.monotonic() - noted > _NOTED_EVERY_S or progress.step == progress.steps:
            note_course(bench.database, run.id, {"progress": asdict(progress)})
            noted = time.monotonic()

    tuned = train_lora_model(
        bench.registry,
        request,
        split,
        described,
        folder=bench.folder / f"run-{run.id}",
        on_progress=told,
        should_stop=should_stop,
    )
    looks = [{"step": look.step, "loss": look.loss} for look in tuned.result.looks]
    note_course(bench.database, run.id, {"looks": looks, "kept_step": tuned.result.kept_step})
    return tuned.unreadable


def _judged(
    bench: Bench,
    order: TrainingOrder,
    run: RunInfo,
    task: ReviewTask,
    split: Split,
    unreadable: Mapping[str, str],
    on_progress: Tell | None,
) -> Candidate:
    verdict, promoted, evidence = None, None, dict[str, Any]()
    held = standing(bench.database, task.name).production
    if split.test:
        judged = judge_on(bench, task, split.test, run.name, on_progress=on_progress)
        comparison = beside_production(bench, task, split.test, judged, on_progress=on_progress)
        if held is None or comparison is None:
            verdict = judge_first(judged, task.gate, task.acceptable)
        else:
            verdict = judge_gate(comparison, task.gate, task.acceptable)
        evidence = comparison_evidence(verdict, comparison, judged)
        put_on_card(bench.registry, run.name, judged)
    card = bench.registry.card(run.name)
    version_id = record_version(bench.database, card)
    give_role(bench.database, task.name, version_id, "candidate", who=f"training run {run.id}", evidence=evidence)
    if verdict is not None and verdict.passed and order.promotes_by_gate:
        replaces = None if held is None else held.model
        promoted = promote(
            bench.database,
            task.name,
            version_id,
            who=POLICY,
            why="passed the gate",
            evidence=evidence,
            replaces=replaces,
        )
    note_course(bench.database, run.id, evidence)
    end_run(bench.database, run.id, "finished", model_version_id=version_id)
    return Candidate(run, card, version_id, verdict, promoted, unreadable)


__all__ = ["POLICY", "Candidate", "Method", "TrainingOrder", "train_candidate"]
