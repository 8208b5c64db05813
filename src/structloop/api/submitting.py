"""From requests to jobs, previews and layouts, and back."""

from collections import Counter
from pathlib import Path

from structloop.api.errors import ImportRefusedError
from structloop.api.shapes import (
    ImportedPlateView,
    ImportOutcome,
    ImportPreview,
    ImportRequest,
    JobView,
    LayoutView,
    PreviewCell,
    PreviewPlate,
    PreviewProblem,
    ScoreRequest,
)
from structloop.core.errors import LayoutError, NotFoundError
from structloop.core.settings import Settings
from structloop.crystals import importing
from structloop.crystals.layouts import LayoutCatalog
from structloop.crystals.platelist import plate_detail
from structloop.jobs import JobQueue, job_key
from structloop.schema.crystals import CombinationRule
from structloop.schema.events import JobProgress
from structloop.schema.images import Modality
from structloop.store import Database

_PROBLEMS_SHOWN = 200


def submit_scoring(
    database: Database, settings: Settings, queue: JobQueue, plate_id: int, body: ScoreRequest
) -> JobView:
    """Asks for a job that scores a plate; while one that does the same is unfinished, that one is it.

    Raises:
        NotFoundError: there is no such plate.
    """
    plate = plate_detail(database, plate_id)
    rule = body.rule or CombinationRule(settings.combination_rule)
    request = {"plate_id": plate_id, "models": body.models, "rule": rule.value}
    job = queue.submit("crystals.score", request, plate.barcode, job_key("crystals.score", request))
    return job_view(queue.progress(job))


def submit_import(settings: Settings, queue: JobQueue, body: ImportRequest) -> JobView:
    """Asks for a job that imports a folder; while one of the same folder is unfinished, that one is it.

    Raises:
        ImportRefusedError: the folder lies outside `import_roots`.
        LayoutError: there is no such folder or layout.
    """
    folder = allowed_folder(settings, body.path)
    if body.layout != "auto":
        LayoutCatalog(settings.crystal_layouts).get(body.layout)
    request = {"path": str(folder), "layout": body.layout}
    job = queue.submit("crystals.import", request, str(folder), job_key("crystals.import", request))
    return job_view(queue.progress(job))


def preview(database: Database, settings: Settings, body: ImportRequest) -> ImportPreview:
    """What importing a folder would do; nothing is written.

    Raises:
        ImportRefusedError: the folder lies outside `import_roots`.
        LayoutError: there is no such folder or layout, or no layout fits.
    """
    folder = allowed_folder(settings, body.path)
    found = importing.preview_import(folder, layout=body.layout, settings=settings, database=database)
    return ImportPreview(
        layout=found.layout,
        why=found.why,
        image_count=found.image_count,
        plates=[_preview_plate(plate) for plate in found.plates],
        problems=[
            PreviewProblem(path=str(problem.path), reason=problem.reason)
            for problem in found.problems[:_PROBLEMS_SHOWN]
        ],
        problem_count=len(found.problems),
    )


def import_outcome(queue: JobQueue, job_id: str) -> ImportOutcome:
    """What an import did, of its job.

    Raises:
        NotFoundError: there is no such job, it is no import, or it has not ended well.
    """
    result = queue.result(job_id)
    if queue.progress(job_id).kind != "crystals.import" or result is None:
        raise NotFoundError(f"job {job_id} is no import that has ended; its state is among the jobs")
    return ImportOutcome(
        layout=result["layout"],
        found=result["found"],
        added=result["added"],
        known=result["unchanged"] + result["moved"] + result["duplicates"],
        plates=[ImportedPlateView(**plate) for plate in result["plates"]],
        problems=[PreviewProblem(**problem) for problem in result["problem_files"][:_PROBLEMS_SHOWN]],
        problem_count=result["problems"],
        stopped=result["stopped"],
    )


def installed_layouts(settings: Settings) -> list[LayoutView]:
    """The layouts that can be used, those of the settings first."""
    layouts, _broken = LayoutCatalog(settings.crystal_layouts).usable()
    return [LayoutView(name=layout.name, title=layout.title, description=layout.description) for layout in layouts]


def job_view(progress: JobProgress) -> JobView:
    """A job as the API shows it."""
    return JobView(
        id=progress.id,
        kind=progress.kind,
        subject=progress.subject,
        state=progress.state,
        done=progress.done,
        total=progress.total,
        message=progress.message,
        created_at=progress.created_at,
        started_at=progress.started_at,
        finished_at=progress.finished_at,
    )


def allowed_folder(settings: Settings, path: str) -> Path:
    """The folder asked for, symbolic links resolved, if it lies inside one of `import_roots`."""
    if not settings.import_roots:
        raise ImportRefusedError(
            "the browser may not import here; name folders in the setting 'import_roots', or use the command line"
        )
    if "\0" in path or not Path(path).is_absolute():
        raise LayoutError(f"path '{path}' is not absolute; give the whole path of a folder")
    try:
        folder = Path(path).resolve()
    except (OSError, RuntimeError) as error:
        raise LayoutError(f"path '{path}' cannot be followed; is it a loop of symbolic links?") from error
    if not any(folder.is_relative_to(root) for root in settings.import_roots):
        roots = ", ".join(str(root) for root in settings.import_roots)
        raise ImportRefusedError(
            f"{path} lies outside the folders that the browser may import from ({roots}); "
            "add its folder to the setting 'import_roots', or use the command line"
        )
    return folder


def _preview_plate(plate: importing.PreviewPlate) -> PreviewPlate:
    cells: Counter[tuple[int, int, int]] = Counter()
    modalities: Counter[Modality] = Counter()
    for inspection in plate.inspections:
        cells += inspection.cells
        modalities += inspection.modalities
    return PreviewPlate(
        barcode=plate.barcode,
        is_new=plate.is_new,
        rows=plate.format.rows,
        columns=plate.format.columns,
        drops=list(plate.format.drops),
        inspections=[inspection.number for inspection in plate.inspections],
        modalities=[modality for modality in Modality if modality in modalities],
        image_count=plate.image_count,
        cells=[
            PreviewCell(row=row, column=column, drop=drop, image_count=count)
            for (row, column, drop), count in sorted(cells.items())
        ],
    )


__all__ = [
    "allowed_folder",
    "import_outcome",
    "installed_layouts",
    "job_view",
    "preview",
    "submit_import",
    "submit_scoring",
]
