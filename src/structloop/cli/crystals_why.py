"""`structloop crystals why`."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.cli.loop_output import progress_bar
from structloop.core.errors import NotFoundError

if TYPE_CHECKING:
    from structloop.crystals.explaining import NearestExamples, OcclusionMap, Subject
    from structloop.loop.promotion.lineage import Testimony
    from structloop.schema.models import ModelCard
    from structloop.store import Database

EPILOG = """
Examples:

  structloop crystals why PLATE1 A01.1 --out why.png       a drop of an imported plate

  structloop crystals why PLATE1 C07.2 --inspection 3 --light uv

  structloop crystals why drop.jpg --model drops-compact   any image file
"""


class Light(StrEnum):
    """How the image was taken."""

    VISIBLE = "visible"
    UV = "uv"


Target = Annotated[
    str,
    typer.Argument(metavar="PLATE|IMAGE", help="Barcode of an imported plate, or an image file.", show_default=False),
]
DropName = Annotated[
    str | None,
    typer.Argument(metavar="[DROP]", help="Of a plate: well and drop, such as A01.1.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="File for the whole explanation: .png, .pdf or .svg.", show_default=False),
]
InspectionNumber = Annotated[
    int | None, typer.Option("--inspection", min=0, help="Default: the best.", show_default=False)
]
LightName = Annotated[
    Light | None,
    typer.Option("--light", help="Default: of a drop the likelier one, of a file visible.", show_default=False),
]
ModelName = Annotated[
    str | None,
    typer.Option("--model", help="Default: what made the score, else what is in production.", show_default=False),
]
Count = Annotated[int, typer.Option("--count", min=0, max=50, help="Images that are alike.")]
Cells = Annotated[int, typer.Option("--cells", min=2, max=48, help="Hidden parts along the longer side.")]
Compare = Annotated[
    int,
    typer.Option("--compare", min=1, help="Images whose features are computed at most, where they are not known yet."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the group `crystals`."""
    app.command("why", epilog=EPILOG)(why)


def why(
    context: typer.Context,
    target: Target,
    drop: DropName = None,
    out: Out = None,
    inspection: InspectionNumber = None,
    light: LightName = None,
    model: ModelName = None,
    count: Count = 6,
    cells: Cells = 12,
    compare: Compare = 400,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Say why a model scores an image as it does: which parts matter, and which images it finds most alike.

    Parts are hidden one after the other, and the score is asked for again. Images that are alike are those that the
    model learnt from, or, where it was not trained here, those that people here have labelled. The map says what
    changes this model's answer, not what is true.
    """
    from structloop.crystals.explaining import Explainer, chosen_model
    from structloop.crystals.explaining.sheets import check_sheet_file, write_sheet
    from structloop.jobs.training import bench_of
    from structloop.loop.promotion.lineage import said_of

    if out is not None:
        out = out.expanduser()
        check_sheet_file(out)
    with workspace_of(context) as workspace:
        database = workspace.database
        subject = _subject(database, target, drop, inspection, light)
        card = chosen_model(database, workspace.classifiers, subject, name=model)
        explainer = Explainer(bench_of(workspace))
        with progress_bar("Asking the model", quiet or as_json) as tell:
            found = explainer.occlusion(subject, card, cells=cells, on_progress=tell)
        with progress_bar("Comparing images", quiet or as_json) as tell:
            alike = explainer.nearest(subject, card, count=count, most_new=compare, on_progress=tell)
        said = said_of(database, [each.row for each in alike.examples])
        if out is not None:
            write_sheet(out, subject, card, found, alike, said)
    if as_json:
        typer.echo(json.dumps(_to_json(subject, card, found, alike, said, out), indent=2))
        return
    _print(subject, card, found, alike, said)
    if out is not None:
        typer.echo(f"written to {out}")


def _subject(
    database: "Database", target: str, drop: str | None, inspection: int | None, light: Light | None
) -> "Subject":
    from structloop.crystals.drops import find_drop
    from structloop.crystals.explaining import drop_subject, file_subject
    from structloop.schema.images import Modality

    if drop is not None:
        modality = None if light is None else Modality(light.value)
        return drop_subject(database, find_drop(database, target, drop), inspection=inspection, modality=modality)
    path = Path(target).expanduser().absolute()
    if not path.is_file():
        raise NotFoundError(f"'{target}' is no image file; of a plate name the drop too, such as: why {target} A01.1")
    return file_subject(path, Modality((light or Light.VISIBLE).value))


def _to_json(
    subject: "Subject",
    card: "ModelCard",
    found: "OcclusionMap",
    alike: "NearestExamples",
    said: "dict[str, tuple[Testimony, ...]]",
    out: Path | None,
) -> dict[str, Any]:
    from structloop.crystals.explaining import CAVEAT, in_words

    return {
        "image": str(subject.path),
        "light": subject.modality.value,
        "model": f"{card.name}@{card.version}",
        "probability": found.probability,
        "says": in_words(found),
        "caveat": CAVEAT,
        "changes": [each.changes.tolist() for each in found.passes],
        "nearest": {
            "origin": alike.origin,
            "dataset": None if alike.dataset is None else alike.dataset.name,
            "note": alike.note,
            "compared": alike.compared,
            "total": alike.total,
            "unreadable": alike.unreadable,
            "images": [
                {
                    "key": each.row.key,
                    "label": each.row.label,
                    "detail": each.row.detail,
                    "source": each.row.source.value,
                    "said": {one.name: one.answer for one in said.get(each.row.key, ())},
                    "distance": each.distance,
                    "is_itself": each.is_itself,
                    "path": each.row.path,
                }
                for each in alike.examples
            ],
        },
        "out": None if out is None else str(out),
    }


def _print(
    subject: "Subject",
    card: "ModelCard",
    found: "OcclusionMap",
    alike: "NearestExamples",
    said: "dict[str, tuple[Testimony, ...]]",
) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from structloop.crystals.explaining import in_words
    from structloop.crystals.explaining.sheets import settled_by

    typer.echo(f"{subject.name}: {found.probability:.1%} crystal, says {card.name}@{card.version}")
    typer.echo(in_words(found))
    typer.echo(alike.note)
    if not alike.examples:
        return
    table = Table("Image", "Label", "Rests on", "Distance", box=None, header_style="bold")
    for each in alike.examples:
        table.add_row(
            escape(each.row.key) + (" (this very image)" if each.is_itself else ""),
            escape(f"{each.row.label} {each.row.detail}".strip()),
            escape(settled_by(each.row.source.value, said.get(each.row.key, ()))),
            f"{each.distance:.3f}",
        )
    Console(soft_wrap=True, highlight=False).print(table)


__all__ = ["register"]
