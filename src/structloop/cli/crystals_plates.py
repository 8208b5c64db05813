"""`structloop crystals plates`: what was imported, how far it is scored, and what was found."""

from typing import Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.crystals.views import PlateFilter, PlateOrder

EPILOG = """
Examples:

  structloop crystals plates                     those with the newest hits first

  structloop crystals plates --state unscored    those that nobody has scored
"""


def register(app: typer.Typer) -> None:
    """Adds the command to the group `crystals`."""
    app.command("plates", epilog=EPILOG)(plates)


def plates(
    context: typer.Context,
    search: Annotated[str, typer.Argument(help="Part of a barcode or of a project's name.", show_default=False)] = "",
    state: Annotated[PlateFilter, typer.Option("--state", help="Which plates.")] = PlateFilter.ALL,
    sort: Annotated[PlateOrder, typer.Option("--sort", help="In which order.")] = PlateOrder.NEWEST_HIT,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")] = False,
) -> None:
    """List the imported plates."""
    from structloop.crystals.platelist import list_plates

    with workspace_of(context) as workspace:
        page = list_plates(workspace.database, search=search, state=state, sort=sort, limit=limit)
    if as_json:
        typer.echo(page.model_dump_json(indent=2))
        return
    if not page.items:
        typer.echo("No plates." if search or state is not PlateFilter.ALL else "No plates were imported yet.")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        "Plate", "Project", "Inspections", "Experiments", "Scored", "Hits", "Best", "Problems",
        box=None, header_style="bold",
    )  # fmt: skip
    for plate in page.items:
        table.add_row(
            escape(plate.barcode),
            escape(plate.project or ""),
            str(plate.inspection_count),
            str(plate.experiment_count),
            str(plate.scored_count),
            str(plate.hit_count),
            "" if plate.best_probability is None else f"{plate.best_probability:.3f}",
            str(plate.problem_count),
        )
    console = Console(soft_wrap=True, highlight=False)
    console.print(table)
    if page.total > len(page.items):
        console.print(f"{len(page.items)} of {page.total}; --limit shows more")


__all__ = ["register"]
