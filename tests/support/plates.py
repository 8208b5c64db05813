"""Plates in the database and on disk, without an import: small, fast, and every detail chosen by the test."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select

from structloop.schema.images import Focus, Modality
from structloop.store import Database
from structloop.store.tables import Drop, DropImageFile, Inspection, Plate
from structloop.store.tables.base import utc_now


def write_grey(path: Path, level: int) -> Path:
    """A PNG image of one grey value, 32 x 32 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32), level, dtype=np.uint8)).save(path, "PNG")
    return path


class PlateBuilder:
    """Builds one plate, image by image.

    Args:
        database: Where it goes.
        folder: Where its images go.
        barcode: Its barcode.
    """

    def __init__(self, database: Database, folder: Path, barcode: str = "P1") -> None:
        self.database = database
        self.folder = folder
        with database.session() as session:
            plate = Plate(barcode=barcode, layout="manifest", rows=8, columns=12, drops=[1])
            session.add(plate)
            session.flush()
            self.plate_id = plate.id

    def add(
        self,
        column: int,
        level: int | None,
        *,
        modality: Modality = Modality.VISIBLE,
        inspection: int = 1,
        profile: str = "",
        focus: Focus = Focus.SINGLE,
        contents: bytes | None = None,
    ) -> int:
        """Adds an image of well A(column + 1) and returns its id. `contents` instead of `level` makes it any file."""
        name = f"{inspection}_{column}_{modality}_{profile}_{focus}.png"
        path = self.folder / name
        if contents is None:
            write_grey(path, level or 0)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
        data = path.read_bytes()
        with self.database.session() as session:
            drop = session.scalar(select(Drop).where(Drop.plate_id == self.plate_id, Drop.column == column))
            if drop is None:
                drop = Drop(plate_id=self.plate_id, row=0, column=column, number=1)
                session.add(drop)
            round_ = session.scalar(
                select(Inspection).where(Inspection.plate_id == self.plate_id, Inspection.number == inspection)
            )
            if round_ is None:
                round_ = Inspection(plate_id=self.plate_id, number=inspection)
                session.add(round_)
            session.flush()
            image = DropImageFile(
                drop_id=drop.id,
                inspection_id=round_.id,
                modality=modality.value,
                profile=profile,
                focus=focus.value,
                path=str(path),
                size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                modified_at=utc_now(),
                width_px=32,
                height_px=32,
            )
            session.add(image)
            session.flush()
            return image.id

    def path(self, image_id: int) -> Path:
        """Where an image lies."""
        with self.database.reading() as session:
            return Path(session.get_one(DropImageFile, image_id).path)


def plate_of_greys(database: Database, folder: Path, levels: Mapping[int, tuple[int | None, int | None]]) -> int:
    """A plate with one drop per entry: column -> (visible grey, UV grey), None for no image."""
    plate = PlateBuilder(database, folder)
    for column, (visible, uv) in levels.items():
        if visible is not None:
            plate.add(column, visible)
        if uv is not None:
            plate.add(column, uv, modality=Modality.UV)
    return plate.plate_id


__all__ = ["PlateBuilder", "plate_of_greys", "write_grey"]
