"""`structloop demo`: a simulated plate, imported, scored with the default model, and served in the browser."""

import os
import sys
from collections.abc import Iterator
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

BARCODE = "DEMO0001"
EPILOG = """
Examples:

  structloop demo                          in the home folder's subfolder demo

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
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    once: Annotated[bool, typer.Option("--once", "--no-serve", help="Prepare the plate, and do not serve it.")] = False,
) -> None:
    """Simulate a plate in visible light and UV, import it, score it, and show it in the browser.

    Nothing is downloaded and nothing but the demo's own folder is touched. Running it again reuses what is there.
    """
    from structloop.jobs import JobQueue, Worker, open_workspace

    folder = home or load_settings(home=global_options(context).home).home / "demo"
    with open_workspace(folder, port=port, **own_settings(folder)) as workspace:
        images = workspace.home / "images"
        _simulate(_recipe(), images)
        with Worker(workspace, patient=True):
            queue = JobQueue(workspace)
            _run(queue, "crystals.import", {"path": str(images), "layout": "embl"}, "Importing images")
            _run(queue, "crystals.score", {"barcode": BARCODE}, "Scoring drops    ")
        _summarise(workspace)
        if not once:
            serve_workspace(workspace, open_browser=open_browser)


def own_settings(folder: Path) -> dict[str, str]:
    """What holds for the demo in `folder` whatever the environment says: its own database, and how it is scored."""
    preset = {name: Settings.model_fields[name].default for name in ("default_model", "combination_rule")}
    return {"database_url": f"sqlite:///{folder.expanduser().absolute() / 'structloop.db'}", **preset}


def _recipe() -> "PlateRecipe":
    from structloop.simulation.plates import PlateRecipe

    return PlateRecipe(barcode=BARCODE, seed=7, days=(1, 4, 11), prevalence=0.12, long_side=480)


def _simulate(recipe: "PlateRecipe", folder: Path) -> None:
    """Renders the images of the plate that are not there yet."""
    from structloop.simulation.plates import plan_plate, write_images

    planned = plan_plate(recipe)
    missing = [image for image in planned if not (folder / image.path).is_file()]
    if not missing:
        return
    with _progress("Simulating drops ") as report:
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

        queue.wait(queue.submit(kind, request, BARCODE, job_key(kind, request)), on_progress)


def _summarise(workspace: "Workspace") -> None:
    from structloop.crystals.platelist import list_plates

    (plate,) = list_plates(workspace.database, search=BARCODE).items
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
