"""Whole simulated plates as image files, as an imager leaves them in its store.

The folders and names follow EMBL's convention:

    rawimages/<year>/<barcode>/<inspection>/FORMULATRIX_<barcode>_<inspection>_<DD-MM-YYYY>_<well>_<drop>_<Vis|UV>.jpg
    rawimages/2026/SL000001/2/FORMULATRIX_SL000001_2_08-01-2026_A01_1_Vis.jpg

with wells as `A01` and drops counted from 1. `plan_plate` lists the images without rendering any; `write_images`
renders and writes those it is given, so a plate can be written partly, late, or twice.
"""

import csv
import io
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from structloop.schema.images import Modality
from structloop.simulation.drops import (
    DropScene,
    DropTruth,
    Facility,
    SimulationError,
    render_uv_with_truth,
    render_visible_with_truth,
    sample_facility,
    sample_scene,
)

DEFAULT_DAYS = (1, 4, 11)
TRUTH_COLUMNS = (
    "image",
    "label",
    "modality",
    "plate",
    "well",
    "drop",
    "inspection",
    "grade",
    "contents",
    "recognisable",
    "largest_px",
)
_SUFFIXES = {Modality.VISIBLE: "Vis", Modality.UV: "UV"}


@dataclass(frozen=True, slots=True)
class PlateRecipe:
    """What a simulated plate is made of; with its seed it determines every pixel.

    Attributes:
        barcode: Letters and digits.
        seed: Non-negative.
        facility: Whose imager; None for one made from the seed, in bright field, with fluorescence in UV.
        rows: Rows of wells, at most 26.
        columns: Columns of wells, at most 99.
        drops: Drops per well.
        days: Days after setting up at which the plate is imaged, increasing.
        prevalence: Part of the drops in which crystals have grown by the last inspection.
        modalities: Visible, UV, or both.
        long_side: Pixels along the longer side of each image.
        set_up: Date of setting up.
    """

    barcode: str = "SL000001"
    seed: int = 0
    facility: Facility | None = None
    rows: int = 8
    columns: int = 12
    drops: int = 1
    days: tuple[int, ...] = DEFAULT_DAYS
    prevalence: float = 0.06
    modalities: tuple[Modality, ...] = (Modality.VISIBLE, Modality.UV)
    long_side: int = 800
    set_up: date = date(2026, 1, 5)

    def __post_init__(self) -> None:
        if not self.barcode.isalnum() or not self.barcode.isascii():
            raise SimulationError(f"barcode is {self.barcode!r}; use only letters and digits")
        for name, value, limit in (("rows", self.rows, 26), ("columns", self.columns, 99), ("drops", self.drops, 9)):
            if not 1 <= value <= limit:
                raise SimulationError(f"{name} is {value}; it must lie between 1 and {limit}")
        if not self.days or list(self.days) != sorted(set(self.days)) or self.days[0] < 0:
            raise SimulationError(f"days is {self.days}; give increasing numbers of days, at least one")
        if not 0.0 <= self.prevalence <= 1.0:
            raise SimulationError(f"prevalence is {self.prevalence}; it must lie between 0 and 1")
        unknown = [modality for modality in self.modalities if modality not in _SUFFIXES]
        if unknown or not self.modalities:
            raise SimulationError(f"modalities is {self.modalities}; choose from visible and uv")


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image of a simulated plate, not yet rendered.

    Attributes:
        row: From 0.
        column: From 0.
        drop: From 1.
        inspection: From 1.
        modality: Visible or UV.
        path: Where it goes, relative to the folder of the plates.
    """

    row: int
    column: int
    drop: int
    inspection: int
    modality: Modality
    path: PurePosixPath

    @property
    def well(self) -> str:
        """Name of the well, such as `A01`."""
        return f"{chr(ord('A') + self.row)}{self.column + 1:02d}"


@dataclass(frozen=True, slots=True)
class WrittenImage:
    """An image that was written, with its truth."""

    planned: PlannedImage
    truth: DropTruth


def plan_plate(recipe: PlateRecipe) -> tuple[PlannedImage, ...]:
    """All images of a plate in the order in which an imager takes them."""
    planned = []
    for number, day in enumerate(recipe.days, start=1):
        taken = recipe.set_up + timedelta(days=day)
        folder = PurePosixPath("rawimages", str(taken.year), recipe.barcode, str(number))
        for index in range(recipe.rows * recipe.columns * recipe.drops):
            well, drop = divmod(index, recipe.drops)
            row, column = divmod(well, recipe.columns)
            for modality in recipe.modalities:
                image = PlannedImage(row, column, drop + 1, number, modality, folder)
                name = (
                    f"FORMULATRIX_{recipe.barcode}_{number}_{taken:%d-%m-%Y}_{image.well}_{drop + 1}"
                    f"_{_SUFFIXES[modality]}.jpg"
                )
                planned.append(replace(image, path=folder / name))
    return tuple(planned)


def plate_scene(recipe: PlateRecipe, image: PlannedImage) -> DropScene:
    """What is in a drop at an inspection: crystals appear at some time and grow, skins and fresh dust come later."""
    facility = recipe.facility or plate_facility(recipe.seed)
    index = ((image.row * recipe.columns) + image.column) * recipe.drops + image.drop - 1
    seed = recipe.seed * 100_003 + index
    scene = sample_scene(seed, facility=facility, prevalence=recipe.prevalence, empty_wells=0.01)
    rng = np.random.default_rng([seed, 606])
    last = len(recipe.days)
    onset, skin_from = int(rng.integers(1, last + 1)), int(rng.integers(1, last + 1))
    pace = rng.uniform(0.4, 1.0)
    age = image.inspection - onset
    growth = 0.0 if age < 0 else min(1.0, pace + 0.35 * age) if image.inspection < last else 1.0
    shot = np.random.default_rng([seed, 707, image.inspection])
    scene = replace(
        scene,
        seed=seed * 16 + image.inspection,
        exposure=scene.exposure * float(np.exp(shot.normal(0, 0.01))),
        focus=scene.focus * float(np.exp(shot.normal(0, 0.08))),
        skins=scene.skins if image.inspection >= skin_from else (),
    )
    return scene.grown(growth) if growth > 0 else scene.without_crystals()


def write_labels(recipes: Iterable[PlateRecipe], path: Path) -> None:
    """Write as CSV what somebody who knows what was drawn would say of every drop at every inspection.

    The columns are `barcode`, `well`, `drop`, `inspection` and `label`, which `structloop loop annotations import`
    reads. A drop is `crystal` where crystals have grown by then, even those that nobody could see, else `other`.
    Nothing is rendered.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("barcode", "well", "drop", "inspection", "label"))
        for recipe in recipes:
            for image in plan_plate(replace(recipe, modalities=(Modality.VISIBLE,))):
                label = "crystal" if plate_scene(recipe, image).crystals else "other"
                rows.writerow((recipe.barcode, image.well, image.drop, image.inspection, label))


