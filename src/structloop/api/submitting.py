"""From requests to jobs and back: scoring, importing, previews, layouts."""

from structloop.api.shapes import (
    ImportPreview,
    ImportRequest,
    JobView,
    LayoutView,
    ScoreRequest,
)
from structloop.core.settings import Settings
from structloop.jobs import JobQueue
from structloop.schema.events import JobProgress
from structloop.store import Database
def submit_scoring(database: Database, settings: Settings, queue: JobQueue, plate_id: int, body: ScoreRequest) -> JobView: ...
def job_view(progress: JobProgress) -> JobView: ...
def preview(database: Database, settings: Settings, body: ImportRequest) -> ImportPreview: ...
def submit_import(settings: Settings, queue: JobQueue, body: ImportRequest) -> JobView: ...
def installed_layouts(settings: Settings) -> list[LayoutView]: ...
