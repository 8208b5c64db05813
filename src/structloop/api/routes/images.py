"""Images: facts, thumbnails, deep-zoom tiles and the source file itself. Source files are only ever read."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from structloop.api.dependencies import DatabaseDependency, FilesDependency, SettingsDependency
from structloop.api.errors import problems
from structloop.api.pictures import (
    original_response,
    picture_answers,
    thumbnail_response,
    tile_response,
    tiles_description_response,
)
from structloop.api.routes.parameters import IfNoneMatch, ImageId
from structloop.crystals.drops import image_view
from structloop.crystals.views import ImageView

router = APIRouter(
    tags=["images"], responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY)
)


@router.get("/images/{image_id}", operation_id="get_image", summary="Facts of an image")
def get_image(database: DatabaseDependency, image_id: ImageId) -> ImageView:
    """Where an image comes from and what it is; not its pixels."""
    return image_view(database, image_id)


@router.get(
    "/images/{image_id}/thumbnail",
    operation_id="get_thumbnail",
    summary="A small picture of an image",
    response_class=Response,
    responses=picture_answers("The thumbnail.", "image/jpeg"),
)
def get_thumbnail(
    database: DatabaseDependency,
    files: FilesDependency,
    settings: SettingsDependency,
    image_id: ImageId,
    size: Annotated[
        int | None, Query(ge=32, le=2048, description="Longest side in pixels; none: `thumbnail_px` of the settings.")
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A JPEG no larger than `size`, made once and kept."""
    image = image_view(database, image_id)
    return thumbnail_response(image, files, size or settings.thumbnail_px, if_none_match)


@router.get(
    "/images/{image_id}/original",
    operation_id="get_original",
    summary="The source file",
    response_class=Response,
    responses=picture_answers("The file as the imager wrote it.", "image/jpeg", "image/png", "image/tiff"),
)
def get_original(database: DatabaseDependency, image_id: ImageId, if_none_match: IfNoneMatch = None) -> Response:
    """The source file, byte for byte; its content type comes from its contents, not its name."""
    return original_response(image_view(database, image_id), if_none_match)


@router.get(
    "/images/{image_id}/deepzoom.dzi",
    operation_id="get_deepzoom",
    summary="Description of an image's tiles",
    response_class=Response,
    responses=picture_answers("A Deep Zoom description.", "application/xml"),
)
def get_deepzoom(
    database: DatabaseDependency, files: FilesDependency, image_id: ImageId, if_none_match: IfNoneMatch = None
) -> Response:
    """The Deep Zoom description (DZI) of an image's tile pyramid, which is made when first asked for."""
    return tiles_description_response(image_view(database, image_id), files, if_none_match)


@router.get(
    "/images/{image_id}/deepzoom_files/{level}/{tile}",
    operation_id="get_tile",
    summary="One tile",
    response_class=Response,
    responses=picture_answers("The tile.", "image/jpeg"),
)
def get_tile(
    database: DatabaseDependency,
    files: FilesDependency,
    image_id: ImageId,
    level: Annotated[int, Path(ge=0, le=40, description="Level of the pyramid; 0 is one pixel.")],
    tile: Annotated[
        str, Path(pattern=r"^[0-9]{1,6}_[0-9]{1,6}\.jpeg$", description="Column and row, such as `3_0.jpeg`.")
    ],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One tile of an image's pyramid, where the description says that it is."""
    column, row = (int(part) for part in tile.removesuffix(".jpeg").split("_"))
    return tile_response(image_view(database, image_id), files, level, column, row, if_none_match)
