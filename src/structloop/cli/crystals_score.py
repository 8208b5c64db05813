"""`structloop crystals score` and `structloop crystals evaluate`."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structloop.cli.context import workspace_of
from structloop.core.errors import JobCanceledError, NotFoundError

if TYPE_CHECKING:
    from structloop.jobs import JobQueue, Workspace
    from structloop.schema.events import JobProgress


class Rule(StrEnum):
    """The rules, as the command line offers them."""

    MAX = "max"
    MEAN = "mean"
    PRODUCT = "product"
    NOISY_OR = "noisy-or"


Target = Annotated[
    str,
    typer.Argument(
        metavar="PLATE|PATH",
        help="Barcode of an imported plate, or a folder of images, which is imported first.",
        show_default=False,
    ),
]
ModelNames = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Model; give it twice for one per modality. Default: those in production, else default_model.",
        show_default=False,
    ),
]
RuleName = Annotated[
    Rule | None,
    typer.Option(
        "--rule",
        help="How visible and UV become one probability. Default: the setting combination_rule (max).",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="File for the scores: .csv, .json or .parquet.", show_default=False),
]
InspectionNumber = Annotated[
    int | None, typer.Option("--inspection", min=1, help="Only this inspection. Default: all.", show_default=False)
]
LayoutName = Annotated[str, typer.Option("--layout", help="For a folder: how its files are named.")]
AllowDownload = Annotated[bool, typer.Option("--allow-download", help="Fetch the model from the hub if need be.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary; only errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]

Watcher = Callable[["JobProgress"], None]


def register(app: typer.Typer) -> None:
    """Adds the commands to the group `crystals`."""
    from structloop.cli.crystals_evaluate import evaluate

    app.command("score")(score)
    app.command("evaluate")(evaluate)


def score(
    context: typer.Context,
    target: Target,
    model: ModelNames = None,
    rule: RuleName = None,
    out: Out = None,
    inspection: InspectionNumber = None,
    layout: LayoutName = "auto",
    allow_download: AllowDownload = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score the drops of a plate, or of every plate in a folder; the folder is imported first.

    An image is scored once per model version, however often it is asked for, so a stopped command goes on where it
    was. Images that cannot be scored are listed, and the rest goes on. Where nothing got a score, it exits with 1.
    """
    from structloop.crystals.score_files import check_score_file

    if out is not None:
        out = out.expanduser()
        check_score_file(out)
    with workspace_of(context, allow_download=allow_download or None) as workspace:
        request: dict[str, Any] = {
            "models": _resolved(workspace, model or []),
            "rule": rule.value if rule else workspace.settings.combination_rule,
            "inspection": inspection,
        }
        imported, plates, reports = _run(workspace, target, layout, request, quiet=quiet or as_json)
        written = None
        if out is not None:
            from structloop.crystals.score_files import score_rows, write_scores

            scoring_ids = [int(report["scoring_id"]) for report in reports]
            written = write_scores(score_rows(workspace.database, scoring_ids, inspection), out)
        if as_json:
            result = {"import": imported, "plates": reports, "out": out and str(out), "rows": written}
            typer.echo(json.dumps(result, indent=2))
        elif not quiet:
            from structloop.cli.score_output import print_scores

            for report in reports:
                print_scores(workspace.database, report, inspection)
            if out is not None:
                typer.echo(f"{written} rows written to {out}")
    if plates and not any(report["experiments"] for report in reports):
        failed = sum(report["experiments_failed"] for report in reports)
        typer.echo(f"No experiment got a score; {failed} failed.", err=True)
        raise typer.Exit(1)


def _resolved(workspace: "Workspace", names: Sequence[str]) -> list[str]:
    """Names of models, checked (and fetched where that is allowed) before any work begins."""
    allowed = workspace.settings.allow_download
    resolved = [workspace.models.resolve(name, allow_download=allowed) for name in names]
    if not resolved:
        # Those in production score, which the job looks up; what the settings name must be there all the same.
        workspace.models.card(workspace.models.default_name)
    return resolved


def _run(
    workspace: "Workspace", target: str, layout: str, request: dict[str, Any], *, quiet: bool
) -> tuple[dict[str, Any] | None, list[int], list[dict[str, Any]]]:
    from structloop.jobs import JobQueue, Worker

    queue = JobQueue(workspace)
    folder = Path(target).expanduser().absolute()
    imported: dict[str, Any] | None = None
    reports: list[dict[str, Any]] = []
    is_path = folder.exists() or "/" in target or "\\" in target
    if not is_path:
        plates = [_plate(workspace, target)]
    # Where a server of this home is running, it does the work and this command watches; where not, this one does.
    with Worker(workspace, patient=True):
        if is_path:
            import_request = {"path": str(folder), "layout": layout}
            imported = _wait(queue, "crystals.import", import_request, f"Importing {folder.name}", str(folder), quiet)
            plates = _plates_below(workspace, folder, imported)
            if not quiet:
                _print_import(imported)
        for plate_id in plates:
            barcode = _barcode(workspace, plate_id)
            plate_request = request | {"plate_id": plate_id}
            reports.append(_wait(queue, "crystals.score", plate_request, f"Scoring {barcode}", barcode, quiet))
    return imported, plates, reports


def _wait(
    queue: "JobQueue", kind: str, request: dict[str, Any], title: str, subject: str, quiet: bool
) -> dict[str, Any]:
    """Asks for a job, or joins the same one that is under way, and waits for its result."""
    from structloop.jobs import job_key

    job = queue.submit(kind, request, subject=subject, key=job_key(kind, request))
    try:
        with _progress(title, quiet) as on_progress:
            queue.wait(job, on_progress)
    except KeyboardInterrupt:
        queue.cancel(job)
        typer.echo("Stopped. What was done is kept; the same command does the rest.", err=True)
        raise typer.Exit(130) from None
    except JobCanceledError as error:
        typer.echo(f"{error}. What was done is kept; the same command does the rest.", err=True)
        raise typer.Exit(1) from None
    return queue.result(job) or {}


def _progress(title: str, quiet: bool) -> AbstractContextManager[Watcher]:
    from structloop.cli.import_output import job_progress

    return nullcontext(lambda _job: None) if quiet else job_progress(title)


def _print_import(imported: dict[str, Any]) -> None:
    # Only what needs attention: the summary of the scores follows.
    from structloop.cli.import_output import print_result

    if imported["added"] or imported["problems"]:
        print_result(imported)


def _plate(workspace: "Workspace", barcode: str) -> int:
    from structloop.crystals.scoring import find_plate

    try:
        return find_plate(workspace.database, barcode)
    except NotFoundError as error:
        raise NotFoundError(
            f"'{barcode}' is neither the barcode of an imported plate nor a folder of images"
        ) from error


def _plates_below(workspace: "Workspace", folder: Path, imported: dict[str, Any]) -> list[int]:
    """The plates that have images below a folder, whether this import added any or not."""
    from structloop.crystals.scoring import plates_below

    added = [int(plate["id"]) for plate in imported["plates"]]
    plates = list(dict.fromkeys([*plates_below(workspace.database, folder), *added]))
    if not plates:
        raise NotFoundError(f"no plate was found in {folder}; `structloop crystals import --dry-run` says what is seen")
    return plates


def _barcode(workspace: "Workspace", plate_id: int) -> str:
    from structloop.crystals.scoring import plate_barcode

    return plate_barcode(workspace.database, plate_id)


__all__ = ["register"]
