"""`structloop grids import` and `sessions`: sessions at microscopes, from their files to the store and back."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.markup import escape

from structloop.cli import grids_show
from structloop.cli.context import workspace_of
from structloop.cli.grids_show import print_remarks
from structloop.cli.grids_tables import plain_table, results_console
from structloop.cli.stopping import terminating_as_interrupt

if TYPE_CHECKING:
    from structloop.grids.acquisitions.importing import Imported
    from structloop.grids.acquisitions.recording import OnProgress

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        help="Folder of one session or of many: EPU's, SerialEM's (.nav, .mdoc), or one that structloop ran.",
        show_default=False,
    ),
]
AsName = Annotated[
    str | None,
    typer.Option(
        "--as",
        help="Import the one session at PATH under this name, as one of its own beside another with the same id.",
        show_default=False,
    ),
]
Replace = Annotated[
    bool,
    typer.Option("--replace", help="A session that was imported from another folder: the files at PATH count now."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `grids`."""
    app.command("import")(import_)
    app.command("sessions")(sessions)
    grids_show.register(app)


def import_(
    context: typer.Context, path: Folder, as_name: AsName = None, replace: Replace = False, as_json: AsJson = False
) -> None:
    """Import sessions at a microscope: grids, atlases, squares, holes, exposures and their images.

    Files are only read. Importing again adds what is new and changes nothing else; an import that was stopped is
    finished by the next. What could not be read is listed at the end, and the rest is imported. A .nav or .mdoc file
    stands for itself, any other file for its session's folder.

    A copy of a session in another folder is not mixed with it: say --replace or --as. Exit code 1 means that a session
    could not be read at all, or was such a copy and says something else.

    Examples:

      structloop grids import /data/Supervisor_20260105_epu

      structloop grids import /data/serialem/grid3 --json

      structloop grids import /archive/Supervisor_20260105_epu --replace
    """
    from structloop.grids.acquisitions.importing import import_acquisitions

    if as_name is not None and replace:
        raise typer.BadParameter("take --as or --replace, not both", param_hint="--as")
    if as_name is not None and not as_name.strip():
        raise typer.BadParameter("the name is empty", param_hint="--as")
    with workspace_of(context) as workspace, terminating_as_interrupt(), _bars() as on_session:
        try:
            imported = import_acquisitions(
                workspace.database, path, as_name=as_name, replace_place=replace, on_session=on_session
            )
        except KeyboardInterrupt:
            typer.echo("Stopped. What was imported is kept; importing again does the rest.", err=True)
            raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(_imported_as_json(imported), indent=2))
    else:
        _print_imported(imported)
    if imported.failed:
        raise typer.Exit(1)


def sessions(context: typer.Context, as_json: AsJson = False) -> None:
    """List the sessions that were imported, the newest first, with how much there is of each.

    Example:

      structloop grids sessions
    """
    from structloop.grids.acquisitions import list_sessions

    with workspace_of(context) as workspace:
        found = list_sessions(workspace.database)
    if as_json:
        typer.echo(json.dumps({"sessions": [to_jsonable_python(asdict(facts)) for facts in found]}, indent=2))
        return
    console = results_console()
    if not found:
        console.print("No session yet; structloop grids import PATH imports some.")
        return
    columns = ("grids", "squares", "holes", "exposures", "images")
    table = plain_table(("no.", "session", "program", "began", *columns))
    for facts in found:
        began = f"{facts.started_at:%Y-%m-%d %H:%M}" if facts.started_at else ""
        program = f"{facts.program} {facts.program_version or ''}".strip()
        numbers = (str(getattr(facts, column)) for column in columns)
        table.add_row(str(facts.id), escape(facts.name or facts.key), escape(program), began, *numbers)
    console.print(table)


@contextmanager
def _bars() -> Iterator[Callable[[str], "OnProgress"]]:
    """A progress bar per session on standard error; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _name: lambda _done, _total, _what: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[level]}"), console=Console(stderr=True), transient=True) as bar:

        def begin(name: str) -> "OnProgress":
            task = bar.add_task(escape(name), total=None, level="")
            return lambda done, total, what: bar.update(task, completed=done, total=total, level=what)

        yield begin


def _imported_as_json(imported: "Imported") -> dict[str, Any]:
    return {
        "sessions": [
            {
                "id": recorded.session_id,
                "key": recorded.key,
                "root": str(recorded.root),
                "levels": {
                    level: {"total": counted.total, "added": counted.added, "changed": counted.changed}
                    for level, counted in recorded.counts.items()
                },
                "notes": recorded.notes,
                "remarks": [to_jsonable_python(asdict(remark)) for remark in recorded.remarks],
            }
            for recorded in imported.sessions
        ],
        "known": [to_jsonable_python(asdict(known)) for known in imported.known],
        "failed": [{"path": str(failed.path), "reason": failed.reason} for failed in imported.failed],
    }


def _print_imported(imported: "Imported") -> None:
    console = results_console()
    for recorded in imported.sessions:
        console.print(f"[bold]{escape(recorded.key)}[/] (no. {recorded.session_id}) from {escape(str(recorded.root))}")
        table = plain_table(("level", "in the files", "added", "changed"))
        for level, counted in recorded.counts.items():
            table.add_row(level, str(counted.total), str(counted.added), str(counted.changed))
        for note in recorded.notes:
            console.print(escape(note))
        console.print(table)
        print_remarks(console, [(remark.path, remark.kind.value, remark.reason) for remark in recorded.remarks])
    for known in imported.known:
        console.print(
            f"{escape(known.name)} was imported already (no. {known.session_id}) from {escape(str(known.earlier))}; "
            f"{escape(str(known.path))} is a copy that says nothing new, and was left alone"
        )
    for failed in imported.failed:
        console.print(f"[red]not imported[/] {escape(str(failed.path))}: {escape(failed.reason)}")


__all__ = ["register"]
