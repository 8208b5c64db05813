"""`structloop grids show`: the numbers of one session, or its single squares, holes, exposures."""

import csv
import json
import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from structloop.cli.context import workspace_of
from structloop.cli.grids_tables import count_of, plain_table, results_console

if TYPE_CHECKING:
    from structloop.grids.acquisitions.listing import Items
    from structloop.grids.acquisitions.queries import Extent, GridFacts, SessionNumbers

# Longer lists of remarks are cut on the terminal; --json has all.
LISTED = 20
_ONE = {"atlases": "atlas", "squares": "square", "holes": "hole", "exposures": "exposure", "images": "image"}

SessionName = Annotated[
    str,
    typer.Argument(
        metavar="SESSION", help="Its number in the list, its id, its name or its folder.", show_default=False
    ),
]
LevelName = Annotated[
    Literal["atlases", "squares", "holes", "exposures", "images"] | None,
    typer.Option("--level", help="List each of these, one a line, instead of the numbers.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="With --level: print comma-separated values on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `grids`."""
    app.command("show")(show)


def show(
    context: typer.Context,
    session: SessionName,
    level: LevelName = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the numbers of one session, grid by grid and level by level: counts, positions, pixel sizes, states.

    With --level, each square, hole, exposure or image of it with its place and numbers. JSON and CSV have all digits.

    Examples:

      structloop grids show 1

      structloop grids show 1 --level holes

      structloop grids show 4600928 --level exposures --csv > exposures.csv
    """
    from structloop.grids.acquisitions import session_numbers
    from structloop.grids.acquisitions.listing import Level, list_items

    if as_csv and level is None:
        raise typer.BadParameter("it is for lists; add --level holes, say", param_hint="--csv")
    if as_csv and as_json:
        raise typer.BadParameter("take --csv or --json, not both", param_hint="--csv")
    with workspace_of(context) as workspace:
        numbers = session_numbers(workspace.database, session)
        items = None if level is None else list_items(workspace.database, numbers.session.id, Level(level))
    if items is None:
        if as_json:
            typer.echo(json.dumps(to_jsonable_python(asdict(numbers)), indent=2))
        else:
            _print_session(numbers)
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(items.columns)
        writer.writerows([_exact(value) for value in row] for row in items.rows)
    elif as_json:
        typer.echo(json.dumps({items.level.value: to_jsonable_python(items.as_dicts())}, indent=2))
    else:
        _print_items(items)


def print_remarks(console: Console, remarks: list[tuple[str, str, str]]) -> None:
    """Remarks on files, each as path, kind and reason; the first ones of many."""
    for path, kind, reason in remarks[:LISTED]:
        console.print(f"[yellow]{escape(kind)}[/] {escape(path)}: {escape(reason)}")
    if len(remarks) > LISTED:
        console.print(f"... and {count_of(len(remarks) - LISTED, 'more remark')}; --json lists all")


def _print_items(items: "Items") -> None:
    console = results_console()
    # A column that says nothing of any row takes no room.
    said = [at for at in range(len(items.columns)) if any(row[at] is not None for row in items.rows)]
    if items.rows:
        table = plain_table(items.columns[at].replace("_", " ") for at in said)
        for row in items.rows:
            table.add_row(*(escape(_cell(row[at])) for at in said))
        console.print(table)
    console.print(count_of(len(items.rows), _ONE[items.level.value], items.level.value))


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.6g}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case _:
            return str(value)


def _exact(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _print_session(numbers: "SessionNumbers") -> None:
    console = results_console()
    facts = numbers.session
    program = f"{facts.program} {facts.program_version or ''}".strip()
    console.print(f"[bold]{escape(facts.name or facts.key)}[/] (no. {facts.id}, {escape(facts.key)})")
    console.print(f"{escape(program)} at {escape(facts.microscope or 'a microscope without a name')}")
    console.print(f"files: {escape(facts.root)}")
    if facts.journal_path is not None:
        console.print(f"journal: {escape(facts.journal_path)}")
    for grid in numbers.grids:
        console.print(f"\n{escape(grid.key)}")
        console.print(_levels(grid))
    if numbers.remarks:
        console.print()
        print_remarks(console, list(numbers.remarks))


def _levels(grid: "GridFacts") -> Table:
    table = plain_table(("level", "items", "images", "files", "pixel, A", "placed", "x, um", "y, um", "states"))
    for level in grid.levels:
        table.add_row(
            level.level,
            str(level.items),
            str(level.images),
            str(level.files),
            ", ".join(f"{size:.5g}" for size in level.pixel_sizes_angstrom),
            str(level.placed),
            _span(level.x_um),
            _span(level.y_um),
            escape(", ".join(f"{count} {state}" for state, count in sorted(level.states.items()))),
        )
    return table


def _span(extent: "Extent | None") -> str:
    return "" if extent is None else f"{extent.low_um:.2f} to {extent.high_um:.2f}"


__all__ = ["print_remarks", "register"]
