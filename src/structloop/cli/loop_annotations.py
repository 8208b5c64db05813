"""`structloop loop annotations`: labels from elsewhere."""

import json
from pathlib import Path
from typing import Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_options import AsJson, account

EPILOG = """
Examples:

  structloop loop annotations import labels.csv --by ada   barcode,well,drop,inspection,label

  structloop loop annotations import EXPORT                RockMaker's export: report.csv and its images

  structloop loop annotations import LABELLED              one folder of images per label
"""
_SHOWN = 20


def register(app: typer.Typer) -> None:
    """Adds the group `annotations` to the group `loop`."""
    annotations = typer.Typer(no_args_is_help=True, help="What people say of drops.", epilog=EPILOG)
    annotations.command("import")(import_)
    app.add_typer(annotations, name="annotations")


def import_(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A CSV file, a RockMaker export, or a folder of labelled images.")],
    by: Annotated[
        str | None,
        typer.Option("--by", help="Who gave labels that name nobody. Default: the account's name.", show_default=False),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(help="axis, marco, ispyb-grade or crystal-type. Default: recognised.", show_default=False),
    ] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="Labels without an inspection are of the plate's latest one.")
    ] = False,
    score_visible: Annotated[
        bool, typer.Option("--score-visible", help="The model's score was shown when the labels were given.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add labels from elsewhere to the drops that they are of.

    Drops are matched by barcode, well, drop and inspection, images by their contents. What fits nothing is listed.
    Importing again adds nothing twice.
    """
    from structloop.crystals.labels import import_labels

    with workspace_of(context) as workspace:
        report = import_labels(
            workspace.database,
            path,
            annotator=account(by),
            scheme=scheme,
            latest=latest,
            score_visible=score_visible,
        )
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
        return
    kinds = ", ".join(f"{count} {name}" for name, count in report.scheme.items())
    typer.echo(f"{report.added} labels added, {report.already} were there already{f' ({kinds})' if kinds else ''}.")
    if report.left_out:
        typer.echo(f"{len(report.left_out)} labels were left out:", err=True)
        for each in report.left_out[:_SHOWN]:
            typer.echo(f"  {each.where}: {each.reason}", err=True)
        if len(report.left_out) > _SHOWN:
            typer.echo(f"  and {len(report.left_out) - _SHOWN} more; --json lists all", err=True)


__all__ = ["register"]
