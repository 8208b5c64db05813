"""`structloop loop share`: what was learnt travels, images do not."""

import getpass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_output import progress_bar

app = typer.Typer(no_args_is_help=True, help="Adapters and heads between labs; images never travel.")


class Weights(StrEnum):
    """How models are weighted in an average."""

    UNIFORM = "uniform"
    EVALUATION = "evaluation"


@app.command("export")
def export_(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name of an installed model.", show_default=False)],
    target: Annotated[
        Path, typer.Argument(metavar="FILE", help="New .zip, .tar, .tar.gz or .tgz file.", show_default=False)
    ],
    task: Annotated[
        str | None, typer.Option("--task", help="Task whose evaluation goes with it.", show_default=False)
    ] = None,
) -> None:
    """Write what a model learnt, with its card and evaluation, without its base and without any image."""
    from structloop.loop.promotion.sharing import export_shared

    with workspace_of(context) as workspace:
        shared = export_shared(workspace.models, model, target.expanduser(), _evaluation(workspace, task, model))
    typer.echo(f"{shared.kind} of {model}@{shared.version} on {shared.base} written to {target}")


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Archive of another lab.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", help="Of the model here.", show_default=False)] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Folder of the DINOv2 below. Default: that of a model here.")
    ] = None,
) -> None:
    """Take in what another lab learnt on the same base; judge it with `loop compare` before anything else."""
    from structloop.loop.promotion.sharing import import_shared

    with workspace_of(context) as workspace:
        card, shared = import_shared(workspace.models, source.expanduser(), name=name, base=base)
    typer.echo(f"{card.name}@{card.version}: {shared.kind} on {shared.base}, licence {card.licence}")


@app.command()
def average(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Such as crystals/visible.", show_default=False)],
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Two or more, on one base.", show_default=False)
    ],
    name: Annotated[str, typer.Option("--name", help="Of the average.", show_default=False)],
    weights: Annotated[
        Weights, typer.Option("--weights", help="All alike, or by balanced accuracy on one's own validation items.")
    ] = Weights.UNIFORM,
    rank: Annotated[
        int | None, typer.Option("--rank", min=1, help="Of an averaged adapter. Default: all, exactly.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Whose validation items. Default: the newest.", show_default=False)
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Average models and record the result as a candidate; `loop promote` lets the gate decide."""
    from structloop.jobs.training import bench_of
    from structloop.loop.promotion.averaging import average_for_task

    with workspace_of(context) as workspace, progress_bar("Averaging", quiet) as tell:
        card = average_for_task(
            bench_of(workspace),
            task,
            models,
            name,
            weighting=weights.value,
            rank=rank,
            dataset=dataset,
            who=getpass.getuser(),
            on_progress=tell,
        )
    typer.echo(f"{card.name}@{card.version}: {card.origin}")


def _evaluation(workspace: Any, task: str | None, model: str) -> dict[str, Any]:
    """What the model was judged by last in a task, without the names of groups."""
    if task is None:
        return {}
    from structloop.loop.promotion.roles import history

    found: dict[str, Any] = {}
    for event in history(workspace.database, task):
        if event.model.rpartition("@")[0] == model and "comparison" in event.evidence:
            judged = event.evidence["comparison"]["candidate"]
            found = {key: value for key, value in judged.items() if key not in ("by_group", "unreadable")}
    if "by_tag" in found:
        found["by_tag"] = {name: kinds for name, kinds in found["by_tag"].items() if name == "detail"}
    return found


__all__ = ["app"]
