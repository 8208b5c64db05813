"""Reading the images that are scored, and keeping what a model version says of them."""

from collections.abc import Sequence

from PIL import Image

from structloop.core.errors import ImageError, ImageFormatError, ImageTruncatedError
from structloop.crystals.scoring.images import PrimaryImage
from structloop.crystals.scoring.pipeline import ScoredImage
from structloop.imaging.reading import decode
from structloop.imaging.sources import read_unchanged
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import ImageScore
from structloop.store.tables.base import utc_now

IMAGE_ERROR_LENGTH = 1000


def open_unchanged(image: PrimaryImage) -> Image.Image:
    """The decoded image.

    Raises:
        ImageError: it is missing, damaged, or not what was imported.
    """
    # The contents must be what was imported: the score is kept for them, not for whatever lies at the path.
    return decode(read_unchanged(image.path, image.sha256), image.path)


def is_lasting(error: ImageError) -> bool:
    """Whether the image will be just as unusable the next time: its bytes were the imported ones."""
    return isinstance(error, (ImageFormatError, ImageTruncatedError))


def record_batch(database: Database, version_id: int, batch: Sequence[ScoredImage[PrimaryImage]]) -> None:
    """Keeps the scores of a batch, and the errors that will be the same the next time."""
    now = utc_now()
    rows = [
        {
            "image_id": outcome.item.image_id,
            "model_version_id": version_id,
            "probability": outcome.probability,
            "error": None if outcome.error is None else str(outcome.error)[:IMAGE_ERROR_LENGTH],
            "created_at": now,
        }
        # In the order of ids, so that two scorers at once wait for each other instead of locking each other out.
        for outcome in sorted(batch, key=lambda outcome: outcome.item.image_id)
        if outcome.error is None or is_lasting(outcome.error)
    ]
    if rows:
        with database.session() as session:
            session.execute(insert_or_ignore(database, ImageScore, rows))


__all__ = ["is_lasting", "open_unchanged", "record_batch"]
