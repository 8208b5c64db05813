"""Which image of a drop stands for it, and which of these still need a score."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from structloop.schema.images import Focus, Modality
from structloop.store.tables import DropImageFile, ImageScore, Inspection


@dataclass(frozen=True, slots=True)
class PrimaryImage:
    """The image that stands for a drop at one inspection in one modality, with what is known of its score.

    Attributes:
        probability, error: What the model version says of it; both None while it was not scored.
    """

    image_id: int
    drop_id: int
    inspection_id: int
    path: Path
    sha256: str
    probability: float | None
    error: str | None

    @property
    def is_pending(self) -> bool:
        """Whether it still has to be scored."""
        return self.probability is None and self.error is None


def primary_images(
    session: Session, plate_id: int, modality: Modality, model_version_id: int | None, inspection: int | None = None
) -> list[PrimaryImage]:
    """One image per drop and inspection, by inspection and drop.

    Of several images of a drop in one modality (focal planes, light profiles, versions), the extended-focus image
    comes first, then the lowest profile by name, then the image imported last; images that were superseded are out.

    Args:
        session: Open session.
        plate_id: The plate.
        modality: The modality.
        model_version_id: Whose scores are looked up; None: nobody's.
        inspection: Only the inspection of that number; None: all.
    """
    extended_first = case((DropImageFile.focus == Focus.EXTENDED.value, 0), else_=1)
    place = (
        func.row_number()
        .over(
            partition_by=(DropImageFile.drop_id, DropImageFile.inspection_id),
            order_by=(extended_first, DropImageFile.profile, DropImageFile.id.desc()),
        )
        .label("place")
    )
    ranked = (
        select(
            DropImageFile.id,
            DropImageFile.drop_id,
            DropImageFile.inspection_id,
            DropImageFile.path,
            DropImageFile.sha256,
            place,
        )
        .join(Inspection, Inspection.id == DropImageFile.inspection_id)
        .where(
            Inspection.plate_id == plate_id,
            DropImageFile.modality == modality.value,
            DropImageFile.superseded_by_id.is_(None),
        )
    )
    if inspection is not None:
        ranked = ranked.where(Inspection.number == inspection)
    images = ranked.subquery()
    # An id that no model version has: the outer join then finds no score.
    version = -1 if model_version_id is None else model_version_id
    rows = session.execute(
        select(
            images.c.id,
            images.c.drop_id,
            images.c.inspection_id,
            images.c.path,
            images.c.sha256,
            ImageScore.probability,
            ImageScore.error,
        )
        .outerjoin(ImageScore, and_(ImageScore.image_id == images.c.id, ImageScore.model_version_id == version))
        .where(images.c.place == 1)
        .order_by(images.c.inspection_id, images.c.drop_id)
    )
    return [
        PrimaryImage(image_id, drop_id, inspection_id, Path(path), sha256, probability, error)
        for image_id, drop_id, inspection_id, path, sha256, probability, error in rows
    ]


__all__ = ["PrimaryImage", "primary_images"]
