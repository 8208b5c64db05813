"""The format of a plate as far as its images tell it."""

from collections.abc import Sequence

from structloop.schema.crystals import SBS_FORMATS, DropImage, PlateFormat


def grown_format(known: PlateFormat | None, images: Sequence[DropImage]) -> PlateFormat:
    """The smallest format that holds what is known of a plate and all of `images`; it never shrinks.

    Where a layout knows the size of the plate, that counts. Where it does not, plates have 8 x 12, 16 x 24 or
    32 x 48 wells, and only what fits none of these gets a size of its own.

    Args:
        known: The plate's format so far; None for a new plate.
        images: At least one image, where the plate is new.

    Raises:
        ValueError: nothing is known and there are no images.
    """
    if known is None and not images:
        raise ValueError("a new plate needs at least one image to have a format")
    stated = [(image.plate_rows, image.plate_columns) for image in images]
    rows = max([known.rows if known else 1, *(size or 1 for size, _ in stated)])
    columns = max([known.columns if known else 1, *(size or 1 for _, size in stated)])
    rows = max([rows, *(image.well.row + 1 for image in images)])
    columns = max([columns, *(image.well.column + 1 for image in images)])
    size_is_known = all(size is not None and other is not None for size, other in stated)
    outgrown = known is None or rows > known.rows or columns > known.columns
    if outgrown and not size_is_known:
        rows, columns = next((size for size in SBS_FORMATS if rows <= size[0] and columns <= size[1]), (rows, columns))
    drops = sorted({image.drop for image in images} | set(known.drops if known else ()))
    return PlateFormat(rows, columns, tuple(drops))


__all__ = ["grown_format"]
