"""`structloop micrographs export`: a selection of a session's exposures as a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from structloop.cli.context import workspace_of
from structloop.core.errors import ExposureError

if TYPE_CHECKING:
    from structloop.exposures.exporting import ExportFormat
    from structloop.exposures.selecting import Kind

KINDS = ("fine", "problematic", "all")


def register(app: typer.Typer) -> None:
    """Adds the command to the group `micrographs`."""
    app.command("export")(export)


def export(
    context: typer.Context,
    session: Annotated[str, typer.Argument(metavar="SESSION", help="Its name, number or folder of results.")],
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Ends in .star, .csv or .parquet; is never overwritten.", dir_okay=False),
    ],
    which: Annotated[str, typer.Option(help="fine, problematic or all, by the session's limits.")] = "fine",
    corrected: Annotated[
        bool,
        typer.Option("--corrected", help="Of RELION's lists corrected_micrographs.star, not micrographs_ctf.star."),
    ] = False,
    grid: Annotated[str | None, typer.Option(help="Only of this grid.", show_default=False)] = None,
    square: Annotated[str | None, typer.Option(help="Only of this square.", show_default=False)] = None,
) -> None:
    """Export the good exposures of a session, for RELION or as a table.

    STAR files have whole paths, so RELION reads them from anywhere.

    Examples:

      structloop micrographs export session7 --out good.star

      structloop micrographs export session7 --which problematic --out problematic.csv
    """
    from structloop.exposures.exporting import export_exposures
    from structloop.exposures.selecting import Wanted, exposure_ids
    from structloop.exposures.sessions import get_session
    from structloop.exposures.writing import write_whole

    if which not in KINDS:
        raise ExposureError(f"--which is '{which}'; give one of {', '.join(KINDS)}")
    how = _format_of(out, corrected)
    with workspace_of(context) as workspace:
        database = workspace.database
        with database.reading() as reading:
            found = get_session(reading, session)
        # A STAR file lists micrographs: movies that failed have none.
        kinds = ("fine", "problematic") if which == "all" and how.endswith("star") else (which,)
        wanted = [Wanted(cast("Kind", kind), grid=grid, square=square) for kind in kinds]
        ids = [key for each in wanted for key in exposure_ids(database, found.id, each)]
        if not ids:
            raise ExposureError(
                f"no exposure of '{found.name}' is meant ({which}); `structloop micrographs show {found.id}` says what "
                "there is"
            )
        contents = export_exposures(database, found.id, ids, how)
    if out.exists():
        raise ExposureError(f"{out} exists already; give another name")
    try:
        write_whole(out, lambda path: path.write_bytes(contents))
    except OSError as error:
        raise ExposureError(f"{out} cannot be written: {error.strerror or error}; give another place") from error
    typer.echo(f"{len(ids)} exposures of '{found.name}' ({which}) in {out}")


def _format_of(out: Path, corrected: bool) -> "ExportFormat":
    ending = out.suffix.lower()
    if ending == ".star":
        return "corrected-star" if corrected else "ctf-star"
    if corrected:
        raise ExposureError(f"--corrected is for STAR files, and {out.name} is none; let it end in .star")
    if ending == ".csv":
        return "csv"
    if ending == ".parquet":
        return "parquet"
    raise ExposureError(f"{out.name} has an ending that says nothing; use .star, .csv or .parquet")


__all__ = ["register"]
