"""`structloop micrographs show`: sessions, and what one of them says of its grids and squares."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from structloop.cli.context import workspace_of
from structloop.cli.grids_tables import plain_table, results_console
from structloop.cli.micrographs_options import AsJson
from structloop.cli.micrographs_output import print_summary, summary_of

if TYPE_CHECKING:
    from structloop.exposures.sessions import Place


def register(app: typer.Typer) -> None:
    """Adds the command to the group `micrographs`."""
    app.command("show")(show)


def show(
    context: typer.Context,
    session: Annotated[
        str | None,
        typer.Argument(
            metavar="SESSION", help="Its name, number or folder of results. Default: list all.", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show sessions of exposures; or of one, what is problematic, and which squares and grids to leave.

    Examples:

      structloop micrographs show

      structloop micrographs show session7 --json
    """
    from structloop.exposures.listing import list_sessions
    from structloop.exposures.sessions import get_session, places_of

    with workspace_of(context) as workspace:
        database = workspace.database
        if session is None:
            listed = [asdict(each) for each in list_sessions(database)]
            _print_list(listed, as_json)
            return
        with database.reading() as reading:
            found = get_session(reading, session)
            places = places_of(reading, found.id)
        summary = summary_of(database, found.id)
    if as_json:
        summary["places"] = [asdict(each) for each in places]
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
        return
    print_summary(summary)
    _print_places(places)


def _print_list(listed: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False, default=str))
        return
    if not listed:
        typer.echo("No session of exposures yet; `structloop micrographs process` makes one.")
        return
    table = plain_table(("number", "name", "state", "done", "problematic", "failed", "waiting", "results"))
    for each in listed:
        numbers = (str(each[name]) for name in ("done", "problematic", "failed", "waiting"))
        table.add_row(str(each["id"]), escape(each["name"]), each["state"], *numbers, escape(each["results"]))
    results_console().print(table)


def _leaving(place: "Place") -> str:
    """Whether to leave it, and since when: the rule spoke at some exposure, and more may have come since."""
    rule, now = place.leaving, place.pooled.exposures
    if not rule.leave:
        return ""
    since = "" if rule.exposures == now else f" (since exposure {rule.exposures} of {now})"
    return f"leave it{since}: {rule.reason}"


def _print_places(places: "list[Place]") -> None:
    named = [each for each in places if each.name is not None]
    if not named:
        return
    table = plain_table(("place", "exposures", "problematic", "90 % interval", "why", ""))
    for each in sorted(named, key=lambda each: (str(each.grid), each.kind == "square")):
        share = each.pooled
        table.add_row(
            f"{'  ' if each.kind == 'square' else ''}{each.kind} {escape(str(each.name))}",
            str(share.exposures),
            f"{share.share:.0%}",
            f"{share.low:.0%} to {share.high:.0%}",
            escape("; ".join(f"{reason.words} ({reason.exposures})" for reason in each.reasons)),
            escape(_leaving(each)),
        )
    results_console().print(table)


__all__ = ["register"]
