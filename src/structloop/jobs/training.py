"""Trainings of the loop as jobs, on the bench that a workspace is."""

from collections.abc import Callable, Mapping
from typing import Any

from structloop.core.errors import PromotionError, TrainingStoppedError
from structloop.jobs.workspace import Workspace
from structloop.loop.promotion.bench import Bench
from structloop.loop.promotion.candidates import TrainingOrder, train_candidate
from structloop.loop.promotion.deciding import decide
from structloop.models.runtime import Runtime
from structloop.models.training.lora_settings import LoraSettings


def bench_of(workspace: Workspace) -> Bench:
    """What trainings and comparisons of a workspace work with."""
    settings = workspace.settings
    return Bench(
        database=workspace.database,
        registry=workspace.models,
        classifiers=workspace.classifiers,
        kept=workspace.kept,
        derived=workspace.files,
        folder=workspace.home / "training",
        runtime=Runtime(engine=settings.runtime, precision=settings.precision, threads=settings.threads),
        threads=settings.threads,
        batch_size=settings.batch_size,
    )


def train_for_loop(
    workspace: Workspace,
    request: Mapping[str, Any],
    on_progress: Callable[[int, int | None, str], None],
    should_stop: Callable[[], bool],
) -> dict[str, Any]:
    """Trains what the request of a job `loop.train` asks for, and tells what came of it as JSON."""
    settings = workspace.settings
    recipe = LoraSettings(
        learning_rate=request["learning_rate"],
        batch=request["batch"],
        images_at_once=request["images_at_once"],
        epochs=request["epochs"],
        seed=request["seed"],
        threads=settings.threads,
    )
    order = TrainingOrder(
        task=request["task"],
        dataset=request["dataset"],
        method=request["method"],
        start=request["start"],
        base=request["base"],
        name=request["name"],
        recipe=recipe,
        prevalence=request["prevalence"],
        seed=request["seed"],
        promotes_by_gate=settings.promotion_policy == "gate",
        allow_download=settings.allow_download,
    )
    try:
        made = train_candidate(bench_of(workspace), order, on_progress=on_progress, should_stop=should_stop)
    except TrainingStoppedError:
        return {"stopped": True}
    return {
        "run": made.run.id,
        "model": f"{made.card.name}@{made.card.version}",
        "verdict": None if made.verdict is None else made.verdict.to_json(),
        "promoted": made.promoted is not None,
        "unreadable": dict(made.unreadable),
        "metrics": [metric.model_dump(mode="json") for metric in made.card.metrics],
    }


def promote_for_loop(
    workspace: Workspace, request: Mapping[str, Any], on_progress: Callable[[int, int | None, str], None]
) -> dict[str, Any]:
    """Decides about the model that the request of a job `loop.promote` names, and tells what was decided as JSON.

    Raises:
        PromotionError: the gate refuses it, with its reasons; or see `decide`.
    """
    decision = decide(
        bench_of(workspace),
        request["task"],
        request["model"],
        who=request["who"],
        why=request["why"],
        dataset=request["dataset"],
        despite_gate=request["despite_gate"],
        on_progress=on_progress,
    )
    if decision.event is None:
        raise PromotionError(f"{request['model']} was not promoted: " + "; ".join(decision.verdict.objections))
    return {"model": decision.event.model, "verdict": decision.verdict.to_json()}


__all__ = ["bench_of", "promote_for_loop", "train_for_loop"]
