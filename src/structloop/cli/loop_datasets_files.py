"""`structloop loop datasets export` and `import`: exchange with other programs."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_datasets import print_dataset
from structloop.cli.loop_options import AsJson, MadeBy, Task, Why, WithholdLeaks, account

_SHOWN = 20


class Layout(StrEnum):
    """How exported images lie."""

    FOLDERS = "folders"
    HUGGING_FACE = "hugging-face"


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `datasets`."""
    app.command("export")(export)
    app.command("import")(import_)


def export(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="Such as crystals/visible#3; without a number: the newest.")],
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    layout: Annotated[
        Layout, typer.Option(help="folders: with a labels.csv; hugging-face: with metadata.jsonl in each part.")
    ] = Layout.FOLDERS,
    as_json: AsJson = False,
) -> None:
    """Copy the images of a version into a folder, by part and label, with everything known of each."""
    from structloop.loop.datasets import ExportLayout, dataset_rows, export_rows, find_dataset

    with workspace_of(context) as workspace:
        info = find_dataset(workspace.database, version)
        report = export_rows(
            dataset_rows(info, workspace.kept),
            folder.expanduser(),
            ExportLayout(layout.value),
            title=info.name,
        )
    if as_json:
        typer.echo(
            json.dumps(
                {"folder": str(report.folder), "images": report.images, "size_bytes": report.size_bytes}, indent=2
            )
        )
    else:
        typer.echo(f"{report.images} images of {info.name} ({report.size_bytes / 1e6:.1f} MB) are in {report.folder}")


def import_(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folders by label, or images with metadata.jsonl or labels.csv.")],
    name: Annotated[str, typer.Option("--name", help="What the set is called, such as marco.", show_default=False)],
    task: Task = "crystals/visible",
    scheme: Annotated[
        str | None,
        typer.Option(help="axis, marco, ispyb-grade or crystal-type. Default: recognised.", show_default=False),
    ] = None,
    withhold_leaks: WithholdLeaks = False,
    by: MadeBy = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Make a version of a published or exported set of labelled images: MARCO, C3, VMXi, CRIMS, or one's own.

    Its test part becomes a frozen test set. The images stay where they are, and what cannot be used is listed.
    """
    from structloop.crystals.schemes import SCHEMES
    from structloop.loop.datasets import import_images, record_imported
    from structloop.loop.tasks import REVIEW_TASKS
    from structloop.schema.images import Modality

    review_task = REVIEW_TASKS.get(task)
    modality = review_task.modality or Modality.VISIBLE
    found = import_images(folder.expanduser(), SCHEMES, name=name, modality=modality, scheme=scheme)
    rows = [row for row in found.rows if row.modality is modality]
    other = len(found.rows) - len(rows)
    with workspace_of(context) as workspace:
        info = record_imported(
            workspace.database,
            workspace.kept,
            task,
            rows,
            name=name,
            made_by=account(by),
            why=why,
            withhold_leaks=withhold_leaks,
        )
    if as_json:
        report = {
            "dataset": info.name,
            "images": len(rows),
            "scheme": found.scheme,
            "duplicates": found.duplicates,
            "other_modalities": other,
            "left_out": [{"image": image, "reason": reason} for image, reason in found.problems],
        }
        typer.echo(json.dumps(report, indent=2))
        return
    typer.echo(f"{len(rows)} images with labels of the scheme {found.scheme}; {found.duplicates} are there twice.")
    if other:
        typer.echo(f"{other} images are of another modality than {task}, and were left out.")
    if found.problems:
        typer.echo(f"{len(found.problems)} images were left out:", err=True)
        for image, reason in found.problems[:_SHOWN]:
            typer.echo(f"  {image}: {reason}", err=True)
    print_dataset(info)


__all__ = ["register"]
