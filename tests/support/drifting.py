"""A home whose newest plates come from an imager that looks quite unlike the data set."""

from pathlib import Path

from sqlalchemy import update

from structloop.jobs import Workspace
from structloop.store.tables import Inspection
from support.loop_datasets import store_dataset
from support.stored_plates import store_plate

IMAGER = "RI-54"
PLATES = 7
"""Enough beside the data set's six that chance can be told from an imager."""


def store_new_imager(workspace: Workspace, folder: Path) -> None:
    """A data set of grey noise, and plates of two flat, coloured drops each, taken by `IMAGER`."""
    store_dataset(workspace.database, workspace.kept, folder / "data-set", per_plate=4)
    for number in range(PLATES):
        plate = store_plate(
            workspace.database, folder / "new", f"NEW{number}", rows=1, columns=2, drops=(1,), inspections=1
        )
        with workspace.database.session() as session:
            session.execute(update(Inspection).where(Inspection.plate_id == plate.id).values(imager=IMAGER))


__all__ = ["IMAGER", "PLATES", "store_new_imager"]
