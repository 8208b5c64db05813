"""`structloop demo`: simulated plates, imported, scored with the default model, and served in the browser."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from structloop.cli.context import global_options
from structloop.cli.serve import Port, serve_workspace
from structloop.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from structloop.jobs import JobQueue, Workspace
    from structloop.schema.events import JobProgress
    from structloop.simulation.plates import PlateRecipe

EXPERT = "simulated expert"
"""Who labels the plates after the first."""
MOST_PLATES = 50
EPILOG = """
Examples:

  structloop demo                          in the home folder's subfolder demo

  structloop demo --plates 6               enough to build a data set with a test part, train and promote

  structloop demo --home /tmp/demo --once  prepare it there, and do not serve it
"""


class _Report(Protocol):
    def __call__(self, done: int, total: int | None) -> None: ...


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command("demo", epilog=EPILOG)(demo)


def demo(
    context: typer.Context,
    port: Port = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", help="Folder of the demo. Default: demo in the home folder.", show_default=False),
    ] = None,
    plates: Annotated[
        int,
        typer.Option(
            "--plates",
            min=1,
            max=MOST_PLATES,
            help="How many plates, each of another laboratory. All but the first are labelled, as if by a colleague.",
        ),
    ] = 1,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    once: Annotated[bool, typer.Option("--once", "--no-serve", help="Prepare it, and do not serve it.")] = False,
) -> None:
    """Simulate plates in visible light and UV, import them, score them, and show them in the browser.

    Nothing is downloaded and nothing but the demo's own folder is touched. Running it again reuses what is there, and
    adds plates where more are asked for.
    """
    from structloop.jobs import JobQueue, Worker, open_workspace

    folder = home or load_settings(home=global_options(context).home).home / "demo"
    with open_workspace(folder, port=port, **own_settings(folder)) as workspace:
        images = workspace.home / "images"
        recipes = [_recipe(number) for number in range(1, plates + 1)]
        for recipe in recipes:
            _simulate(recipe, images)
        with Worker(workspace, patient=True):
            queue = JobQueue(workspace)
            _run(queue, "crystals.import", {"path": str(images), "layout": "embl"}, "Importing images    ")
            for recipe in recipes:
                _run(queue, "crystals.score", {"barcode": recipe.barcode}, f"Scoring {recipe.barcode}    ")
        for recipe in recipes:
            _summarise(workspace, recipe.barcode)
        if len(recipes) > 1:
            _label(workspace, recipes[1:])
        if not once:
            serve_workspace(workspace, open_browser=open_browser)


def own_settings(folder: Path) -> dict[str, str]:
    """What holds for the demo in `folder` whatever the environment says: its own database, and how it is scored."""
    preset = {name: Settings.model_fields[name].default for name in ("default_model", "combination_rule")}
    return {"database_url": f"sqlite:///{folder.expanduser().absolute() / 'structloop.db'}", **preset}


def _recipe(number: int) -> "PlateRecipe":
    """The recipe of the first, second ... plate."""
    from structloop.simulation.plates import PlateRecipe

    return PlateRecipe(barcode=f"DEMO{number:04d}", seed=6 + number, days=(1, 4, 11), prevalence=0.12, long_side=480)


def _simulate(recipe: "PlateRecipe", folder: Path) -> None:
    """Renders the images of the plate that are not there yet."""
    from structloop.simulation.plates import plan_plate, write_images

    planned = plan_plate(recipe)
    missing = [image for image in planned if not (folder / image.path).is_file()]
    if not missing:
        return
    with _progress(f"Simulating {recipe.barcode} ") as report:
        done = len(planned) - len(missing)
        report(done, len(planned))
        for _image in write_images(recipe, missing, folder, workers=os.cpu_count() or 1):
            done += 1
            report(done, len(planned))


def _run(queue: "JobQueue", kind: str, request: dict[str, str], title: str) -> None:
    from structloop.jobs import job_key

    with _progress(title) as report:

        def on_progress(job: "JobProgress") -> None:
            report(job.done, job.total)

        subject = request.get("barcode", "demo")
        queue.wait(queue.submit(kind, request, subject, job_key(kind, request)), on_progress)


def _label(workspace: "Workspace", recipes: "Sequence[PlateRecipe]") -> None:
    """Adds what a colleague who knows what was drawn says of every drop; what is there already stays."""
    from structloop.crystals.labels import import_labels
    from structloop.simulation.plates import write_labels

    with _progress("Labelling drops     ") as report:
        path = workspace.home / "labels.csv"
        write_labels(recipes, path)
        import_labels(workspace.database, path, annotator=EXPERT, on_progress=report)
    named = recipes[0].barcode if len(recipes) == 1 else f"{recipes[0].barcode} to {recipes[-1].barcode}"
    typer.echo(f"The drops of {named} are labelled by '{EXPERT}', who knows what was drawn.")


def _summarise(workspace: "Workspace", barcode: str) -> None:
    from structloop.crystals.platelist import list_plates

    (plate,) = list_plates(workspace.database, search=barcode).items
    best = "none" if plate.best_probability is None else f"{plate.best_probability:.2f}"
    typer.echo(
        f"Plate {plate.barcode}: {plate.rows * plate.columns * len(plate.drops)} drops, {plate.inspection_count} "
        f"inspections, {plate.image_count} images; {plate.hit_count} drops reach the alarm threshold (best {best})."
    )


@contextmanager
def _progress(title: str) -> Iterator[_Report]:
    """A progress bar on standard error, or one line where that is no terminal."""
    if not sys.stderr.isatty():
        typer.echo(f"{title.strip()} ...", err=True)
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


__all__ = ["own_settings", "register"]
