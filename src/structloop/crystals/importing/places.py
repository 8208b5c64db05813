"""Where images belong: rows of plates, inspections and drops, made where they are missing."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.crystals.importing.scanning import natural
from structloop.crystals.plates import grown_format
from structloop.schema.crystals import DropImage, PlateFormat
from structloop.store import Database
from structloop.store.database import insert_or_ignore
from structloop.store.tables import Drop, Inspection, Plate, Project
from structloop.store.tables.base import utc_now


def plates_of(
    database: Database,
    session: Session,
    layout: str,
    images: Mapping[str, Sequence[DropImage]],
    *,
    also_lock: Collection[str] = (),
) -> dict[str, Plate]:
    """The plates of `images` (by barcode), made or grown where needed, and locked until the transaction ends.

    They are locked in the order of their barcodes, so two importers of the same plates take turns and never wait for
    each other in a circle. (SQLite lets only one write anyway.) `also_lock` names further plates to lock among them.
    """
    if not images:
        return {}
    barcodes = sorted(images)
    formats = {barcode: grown_format(None, images[barcode]) for barcode in barcodes}
    rows = [
        {
            "barcode": barcode,
            "layout": layout,
            "rows": formats[barcode].rows,
            "columns": formats[barcode].columns,
            "drops": list(formats[barcode].drops),
            "created_at": utc_now(),
            "imported_at": utc_now(),
            "image_count": 0,
            "experiment_count": 0,
            "scored_count": 0,
            "hit_count": 0,
        }
        for barcode in barcodes
    ]
    session.execute(insert_or_ignore(database, Plate, rows))
    locked = [*barcodes, *also_lock]
    statement = select(Plate).where(Plate.barcode.in_(locked)).order_by(Plate.barcode).with_for_update()
    plates = {plate.barcode: plate for plate in session.scalars(statement) if plate.barcode in images}
    for barcode, plate in plates.items():
        grown = grown_format(PlateFormat(plate.rows, plate.columns, tuple(plate.drops)), images[barcode])
        if (grown.rows, grown.columns, list(grown.drops)) != (plate.rows, plate.columns, plate.drops):
            plate.rows, plate.columns, plate.drops = grown.rows, grown.columns, list(grown.drops)
    return plates


def project_id_of(database: Database, session: Session, name: str) -> int:
    """The number of the project of that name, made where needed."""
    session.execute(insert_or_ignore(database, Project, [{"name": name}]))
    return session.scalars(select(Project.id).where(Project.name == name)).one()


def inspections_of(session: Session, plate: Plate, images: Sequence[DropImage]) -> dict[int | str, int]:
    """The numbers of the plate's inspections, by their count and by their key; those of `images` made where needed."""
    rows = list(session.scalars(select(Inspection).where(Inspection.plate_id == plate.id)))
    by_number = {row.number: row for row in rows}
    by_key = {row.key: row for row in rows if row.key is not None}
    highest = max(by_number, default=0)
    for image in sorted(images, key=lambda image: natural(image.inspection_key)):
        row = by_key.get(image.inspection_key) if image.inspection is None else by_number.get(image.inspection)
        if row is None:
            number = highest + 1 if image.inspection is None else image.inspection
            row = Inspection(
                plate_id=plate.id,
                number=number,
                key=image.inspection_key if image.inspection is None else None,
                imager=image.imager,
                taken_at=image.taken_at,
            )
            session.add(row)
            highest = max(highest, number)
            by_number[number] = row
            if row.key is not None:
                by_key[row.key] = row
        if row.imager is None:
            row.imager = image.imager
        if image.taken_at is not None and (row.taken_at is None or image.taken_at < row.taken_at):
            row.taken_at = image.taken_at
    session.flush()
    numbered: dict[int | str, int] = {number: row.id for number, row in by_number.items()}
    return numbered | {key: row.id for key, row in by_key.items()}


def drops_of(session: Session, plate: Plate, images: Sequence[DropImage]) -> dict[tuple[int, int, int], int]:
    """The numbers of the plate's drops by row, column and sub-well, those of `images` made where needed."""
    statement = select(Drop.row, Drop.column, Drop.number, Drop.id).where(Drop.plate_id == plate.id)
    known = {(row, column, number): key for row, column, number, key in session.execute(statement)}
    missing = {(image.well.row, image.well.column, image.drop) for image in images} - known.keys()
    new = [Drop(plate_id=plate.id, row=row, column=column, number=number) for row, column, number in sorted(missing)]
    session.add_all(new)
    session.flush()
    return known | {(drop.row, drop.column, drop.number): drop.id for drop in new}


__all__ = ["drops_of", "inspections_of", "plates_of", "project_id_of"]