def plate_facility(seed: int) -> Facility:
    """A facility with round wells, bright field and UV fluorescence, which is what most imagers show."""
    facility = sample_facility(seed, "round-well")
    light = facility.light
    casts = {name: getattr(light, name) ** 0.4 for name in ("cast_r", "cast_g", "cast_b")}
    light = replace(light, dark_field=0.0, field_stop=0.0, level=max(light.level, 0.6), **casts)
    camera = replace(facility.camera, width_px=1280, height_px=960)
    camera = replace(camera, um_per_px=facility.camera.um_per_px * facility.camera.width_px / 1280)
    return replace(facility, light=light, camera=camera, uv=replace(facility.uv, absorbance=False, border=0.0))


def write_images(
    recipe: PlateRecipe, images: Sequence[PlannedImage], folder: Path, *, workers: int = 1
) -> Iterator[WrittenImage]:
    """Render images and write them below a folder, one by one, in order.

    Nothing is written until the result is iterated over. Each file appears under its name only when it is complete.

    Args:
        recipe: The plate.
        images: Which of its images, from `plan_plate`.
        folder: Existing or new folder.
        workers: Processes; 1 renders in this one.

    Raises:
        SimulationError: `workers` is below 1.
    """
    if workers < 1:
        raise SimulationError(f"workers is {workers}; it must be 1 or more")
    return _write_images(recipe, images, folder, workers)


def _write_images(
    recipe: PlateRecipe, images: Sequence[PlannedImage], folder: Path, workers: int
) -> Iterator[WrittenImage]:
    write = partial(_write_image, recipe, folder)
    if workers == 1:
        yield from map(write, images)
        return
    # Spawned, because the caller may run threads, which a fork does not survive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        yield from pool.map(write, images, chunksize=4)


def _write_image(recipe: PlateRecipe, folder: Path, planned: PlannedImage) -> WrittenImage:
    scene = plate_scene(recipe, planned)
    render = render_visible_with_truth if planned.modality is Modality.VISIBLE else render_uv_with_truth
    rendered = render(scene, recipe.long_side)
    buffer = io.BytesIO()
    Image.fromarray(rendered.image).save(buffer, "JPEG", quality=90)
    target = folder / planned.path
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    unfinished.write_bytes(buffer.getvalue())
    unfinished.replace(target)
    return WrittenImage(planned, rendered.truth)


def write_truth(recipe: PlateRecipe, written: Iterable[WrittenImage], path: Path) -> None:
    """Write the truth as CSV with the columns `TRUTH_COLUMNS`; paths of images are relative to the plates' folder.

    Put the file into that folder and `structloop crystals evaluate` reads it.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(TRUTH_COLUMNS)
        for item in written:
            planned, truth = item.planned, item.truth
            rows.writerow(
                (
                    planned.path,
                    "crystal" if truth.crystal else "other",
                    planned.modality.value,
                    recipe.barcode,
                    planned.well,
                    planned.drop,
                    planned.inspection,
                    truth.grade,
                    " ".join(truth.contents),
                    str(truth.recognisable).lower(),
                    f"{truth.largest_px:.1f}",
                )
            )


__all__ = [
    "DEFAULT_DAYS",
    "TRUTH_COLUMNS",
    "PlannedImage",
    "PlateRecipe",
    "WrittenImage",
    "plan_plate",
    "plate_facility",
    "plate_scene",
    "write_images",
    "write_labels",
    "write_truth",
]
