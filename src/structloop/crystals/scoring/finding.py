"""Which plate is meant: by barcode, or by the folder that its images lie in."""

from pathlib import Path

from sqlalchemy import func, select

from structloop.core.errors import NotFoundError
from structloop.store import Database
from structloop.store.tables import Drop, DropImageFile, Plate


def find_plate(database: Database, barcode: str) -> int:
    """The id of the plate with that barcode.

    Raises:
        NotFoundError: no plate has it.
    """
    with database.reading() as session:
        plate_id = session.scalar(select(Plate.id).where(Plate.barcode == barcode))
    if plate_id is None:
        raise NotFoundError(f"no plate '{barcode}' was imported; `structloop crystals import PATH` brings one in")
    return plate_id


def plate_barcode(database: Database, plate_id: int) -> str:
    """The barcode of a plate.

    Raises:
        NotFoundError: there is no such plate.
    """
    with database.reading() as session:
        barcode = session.scalar(select(Plate.barcode).where(Plate.id == plate_id))
    if barcode is None:
        raise NotFoundError(f"there is no plate {plate_id}")
    return barcode


def plates_below(database: Database, folder: Path) -> list[int]:
    """The ids of the plates that have a current image at or below `folder`, by barcode."""
    prefix = f"{folder}/"
    below = func.substr(DropImageFile.path, 1, len(prefix)) == prefix
    drops = select(DropImageFile.drop_id).where(below, DropImageFile.superseded_by_id.is_(None))
    plates = select(Drop.plate_id).where(Drop.id.in_(drops))
    with database.reading() as session:
        return list(session.scalars(select(Plate.id).where(Plate.id.in_(plates)).order_by(Plate.barcode)))


__all__ = ["find_plate", "plate_barcode", "plates_below"]
