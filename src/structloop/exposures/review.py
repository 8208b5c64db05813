"""Exposures in the loop: the review task of their condition, seen in the picture of the micrograph."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import select

from structloop.loop.tasks import ReviewTask
from structloop.schema.images import Modality
from structloop.schema.loop import ItemKey, TaskImage
from structloop.store import Database
from structloop.store.tables.exposures import ProcessedExposure, ProcessingSession

TASK = "micrographs/quality"
LABELS = ("great", "decent", "contaminated", "no-ice", "crystalline", "empty-ice")
USABLE = ("great", "decent")
"""The conditions in which an exposure is of use."""
TITLES = {
    "great": "Great",
    "decent": "Decent",
    "contaminated": "Contaminated or broken",
    "no-ice": "No ice",
    "crystalline": "Crystalline ice",
    "empty-ice": "Ice without particles",
}
"""What people read."""
ONLY_LOOK = 0
"""The occasion of an exposure's item: it is taken once."""

_FEW = 500


def item_of(exposure_id: int) -> ItemKey:
    """What is reviewed of an exposure."""
    return ItemKey(exposure_id, ONLY_LOOK)


def find_pictures(database: Database, items: Collection[ItemKey]) -> dict[ItemKey, TaskImage]:
    """The picture of each exposure that has one and whose file is there; its digest is taken from the file as it is.

    Exposures of one square belong together, those without a square with their grid, those without a grid with their
    session; sessions are projects.
    """
    wanted = sorted({item.item_id for item in items if item.occasion_id == ONLY_LOOK})
    found: dict[ItemKey, TaskImage] = {}
    with database.reading() as session:
        for start in range(0, len(wanted), _FEW):
            rows = session.execute(
                select(
                    ProcessedExposure.id,
                    ProcessedExposure.name,
                    ProcessedExposure.grid,
                    ProcessedExposure.square,
                    ProcessedExposure.picture_file,
                    ProcessingSession.name.label("session"),
                    ProcessingSession.results,
                )
                .join(ProcessingSession, ProcessingSession.id == ProcessedExposure.session_id)
                .where(
                    ProcessedExposure.id.in_(wanted[start : start + _FEW]), ProcessedExposure.picture_file.is_not(None)
                )
                .order_by(ProcessedExposure.id)
            )
            for row in rows:
                path = Path(row.results) / row.picture_file
                try:
                    digest = _digest(path)
                except OSError:
                    # Results may be deleted; an exposure without a picture has nothing to learn from.
                    continue
                found[item_of(row.id)] = TaskImage(
                    key=f"{row.session}/{row.name}",
                    item=item_of(row.id),
                    project=row.session,
                    group="/".join(each for each in (row.session, row.grid, row.square) if each),
                    path=path,
                    sha256=digest,
                    modality=Modality.ELECTRONS,
                    source=row.session,
                )
    return found


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


QUALITY = ReviewTask(
    name=TASK,
    title="Condition of exposures",
    labels=LABELS,
    positive="great",
    modality=Modality.ELECTRONS,
    curated_as=TASK,
    find_images=find_pictures,
    acceptable=USABLE,
    default_model="exposures-condition",
)

__all__ = ["LABELS", "ONLY_LOOK", "QUALITY", "TASK", "TITLES", "USABLE", "find_pictures", "item_of"]
