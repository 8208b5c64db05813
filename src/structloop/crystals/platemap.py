"""The plate map: every drop of a plate with its probability, at its best inspection so far or at one inspection."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import and_, case, select
from sqlalchemy.orm import Session

from structloop.core.errors import NotFoundError
from structloop.crystals.annotations import CurrentLabel, current_labels
from structloop.crystals.disagreements import disagreements_of, shown_disagreement
from structloop.crystals.scorings import (
    DropPlace,
    best_scores,
    chosen_scoring,
    drops_of,
    inspections_of,
    plate_row,
    scorings_of,
)
from structloop.crystals.views import DisagreementView, InspectionView, PlateMap, PlateMapCell
from structloop.schema.crystals import Well
from structloop.schema.images import Focus, Modality
from structloop.store import Database
from structloop.store.tables import Drop, DropImageFile, ExperimentScore


class _Shown(NamedTuple):
    """What a cell shows besides its place."""

    inspection_id: int | None = None
    image_visible_id: int | None = None
    image_uv_id: int | None = None
    visible_probability: float | None = None
    uv_probability: float | None = None
    crystal_probability: float | None = None
    error: str | None = None


_NOTHING = _Shown()
_BEST = best_scores(from_minimum=False)
_BEST_SHOWN = select(*(_BEST.c[name] for name in ("drop_id", *_Shown._fields)))


@dataclass(frozen=True, slots=True)
class _Images:
    """The image of each modality that stands for a drop at one inspection."""

    visible: dict[int, int]
    uv: dict[int, int]

    def drops(self) -> set[int]:
        return self.visible.keys() | self.uv.keys()


def plate_map(
    database: Database, plate_id: int, *, inspection: int | None = None, scoring_id: int | None = None
) -> PlateMap:
    """The plate map.

    Args:
        database: Where the plate is.
        plate_id: Which plate.
        inspection: Number of the inspection to show; None: each drop at its best so far.
        scoring_id: Which scoring to show; None: the plate's newest.

    Raises:
        NotFoundError: there is no such plate, inspection or scoring.
    """
    with database.reading() as session:
        plate = plate_row(session, plate_id)
        inspections = inspections_of(session, plate_id)
        scorings = scorings_of(session, plate_id, plate.current_scoring_id)
        scoring = chosen_scoring(scorings, scoring_id, plate.barcode)
        drops = drops_of(session, plate_id)
        if inspection is None:
            shown = _best(session, None if scoring is None else scoring.id, drops, inspections)
            labels = current_labels(session, plate_id)
            disputed = disagreements_of(session, plate_id, scoring, inspections)
        else:
            asked = _numbered(inspections, inspection, plate.barcode)
            shown = _at(session, None if scoring is None else scoring.id, plate_id, asked.id)
            labels = current_labels(session, plate_id, inspection_id=asked.id)
            disputed = disagreements_of(session, plate_id, scoring, [asked])
    return PlateMap(
        plate_id=plate.id,
        barcode=plate.barcode,
        rows=plate.rows,
        columns=plate.columns,
        drops=plate.drops,
        inspection=inspection,
        inspections=inspections,
        scoring=scoring,
        scorings=scorings,
        cells=_cells(drops, shown, {item.id: item.number for item in inspections}, labels, disputed),
    )


def _cells(
    drops: Sequence[DropPlace],
    shown: dict[int, _Shown],
    numbers: dict[int, int],
    labels: dict[int, CurrentLabel],
    disputed: dict[int, list[DisagreementView]],
) -> list[PlateMapCell]:
    wells: dict[tuple[int, int], str] = {}
    cells = []
    for drop_id, row, column, number in drops:
        name = wells.get((row, column))
        if name is None:
            name = wells[row, column] = str(Well(row, column))
        what = shown.get(drop_id, _NOTHING)
        label = labels.get(drop_id)
        cells.append(
            PlateMapCell(
                drop_id=drop_id,
                well=name,
                row=row,
                column=column,
                drop=number,
                probability=what.crystal_probability,
                visible_probability=what.visible_probability,
                uv_probability=what.uv_probability,
                inspection=None if what.inspection_id is None else numbers.get(what.inspection_id),
                image_visible_id=what.image_visible_id,
                image_uv_id=what.image_uv_id,
                error=what.error,
                label=None if label is None else label.label,
                label_scheme=None if label is None else label.scheme,
                label_is_crystal=None if label is None else label.is_crystal,
                disagreement=shown_disagreement(disputed.get(drop_id, ())),
            )
        )
    return cells


def _numbered(inspections: Iterable[InspectionView], number: int, barcode: str) -> InspectionView:
    for item in inspections:
        if item.number == number:
            return item
    raise NotFoundError(f"plate {barcode} has no inspection {number}; ask for one of its inspections, or for the best")


def _best(
    session: Session, scoring_id: int | None, drops: Sequence[DropPlace], inspections: Sequence[InspectionView]
) -> dict[int, _Shown]:
    shown: dict[int, _Shown] = {}
    if scoring_id is not None:
        for row in session.execute(_BEST_SHOWN, {"scorings": [scoring_id]}):
            shown[row[0]] = _Shown(*row[1:])
    # A drop without a score shows its newest images.
    missing = {drop.id for drop in drops} - shown.keys()
    for item in reversed(inspections):
        if not missing:
            break
        images = _images_at(session, item.id)
        for drop_id in missing & images.drops():
            shown[drop_id] = _Shown(item.id, images.visible.get(drop_id), images.uv.get(drop_id))
        missing -= shown.keys()
    return shown


def _at(session: Session, scoring_id: int | None, plate_id: int, inspection_id: int) -> dict[int, _Shown]:
    images = _images_at(session, inspection_id)
    shown = {
        drop_id: _Shown(inspection_id, images.visible.get(drop_id), images.uv.get(drop_id))
        for drop_id in images.drops()
    }
    if scoring_id is not None:
        scores = session.execute(
            select(ExperimentScore.drop_id, *(getattr(ExperimentScore, name) for name in _Shown._fields))
            .join(
                Drop,
                and_(
                    Drop.id == ExperimentScore.drop_id,
                    ExperimentScore.scoring_id == scoring_id,
                    ExperimentScore.inspection_id == inspection_id,
                ),
            )
            .where(Drop.plate_id == plate_id)
        )
        for row in scores:
            shown[row[0]] = _Shown(*row[1:])
    return shown


def _images_at(session: Session, inspection_id: int) -> _Images:
    """Per drop and modality one image of an inspection: the one that scoring takes, too."""
    rows = session.execute(
        select(DropImageFile.drop_id, DropImageFile.modality, DropImageFile.id)
        .where(
            DropImageFile.inspection_id == inspection_id,
            DropImageFile.superseded_by_id.is_(None),
            DropImageFile.modality.in_((Modality.VISIBLE.value, Modality.UV.value)),
        )
        # The one to show comes last, and so stays.
        .order_by(
            case((DropImageFile.focus == Focus.EXTENDED.value, 1), else_=0),
            DropImageFile.profile.desc(),
            DropImageFile.id,
        )
    )
    images = _Images({}, {})
    for drop_id, modality, image_id in rows:
        (images.visible if modality == Modality.VISIBLE.value else images.uv)[drop_id] = image_id
    return images


__all__ = ["plate_map"]
