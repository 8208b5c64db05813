"""Why a score: where in the image it comes from, and which images the model finds most alike."""

from http import HTTPStatus
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Query, Response

from structloop.api.dependencies import (
    DatabaseDependency,
    DeskDependency,
    ExplainerDependency,
    FilesDependency,
    KeptFilesDependency,
    SettingsDependency,
    WorkspaceDependency,
)
from structloop.api.errors import problems
from structloop.api.explaining import Asked
from structloop.api.explaining_shapes import NearestView, OcclusionView
from structloop.api.explaining_views import map_view, nearest_view, progress_view
from structloop.api.pictures import derived_response, picture_answers
from structloop.api.routes.parameters import DatasetId, IfNoneMatch, ImageId
from structloop.core.errors import NotFoundError
from structloop.crystals.explaining import chosen_model, stored_subject
from structloop.crystals.views import ModelReference
from structloop.imaging.thumbnails import thumbnail
from structloop.loop.datasets import get_dataset
from structloop.loop.datasets.manifest import find_row

router = APIRouter(
    tags=["explaining"],
    responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.UNPROCESSABLE_ENTITY),
)

ModelName = Annotated[
    str | None,
    Query(min_length=1, max_length=200, description="Whose score; none: the one that made the score that is shown."),
]
ModelVersion = Annotated[
    str | None, Query(min_length=1, max_length=64, description="Its version; refused where that is not here any more.")
]


@router.get("/images/{image_id}/occlusion", operation_id="get_occlusion", summary="Where a score comes from")
def get_occlusion(
    database: DatabaseDependency,
    workspace: WorkspaceDependency,
    explainer: ExplainerDependency,
    desk: DeskDependency,
    image_id: ImageId,
    model: ModelName = None,
    version: ModelVersion = None,
) -> OcclusionView:
    """What hiding parts of the image does to its probability. Made when first asked for; ask until it is there."""
    subject = stored_subject(database, image_id)
    card = chosen_model(database, workspace.classifiers, subject, name=model, version=version)
    kept = explainer.maps.find(subject, card)
    if kept is not None:
        asked = Asked(kept)
    else:
        asked = desk.ask(
            ("occlusion", subject.sha256, subject.modality, card.name, card.version),
            lambda tell, should_stop: explainer.occlusion(subject, card, on_progress=tell, should_stop=should_stop),
        )
    return OcclusionView(
        image_id=image_id,
        modality=subject.modality,
        model=ModelReference(name=card.name, version=card.version),
        progress=progress_view(asked),
        map=None if asked.result is None else map_view(asked.result, image_id, card),
    )


@router.get(
    "/images/{image_id}/occlusion/overlay",
    operation_id="get_occlusion_overlay",
    summary="Where a score comes from, as a picture",
    response_class=Response,
    responses=picture_answers("The overlay.", "image/png"),
)
def get_occlusion_overlay(
    database: DatabaseDependency,
    workspace: WorkspaceDependency,
    explainer: ExplainerDependency,
    image_id: ImageId,
    model: ModelName = None,
    version: ModelVersion = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A see-through PNG of the image's shape: vermilion speaks for a crystal, sky blue against; made after the map."""
    subject = stored_subject(database, image_id)
    card = chosen_model(database, workspace.classifiers, subject, name=model, version=version)
    found = explainer.maps.find(subject, card)
    if found is None:
        raise NotFoundError(f"image {image_id} has no occlusion map by {card.name} yet; ask for its map first")
    return derived_response(
        lambda: explainer.maps.overlay(subject, card, found),
        "image/png",
        f"{subject.sha256[:24]}-{card.version}-{subject.modality.value}",
        if_none_match,
    )


@router.get("/images/{image_id}/nearest", operation_id="get_nearest", summary="What a model finds alike")
def get_nearest(
    database: DatabaseDependency,
    workspace: WorkspaceDependency,
    explainer: ExplainerDependency,
    desk: DeskDependency,
    image_id: ImageId,
    model: ModelName = None,
    version: ModelVersion = None,
    count: Annotated[int, Query(ge=1, le=50, description="How many at most.")] = 6,
) -> NearestView:
    """The most alike of the images that the model learnt from, else of those that people here labelled.

    Computed when first asked for: ask again until they are there.
    """
    subject = stored_subject(database, image_id)
    card = chosen_model(database, workspace.classifiers, subject, name=model, version=version)
    asked = desk.ask(
        ("nearest", image_id, card.name, card.version, count),
        lambda tell, should_stop: explainer.nearest(
            subject, card, count=count, on_progress=tell, should_stop=should_stop
        ),
    )
    return NearestView(
        image_id=image_id,
        modality=subject.modality,
        model=ModelReference(name=card.name, version=card.version),
        progress=progress_view(asked),
        nearest=None if asked.result is None else nearest_view(database, asked.result),
    )


@router.get(
    "/datasets/{dataset_id}/picture",
    operation_id="get_dataset_picture",
    summary="A small picture of an image of a data set",
    response_class=Response,
    responses=picture_answers("The thumbnail.", "image/jpeg"),
)
def get_dataset_picture(
    database: DatabaseDependency,
    kept: KeptFilesDependency,
    files: FilesDependency,
    settings: SettingsDependency,
    dataset_id: DatasetId,
    key: Annotated[str, Query(min_length=1, max_length=1000, description="The image's key in the data set.")],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """A JPEG of an image that a data set holds, imported ones too, which are images of no drop."""
    dataset = get_dataset(database, dataset_id)
    row = find_row(dataset.manifest_sha256, kept, key)
    if row is None:
        raise NotFoundError(f"data set {dataset.name} holds no image '{key}'; its rows say which it holds")
    return derived_response(
        lambda: thumbnail(files, FilePath(row.path), row.sha256, settings.thumbnail_px),
        "image/jpeg",
        f"{row.sha256[:24]}-{settings.thumbnail_px}",
        if_none_match,
    )
