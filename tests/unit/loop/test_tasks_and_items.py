from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from structloop.crystals.review import UV, VISIBLE
from structloop.loop.datasets import LabelledItem, Split
from structloop.loop.tasks import REVIEW_TASKS, GateDefaults, tasks_curated_as
from structloop.schema.images import Modality
from structloop.schema.loop import CurationReason, ItemKey
from structloop.store import Database
from support.stored_plates import store_plate


def item(key: str, group: str) -> LabelledItem:
    return LabelledItem(key, group, "crystal", lambda: Image.new("L", (32, 32)))


def test_crystals_are_two_tasks_that_are_curated_as_one() -> None:
    assert [task.name for task in tasks_curated_as("crystals/drops")] == ["crystals/uv", "crystals/visible"]
    assert REVIEW_TASKS.get("crystals/visible") is VISIBLE
    assert (VISIBLE.class_id("crystal"), VISIBLE.class_id("other")) == (0, 1)
    assert VISIBLE.answers == ("crystal", "other", "uncertain", "unusable")
    with pytest.raises(ValueError, match="no label of crystals/visible"):
        VISIBLE.class_id("uncertain")


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("crystal", "crystal")},
        {"labels": ("crystal",)},
        {"positive": "square"},
        {"labels": ("crystal", "uncertain")},
        {"details": {"nothing": ("a",)}},
        {"acceptable": ("square",)},
        {"acceptable": ("crystal", "other")},
    ],
)
def test_a_task_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="crystals/visible"):
        replace(VISIBLE, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"recall_margin": -0.1}, {"significance": 1.0}, {"max_slowdown": 0.0}])
def test_a_gate_that_makes_no_sense_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"above 0|between 0 and 1"):
        GateDefaults(**change)  # type: ignore[arg-type]


def test_what_is_blind_hides_the_model() -> None:
    assert {reason for reason in CurationReason if reason.is_blind} == {CurationReason.AUDIT, CurationReason.GOLD}


def test_a_split_never_cuts_a_group_or_holds_an_item_twice() -> None:
    Split((item("a", "1"),), (item("b", "2"),), (item("c", "3"),))
    with pytest.raises(ValueError, match="group '1' is in both train and test"):
        Split((item("a", "1"),), (), (item("b", "1"),))
    with pytest.raises(ValueError, match="item 'a' is there twice"):
        Split((item("a", "1"), item("a", "1")), (), ())


def test_the_images_of_drops_are_found_by_modality(database: Database, tmp_path: Path) -> None:
    plate = store_plate(database, tmp_path, rows=1, columns=2, missing=[("A02", 1, 2)])
    here = ItemKey(plate.drops["A01", 1], plate.inspections[2])
    missing = ItemKey(plate.drops["A02", 1], plate.inspections[2])
    found = VISIBLE.find_images(database, [here, missing])
    assert set(found) == {here}
    image = found[here]
    assert (image.key, image.group, image.modality) == ("PLATE1/A01/1/2/visible", "PLATE1", Modality.VISIBLE)
    assert VISIBLE.load(image).size == (96, 64)
    assert UV.find_images(database, [here])[here].key == "PLATE1/A01/1/2/uv"
    assert UV.find_images(database, []) == {}
