"""Crystals in the loop: the review tasks of visible and UV images, curated together as drops at inspections."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from structloop.crystals.annotations import TASK
from structloop.crystals.schemes import CRYSTAL, CRYSTAL_TYPES, OTHER
from structloop.loop.tasks import ReviewTask
from structloop.schema.crystals import Well
from structloop.schema.images import Focus, Modality
from structloop.schema.loop import ItemKey, TaskImage
from structloop.store import Database
from structloop.store.tables import Drop, DropImageFile, Inspection, Plate, Project

# Of several images in one modality the one that is scored.
_FIRST = (
    case((DropImageFile.focus == Focus.EXTENDED.value, 0), else_=1),
    DropImageFile.profile,
    DropImageFile.id.desc(),
)
_FEW = 500
"""Inspections asked about in one query; databases limit how many values a query may name."""


def images_of(database: Database, items: Collection[ItemKey], modality: Modality) -> dict[ItemKey, TaskImage]:
    """The image of each drop at its inspection, of those that have one in that modality.

    Of several the one that is scored: the extended focus first, then the lowest profile by name, then the image
    imported last; images that were superseded are out.
    """
    wanted: dict[int, set[int]] = defaultdict(set)
    for item_id, occasion_id in items:
        wanted[occasion_id].add(item_id)
    occasions = sorted(wanted)
    found: dict[ItemKey, TaskImage] = {}
    with database.reading() as session:
        for start in range(0, len(occasions), _FEW):
            rows = session.execute(
                select(
                    DropImageFile.drop_id,
                    DropImageFile.inspection_id,
                    DropImageFile.path,
                    DropImageFile.sha256,
                    Drop.row,
                    Drop.column,
                    Drop.number,
                    Inspection.number.label("inspection"),
                    Inspection.imager,
                    Plate.barcode,
                    Plate.layout,
                    Plate.rows,
                    Plate.columns,
                    Project.name.label("project"),
                )
                .join(Drop, Drop.id == DropImageFile.drop_id)
                .join(Inspection, Inspection.id == DropImageFile.inspection_id)
                .join(Plate, Plate.id == Drop.plate_id)
                .outerjoin(Project, Project.id == Plate.project_id)
                .where(
                    DropImageFile.inspection_id.in_(occasions[start : start + _FEW]),
                    DropImageFile.modality == modality.value,
                    DropImageFile.superseded_by_id.is_(None),
                )
                .order_by(*_FIRST)
            )
            for row in rows:
                key = ItemKey(row.drop_id, row.inspection_id)
                if row.drop_id not in wanted[row.inspection_id] or key in found:
                    continue
                well = Well(row.row, row.column)
                found[key] = TaskImage(
                    key=f"{row.barcode}/{well}/{row.number}/{row.inspection}/{modality.value}",
                    item=key,
                    project=row.project or "",
                    group=row.barcode,
                    path=Path(row.path),
                    sha256=row.sha256,
                    modality=modality,
                    source=row.imager or "",
                    kind=f"{row.layout} {row.rows}x{row.columns}",
                )
    return found


def primary_image_ids(session: Session, items: Collection[ItemKey]) -> dict[tuple[int, int, str], int]:
    """The image that stands for each drop at its inspection: keys by drop, inspection and modality."""
    rows = session.execute(
        select(DropImageFile.id, DropImageFile.drop_id, DropImageFile.inspection_id, DropImageFile.modality)
        .where(
            DropImageFile.drop_id.in_({item.item_id for item in items}),
            DropImageFile.inspection_id.in_({item.occasion_id for item in items}),
            DropImageFile.superseded_by_id.is_(None),
        )
        .order_by(*_FIRST)
    )
    found: dict[tuple[int, int, str], int] = {}
    for image_id, drop_id, inspection_id, modality in rows:
        found.setdefault((drop_id, inspection_id, modality), image_id)
    return found


def _visible_images(database: Database, items: Collection[ItemKey]) -> dict[ItemKey, TaskImage]:
    return images_of(database, items, Modality.VISIBLE)


def _uv_images(database: Database, items: Collection[ItemKey]) -> dict[ItemKey, TaskImage]:
    return images_of(database, items, Modality.UV)


_DETAILS: Mapping[str, tuple[str, ...]] = MappingProxyType({CRYSTAL: CRYSTAL_TYPES})

VISIBLE = ReviewTask(
    name="crystals/visible",
    title="Crystals in visible light",
    labels=(CRYSTAL, OTHER),
    positive=CRYSTAL,
    modality=Modality.VISIBLE,
    curated_as=TASK,
    find_images=_visible_images,
    details=_DETAILS,
)
UV = ReviewTask(
    name="crystals/uv",
    title="Crystals in UV",
    labels=(CRYSTAL, OTHER),
    positive=CRYSTAL,
    modality=Modality.UV,
    curated_as=TASK,
    find_images=_uv_images,
    details=_DETAILS,
)

__all__ = ["UV", "VISIBLE", "images_of", "primary_image_ids"]
