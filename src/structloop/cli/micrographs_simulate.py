"""`structloop micrographs simulate`: a folder of movies to try processing, watching and curating with."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from structloop.cli.grids_tables import count_of
from structloop.cli.micrographs_options import AsJson
from structloop.cli.progress import progress_bar
from structloop.cli.stopping import terminating_as_interrupt

if TYPE_CHECKING:
    from structloop.exposures.simulating import WrittenMovies


def register(app: typer.Typer) -> None:
    """Adds the command to the group `micrographs`."""
    app.command("simulate")(simulate)


def simulate(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the movies: new, empty, or begun so.", file_okay=False)
    ],
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Movies, ten to a square.")] = 40,
    size: Annotated[int, typer.Option(min=128, max=8192, help="Pixels along a side; below 600 rings get lost.")] = 640,
    frames: Annotated[int, typer.Option(min=2, max=200, help="Of each movie; 40 e/A^2 in all.")] = 10,
    pixel_size_angstrom: Annotated[float, typer.Option(min=0.3, max=5, help="Of the frames.")] = 1.5,
    layout: Annotated[Literal["epu", "serialem"], typer.Option(help="Whose names and metadata.")] = "epu",
    every: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Least time from one movie to the next, to watch them come.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of everything: the same seed makes the same movies.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Make up movies of a session with mixed faults, named and described as by a microscope's programs.

    Most are good; others drift, are astigmatic or out of focus, show an empty hole, film, dirt or crystalline ice; one
    square in four has thick ice; some files are cut off, empty, or hold no numbers. What is true of each stands in
    truth.csv. Each movie appears when it is whole. The same command goes on where it was stopped.

    Examples:

      structloop micrographs simulate --out movies

      structloop micrographs simulate --out movies --count 200 --every 10
    """
    from structloop.exposures.simulating import SimulatedMovies, simulate_movies

    order = SimulatedMovies(count, size, frames, pixel_size_angstrom, seed, layout)
    try:
        with terminating_as_interrupt(), progress_bar("Movies", as_json) as bar:
            made = simulate_movies(
                order, out, every_s=every, on_progress=lambda done, total: bar(done, total, None, "")
            )
    except KeyboardInterrupt:
        typer.echo(f"Stopped; the same command goes on with what is in {out}.", err=True)
        raise typer.Exit(130) from None
    _print(made, out, layout, as_json)


def _print(made: "WrittenMovies", out: Path, layout: str, as_json: bool) -> None:
    from structloop.exposures.simulating import PLACES

    if as_json:
        told = {"folder": str(out), "written": made.written, "kinds": made.kinds, "truth": str(made.truth)}
        typer.echo(json.dumps(told, indent=2))
        return
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(made.kinds.items(), key=lambda each: -each[1]))
    typer.echo(f"{out}: {count_of(sum(made.kinds.values()), 'movie')} ({kinds}), {made.written} of them new")
    typer.echo(f"What is true of each stands in {made.truth}")
    places = f" --places '{PLACES}'" if layout == "serialem" else ""
    typer.echo(
        f"Next: structloop micrographs process {out} --recursive --out {out}-aligned --mean-free-path-nm 320{places}"
    )


__all__ = ["register"]
