"""`structloop grids simulate`: a cassette that is made up, as an acquisition program would have left it."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from structloop.cli.grids_tables import count_of
from structloop.cli.stopping import run_stoppable

if TYPE_CHECKING:
    from structloop.grids.acquisitions.simulating import Written

Out = Annotated[
    Path,
    typer.Option("--out", help="Folder to write to; not there yet, or empty.", file_okay=False, show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of everything: the same seed makes the same cassette.")]
Layout = Annotated[Literal["epu", "serialem"], typer.Option("--layout", help="Whose files it is written as.")]
Grids = Annotated[int, typer.Option("--grids", min=1, max=12, help="Grids of the cassette.")]
Squares = Annotated[int, typer.Option("--squares", min=1, help="Squares imaged of each grid.")]
Holes = Annotated[int, typer.Option("--holes", min=1, help="Holes imaged of each square.")]
Exposures = Annotated[int, typer.Option("--exposures", min=1, help="Exposures of each hole.")]
Camera = Annotated[
    int,
    typer.Option("--camera-px", min=128, max=8192, help="Pixels along an edge of every image; what it shows stays."),
]
Atlas = Annotated[str, typer.Option("--atlas", help="Tiles of the atlas: columns, rows.")]
Kinds = Annotated[
    str | None,
    typer.Option("--kinds", help="Kinds of grid, separated by commas. Default: carbon and gold.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `grids`."""
    app.command("simulate")(simulate)


def simulate(
    out: Out,
    seed: Seed = 0,
    layout: Layout = "epu",
    grids: Grids = 1,
    squares: Squares = 2,
    holes: Holes = 3,
    exposures: Exposures = 1,
    camera_px: Camera = 1024,
    atlas: Atlas = "5,5",
    kinds: Kinds = None,
    as_json: AsJson = False,
) -> None:
    """Make up a cassette of grids: a session of each, and the truth about it.

    OUT/sessions holds what an acquisition program would have left: atlas, squares, holes and exposures with their
    metadata, to be imported as if real. OUT/truth says what is really there: thickness of ice, positions and
    orientations of particles, defocus.

    Examples:

      structloop grids simulate --seed 3 --out cassette

      structloop grids simulate --seed 3 --out night --layout serialem --grids 2 --squares 3 --exposures 2

      structloop grids import cassette/sessions
    """
    from structloop.grids.acquisitions.simulating import SimulatedOrder, simulate_sessions

    columns, _, rows = atlas.partition(",")
    if not (columns.strip().isdecimal() and rows.strip().isdecimal()):
        raise typer.BadParameter(f"'{atlas}' is not two numbers such as 5,5", param_hint="--atlas")
    order = SimulatedOrder(
        seed=seed,
        grids=grids,
        squares=squares,
        holes=holes,
        exposures=exposures,
        camera_px=camera_px,
        atlas=(int(columns), int(rows)),
        kinds=tuple(kinds.split(",")) if kinds else (),
    )
    with _bar() as on_progress:
        try:
            written = run_stoppable(simulate_sessions(order, out, layout, on_progress))
        except KeyboardInterrupt:
            typer.echo(f"Stopped; what was written so far is in {out}, without its truth.", err=True)
            raise typer.Exit(130) from None
    _print(written, as_json)


def _print(written: "Written", as_json: bool) -> None:
    numbers = {name: getattr(written, name) for name in ("grids", "squares", "holes", "exposures")}
    if as_json:
        typer.echo(json.dumps({"sessions": str(written.sessions), "truth": str(written.truth), **numbers}, indent=2))
        return
    counts = ", ".join(count_of(count, name.removesuffix("s")) for name, count in numbers.items())
    typer.echo(f"{written.sessions}: {counts}; what is true of them is in {written.truth}")
    typer.echo(f"Next: structloop grids import {written.sessions}")


@contextmanager
def _bar() -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on standard error; none where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _what: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("images", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)


__all__ = ["register"]
