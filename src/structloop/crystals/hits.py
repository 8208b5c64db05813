"""The ranked list of drops: the likeliest crystals first, within a plate or across all of them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from structloop.crystals.annotations import CurrentLabel, current_labels
from structloop.crystals.scorings import best_scores, plate_row
from structloop.crystals.views import HitPage, HitView
from structloop.schema.crystals import Well
from structloop.store import Database
from structloop.store.tables import Drop, Inspection, Plate, Scoring

_PLATES_AT_ONCE = 25
_FLOORS = (0.5, 0.1, 0.0)
_BEST = best_scores(from_minimum=True)
_BEST_DROPS = (
    select(_BEST, Drop.plate_id, Drop.row, Drop.column, Drop.number, Plate.barcode)
    .join(Drop, _BEST.c.drop_id == Drop.id)
    .join(Plate, Drop.plate_id == Plate.id)
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    probability: float
    plate_place: int
    drop: Row[Any]
    threshold: float
    label: CurrentLabel | None

    def key(self) -> tuple[float, int, int, int, int]:
        return (-self.probability, self.plate_place, self.drop.row, self.drop.column, self.drop.number)


def ranked_hits(
    database: Database,
    *,
    plate_id: int | None = None,
    below_threshold: bool = False,
    unreviewed: bool = False,
    limit: int = 50,
    offset: int = 0,
) -> HitPage:
    """Drops by their best probability so far under their plate's newest scoring.

    Plates are read in the order of their own best probability, and only until no further plate can hold a drop that
    belongs on the page: the first page of a database with a million experiments reads a few dozen plates.

    Args:
        database: Where the plates are.
        plate_id: Only drops of this plate; None: of all.
        below_threshold: Whether drops below their scoring's alarm threshold are listed too.
        unreviewed: Whether drops that a person has scored are left out.
        limit: How many at most.
        offset: How many to leave out from the start.

    Raises:
        NotFoundError: there is no such plate.
    """
    wanted = offset + limit + 1
    with database.reading() as session:
        if plate_id is not None:
            plate_row(session, plate_id)
        plates = _plates(session, plate_id, below_threshold)
        found: list[_Candidate] = []
        # Drops far below matter only where there are not enough likelier ones, and there are many of them.
        for floor in _FLOORS if below_threshold else (None,):
            found = _likeliest(session, plates, wanted, floor, unreviewed=unreviewed)
            if len(found) >= wanted:
                break
        has_more = len(found) >= wanted
        total = None
        if not has_more:
            total = len(found)
        elif not below_threshold and not unreviewed:
            total = sum(plate.hit_count for plate in plates)
        page = found[offset : offset + limit]
        numbers = _inspection_numbers(session, page)
    return HitPage(
        items=[_view(rank, item, numbers) for rank, item in enumerate(page, start=offset + 1)],
        has_more=has_more,
        total=total,
    )


def _plates(session: Session, plate_id: int | None, below_threshold: bool) -> list[Row[Any]]:
    statement = (
        select(Plate.id, Plate.barcode, Plate.current_scoring_id, Plate.best_probability, Plate.hit_count)
        .where(Plate.current_scoring_id.is_not(None), Plate.best_probability.is_not(None))
        .order_by(Plate.best_probability.desc(), Plate.id.desc())
    )
    if plate_id is not None:
        statement = statement.where(Plate.id == plate_id)
    if not below_threshold:
        statement = statement.where(Plate.hit_count > 0)
    return list(session.execute(statement))


def _likeliest(
    session: Session, plates: list[Row[Any]], wanted: int, floor: float | None, *, unreviewed: bool
) -> list[_Candidate]:
    """The first `wanted` drops of the ranking, or all there are: those that reach `floor` (None: their threshold)."""
    found: list[_Candidate] = []
    for place in range(0, len(plates), _PLATES_AT_ONCE):
        # The last one wanted, when it is found already, beats whatever the next plate can hold.
        if len(found) >= wanted and found[wanted - 1].probability >= plates[place].best_probability:
            break
        found += _candidates(session, plates[place : place + _PLATES_AT_ONCE], place, floor, unreviewed=unreviewed)
        found.sort(key=_Candidate.key)
        del found[wanted:]
    return found


def _candidates(
    session: Session, plates: list[Row[Any]], first_place: int, floor: float | None, *, unreviewed: bool
) -> list[_Candidate]:
    scorings = [plate.current_scoring_id for plate in plates]
    found = session.execute(select(Scoring.id, Scoring.alarm_threshold).where(Scoring.id.in_(scorings)))
    thresholds = {row.id: row.alarm_threshold for row in found}
    if not thresholds:
        return []
    minimum = min(thresholds.values()) if floor is None else floor
    rows = session.execute(_BEST_DROPS, {"scorings": scorings, "minimum": minimum}).all()
    labels = current_labels(session, [plate.id for plate in plates])
    places = {plate.id: place for place, plate in enumerate(plates, start=first_place)}
    return [
        _Candidate(row.crystal_probability, places[row.plate_id], row, threshold, labels.get(row.drop_id))
        for row in rows
        if floor is not None or row.crystal_probability >= thresholds[row.scoring_id]
        if not (unreviewed and row.drop_id in labels)
        for threshold in (thresholds[row.scoring_id],)
    ]


def _inspection_numbers(session: Session, page: list[_Candidate]) -> dict[int, int]:
    keys = {item.drop.inspection_id for item in page}
    rows = session.execute(select(Inspection.id, Inspection.number).where(Inspection.id.in_(keys)))
    return {row.id: row.number for row in rows}


def _view(rank: int, item: _Candidate, numbers: dict[int, int]) -> HitView:
    drop, label = item.drop, item.label
    return HitView(
        rank=rank,
        drop_id=drop.drop_id,
        plate_id=drop.plate_id,
        barcode=drop.barcode,
        well=str(Well(drop.row, drop.column)),
        drop=drop.number,
        probability=item.probability,
        visible_probability=drop.visible_probability,
        uv_probability=drop.uv_probability,
        inspection=numbers[drop.inspection_id],
        image_visible_id=drop.image_visible_id,
        image_uv_id=drop.image_uv_id,
        is_hit=item.probability >= item.threshold,
        label=None if label is None else label.label,
        label_scheme=None if label is None else label.scheme,
        label_is_crystal=None if label is None else label.is_crystal,
    )


__all__ = ["ranked_hits"]
