"""`structloop loop queue`: fill the curators' queue, and see how it stands."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_options import AsJson, Seed
from structloop.schema.loop import CurationReason

if TYPE_CHECKING:
    from structloop.crystals.curation.views import CurationQueueView

EPILOG = """
Examples:

  structloop loop queue fill --size 200       drops that people should look at

  structloop loop queue status --curator ada  what is left, and how well curators agree
"""


def register(app: typer.Typer) -> None:
    """Adds the group `queue` to the group `loop`."""
    queue = typer.Typer(no_args_is_help=True, help="The curators' queue.", epilog=EPILOG)
    queue.command("fill")(fill)
    queue.command("status")(status)
    queue.command("empty")(empty)
    app.add_typer(queue, name="queue")


def fill(
    context: typer.Context,
    size: Annotated[int, typer.Option(min=1, max=100_000, help="How many drops at most.")] = 200,
    plate: Annotated[
        list[str] | None, typer.Option("--plate", help="Only drops of this plate; may be repeated.", show_default=False)
    ] = None,
    answers: Annotated[int, typer.Option("--answers", min=1, max=5, help="Equal answers that settle a drop.")] = 2,
    project_share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="What part of SIZE one project may have in the queue.")
    ] = 0.4,
    gold: Annotated[int, typer.Option(min=0, help="Settled drops to ask about again, to see how curators do.")] = 0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Choose drops that people should look at: disagreements, doubtful ones, and a blind audit of agreements.

    Nothing is asked twice, and no project floods the queue.
    """
    from structloop.crystals.scoring import find_plate
    from structloop.jobs.curation import fill_drops

    with workspace_of(context) as workspace:
        database = workspace.database
        report, again = fill_drops(
            workspace,
            size=size,
            plates=[find_plate(database, barcode) for barcode in plate] if plate else None,
            project_share=project_share,
            answers_needed=answers,
            gold=gold,
            seed=seed,
        )
    if as_json:
        typer.echo(json.dumps({**report.to_json(), "gold_count": again}, indent=2))
        return
    typer.echo(
        f"{report.added_count} drops joined the queue, of {report.looked_at} scored experiments "
        f"({report.labelled} with a label)."
    )
    if report.held_out:
        typer.echo(f"{report.held_out} labels were compared with models that had not learnt from them.")
    for reason, count in sorted(report.added.items()):
        typer.echo(f"  {reason}: {count} of {report.found[reason]} found")
    if again:
        typer.echo(f"  gold: {again} settled drops again")
    if not report.looked_at:
        typer.echo("Score plates first: structloop crystals score FOLDER")
    elif report.added_count:
        typer.echo("Next: structloop serve, and open the queue in the browser.")


def status(
    context: typer.Context,
    curator: Annotated[
        str | None, typer.Option("--curator", help="Count what is left for this curator.", show_default=False)
    ] = None,
    recount: Annotated[
        bool, typer.Option("--recount", help="Count anew first, from every answer; nobody should answer meanwhile.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """How the queue stands, how well curators agree, and how each of them answers."""
    from structloop.crystals.annotations import TASK
    from structloop.crystals.curation import queue_view
    from structloop.loop.curation import recount as count_anew

    with workspace_of(context) as workspace:
        if recount and count_anew(workspace.database, TASK):
            typer.echo("The counts were wrong, and have been put right.", err=True)
        view = queue_view(workspace.database, curator)
    if as_json:
        typer.echo(view.model_dump_json(indent=2))
        return
    left = "" if view.open_for_curator is None else f", {view.open_for_curator} of them for {curator}"
    typer.echo(f"{view.open} drops wait{left}.")
    for reason, count in sorted(view.open_by_reason.items()):
        typer.echo(f"  {reason.value}: {count}")
    typer.echo(f"{view.settled} settled, {view.uncertain} uncertain, {view.unusable} unusable.")
    if view.alpha is not None:
        batch = "" if view.batch_alpha is None else f"; {view.batch_alpha:.3f} since the last data set"
        typer.echo(f"Krippendorff's alpha: {view.alpha:.3f}{batch}")
    if view.curators:
        _print_curators(view)


def empty(
    context: typer.Context,
    reason: Annotated[
        CurationReason | None,
        typer.Option("--reason", help="Only what is there for this reason, such as drift.", show_default=False),
    ] = None,
) -> None:
    """Take what nobody has answered out of the queue; it may be chosen again. Answers stay."""
    from structloop.crystals.annotations import TASK
    from structloop.loop.curation import withdraw_open

    with workspace_of(context) as workspace:
        typer.echo(f"{withdraw_open(workspace.database, TASK, reason=reason)} drops taken out of the queue.")


def _print_curators(view: "CurationQueueView") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "Curator", "Answers", "As settled", "Gold right", "Undecided", "Seconds", box=None, header_style="bold"
    )
    for each in view.curators:
        table.add_row(
            escape(each.curator),
            str(each.answers),
            _share(each.agreement),
            f"{_share(each.gold_accuracy)} of {each.gold_answered}" if each.gold_answered else "",
            str(each.undecided),
            "" if each.median_seconds is None else f"{each.median_seconds:.1f}",
        )
    Console(soft_wrap=True, highlight=False).print(table)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


__all__ = ["register"]
