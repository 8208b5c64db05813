"""`structloop micrographs`: exposures, from movies to what can be said of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structloop.core.errors import MotionError

if TYPE_CHECKING:
    from structloop.micrographs.processing import Outcome

app = typer.Typer(no_args_is_help=True, help="Exposures: motion of movies, aligned micrographs.")

FLIPS = ("none", "vertical", "horizontal")

EXAMPLES = """
Examples:

  structloop micrographs process movies/ --out aligned --gain gain.mrc --pixel-size-angstrom 0.83 --dose-per-frame 1.2

  structloop micrographs process "raw/*_fractions.tiff" --out aligned
"""


@app.command("process", epilog=EXAMPLES)
def process(
    where: Annotated[
        str, typer.Argument(metavar="PATH|GLOB", help="A movie, a folder of movies, or a pattern in quotes.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the results.", file_okay=False)],
    gain: Annotated[Path | None, typer.Option(help="Gain reference: MRC or TIFF.", show_default=False)] = None,
    gain_rotate: Annotated[
        int, typer.Option(min=0, max=3, help="Quarter turns of the gain, clockwise with row 0 at the top.")
    ] = 0,
    gain_flip: Annotated[str, typer.Option(help="Of the turned gain: none, vertical, horizontal.")] = "none",
    defects: Annotated[
        Path | None, typer.Option(help="List (`x y width height`) or map of defects.", show_default=False)
    ] = None,
    pixel_size_angstrom: Annotated[
        float | None, typer.Option(help="Of the stored frames. Default: what headers say.", show_default=False)
    ] = None,
    voltage_kv: Annotated[float, typer.Option(help="Of the microscope.")] = 300.0,
    cs_mm: Annotated[float, typer.Option(help="Spherical aberration.")] = 2.7,
    dose_per_frame: Annotated[
        float | None,
        typer.Option(help="e/A^2 per frame: dose-weighted micrographs are written, too.", show_default=False),
    ] = None,
    eer_group: Annotated[
        int | None, typer.Option(min=1, help="EER frames that become one. Default: 40.", show_default=False)
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Threads per movie.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only failures are told.")] = False,
) -> None:
    """Align movies and add up their frames; what is done already is not done again."""
    from structloop.micrographs.motion import Dose, MotionOptions
    from structloop.micrographs.movies import EerGrouping
    from structloop.micrographs.processing import ProcessingOptions, find_movies, process_movies

    if gain_flip not in FLIPS:
        raise MotionError(f"--gain-flip is {gain_flip!r}; give one of {', '.join(FLIPS)}")
    dose = None if dose_per_frame is None else Dose(dose_per_frame, voltage_kv)
    options: ProcessingOptions = ProcessingOptions(
        motion=MotionOptions(pixel_size_angstrom=pixel_size_angstrom, dose=dose, threads=threads),
        gain=gain,
        gain_rotate=gain_rotate,  # type: ignore[arg-type]  # 0 to 3, as the option says
        gain_flip=gain_flip,  # type: ignore[arg-type]  # looked at above
        defects=defects,
        eer=None if eer_group is None else EerGrouping(frames=eer_group),
        voltage_kv=voltage_kv,
        cs_mm=cs_mm,
    )
    movies = find_movies(where)
    failed = 0
    for number, outcome in enumerate(process_movies(movies, out, options), 1):
        failed += outcome.state == "failed"
        _tell(f"[{number}/{len(movies)}]", outcome, quiet)
    typer.echo(f"{len(movies) - failed} of {len(movies)} movies are done; results in {out}")
    if failed:
        raise typer.Exit(1)


def _tell(counted: str, outcome: "Outcome", quiet: bool) -> None:
    name = Path(outcome.movie).name
    if outcome.state == "failed":
        typer.echo(f"{counted} {name}: failed: {outcome.reason}", err=True)
    elif not quiet:
        total = outcome.motion.get("total_angstrom")
        moved = "motion without a pixel size" if total is None else f"moved {total:.1f} A"
        typer.echo(f"{counted} {name}: {'done before, ' if outcome.known else ''}{moved}", err=True)
        for remark in () if outcome.known else outcome.remarks:
            typer.echo(f"    {remark}", err=True)


__all__ = ["app"]
