"""`structloop jobs`: what runs, what waits, how it ended, and stopping it."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of

if TYPE_CHECKING:
    from structloop.schema.events import JobProgress

app = typer.Typer(no_args_is_help=True, help="Imports and scorings: what runs, what waits, how it ended.")

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job, as `jobs list` shows it.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, newest first.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@app.command("list")
def list_(context: typer.Context, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the newest jobs."""
    from structloop.jobs import JobQueue

    with workspace_of(context) as workspace:
        jobs = JobQueue(workspace).list(limit)
    if as_json:
        typer.echo(json.dumps([_as_json(job) for job in jobs], indent=2))
        return
    if not jobs:
        typer.echo("No jobs yet.")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    # Ids are there to be copied; what does not fit is folded, never cut.
    table.add_column("Job", no_wrap=True, min_width=24)
    for title in ("Kind", "Subject", "State", "Progress", "Message"):
        table.add_column(title, overflow="fold")
    for job in jobs:
        cells = (job.id, job.kind, job.subject, job.state.value, _progress(job), job.message)
        table.add_row(*(escape(cell) for cell in cells))
    Console(soft_wrap=True, highlight=False).print(table)


@app.command()
def show(context: typer.Context, job_id: JobId, as_json: AsJson = False) -> None:
    """Show a job and what it reported."""
    from structloop.jobs import JobQueue

    with workspace_of(context) as workspace:
        queue = JobQueue(workspace)
        job, result = queue.progress(job_id), queue.result(job_id)
    if as_json:
        typer.echo(json.dumps(_as_json(job) | {"result": result}, indent=2))
        return
    typer.echo(f"{job.id}  {job.kind}  {job.subject}")
    typer.echo(f"state: {job.state} ({_progress(job)})")
    if job.message:
        typer.echo(f"message: {job.message}")
    for name in ("created_at", "started_at", "finished_at"):
        moment: datetime | None = getattr(job, name)
        if moment is not None:
            typer.echo(f"{name.removesuffix('_at')}: {moment:%Y-%m-%d %H:%M:%S} UTC")
    for name, value in (result or {}).items():
        if not isinstance(value, (list, dict)):
            typer.echo(f"{name}: {value}")


@app.command()
def cancel(context: typer.Context, job_id: JobId) -> None:
    """Stop a job: one that waits never starts, one that runs ends soon and keeps what it has done."""
    from structloop.jobs import JobQueue

    with workspace_of(context) as workspace:
        job = JobQueue(workspace).cancel(job_id)
    if job.state.is_final:
        typer.echo(f"{job.id} is {job.state}")
    else:
        typer.echo(f"{job.id} was asked to stop")


def _progress(job: "JobProgress") -> str:
    return f"{job.done}" if job.total is None else f"{job.done}/{job.total}"


def _as_json(job: "JobProgress") -> dict[str, Any]:
    moments = {
        name: moment.isoformat() if (moment := getattr(job, name)) is not None else None
        for name in ("created_at", "started_at", "finished_at")
    }
    return {
        "id": job.id,
        "kind": job.kind,
        "subject": job.subject,
        "state": job.state.value,
        "done": job.done,
        "total": job.total,
        "message": job.message,
        **moments,
    }


__all__ = ["app"]
