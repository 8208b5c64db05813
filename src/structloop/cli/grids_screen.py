"""`structloop grids screen`: an unattended screening of the grids of a cassette."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from structloop.cli.finite import defocus
from structloop.cli.grids_ending import ending_of, say
from structloop.cli.grids_folders import check_session_folder
from structloop.cli.grids_remaining import Remaining, duration
from structloop.cli.grids_tables import count_of, results_console
from structloop.cli.stopping import run_stoppable

if TYPE_CHECKING:
    from structloop.grids.screening import ScreeningEvent, ScreeningReport

Scope = Annotated[str, typer.Option("--scope", help="Address of the microscope.")]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        help="Folder of the session: its journal and images. One that was begun goes on.",
        file_okay=False,
        show_default=False,
    ),
]
Slots = Annotated[str, typer.Option("--slots", help="Autoloader slots to screen, in this order, or 'all'.")]
Squares = Annotated[int, typer.Option("--squares", min=1, help="Squares imaged of each grid.")]
Holes = Annotated[int, typer.Option("--holes", min=1, help="Holes exposed of each square.")]
Exposures = Annotated[int, typer.Option("--exposures", min=1, help="Exposures of each hole.")]
Atlas = Annotated[str, typer.Option("--atlas", help="Tiles of the atlas: columns, rows.")]
Defocus = Annotated[float, typer.Option("--defocus-um", callback=defocus, help="Underfocus of the exposures.")]
KeepBinning = Annotated[
    int, typer.Option("--keep-binning", min=1, help="Kept images are averaged over so many pixels per axis.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `grids`."""
    app.command("screen")(screen)


def screen(
    out: Out,
    scope: Scope = "simulated://",
    slots: Slots = "all",
    squares: Squares = 3,
    holes: Holes = 3,
    exposures: Exposures = 2,
    atlas: Atlas = "5,5",
    defocus_um: Defocus = 1.5,
    keep_binning: KeepBinning = 1,
    as_json: AsJson = False,
) -> None:
    """Screen the grids of a cassette, unattended: atlas, squares, holes, exposures of each.

    What fails is retried, skipped with its reason, or ends the session safely with beam off and valves closed; the
    journal says what happened. Ctrl-C, a polite kill and a closed terminal stop safely too. The same command with the
    same folder goes on where it ended, and exposes nothing twice; another plan needs another folder. Exit code 1 means
    that the session ended early, or that nothing was exposed.

    Examples:

      structloop grids screen --out night

      structloop grids screen --scope serialem://127.0.0.1:48888 --slots 1,3,4 --out night

      structloop grids import night
    """
    from structloop.core.errors import NotCapableError
    from structloop.grids.screening import ScreeningPlan, noted_plan
    from structloop.grids.screening import screen as run_screening
    from structloop.instruments.drivers import open_microscope
    from structloop.instruments.entries import ActionDone
    from structloop.instruments.images import Keep
    from structloop.instruments.journal import Journal
    from structloop.instruments.runner import Runner

    columns, rows = (int(number) for number in _numbers(atlas, "--atlas", 2))
    chosen = None if slots.strip().lower() == "all" else _numbers(slots, "--slots")
    if chosen is not None and len(set(chosen)) < len(chosen):
        raise typer.BadParameter(f"'{slots}' names a slot twice; name each once", param_hint="--slots")
    check_session_folder(out, "running")
    microscope = open_microscope(scope)
    earlier: set[str] = set()

    async def work(tell: Callable[["ScreeningEvent"], None]) -> "ScreeningReport":
        with Journal.open(out) as journal:
            async with Runner(microscope, journal, keep=Keep(default=keep_binning)) as runner:
                begun = noted_plan(journal.entries)
                earlier.update(entry.key for entry in journal.entries if isinstance(entry, ActionDone))
                # What 'all' meant when the session was begun is what it means when it goes on.
                found = list(begun.slots) if chosen is None and begun is not None else chosen
                if found is None:
                    if microscope.parts.autoloader is None:
                        raise NotCapableError(f"{microscope.description.name} has no autoloader to take grids from")
                    # An emptied stage puts its grid back: a slot whose grid is on the stage counts as occupied.
                    state = await microscope.state()
                    known = await microscope.parts.autoloader.slots()
                    found = [slot.number for slot in known if slot.occupied is not False or slot.number == state.slot]
                    if not found:
                        raise NotCapableError(f"{microscope.description.name} has no grid in any slot; load some")
                plan = ScreeningPlan(
                    slots=tuple(found),
                    squares_per_grid=squares,
                    holes_per_square=holes,
                    exposures_per_hole=exposures,
                    atlas_columns=columns,
                    atlas_rows=rows,
                    defocus_um=defocus_um,
                )
                return await run_screening(runner, plan, progress=tell)

    with _events() as tell:
        try:
            report = run_stoppable(work(tell))
        except KeyboardInterrupt:
            say(f"{ending_of(out)}; the same command goes on from {out}.")
            raise typer.Exit(130) from None
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print(report, out)
    if not report.exposures:
        say("Nothing was exposed; the reasons are above." if not as_json else "Nothing was exposed; see 'skipped'.")
    elif report.stopped is None and earlier.issuperset(report.exposures):
        say(f"Nothing was left to do: all exposures were taken by an earlier run in {out}.")
    if report.stopped is not None or not report.exposures:
        raise typer.Exit(1)


def _numbers(text: str, option: str, count: int | None = None) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts) or (count is not None and len(parts) != count):
        example = "5,5" if count == 2 else "1,2,4"
        raise typer.BadParameter(f"'{text}' is not numbers such as {example}", param_hint=option)
    return [int(part) for part in parts]


@contextmanager
def _events() -> Iterator[Callable[["ScreeningEvent"], None]]:
    """Each event as a line on standard error, and below them a bar where that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda event: say(f"{event.at:%H:%M:%S} {event.key}: {event.message}")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("exposures"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    remaining = Remaining()
    with Progress(*columns, console=Console(stderr=True, highlight=False), transient=True) as bar:
        task = bar.add_task("", total=None, left="")

        def tell(event: "ScreeningEvent") -> None:
            # A terminal that was closed ends no screening.
            with suppress(OSError):
                bar.console.print(f"{event.at:%H:%M:%S} [bold]{escape(event.key)}[/] {escape(event.message)}")
                left = remaining.told(event.at, event.exposures, event.planned)
                bar.update(task, completed=event.exposures, total=event.planned, left=left)

        yield tell


def _print(report: "ScreeningReport", out: Path) -> None:
    console = results_console()
    for grid in report.grids:
        taken = sum(len(hole.exposures) for square in grid.squares for hole in square.holes)
        holes = sum(len(square.holes) for square in grid.squares)
        console.print(
            f"{escape(grid.key)}: {count_of(len(grid.squares), 'square')} of {grid.squares_found or 0} found, "
            f"{count_of(holes, 'hole')}, {count_of(taken, 'exposure')} in {duration(grid.seconds)}"
        )
    for skipped in report.skipped:
        console.print(f"[yellow]skipped[/] {escape(skipped.key)}: {escape(skipped.reason)}")
    if report.stopped is not None:
        console.print(f"[red]ended early:[/] {escape(report.stopped)}")
    altogether = count_of(len(report.exposures), "exposure")
    console.print(f"{altogether}; journal and images are in {escape(str(out))}")


__all__ = ["register"]
