"""Simulated plates as files."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from structloop.schema.images import Modality
from structloop.simulation.drops import SimulationError
from structloop.simulation.plates import (
    TRUTH_COLUMNS,
    PlateRecipe,
    plan_plate,
    plate_scene,
    write_images,
    write_truth,
)

SMALL = PlateRecipe(barcode="SL42", seed=4, rows=2, columns=2, drops=2, days=(1, 5), long_side=96)
NAME = re.compile(r"rawimages/2026/SL42/(?P<i>[12])/FORMULATRIX_SL42_(?P=i)_\d\d-01-2026_[AB]0[12]_[12]_(Vis|UV)\.jpg")


def test_a_plan_names_every_image_once() -> None:
    plan = plan_plate(SMALL)
    assert len(plan) == 2 * 2 * 2 * 2 * 2
    assert len({image.path for image in plan}) == len(plan)
    assert all(NAME.fullmatch(str(image.path)) for image in plan)
    assert {image.well for image in plan} == {"A01", "A02", "B01", "B02"}


def test_a_plate_is_written_completely(tmp_path: Path) -> None:
    plan = plan_plate(SMALL)
    written = list(write_images(SMALL, plan, tmp_path))
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert files == sorted(tmp_path / image.path for image in plan)
    for image in plan:
        with Image.open(tmp_path / image.path) as opened:
            assert opened.mode == ("RGB" if image.modality is Modality.VISIBLE else "L")
            assert max(opened.size) == 96
    write_truth(SMALL, written, tmp_path / "truth.csv")
    with (tmp_path / "truth.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TRUTH_COLUMNS
    assert [row["image"] for row in rows] == [str(image.path) for image in plan]
    assert {row["label"] for row in rows} <= {"crystal", "other"}


def test_parts_can_be_written_later_and_twice(tmp_path: Path) -> None:
    plan = plan_plate(SMALL)[:4]
    list(write_images(SMALL, plan[:2], tmp_path))
    first = (tmp_path / plan[0].path).read_bytes()
    list(write_images(SMALL, plan, tmp_path))
    assert (tmp_path / plan[0].path).read_bytes() == first
    assert (tmp_path / plan[3].path).exists()


def test_processes_write_the_same_files(tmp_path: Path) -> None:
    plan = plan_plate(SMALL)[:2]
    list(write_images(SMALL, plan, tmp_path / "one"))
    list(write_images(SMALL, plan, tmp_path / "two", workers=2))
    for image in plan:
        assert (tmp_path / "one" / image.path).read_bytes() == (tmp_path / "two" / image.path).read_bytes()


def test_crystals_appear_and_grow() -> None:
    recipe = PlateRecipe(seed=1, days=(1, 4, 11), prevalence=0.5)
    plan = [image for image in plan_plate(recipe) if image.modality is Modality.VISIBLE]
    with_crystals = [
        sum(bool(plate_scene(recipe, image).crystals) for image in plan if image.inspection == number)
        for number in (1, 2, 3)
    ]
    assert with_crystals[0] < with_crystals[1] < with_crystals[2]
    assert 30 <= with_crystals[2] <= 66
    sizes = np.array(
        [[sum(c.size_um for c in plate_scene(recipe, i).crystals) for i in plan[k::96]] for k in range(96)]
    )
    assert (np.diff(sizes, axis=1) >= -1e-6).all()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("barcode", {"barcode": "a/b"}),
        ("rows", {"rows": 0}),
        ("columns", {"columns": 100}),
        ("drops", {"drops": 0}),
        ("days", {"days": (3, 1)}),
        ("prevalence", {"prevalence": 2.0}),
        ("modalities", {"modalities": (Modality.SHG,)}),
    ],
)
def test_bad_recipes_are_refused(name: str, arguments: dict[str, object]) -> None:
    with pytest.raises(SimulationError, match=name):
        PlateRecipe(**arguments)  # type: ignore[arg-type]


def test_a_bad_number_of_workers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="workers"):
        write_images(SMALL, (), tmp_path, workers=0)
