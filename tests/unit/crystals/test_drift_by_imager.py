"""Drift by imager: which of a facility's imagers looks new beside the data set, and what to label there."""

import hashlib
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import select, update

from structloop.crystals.drift import drift_by_source
from structloop.crystals.review import VISIBLE
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.training.feature_cache import FeatureCache
from structloop.models.classifiers.protocol import PreparedImage
from structloop.schema.images import Modality
from structloop.store import Database, DerivedFiles
from structloop.store.tables import DropImageFile, Inspection
from support.stored_plates import store_plate


class GreyFeatures:
    """The mean grey and its spread: features enough to tell a dark imager from a bright one."""

    key, width = "grey", 2

    def prepare(self, image: Image.Image) -> PreparedImage:
        return np.asarray(image.convert("L"), dtype=np.uint8)[None]

    def features(self, prepared: list[PreparedImage]) -> NDArray[np.float32]:
        return np.array([[each.mean(), each.std()] for each in prepared], dtype=np.float32)


def known_item(plate: int, index: int) -> LabelledItem:
    def load() -> Image.Image:
        return Image.new("L", (8, 8), 100 + 3 * plate + index)

    return LabelledItem(f"{plate}/{index}", "lab", "other", load, tags=(("plate", f"old {plate}"),))


def _named(path: str) -> PngInfo:
    """Makes files of the same grey differ, as images of a camera do: an image is in the store once."""
    info = PngInfo()
    info.add_text("name", path)
    return info


@pytest.fixture
def facility(database: Database, tmp_path: Path) -> None:
    """Two imagers, five plates each: one like the training set, one much darker; and a plate of nobody's."""
    for number in range(11):
        barcode = f"P{number:02d}"
        stored = store_plate(database, tmp_path, barcode, rows=1, columns=2, drops=(1,), inspections=1, scored=False)
        imager = ("RI-1", "RI-54")[number % 2] if number < 10 else None
        with database.session() as session:
            session.execute(update(Inspection).where(Inspection.plate_id == stored.id).values(imager=imager))
            images = session.scalars(select(DropImageFile).where(DropImageFile.id.in_(stored.images.values())))
            for image in images:
                level = (100 if imager == "RI-1" else 20) + zlib.crc32(Path(image.path).name.encode()) % 20
                Image.new("L", (8, 8), level).save(image.path, pnginfo=_named(image.path))
                data = Path(image.path).read_bytes()
                image.sha256, image.size_bytes = hashlib.sha256(data).hexdigest(), len(data)


@pytest.mark.usefixtures("facility")
def test_the_new_imager_is_named_with_images_to_label(database: Database, tmp_path: Path) -> None:
    known = [known_item(plate, index) for plate in range(8) for index in range(4)]
    found = drift_by_source(
        database,
        VISIBLE,
        Modality.VISIBLE,
        known,
        GreyFeatures(),  # type: ignore[arg-type]
        FeatureCache(DerivedFiles(tmp_path / "derived"), threads=1),
        to_label=3,
    )
    assert [(each.report.source, each.report.is_alarm) for each in found] == [("RI-1", False), ("RI-54", True)]
    report, keys = found[1].report, [image.key for image in found[1].to_label]
    assert report.groups == (5, 8), "the data set's plates count, not the project that its split keeps together"
    assert report.message.endswith("label these 3")
    assert len(set(keys)) == 3
    assert all(int(key[1:3]) % 2 == 1 and key.endswith("/visible") for key in keys)
    by_kind = drift_by_source(
        database,
        VISIBLE,
        Modality.VISIBLE,
        known,
        GreyFeatures(),  # type: ignore[arg-type]
        FeatureCache(DerivedFiles(tmp_path / "derived"), threads=1),
        by="kind",
    )
    assert len(by_kind) == 1
