"""A small scored plate in the database, with image files, for tests of queries and of the API."""

import hashlib
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from structloop.schema.crystals import Well
from structloop.store import Database
from structloop.store.tables import (
    Drop,
    DropImageFile,
    ExperimentScore,
    ImageScore,
    Inspection,
    ModelVersion,
    Plate,
    Scoring,
    scoring_key,
)

TAKEN = datetime(2026, 3, 1, tzinfo=UTC)
THRESHOLD = 0.5
Key = tuple[str, int, int]
"""Well, drop, inspection."""


@dataclass(frozen=True)
class StoredPlate:
    """Keys of what was stored."""

    id: int
    barcode: str
    drops: dict[tuple[str, int], int]
    inspections: dict[int, int]
    images: dict[tuple[str, int, int, str], int]
    scoring: int | None


def store_plate(
    database: Database,
    folder: Path,
    barcode: str = "PLATE1",
    *,
    probabilities: dict[Key, float] | None = None,
    rows: int = 2,
    columns: int = 3,
    drops: tuple[int, ...] = (1, 3),
    inspections: int = 3,
    missing: Collection[Key] = (),
    scored: bool = True,
    structured: bool = False,
) -> StoredPlate:
    """Stores a plate whose drops have a visible and a UV image at every inspection.

    Args:
        database: Where to.
        folder: Where the image files go.
        barcode: The plate's.
        probabilities: Crystal probabilities that differ from 0.1.
        rows, columns, drops, inspections: Its size.
        missing: Experiments without images and scores.
        scored: Whether it has scores.
        structured: Whether the pictures have structure, each its own; else they are flat.
    """
    wanted = probabilities or {}
    folder.mkdir(parents=True, exist_ok=True)
    stored_drops: dict[tuple[str, int], int] = {}
    images: dict[tuple[str, int, int, str], int] = {}
    with database.session() as session:
        plate = Plate(barcode=barcode, layout="tests", rows=rows, columns=columns, drops=list(drops))
        session.add(plate)
        session.flush()
        numbers = range(1, inspections + 1)
        rounds = [
            Inspection(plate_id=plate.id, number=number, taken_at=TAKEN + timedelta(days=number)) for number in numbers
        ]
        session.add_all(rounds)
        session.flush()
        rounds_by_number = {item.number: item.id for item in rounds}
        for row, column, drop in product(range(rows), range(columns), drops):
            well = str(Well(row, column))
            there = [number for number in numbers if (well, drop, number) not in missing]
            if not there:
                continue
            stored = Drop(plate_id=plate.id, row=row, column=column, number=drop)
            session.add(stored)
            session.flush()
            stored_drops[well, drop] = stored.id
            for number, modality in product(there, ("visible", "uv")):
                path = folder / f"{barcode}_{number}_{well}_{drop}_{modality}.png"
                image = _image(path, stored.id, rounds_by_number[number], modality, structured=structured)
                session.add(image)
                session.flush()
                images[well, drop, number, modality] = image.id
        experiments = {(well, drop, number) for well, drop, number, _ in images}
        plate.image_count, plate.experiment_count = len(images), len(experiments)
        scoring_id = None
        if scored:
            scoring_id = _score(session, plate, rounds_by_number, stored_drops, images, wanted)
    return StoredPlate(plate.id, barcode, stored_drops, rounds_by_number, images, scoring_id)


def write_picture(path: Path) -> None:
    """Writes a picture with structure; files of different names look different."""
    pixels = np.random.default_rng(zlib.crc32(path.name.encode())).integers(0, 255, (8, 8), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC).save(path)


def _image(path: Path, drop_id: int, inspection_id: int, modality: str, *, structured: bool) -> DropImageFile:
    shade = (drop_id * 7 + inspection_id * 31) % 256
    if structured:
        write_picture(path)
    else:
        Image.new("RGB", (96, 64), (shade, shade, 200 if modality == "uv" else 90)).save(path)
    data = path.read_bytes()
    return DropImageFile(
        drop_id=drop_id,
        inspection_id=inspection_id,
        modality=modality,
        path=str(path),
        size_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        modified_at=TAKEN,
        width_px=96,
        height_px=64,
    )


def _score(
    session: Session,
    plate: Plate,
    inspections: dict[int, int],
    drops: dict[tuple[str, int], int],
    images: dict[tuple[str, int, int, str], int],
    probabilities: dict[Key, float],
) -> int:
    model = session.scalar(select(ModelVersion).where(ModelVersion.name == "tester"))
    if model is None:
        model = ModelVersion(name="tester", version="0123456789ab", card={})
        session.add(model)
        session.flush()
    scoring = Scoring(
        key=scoring_key(plate.id, model.id, model.id, "max"),
        plate_id=plate.id,
        model_visible_id=model.id,
        model_uv_id=model.id,
        rule="max",
        alarm_threshold=THRESHOLD,
    )
    session.add(scoring)
    session.flush()
    best: dict[int, float] = {}
    for well, drop, number in sorted({key[:3] for key in images}):
        probability = probabilities.get((well, drop, number), 0.1)
        drop_id = drops[well, drop]
        visible, uv = images[well, drop, number, "visible"], images[well, drop, number, "uv"]
        session.add(
            ExperimentScore(
                scoring_id=scoring.id,
                drop_id=drop_id,
                inspection_id=inspections[number],
                image_visible_id=visible,
                image_uv_id=uv,
                visible_probability=probability,
                uv_probability=probability / 2,
                crystal_probability=probability,
            )
        )
        session.add(ImageScore(image_id=visible, model_version_id=model.id, probability=probability))
        session.add(ImageScore(image_id=uv, model_version_id=model.id, probability=probability / 2))
        best[drop_id] = max(best.get(drop_id, 0.0), probability)
    plate.current_scoring_id = scoring.id
    plate.scored_count = plate.experiment_count
    plate.hit_count = sum(value >= THRESHOLD for value in best.values())
    plate.best_probability = max(best.values())
    plate.newest_hit_at = TAKEN if plate.hit_count else None
    session.flush()
    return scoring.id


__all__ = ["TAKEN", "THRESHOLD", "StoredPlate", "store_plate", "write_picture"]
