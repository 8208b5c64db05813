"""`structloop loop drift`."""

import json
from enum import StrEnum
from typing import Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_output import progress_bar


class Source(StrEnum):
    """What may look new."""

    IMAGER = "imager"
    KIND = "kind"


def drift(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="TASK", help="Such as crystals/visible.", show_default=False)],
    by: Annotated[Source, typer.Option("--by", help="Imagers, or kinds of plates.")] = Source.IMAGER,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="What the model learnt from. Default: the newest.", show_default=False),
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=1000, help="Images to ask for.")] = 40,
    queue: Annotated[
        bool, typer.Option("--queue", help="Put the images to label at the head of the curators' queue.")
    ] = False,
    answers: Annotated[int, typer.Option("--answers", min=1, max=5, help="Equal answers that settle a drop.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """Say which imagers or kinds of plates look new to the model, and which images to label there.

    With --queue the images to label join the curators' queue; what waits there or was answered is not asked again.
    `structloop loop queue empty --reason drift` takes back what nobody has answered.
    """
    from structloop.crystals.drift import queue_drift
    from structloop.jobs.drift import drift_to_json, look_for_drift

    with workspace_of(context) as workspace:
        with progress_bar("Looking", quiet or as_json) as tell:
            found = look_for_drift(workspace, task, by=by.value, dataset=dataset, count=count, on_progress=tell)
        queued = [
            queue_drift(workspace.database, [image.item for image in each.to_label], answers_needed=answers)
            if queue
            else None
            for each in found
        ]
    if as_json:
        listed = drift_to_json(found)
        for entry, done in zip(listed, queued, strict=True):
            entry["queued"] = None if done is None else {"joined": len(done.joined), "known": done.known}
        typer.echo(json.dumps(listed, indent=2))
        return
    for each, done in zip(found, queued, strict=True):
        typer.echo(each.report.message)
        for image in each.to_label:
            typer.echo(f"  {image.key}")
        if done is not None and each.report.is_alarm:
            known = f"; {done.known} wait there already or were answered" if done.known else ""
            typer.echo(f"  {len(done.joined)} joined the queue (drift: {each.report.source}){known}")
    if not found:
        typer.echo("There are no plates of a named source beside those of the data set.")


def register(app: typer.Typer) -> None:
    """Adds the command to the group."""
    app.command()(drift)


__all__ = ["register"]
