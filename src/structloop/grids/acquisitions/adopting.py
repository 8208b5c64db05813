"""A session whose own list comes late: what was imported before goes on as the same session and grid."""

from dataclasses import replace

from sqlalchemy import select, update

from structloop.grids.acquisitions.rows import grid_row
from structloop.instruments.epu import earlier_keys
from structloop.schema.grids import AcquisitionRecord
from structloop.store import Database
from structloop.store.tables import AcquisitionSession, Grid


def adopt_earlier(database: Database, records: tuple[AcquisitionRecord, ...]) -> tuple[AcquisitionRecord, ...]:
    """Gives an EPU session that is stored by its folder, or its grid without a slot, the key that is known now.

    In whatever order a session's files come between imports, it is one session of one grid in the end.

    Args:
        records: Of one session.

    Returns:
        The records, with the slot that the store knows where they do not say it any more.
    """
    first = records[0]
    if len(records) != 1 or first.session.program != "EPU":
        return records
    key, prefix = f"epu:{first.session.key}", "epu:"
    with database.session() as session:
        stored = session.scalar(select(AcquisitionSession.id).where(AcquisitionSession.key == key))
        for earlier in earlier_keys(first):
            if stored is not None:
                break
            stored = session.scalar(select(AcquisitionSession.id).where(AcquisitionSession.key == prefix + earlier))
            if stored is not None:
                renamed = update(AcquisitionSession).where(AcquisitionSession.id == stored)
                session.execute(renamed.values(key=key))
        if stored is None:
            return records
        grids = session.scalars(select(Grid).where(Grid.session_id == stored)).all()
        if len(grids) != 1:
            return records
        grid, slot = grids[0], first.session.slot
        if slot is None:
            return (replace(first, session=replace(first.session, slot=grid.slot)),)
        if grid.slot is None:
            grid.key, grid.slot = grid_row(first.session)["key"], slot
        return records


__all__ = ["adopt_earlier"]
