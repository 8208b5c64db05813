"""A home on which the whole loop can be walked: simulated plates with known truth, labels that somebody else gave, and
a plate that nobody has scored.

The plate `NEXT` holds copies of images of the others, as happens when a folder is imported under two barcodes:
whichever plate becomes the test set, one of the copies would leak it.
"""

import csv
import shutil
from pathlib import Path

from structloop.core.settings import Settings
from structloop.crystals.importing import import_folder
from structloop.crystals.labels import import_labels
from structloop.jobs import Workspace
from structloop.schema.images import Modality
from structloop.simulation.plates import PlateRecipe, WrittenImage, plan_plate, write_images

FRONT = "SL000101"
"""The plate that people look at."""
LABELLED = ("SL000102", "SL000103", "SL000104")
"""Plates whose labels are imported."""
NEXT = "SL000105"
"""The plate that comes when a new model is in production."""
Truth = dict[tuple[str, str], bool]
"""Whether a crystal can be seen in the visible image, by barcode and well."""


def fill_loop_home(home: Path) -> Truth:
    """Imports five plates of one drop per well, and labels of three of them; nothing is scored."""
    images = home.parent / "images"
    settings = Settings(home=home, settle_s=0, threads=1)
    (home / "structloop.toml").write_text("threads = 1\nsettle_s = 0\n", encoding="utf-8")
    written: list[WrittenImage] = []
    barcodes = (FRONT, *LABELLED, NEXT)
    for seed, barcode in enumerate(barcodes, start=31):
        recipe = PlateRecipe(barcode=barcode, seed=seed, rows=2, columns=3, days=(8,), prevalence=0.5, long_side=240)
        written += write_images(recipe, plan_plate(recipe), images)
    visible = {
        (item.planned.path.name.split("_")[1], item.planned.well): item
        for item in written
        if item.planned.modality is Modality.VISIBLE
    }
    truth = {place: item.truth.crystal for place, item in visible.items()}
    for barcode, well in zip(barcodes[:4], ("A01", "A02", "A03", "B01"), strict=True):
        copied, copy = visible[barcode, "A03"], visible[NEXT, well]
        shutil.copyfile(images / copied.planned.path, images / copy.planned.path)
        truth[NEXT, well] = truth[barcode, "A03"]
    table = home.parent / "labels.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("barcode", "well", "drop", "inspection", "label"))
        for (barcode, well), crystal in truth.items():
            if barcode in LABELLED:
                rows.writerow((barcode, well, 1, 1, "crystal" if crystal else "other"))
    with Workspace(settings) as workspace:
        import_folder(workspace.database, images, settings=settings)
        import_labels(workspace.database, table, annotator="Dora")
    return truth


__all__ = ["FRONT", "LABELLED", "NEXT", "Truth", "fill_loop_home"]
