"""Pixels for the browser: thumbnails, tiles and source files, each with an ETag by which the browser keeps them.

A browser asks again every time and is told "not modified": the numbers of images begin anew in another home folder on
the same port, so a picture that is kept without asking could be shown for another drop.
"""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.responses import FileResponse, Response

from structloop.api.errors import problems
from structloop.core.errors import NotFoundError
from structloop.crystals.views import ImageView
from structloop.imaging.pyramids import deep_zoom, description_path, tile_path
from structloop.imaging.sources import read_unchanged
from structloop.imaging.thumbnails import thumbnail
from structloop.store import DerivedFiles

_CACHING = "private, no-cache"
# By their first bytes; whatever else is in the file is only ever downloaded, never shown.
_MAGIC = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"GIF8", "image/gif"),
)

GREY_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": {"image/jpeg": {}}},
    **problems(HTTPStatus.GONE),
}
"""What the API's description says of a route whose answer is a grey picture of a micrograph."""


def picture_answers(description: str, *media_types: str) -> dict[int | str, dict[str, object]]:
    """What the API's description says of a route whose answer is a picture with an ETag."""
    return {
        200: {"description": description, "content": {name: {} for name in media_types}},
        304: {"description": "The caller's copy, named by its ETag, is still right."},
    }


def thumbnail_response(image: ImageView, files: DerivedFiles, longest_px: int, if_none_match: str | None) -> Response:
    """The thumbnail of an image.

    Raises:
        ImageMissingError, ImageChangedError, ImageError: as `imaging.thumbnails.thumbnail`.
    """
    etag = f'"{image.sha256[:24]}-{longest_px}"'
    if _matches(etag, if_none_match):
        return _not_modified(etag)
    path = thumbnail(files, Path(image.path), image.sha256, longest_px)
    return _file(path, "image/jpeg", etag)


def tiles_description_response(image: ImageView, files: DerivedFiles, if_none_match: str | None) -> Response:
    """The Deep Zoom description of an image.

    Raises:
        ImageMissingError, ImageChangedError, ImageError: as `imaging.pyramids.deep_zoom`.
    """
    etag = f'"{image.sha256[:24]}-dzi"'
    if _matches(etag, if_none_match):
        return _not_modified(etag)
    return _file(description_path(deep_zoom(files, Path(image.path), image.sha256)), "application/xml", etag)


def tile_response(
    image: ImageView, files: DerivedFiles, level: int, column: int, row: int, if_none_match: str | None
) -> Response:
    """One tile of an image.

    Raises:
        NotFoundError: the pyramid has no such tile.
        ImageMissingError, ImageChangedError, ImageError: as `imaging.pyramids.deep_zoom`.
    """
    etag = f'"{image.sha256[:24]}-{level}-{column}-{row}"'
    if _matches(etag, if_none_match):
        return _not_modified(etag)
    path = tile_path(deep_zoom(files, Path(image.path), image.sha256), level, column, row)
    if not path.is_file():
        raise NotFoundError(f"image {image.id} has no tile {level}/{column}_{row}; its description says which it has")
    return _file(path, "image/jpeg", etag)


def original_response(image: ImageView, if_none_match: str | None) -> Response:
    """The source file, if it still is what was imported.

    Raises:
        ImageMissingError, ImageChangedError, ImageError: as `imaging.sources.read_unchanged`.
    """
    etag = f'"{image.sha256[:24]}"'
    if _matches(etag, if_none_match):
        return _not_modified(etag)
    data = read_unchanged(Path(image.path), image.sha256)
    media_type = next((name for start, name in _MAGIC if data.startswith(start)), None)
    headers = {"ETag": etag, "Cache-Control": _CACHING}
    if media_type is None:
        headers["Content-Disposition"] = f"attachment; filename=image-{image.id}"
    return Response(data, media_type=media_type or "application/octet-stream", headers=headers)


def derived_response(make: Callable[[], Path], media_type: str, tag: str, if_none_match: str | None) -> Response:
    """A derived file that `make` finds or makes; `tag` changes with its contents."""
    etag = f'"{tag}"'
    if _matches(etag, if_none_match):
        return _not_modified(etag)
    return _file(make(), media_type, etag)


def _file(path: Path, media_type: str, etag: str) -> Response:
    return FileResponse(path, media_type=media_type, headers={"ETag": etag, "Cache-Control": _CACHING})


def _matches(etag: str, if_none_match: str | None) -> bool:
    if if_none_match is None:
        return False
    return any(part.strip().removeprefix("W/") in (etag, "*") for part in if_none_match.split(","))


def _not_modified(etag: str) -> Response:
    return Response(status_code=HTTPStatus.NOT_MODIFIED, headers={"ETag": etag, "Cache-Control": _CACHING})


__all__ = [
    "GREY_PICTURE",
    "derived_response",
    "original_response",
    "picture_answers",
    "thumbnail_response",
    "tile_response",
    "tiles_description_response",
]
