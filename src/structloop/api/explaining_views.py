"""From explanations of scores to what the API shows of them."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import select

from structloop.api.explaining import Asked
from structloop.api.explaining_shapes import (
    ExampleView,
    MattersView,
    NearestExamplesView,
    OcclusionMapView,
    ProgressView,
    SaidView,
)
from structloop.crystals.explaining import (
    CAVEAT,
    NearestExamples,
    OcclusionMap,
    Strongest,
    in_words,
    scale_of,
    strongest,
)
from structloop.imaging.overlays import ABOVE, BELOW
from structloop.loop.datasets.manifest import ManifestRow
from structloop.loop.promotion.lineage import said_of
from structloop.schema.models import ModelCard
from structloop.store import Database
from structloop.store.tables import DropImageFile


def progress_view(asked: Asked[Any]) -> ProgressView | None:
    """How far an explanation is; None when it is there."""
    if asked.result is not None:
        return None
    return ProgressView(done=asked.done, total=asked.total, message=asked.message)


def map_view(found: OcclusionMap, image_id: int, card: ModelCard) -> OcclusionMapView:
    """An occlusion map as the API shows it."""
    lowers, raises = strongest(found)
    query = urlencode({"model": card.name, "version": card.version})
    return OcclusionMapView(
        probability=found.probability,
        scale=scale_of(found),
        speaks_for=_matters(lowers),
        speaks_against=_matters(raises),
        says=in_words(found),
        caveat=CAVEAT,
        colour_for=_css(ABOVE),
        colour_against=_css(BELOW),
        overlay_url=f"/api/v1/images/{image_id}/occlusion/overlay?{query}",
    )


def nearest_view(database: Database, found: NearestExamples) -> NearestExamplesView:
    """The images most alike as the API shows them, with who settled their labels."""
    rows = [each.row for each in found.examples]
    said = said_of(database, rows)
    images = _image_ids(database, rows)
    dataset = found.dataset
    return NearestExamplesView(
        origin=found.origin,
        dataset_id=None if dataset is None else dataset.id,
        dataset=None if dataset is None else dataset.name,
        note=found.note,
        compared=found.compared,
        total=found.total,
        unreadable=found.unreadable,
        examples=[
            ExampleView(
                key=row.key,
                label=row.label,
                detail=row.detail,
                source=row.source,
                said=[SaidView(name=one.name, part=one.part, answer=one.answer) for one in said[row.key]],
                partition=None if dataset is None else row.partition,
                distance=each.distance,
                is_itself=each.is_itself,
                image_id=images.get((row.item_id or 0, row.sha256)),
                drop_id=row.item_id,
                picture_url=_picture_url(row, images, None if dataset is None else dataset.id),
            )
            for each in found.examples
            for row in [each.row]
        ],
    )


def _matters(place: Strongest | None) -> MattersView | None:
    return None if place is None else MattersView(x=place.x, y=place.y, change=place.change)


def _css(colour: tuple[int, int, int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)


def _image_ids(database: Database, rows: Sequence[ManifestRow]) -> dict[tuple[int, str], int]:
    with database.reading() as session:
        found = session.execute(
            select(DropImageFile.id, DropImageFile.drop_id, DropImageFile.sha256)
            .where(DropImageFile.drop_id.in_({row.item_id for row in rows if row.item_id is not None}))
            .order_by(DropImageFile.id)
        )
        return {(drop_id, sha256): image_id for image_id, drop_id, sha256 in found}


def _picture_url(row: ManifestRow, images: dict[tuple[int, str], int], dataset_id: int | None) -> str | None:
    image_id = images.get((row.item_id or 0, row.sha256))
    if image_id is not None:
        return f"/api/v1/images/{image_id}/thumbnail"
    return None if dataset_id is None else f"/api/v1/datasets/{dataset_id}/picture?key={quote(row.key, safe='')}"


__all__ = ["map_view", "nearest_view", "progress_view"]
