"""Which plates are new or have changed since one last looked."""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from structloop.crystals.annotations import TASK
from structloop.store import Database
from structloop.store.tables import Annotation, CurationDecision, CurationItem, Plate


class _Newest(NamedTuple):
    """Keys of the newest rows of what people say: a human score, something they are asked, an answer."""

    annotation: int
    curation_item: int
    curation_decision: int


class _Fingerprint(NamedTuple):
    image_count: int
    scored_count: int
    hit_count: int
    current_scoring_id: int | None


@dataclass(frozen=True)
class PlatesSeen:
    """What the plates were like at one look.

    Attributes:
        stamp: A summary of all plates that changes when one of them does.
        plates: A fingerprint of each plate.
        newest: The newest of what people say.
    """

    stamp: tuple[object, ...]
    plates: dict[int, _Fingerprint]
    newest: _Newest


def look_at_plates(database: Database, before: PlatesSeen | None) -> tuple[PlatesSeen, list[int]]:
    """Looks again, and says which plates differ from `before` (None: this is the first look, none does)."""
    with database.reading() as session:
        stamp = tuple(
            session.execute(
                select(
                    func.count(),
                    func.max(Plate.imported_at),
                    func.sum(Plate.image_count),
                    func.sum(Plate.scored_count),
                    func.sum(Plate.hit_count),
                    func.sum(Plate.current_scoring_id),
                )
            ).one()
        )
        newest = _Newest(
            *(session.scalar(select(func.max(table.id))) or 0 for table in (Annotation, CurationItem, CurationDecision))
        )
        if before is not None and (stamp, newest) == (before.stamp, before.newest):
            return before, []
        plates = {
            row.id: _Fingerprint(row.image_count, row.scored_count, row.hit_count, row.current_scoring_id)
            for row in session.execute(
                select(Plate.id, Plate.image_count, Plate.scored_count, Plate.hit_count, Plate.current_scoring_id)
            )
        }
        seen = PlatesSeen(stamp, plates, newest)
        if before is None:
            return seen, []
        changed = {key for key, plate in plates.items() if before.plates.get(key) != plate}
        changed.update(before.plates.keys() - plates.keys())
        changed |= _spoken_of(session, before.newest)
    return seen, sorted(changed)


def _spoken_of(session: Session, since: _Newest) -> set[int]:
    """Plates of whose drops people said something, or were asked something, since then."""
    statements = (
        select(Annotation.group_id).where(Annotation.id > since.annotation, Annotation.task == TASK),
        select(CurationItem.group_id).where(CurationItem.id > since.curation_item, CurationItem.task == TASK),
        select(CurationItem.group_id)
        .join(CurationDecision, CurationDecision.curation_item_id == CurationItem.id)
        .where(CurationDecision.id > since.curation_decision, CurationItem.task == TASK),
    )
    return {plate for statement in statements for plate in session.scalars(statement.distinct())}


__all__ = ["PlatesSeen", "look_at_plates"]
