"""Drops that join the queue for reasons of their own: chosen by somebody, named by an alarm, or asked again as gold."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from sqlalchemy import func, select

from structloop.core.errors import NotFoundError
from structloop.crystals.annotations import TASK
from structloop.crystals.curation.candidates import load_candidates, new_item
from structloop.crystals.schemes import CRYSTAL
from structloop.loop.curation import NewItem, add_items
from structloop.loop.curation.queue import states_of
from structloop.schema.loop import CurationReason, CurationState, ItemKey
from structloop.store import Database
from structloop.store.tables import CurationItem, Drop, Inspection, Plate


def ask_about(
    database: Database,
    drops: Collection[ItemKey],
    *,
    reason: CurationReason = CurationReason.CHOSEN,
    answers_needed: int = 2,
) -> int:
    """Puts drops at inspections at the head of the queue, whatever was settled of them before.

    This is for drops that a person wants to be looked at, those that a drift alarm names, and those whose answers a
    data set rests on: what is settled now counts from the next data set on.

    Args:
        database: Where the plates and the queue are.
        drops: Which drops, at which inspections.
        reason: Why: `CHOSEN` or `DRIFT`.
        answers_needed: Equal answers that settle an item.

    Returns:
        How many joined the queue; those that wait in it already stay where they are.

    Raises:
        NotFoundError: there is no such drop, or its plate has no such inspection.
    """
    wanted = list(dict.fromkeys(drops))
    with database.reading() as session:
        places = {
            ItemKey(drop_id, inspection_id): (plate_id, project_id)
            for drop_id, inspection_id, plate_id, project_id in session.execute(
                select(Drop.id, Inspection.id, Plate.id, Plate.project_id)
                .join(Plate, Plate.id == Drop.plate_id)
                .join(Inspection, Inspection.plate_id == Plate.id)
                .where(
                    Drop.id.in_({key.item_id for key in wanted}),
                    Inspection.id.in_({key.occasion_id for key in wanted}),
                )
            )
        }
        missing = next((key for key in wanted if key not in places), None)
        if missing is not None:
            raise NotFoundError(f"there is no drop {missing.item_id} with an inspection {missing.occasion_id}")
        first = session.scalar(select(func.min(CurationItem.priority)).where(CurationItem.task == TASK)) or 0.0
        known = load_candidates(database, {plate for plate, _ in places.values()}) if wanted else None
    scored = {} if known is None else {key: place for place, key in enumerate(known.keys())}
    new = []
    for place, key in enumerate(wanted):
        # Lowest first: before all that waits, in the order asked for.
        priority = first - len(wanted) + place
        plate_id, project_id = places[key]
        if known is not None and key in scored:
            item = new_item(known, scored[key], reason, 0, answers_needed)
            new.append(replace(item, priority=priority))
        else:
            new.append(NewItem(key, plate_id, project_id, reason, priority, answers_needed=answers_needed))
    return add_items(database, TASK, new)


def fill_gold(database: Database, *, size: int, seed: int = 0) -> int:
    """Puts settled items back into the queue as gold items, half of them crystals where there are so many.

    Only items count that nobody disputed: every answer was the settled label.

    Returns:
        How many joined the queue.
    """
    with database.reading() as session:
        settled = session.scalars(
            select(CurationItem).where(
                CurationItem.task == TASK,
                CurationItem.state == CurationState.SETTLED.value,
                CurationItem.answer_count == CurationItem.answers_needed,
            )
        ).all()
        gold = {key for key, state in states_of(session, TASK).items() if state is CurationState.OPEN}
        last = session.scalar(select(func.max(CurationItem.priority)).where(CurationItem.task == TASK)) or 0.0
    rng = np.random.default_rng(seed)
    usable = [row for row in settled if ItemKey(row.item_id, row.occasion_id) not in gold]
    shuffled = [usable[place] for place in rng.permutation(len(usable))]
    crystals = [row for row in shuffled if row.label == CRYSTAL]
    others = [row for row in shuffled if row.label != CRYSTAL]
    share = max(size - len(others), min(len(crystals), (size + 1) // 2))
    picked = (crystals[:share] + others)[:size]
    # Anywhere among the others, so that nobody knows which they are.
    places = rng.uniform(0, max(last, 1.0), len(picked))
    return add_items(
        database,
        TASK,
        [
            NewItem(
                key=ItemKey(row.item_id, row.occasion_id),
                group_id=row.group_id,
                project_id=row.project_id,
                reason=CurationReason.GOLD,
                priority=float(place),
                model_version_id=row.model_version_id,
                probability=row.probability,
                gold_label=row.label,
                answers_needed=row.answers_needed,
            )
            for row, place in zip(picked, places, strict=True)
        ],
    )


__all__ = ["ask_about", "fill_gold"]
