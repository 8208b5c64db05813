"""Which plates are new or have changed since one last looked."""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select

from structloop.crystals.annotations import TASK
from structloop.store import Database
from structloop.store.tables import Annotation, Plate


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
        last_annotation: The newest human score's key.
    """

    stamp: tuple[object, ...]
    plates: dict[int, _Fingerprint]
    last_annotation: int


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
        last = session.scalar(select(func.max(Annotation.id))) or 0
        if before is not None and (stamp, last) == (before.stamp, before.last_annotation):
            return before, []
        plates = {
            row.id: _Fingerprint(row.image_count, row.scored_count, row.hit_count, row.current_scoring_id)
            for row in session.execute(
                select(Plate.id, Plate.image_count, Plate.scored_count, Plate.hit_count, Plate.current_scoring_id)
            )
        }
        seen = PlatesSeen(stamp, plates, last)
        if before is None:
            return seen, []
        changed = {key for key, plate in plates.items() if before.plates.get(key) != plate}
        changed.update(before.plates.keys() - plates.keys())
        if last > before.last_annotation:
            changed.update(
                session.scalars(
                    select(Annotation.group_id)
                    .where(Annotation.id > before.last_annotation, Annotation.task == TASK)
                    .distinct()
                )
            )
    return seen, sorted(changed)


__all__ = ["PlatesSeen", "look_at_plates"]
