"""`structloop loop train`, `runs` and `compare`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.core.errors import JobCanceledError

if TYPE_CHECKING:
    from structloop.jobs import Workspace


class Method(StrEnum):
    """How a model is trained."""

    FAST_HEAD = "fast-head"
    LORA = "lora"


Task = Annotated[str, typer.Argument(metavar="TASK", help="Review task, such as crystals/visible.", show_default=False)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; only errors and results.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", help="Version, such as crystals/visible#3. Default: the newest.", show_default=False),
]


def train(
    context: typer.Context,
    task: Task,
    method: Annotated[
        Method, typer.Option("--method", help="A linear head in seconds, or DINOv2 by the AXIS recipe.")
    ] = Method.FAST_HEAD,
    dataset: Dataset = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start", help="Model to begin with. Default: that in production, else default_model.", show_default=False
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Network below an adapter given as --start.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the model to be.", show_default=False)] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, max=100, help="Of lora: 2 at first, 1 later.")] = 1,
    learning_rate: Annotated[float, typer.Option("--learning-rate", min=1e-9, max=1, help="Of lora.")] = 5e-4,
    batch: Annotated[int, typer.Option("--batch", min=1, max=4096, help="Of lora: images per step.")] = 32,
    images_at_once: Annotated[
        int, typer.Option("--images-at-once", min=1, max=4096, help="Of lora: images in memory; less needs less.")
    ] = 4,
    prevalence: Annotated[
        float | None,
        typer.Option("--prevalence", min=0.001, max=0.999, help="For which probabilities hold.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of everything random.")] = 0,
    allow_download: Annotated[
        bool, typer.Option("--allow-download", help="Fetch --start and --base if need be.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train a model on a data set, judge it on the frozen test set, and record it as a candidate.

    Stop it with Ctrl-C or kill it: the same command goes on where it was.
    """
    request = {
        "task": task,
        "dataset": dataset,
        "method": method.value,
        "start": start,
        "base": base,
        "name": name,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "batch": batch,
        "images_at_once": images_at_once,
        "prevalence": prevalence,
        "seed": seed,
    }
    with workspace_of(context, allow_download=allow_download or None) as workspace:
        result = _run(workspace, request, f"Training {task}", quiet=quiet or as_json)
    if as_json:
        typer.echo(json.dumps(result, indent=2))
        return
    typer.echo(f"{result['model']} is a candidate for {task} (training run {result['run']})")
    for metric in result["metrics"]:
        typer.echo(f"  {metric['name']}: {metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]")
    print_verdict(result["verdict"])
    for key, reason in list(result["unreadable"].items())[:20]:
        typer.echo(f"  left out {key}: {reason}")
    typer.echo("It is in production." if result["promoted"] else f"Next: structloop loop promote {task}")


def runs(
    context: typer.Context,
    task: Annotated[str | None, typer.Option("--task", help="Only of this task.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """List trainings, the newest first."""
    from structloop.loop.promotion.training_runs import list_runs

    with workspace_of(context) as workspace:
        found = list_runs(workspace.database, task)
    if as_json:
        listed = [
            {
                "id": run.id,
                "task": run.task,
                "method": run.method,
                "dataset": run.dataset_version_id,
                "start": run.start,
                "state": run.state,
                "model": run.model,
                "problem": run.problem,
                "created_at": run.created_at.isoformat(),
            }
            for run in found
        ]
        typer.echo(json.dumps(listed, indent=2))
        return
    for run in found:
        outcome = run.model or run.problem or run.name
        typer.echo(f"{run.id}  {run.created_at:%Y-%m-%d %H:%M}  {run.task}  {run.method}  {run.state}  {outcome}")
    if not found:
        typer.echo("No trainings yet.")


def compare(
    context: typer.Context,
    task: Task,
    candidate: Annotated[str, typer.Argument(metavar="MODEL", help="Name of the model to judge.", show_default=False)],
    current: Annotated[
        str | None,
        typer.Option(
            "--with", help="Model to compare with. Default: that in production, else default_model.", show_default=False
        ),
    ] = None,
    dataset: Dataset = None,
    page: Annotated[
        Path | None, typer.Option("--html", help="File for the report with plots and pictures.", show_default=False)
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Compare two models on the frozen test set: paired test, differences with intervals, and what the gate says."""
    from structloop.jobs.training import bench_of
    from structloop.loop.datasets.versions import find_dataset, load_split
    from structloop.loop.evaluation.report_page import comparison_page, write_page
    from structloop.loop.promotion.bench import compare_on, in_production, test_items
    from structloop.loop.promotion.gate import judge_gate
    from structloop.loop.tasks import REVIEW_TASKS

    with workspace_of(context) as workspace:
        bench = bench_of(workspace)
        review = REVIEW_TASKS.get(task)
        info = find_dataset(workspace.database, dataset or task)
        items = test_items(load_split(workspace.database, workspace.kept, info.id, review), info.name)
        with _progress(f"Comparing on {info.name}", quiet or as_json) as tell:
            found = compare_on(
                bench, review, items, current or in_production(bench, review), candidate, on_progress=tell
            )
        verdict = judge_gate(found, review.gate, review.acceptable)
        if page is not None:
            reasons = [check.reason for check in verdict.checks]
            title = f"{verdict.candidate} beside {verdict.current} on {info.name}"
            write_page(page.expanduser(), comparison_page(found, title=title, reasons=reasons))
    if as_json:
        typer.echo(json.dumps(found.to_json() | {"verdict": verdict.to_json()}, indent=2))
        return
    for name, difference in found.differences.values.items():
        if difference is not None:
            interval = f"[{difference.low:+.3f}, {difference.high:+.3f}]"
            typer.echo(f"  {name.replace('_', ' ')}: {difference.value:+.3f} {interval}")
    print_verdict(verdict.to_json())
    if page is not None:
        typer.echo(f"report written to {page}")


def print_verdict(verdict: dict[str, Any] | None) -> None:
    """What the gate says, check by check."""
    if verdict is None:
        typer.echo("The data set has no frozen test set, so the gate has nothing to judge by.")
        return
    typer.echo(f"The gate {'lets it pass' if verdict['passed'] else 'refuses it'}:")
    for check in verdict["checks"]:
        typer.echo(f"  {'yes' if check['passed'] else 'NO '} {check['name']}: {check['reason']}")


def _progress(title: str, quiet: bool) -> Any:
    from structloop.cli.loop_output import progress_bar

    return progress_bar(title, quiet)


def _run(workspace: "Workspace", request: dict[str, Any], title: str, *, quiet: bool) -> dict[str, Any]:
    from structloop.jobs import JobQueue, Worker, job_key

    queue = JobQueue(workspace)
    with Worker(workspace, patient=True):
        job = queue.submit("loop.train", request, subject=title, key=job_key("loop.train", request))
        try:
            with _progress(title, quiet) as tell:
                queue.wait(job, lambda now: tell(now.done, now.total, now.message))
        except KeyboardInterrupt:
            queue.cancel(job)
            raise
        result = queue.result(job)
    if not result or result.get("stopped"):
        raise JobCanceledError("the training was stopped; the same command goes on where it was")
    return result


def register(app: typer.Typer) -> None:
    """Adds the commands to the group."""
    app.command()(train)
    app.command()(runs)
    app.command()(compare)


__all__ = ["print_verdict", "register"]
