"""Checking one image file: whole, decodable, not just being written; its digest; its thumbnail on the way."""

import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from structloop.core.errors import ImageError, ImageTruncatedError
from structloop.crystals.importing.scanning import FoundFile
from structloop.imaging.derived import DerivedFolder
from structloop.imaging.reading import probe, read_file
from structloop.imaging.thumbnails import store_thumbnail
from structloop.schema.crystals import DropImage, FileProblem
from structloop.schema.images import SourceFile

HIGHEST_INSPECTION = 100_000
HIGHEST_DROP = 1000
LONGEST_BARCODE = 200
# As long as the columns of the database: PostgreSQL refuses what is longer, and the batch with it.
LONGEST_PROFILE = 100
LONGEST_INSPECTION_KEY = 100
LONGEST_IMAGER = 200
MOST_ROWS = 64
MOST_COLUMNS = 96
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Broken clocks and archives write times of which no calendar knows.
_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(3000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """Where thumbnails go that are made while an image is in memory anyway, and how large they are."""

    files: DerivedFolder
    longest_px: int


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image that can be recorded.

    Attributes:
        image: What its name says.
        source: The file as it was read.
        width_px, height_px: Its size.
        remarks: What people should know although it is imported.
    """

    image: DropImage
    source: SourceFile
    width_px: int
    height_px: int
    remarks: tuple[str, ...]


def check_image(
    image: DropImage, found: FoundFile, *, settle_s: float, thumbnails: Thumbnails | None = None
) -> CheckedImage | FileProblem:
    """Reads and decodes one file, once.

    Args:
        image: What its name says.
        found: Its state when it was found.
        settle_s: A damaged file that was modified less than this many seconds ago may still be being written, and the
            reason says so.
        thumbnails: Where to put its thumbnail; None: none is made.

    Raises:
        StoreUnavailableError: the thumbnail cannot be written.
    """
    unfit = what_is_unfit(image)
    if unfit is not None:
        return FileProblem(found.path, unfit)
    try:
        data = read_file(found.path)
        after = found.path.stat()
        if (after.st_size, after.st_mtime_ns) != (found.size_bytes, found.modified_ns) or len(data) != after.st_size:
            return FileProblem(found.path, "is being written right now; import again when it is finished")
        at_least_px = 1 if thumbnails is None else thumbnails.longest_px
        facts, picture = probe(data, found.path, at_least_px=at_least_px)
    except ImageTruncatedError as error:
        age_s = time.time() - found.modified_ns / 1e9
        late = f" (modified {age_s:.0f} s ago: it may still be being written)" if 0 <= age_s < settle_s else ""
        return FileProblem(found.path, _without_path(error, found) + late)
    except ImageError as error:
        return FileProblem(found.path, _without_path(error, found))
    except OSError as error:
        return FileProblem(found.path, f"cannot be looked at: {error.strerror or error}")
    sha256 = hashlib.sha256(data).hexdigest()
    if thumbnails is not None:
        store_thumbnail(thumbnails.files, picture, sha256, thumbnails.longest_px)
    return CheckedImage(
        image=image,
        source=SourceFile(found.path, found.size_bytes, sha256, modified_at(found)),
        width_px=facts.width_px,
        height_px=facts.height_px,
        remarks=facts.remarks,
    )


def modified_at(found: FoundFile) -> datetime:
    """The modification time (UTC) in whole microseconds, as the database keeps it, but of the years 1900 to 3000."""
    microseconds = found.modified_ns // 1000
    if microseconds <= (_EARLIEST - _EPOCH) // _MICROSECOND:
        return _EARLIEST
    if microseconds >= (_LATEST - _EPOCH) // _MICROSECOND:
        return _LATEST
    return _EPOCH + microseconds * _MICROSECOND


def what_is_unfit(image: DropImage) -> str | None:
    """What of an image's name cannot be recorded, with the limit that it breaks; None if all of it can."""
    if not image.barcode.strip() or len(image.barcode) > LONGEST_BARCODE or not image.barcode.isprintable():
        return f"its barcode '{image.barcode[:50]}' is empty, too long or not printable"
    if not 0 <= image.drop <= HIGHEST_DROP:
        return f"its drop number {image.drop} lies outside 0 to {HIGHEST_DROP}"
    if image.inspection is not None and not 0 <= image.inspection <= HIGHEST_INSPECTION:
        return f"its inspection number {image.inspection} lies outside 0 to {HIGHEST_INSPECTION}"
    if image.inspection is None and not image.inspection_key:
        return "its layout says no inspection; the layout is at fault"
    return _what_is_too_long(image) or _what_is_too_large(image)


def _what_is_too_long(image: DropImage) -> str | None:
    for field, text, limit in (
        ("profile", image.profile, LONGEST_PROFILE),
        ("inspection key", image.inspection_key, LONGEST_INSPECTION_KEY),
        ("imager", image.imager or "", LONGEST_IMAGER),
    ):
        if len(text) > limit:
            return f"its {field} '{text[:50]}...' has {len(text)} characters; at most {limit} are kept"
        # Lone surrogates are no text that could be encoded, and PostgreSQL keeps no NUL.
        if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
            return f"its {field} holds characters that are no text"
    return None


def _what_is_too_large(image: DropImage) -> str | None:
    for field, number, limit in (
        ("row", image.well.row + 1, MOST_ROWS),
        ("column", image.well.column + 1, MOST_COLUMNS),
        ("plate's number of rows", image.plate_rows, MOST_ROWS),
        ("plate's number of columns", image.plate_columns, MOST_COLUMNS),
    ):
        if number is not None and not 1 <= number <= limit:
            return f"its {field} {number} lies outside 1 to {limit}"
    return None


def _without_path(error: ImageError, found: FoundFile) -> str:
    # The path stands beside the reason already.
    return str(error).removeprefix(f"{found.path} ")


__all__ = ["CheckedImage", "Thumbnails", "check_image", "modified_at", "what_is_unfit"]
