"""Deciding about one candidate: judged on the frozen test set beside production, then promoted or not."""

from dataclasses import dataclass

from structloop.core.errors import PromotionError
from structloop.loop.datasets.versions import find_dataset, load_split
from structloop.loop.promotion.bench import Bench, Tell, beside_production, comparison_evidence, judge_on, test_items
from structloop.loop.promotion.gate import GateVerdict, judge_first, judge_gate
from structloop.loop.promotion.roles import RoleEvent, promote, record_version, standing
from structloop.loop.tasks import REVIEW_TASKS


@dataclass(frozen=True)
class Decision:
    """What was decided.

    Attributes:
        verdict: The gate's.
        event: The promotion; None where the gate refuses.
    """

    verdict: GateVerdict
    event: RoleEvent | None


def decide(
    bench: Bench,
    task: str,
    name: str,
    *,
    who: str,
    why: str = "",
    dataset: str | None = None,
    despite_gate: bool = False,
    on_progress: Tell | None = None,
) -> Decision:
    """Judges model `name` beside what is in production, and promotes it if the gate, or a person despite it, says so.

    The first in production stands beside the default model, for people to see; there is no test that it has to win
    against that, which no facility's images taught.

    Args:
        bench: Models and data sets.
        task: The review task.
        name: Of an installed model.
        who: Who decides.
        why: In their words; needed despite the gate.
        dataset: Whose frozen test set judges; None: the task's newest version.
        despite_gate: Whether a refusal of the gate is overruled; the evidence keeps it.
        on_progress: Called with images done, images in all, and what is done.

    Raises:
        PromotionError: it is in production already, production changed meanwhile, or no reason is given.
        EvaluationSetError: there is no frozen test set.
        NotFoundError, ModelError: no such data set or model.
    """
    if despite_gate and not why.strip():
        raise PromotionError("to promote despite the gate, say why: what does the gate not see?")
    review = REVIEW_TASKS.get(task)
    info = find_dataset(bench.database, dataset or task)
    items = test_items(load_split(bench.database, bench.kept, info.id, review), info.name)
    judged = judge_on(bench, review, items, name, on_progress=on_progress)
    version_id = record_version(bench.database, judged.card)
    held = standing(bench.database, task).production
    if held is not None and held.version_id == version_id:
        raise PromotionError(f"{held.model} is in production for {task} already")
    comparison = beside_production(bench, review, items, judged, on_progress=on_progress)
    if held is None or comparison is None:
        verdict = judge_first(judged, review.gate, review.acceptable)
    else:
        verdict = judge_gate(comparison, review.gate, review.acceptable)
    if not verdict.passed and not despite_gate:
        return Decision(verdict, None)
    evidence = comparison_evidence(verdict, comparison, judged) | {"dataset": info.name, "despite_gate": despite_gate}
    event = promote(
        bench.database,
        task,
        version_id,
        who=who,
        why=why,
        evidence=evidence,
        replaces=None if held is None else held.model,
    )
    return Decision(verdict, event)


__all__ = ["Decision", "decide"]
