"""Filling the curators' queue with everything that a workspace has."""

from collections.abc import Collection

from structloop.crystals.curation import FillReport, fill_gold, fill_queue
from structloop.crystals.curation.held_out import held_out_drops
from structloop.jobs.training import bench_of
from structloop.jobs.workspace import Workspace


def fill_drops(
    workspace: Workspace,
    *,
    size: int,
    plates: Collection[int] | None = None,
    project_share: float,
    answers_needed: int,
    gold: int = 0,
    seed: int = 0,
) -> tuple[FillReport, int]:
    """Fills the queue with drops; labels are suspected by models that had not learnt from them.

    Args:
        workspace: Where plates, scores, labels, models and the queue are.
        size, plates, project_share, answers_needed, seed: See `fill_queue`.
        gold: Settled drops that are asked about again.

    Returns:
        What filling did, and how many gold items joined.

    Raises:
        ValueError: see `fill_queue`.
        StoreUnavailableError: features cannot be kept.
    """
    report = fill_queue(
        workspace.database,
        size=size,
        plates=plates,
        project_share=project_share,
        answers_needed=answers_needed,
        out_of_sample=held_out_drops(bench_of(workspace), plates, seed=seed),
        seed=seed,
    )
    return report, fill_gold(workspace.database, size=gold, seed=seed) if gold else 0


__all__ = ["fill_drops"]
