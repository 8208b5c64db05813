"""`structloop loop queue`: fill the curators' queue of a review task, and see how it stands."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_options import AsJson, Seed, Task
from structloop.schema.loop import CurationReason, CurationState

if TYPE_CHECKING:
    from structloop.jobs import Workspace
    from structloop.loop.curation.standing import QueueStanding
    from structloop.loop.tasks import ReviewTask

_PROJECT_SHARE = 0.4

EPILOG = """
Examples:

  structloop loop queue fill --size 200       drops that people should look at

  structloop loop queue status --curator ada  what is left, and how well curators agree

  structloop loop queue fill --task micrographs/quality --session night3   exposures instead of drops
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
    task: Task = "crystals/visible",
    size: Annotated[int, typer.Option(min=1, max=100_000, help="How many drops or exposures at most.")] = 200,
    plate: Annotated[
        list[str] | None, typer.Option("--plate", help="Only drops of this plate; may be repeated.", show_default=False)
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option("--session", help="Only exposures of this session; may be repeated.", show_default=False),
    ] = None,
    answers: Annotated[int, typer.Option("--answers", min=1, max=5, help="Equal answers that settle an item.")] = 2,
    project_share: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1.0, help="What part of SIZE one project of drops may have. Default: 0.4.", show_default=False
        ),
    ] = None,
    gold: Annotated[int, typer.Option(min=0, help="Settled drops to ask about again, to see how curators do.")] = 0,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Choose drops or exposures that people should look at: disagreements, doubtful ones, and a blind audit.

    Nothing is asked twice, and no project of drops floods the queue.
    """
    from structloop.crystals.annotations import TASK as DROPS
    from structloop.exposures.review import TASK as EXPOSURES

    curated_as = _review(task).curated_as
    given = {"--plate": plate, "--project-share": project_share, "--gold": gold or None, "--session": session}
    foreign = ("--plate", "--project-share", "--gold") if curated_as == EXPOSURES else ("--session",)
    wrong = next((name for name in foreign if given[name] is not None), None)
    if curated_as not in (DROPS, EXPOSURES) or wrong is not None:
        reason = f"nothing fills the queue of {task}" if wrong is None else f"{wrong} is not for {task}; leave it out"
        raise typer.BadParameter(reason, param_hint=wrong or "--task")
    with workspace_of(context) as workspace:
        if curated_as == EXPOSURES:
            _fill_exposures(workspace, size, session or [], answers, seed, as_json)
        else:
            share = _PROJECT_SHARE if project_share is None else project_share
            _fill_drops(workspace, size, plate or [], answers, share, gold, seed, as_json)


def _review(task: str) -> "ReviewTask":
    from structloop.loop.tasks import REVIEW_TASKS

    return REVIEW_TASKS.get(task)


def _fill_exposures(
    workspace: "Workspace", size: int, sessions: list[str], answers: int, seed: int, as_json: bool
) -> None:
    from structloop.exposures.curation import fill_queue
    from structloop.exposures.sessions import get_session

    database = workspace.database
    with database.reading() as reading:
        chosen = [get_session(reading, each).id for each in sessions]
    filled = fill_queue(database, size=size, sessions=chosen, answers_needed=answers, seed=seed)
    added = {reason.value: count for reason, count in filled.added.items()}
    total = sum(added.values())
    if as_json:
        typer.echo(json.dumps({"looked_at": filled.looked_at, "added": added, "added_count": total}, indent=2))
        return
    typer.echo(f"{total} exposures joined the queue, of {filled.looked_at} that were not in it.")
    for reason, count in sorted(added.items()):
        typer.echo(f"  {reason}: {count}")
    if not filled.looked_at:
        typer.echo("Process movies first: structloop micrographs process FOLDER --out DIR")
    elif total:
        typer.echo("Next: structloop serve, and open /curation/exposures in the browser.")


def _fill_drops(
    workspace: "Workspace",
    size: int,
    plates: list[str],
    answers: int,
    project_share: float,
    gold: int,
    seed: int,
    as_json: bool,
) -> None:
    from structloop.crystals.scoring import find_plate
    from structloop.jobs.curation import fill_drops

    report, again = fill_drops(
        workspace,
        size=size,
        plates=[find_plate(workspace.database, barcode) for barcode in plates] or None,
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
    task: Task = "crystals/visible",
    curator: Annotated[
        str | None, typer.Option("--curator", help="Count what is left for this curator.", show_default=False)
    ] = None,
    recount: Annotated[
        bool, typer.Option("--recount", help="Count anew first, from every answer; nobody should answer meanwhile.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """How the queue stands, how well curators agree, and how each of them answers."""
    from structloop.loop.curation import queue_standing
    from structloop.loop.curation import recount as count_anew

    review = _review(task)
    with workspace_of(context) as workspace:
        if recount and count_anew(workspace.database, review.curated_as):
            typer.echo("The counts were wrong, and have been put right.", err=True)
        standing = queue_standing(workspace.database, review.curated_as, positive=review.positive, curator=curator)
    counts = {state.value: standing.closed.get(state, 0) for state in CurationState if state is not CurationState.OPEN}
    if as_json:
        typer.echo(json.dumps(_json(standing) | counts, indent=2))
        return
    left = "" if standing.open_for_curator is None else f", {standing.open_for_curator} of them for {curator}"
    typer.echo(f"{standing.open_count} {_things(review)} wait{left}.")
    for reason, count in sorted(standing.open.items()):
        typer.echo(f"  {reason.value}: {count}")
    typer.echo(f"{counts['settled']} settled, {counts['uncertain']} uncertain, {counts['unusable']} unusable.")
    if standing.alpha is not None:
        batch = "" if standing.batch_alpha is None else f"; {standing.batch_alpha:.3f} since the last data set"
        typer.echo(f"Krippendorff's alpha: {standing.alpha:.3f}{batch}")
    if standing.curators:
        _print_curators(standing)


def empty(
    context: typer.Context,
    task: Task = "crystals/visible",
    reason: Annotated[
        CurationReason | None,
        typer.Option("--reason", help="Only what is there for this reason, such as drift.", show_default=False),
    ] = None,
) -> None:
    """Take what nobody has answered out of the queue; it may be chosen again. Answers stay."""
    from structloop.loop.curation import withdraw_open

    review = _review(task)
    with workspace_of(context) as workspace:
        taken = withdraw_open(workspace.database, review.curated_as, reason=reason)
    typer.echo(f"{taken} {_things(review)} taken out of the queue.")


def _things(review: "ReviewTask") -> str:
    from structloop.exposures.review import TASK as EXPOSURES

    return "exposures" if review.curated_as == EXPOSURES else "drops"


def _json(standing: "QueueStanding") -> dict[str, Any]:
    return {
        "open": standing.open_count,
        "open_by_reason": {reason.value: count for reason, count in standing.open.items()},
        "open_for_curator": standing.open_for_curator,
        "alpha": standing.alpha,
        "batch_alpha": standing.batch_alpha,
        "curators": [
            {**asdict(each), "agreement": each.agreement, "gold_accuracy": each.gold_accuracy}
            for each in standing.curators
        ],
    }


def _print_curators(view: "QueueStanding") -> None:
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
