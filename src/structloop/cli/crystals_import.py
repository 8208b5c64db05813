"""`structloop crystals import` and `structloop crystals layouts`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import settings_of, workspace_of

if TYPE_CHECKING:
    from structloop.crystals.importing import ImportPreview, ImportReport
    from structloop.jobs import JobQueue

Folder = Annotated[
    Path,
    typer.Argument(
        metavar="PATH", help="Folder of images: a plate's own or any above it; or a CSV manifest.", show_default=False
    ),
]
LayoutName = Annotated[
    str, typer.Option("--layout", help="How the files are named; auto recognises it. See `crystals layouts`.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plate map it would make; write nothing.")]
Watch = Annotated[bool, typer.Option("--watch", help="Import what is there, then what comes, until Ctrl-C.")]
Poll = Annotated[bool, typer.Option("--poll", help="With --watch: look again and again, as network drives need.")]
Score = Annotated[bool, typer.Option("--score", help="Score the plates that got images, with the default model.")]
ProjectName = Annotated[
    str | None, typer.Option("--project", help="Project the plates belong to; made where needed.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `crystals`."""
    app.command("import")(import_)
    app.command("layouts")(layouts)


def import_(
    context: typer.Context,
    path: Folder,
    layout: LayoutName = "auto",
    dry_run: DryRun = False,
    watch: Watch = False,
    poll: Poll = False,
    score: Score = False,
    project: ProjectName = None,
    as_json: AsJson = False,
) -> None:
    """Import drop images. Sources are only read; importing again adds what is new and changes nothing else.

    Files that cannot be used are listed with the reason, and the rest goes on. Exit code 1 means that nothing could be
    imported.
    """
    if dry_run and (watch or score):
        raise typer.BadParameter("a dry run neither watches nor scores", param_hint="--dry-run")
    if poll and not watch:
        raise typer.BadParameter("only a watched folder is polled; add --watch", param_hint="--poll")
    if watch and as_json:
        raise typer.BadParameter("a watch has no end, and so no result", param_hint="--json")
    path = path.expanduser().absolute()
    if dry_run:
        _dry_run(context, path, layout, as_json)
    elif watch:
        _watch(context, path, layout, project, poll=poll, score=score)
    else:
        _import(context, path, layout, project, score=score, as_json=as_json)


def layouts(context: typer.Context, as_json: AsJson = False) -> None:
    """List the ways of naming image files that can be imported, your own patterns among them."""
    from structloop.crystals.layouts import LayoutCatalog

    usable, broken = LayoutCatalog(settings_of(context).crystal_layouts).usable()
    if as_json:
        entries = [{"name": item.name, "title": item.title, "description": item.description} for item in usable]
        typer.echo(json.dumps({"layouts": entries, "broken": [vars(plugin) for plugin in broken]}, indent=2))
        return
    from structloop.cli.import_output import print_layouts

    print_layouts(usable, broken)


def _dry_run(context: typer.Context, path: Path, layout: str, as_json: bool) -> None:
    from structloop.crystals.importing import preview_import
    from structloop.store import Database

    settings = settings_of(context)
    # A database is looked at only where there is one: a dry run makes no home folder.
    local = settings.home / "structloop.db"
    is_there = settings.database_url is not None or local.exists()
    database = Database(settings.resolved_database_url, migrate=False) if is_there else None
    try:
        preview = preview_import(path, layout=layout, settings=settings, database=database)
    finally:
        if database is not None:
            database.close()
    _show_preview(preview, as_json)
    if not preview.plates:
        raise typer.Exit(1)


def _show_preview(preview: "ImportPreview", as_json: bool) -> None:
    from structloop.cli.import_output import preview_as_json, print_preview

    if as_json:
        typer.echo(json.dumps(preview_as_json(preview), indent=2))
    else:
        print_preview(preview)


def _import(
    context: typer.Context, path: Path, layout: str, project: str | None, *, score: bool, as_json: bool
) -> None:
    from structloop.cli.import_output import job_progress, print_result
    from structloop.jobs import JobQueue, Worker, job_key

    with workspace_of(context) as workspace:
        queue = JobQueue(workspace)
        request = {"path": str(path), "layout": layout, "project": project}
        job = queue.submit("crystals.import", request, subject=str(path), key=job_key("crystals.import", request))
        with Worker(workspace, patient=True), job_progress("Importing") as on_progress:
            try:
                queue.wait(job, on_progress)
            except KeyboardInterrupt:
                queue.cancel(job)
                typer.echo("Stopped. What was imported is kept; importing again does the rest.", err=True)
                raise typer.Exit(130) from None
        result = queue.result(job) or {}
        if as_json:
            typer.echo(json.dumps(result, indent=2))
        else:
            print_result(result)
        if score:
            plates = [(int(plate["id"]), str(plate["barcode"])) for plate in result.get("plates", [])]
            with Worker(workspace, patient=True):
                _score(queue, plates, wait=True)
    if not any(result.get(kind) for kind in ("added", "unchanged", "moved", "duplicates")):
        raise typer.Exit(1)


def _watch(context: typer.Context, path: Path, layout: str, project: str | None, *, poll: bool, score: bool) -> None:
    import contextlib
    import logging
    import threading

    from structloop.cli.import_output import print_round
    from structloop.crystals.importing import watch_folder
    from structloop.jobs import JobQueue, Worker

    with workspace_of(context) as workspace, contextlib.ExitStack() as stack:
        queue = JobQueue(workspace)
        if score:
            stack.enter_context(Worker(workspace, patient=True))

        def on_imported(report: "ImportReport") -> None:
            print_round(report)
            if score:
                _score(queue, [(plate.plate_id, plate.barcode) for plate in report.plates.values()], wait=False)

        typer.echo(
            f"Watching {path}; images are imported once they have not changed for "
            f"{workspace.settings.settle_s:g} s. Ctrl-C ends.",
            err=True,
        )
        # It warns of Ctrl-C, which is how a watch is meant to end.
        logging.getLogger("watchfiles").setLevel(logging.ERROR)
        with contextlib.suppress(KeyboardInterrupt):
            watch_folder(
                workspace.database,
                path,
                layout=layout,
                settings=workspace.settings,
                stop=threading.Event(),
                project=project,
                files=workspace.files,
                poll=poll,
                on_imported=on_imported,
            )
        typer.echo("Watch ended.", err=True)


def _score(queue: "JobQueue", plates: list[tuple[int, str]], *, wait: bool) -> None:
    from structloop.cli.import_output import job_progress

    for plate_id, barcode in plates:
        request: dict[str, Any] = {"plate_id": plate_id}
        job = queue.submit("crystals.score", request, subject=barcode)
        if wait:
            with job_progress(f"Scoring {barcode}") as on_progress:
                queue.wait(job, on_progress)


__all__ = ["register"]
