import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from structloop.core.errors import (
    CurationClosedError,
    DataLeakError,
    DatasetError,
    NotFoundError,
    StoreUnavailableError,
    UnknownPluginError,
)
from structloop.crystals.annotations import TASK, annotate, annotations_of_drop
from structloop.crystals.curation import ask_about
from structloop.crystals.datasets import LabelChoice, drop_labels
from structloop.crystals.review import VISIBLE
from structloop.jobs.datasets import build_task_dataset, plan_task_dataset
from structloop.loop import curation as queue
from structloop.loop.datasets import (
    BuildSettings,
    DatasetInfo,
    compare,
    dataset_rows,
    find_dataset,
    get_dataset,
    list_datasets,
    list_test_sets,
    load_split,
    summarise,
)
from structloop.schema.loop import CurationReason, ItemKey, LabelSource, Partition
from structloop.store import Database, KeptFiles
from structloop.store.tables import DropImageFile
from support.stored_plates import StoredPlate, store_plate

Key = tuple[str, int, int]
WELLS = ("A01", "A02", "A03")


@pytest.fixture
def files(tmp_path: Path) -> KeptFiles:
    return KeptFiles(tmp_path / "kept")


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Callable[[str], StoredPlate]:
    """Stores a plate of three drops whose pictures look like no others; the model finds a crystal in A01."""

    def store_one(barcode: str) -> StoredPlate:
        return store_plate(
            database,
            tmp_path / "images",
            barcode,
            rows=1,
            columns=3,
            drops=(1,),
            inspections=1,
            probabilities={("A01", 1, 1): 0.9},
            structured=True,
        )

    return store_one


def label(database: Database, plate: StoredPlate, well: str, what: str) -> None:
    annotate(
        database,
        plate.drops[well, 1],
        inspection=1,
        scheme="axis",
        label=what,
        annotator="ada",
        score_visible=False,
    )


def settle(database: Database, plate: StoredPlate, well: str, what: str) -> int:
    """Curates a drop by one curator, and returns its place in the queue."""
    item = queue.NewItem(
        key=ItemKey(plate.drops[well, 1], plate.inspections[1]),
        group_id=plate.id,
        project_id=None,
        reason=CurationReason.CHOSEN,
        priority=0,
        answers_needed=1,
    )
    queue.add_items(database, TASK, [item])
    (found,) = [each for each in queue.next_items(database, TASK, "bob", limit=99) if each.key == item.key]
    queue.answer(database, found.id, curator="bob", answer=what, allowed=VISIBLE.answers)
    return found.id


def label_plates(database: Database, store: Callable[[str], StoredPlate], *barcodes: str) -> list[StoredPlate]:
    plates = [store(barcode) for barcode in barcodes]
    for plate in plates:
        for well in WELLS:
            label(database, plate, well, "crystal" if well == "A01" else "other")
    return plates


def build(database: Database, files: KeptFiles, **more: object) -> DatasetInfo:
    labels = LabelChoice(str(more.pop("labels", "agreed")))
    settings = BuildSettings(made_by="ada", **more)  # type: ignore[arg-type]
    return build_task_dataset(database, files, "crystals/visible", settings, labels=labels)


def test_labels_are_curated_ones_and_those_with_which_the_model_agrees(
    database: Database, store: Callable[[str], StoredPlate]
) -> None:
    plate = store("P1")
    label(database, plate, "A01", "crystal")
    label(database, plate, "A02", "crystal")
    label(database, plate, "A03", "other")
    settle(database, plate, "A03", "crystal")
    drops = {plate.drops[well, 1]: well for well in WELLS}

    def labels(choice: LabelChoice) -> dict[str, tuple[str, str]]:
        return {drops[each.item.item_id]: (each.label, each.source.value) for each in drop_labels(database, choice)}

    assert labels(LabelChoice.CURATED) == {"A03": ("crystal", "curated")}
    assert labels(LabelChoice.AGREED) == {"A01": ("crystal", "agreed"), "A03": ("crystal", "curated")}
    # The model says other of A02; no curator was asked.
    assert labels(LabelChoice.STANDING) == {
        "A01": ("crystal", "agreed"),
        "A02": ("crystal", "annotated"),
        "A03": ("crystal", "curated"),
    }
    assert labels(LabelChoice.ANNOTATED) == {
        "A01": ("crystal", "annotated"),
        "A02": ("crystal", "annotated"),
        "A03": ("crystal", "curated"),
    }


def test_what_waits_for_curators_or_divides_them_joins_no_data_set(
    database: Database, store: Callable[[str], StoredPlate]
) -> None:
    (plate,) = label_plates(database, store, "P1")
    settle(database, plate, "A02", "uncertain")
    rest = {plate.drops["A01", 1], plate.drops["A03", 1]}
    assert {each.item.item_id for each in drop_labels(database)} == rest
    assert {each.item.item_id for each in drop_labels(database, LabelChoice.AGREED)} <= rest
    everything = {each.item.item_id for each in drop_labels(database, LabelChoice.ANNOTATED)}
    assert everything == {*rest, plate.drops["A02", 1]}


def test_who_labels_a_settled_drop_again_changes_nothing_that_was_settled(
    database: Database, store: Callable[[str], StoredPlate]
) -> None:
    """What they say is kept; to have it count, the drop is asked about anew."""
    (plate,) = label_plates(database, store, "P1")
    settled = settle(database, plate, "A03", "crystal")
    key = ItemKey(plate.drops["A03", 1], plate.inspections[1])
    label(database, plate, "A03", "other")
    with pytest.raises(CurationClosedError, match="is closed"):
        queue.answer(database, settled, curator="cyd", answer="other", allowed=VISIBLE.answers)
    assert {each.label for each in drop_labels(database) if each.item == key} == {"crystal"}
    assert len(annotations_of_drop(database, key.item_id)) == 2
    assert ask_about(database, [key], answers_needed=1) == 1
    assert key not in {each.item for each in drop_labels(database)}, "it waits for curators"
    (again,) = [each for each in queue.next_items(database, TASK, "cyd", limit=9) if each.key == key]
    queue.answer(database, again.id, curator="cyd", answer="other", allowed=VISIBLE.answers)
    assert {each.label for each in drop_labels(database) if each.item == key} == {"other"}
    assert queue.queue_item(database, settled).label == "crystal", "what was settled before stays on record"


def test_a_version_is_split_by_plate_and_freezes_a_test_set(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    label_plates(database, store, *(f"P{number}" for number in range(6)))
    info = build(database, files, why="the first")
    rows = dataset_rows(info, files)
    assert (info.name, info.parent_id, info.made_by, info.why) == ("crystals/visible#1", None, "ada", "the first")
    assert info.counts["images"] == len(rows) == 18
    assert {row.source for row in rows} == {LabelSource.AGREED}
    for group in {row.group for row in rows}:
        assert len({row.partition for row in rows if row.group == group}) == 1
    assert {row.partition for row in rows} == set(Partition)
    (test_set,) = list_test_sets(database, "crystals/visible")
    assert info.test_set == test_set.name == "test-1"
    assert dataset_rows(test_set, files) == [row for row in rows if row.partition is Partition.TEST]
    split = load_split(database, files, info.id, VISIBLE)
    assert (len(split.train) + len(split.validation) + len(split.test)) == 18
    assert split.train[0].load().size == (96, 64)
    assert split.train[0].tag("plate").startswith("P")
    assert split.train[0].tag("nothing") == ""


def test_the_next_version_keeps_test_set_and_places(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    label_plates(database, store, *(f"P{number}" for number in range(5)))
    first = build(database, files)
    label_plates(database, store, "P5", "P6")
    second = build(database, files)
    assert (second.number, second.parent_id, second.test_set_id) == (2, first.id, first.test_set_id)
    before, after = dataset_rows(first, files), dataset_rows(second, files)
    diff = compare(before, after)
    assert {row.group for row in diff.added} == {"P5", "P6"}
    assert (diff.removed, diff.relabelled, diff.moved, diff.unchanged) == ((), (), (), 15)
    assert summarise(diff)["added"] == {"crystal": 2, "other": 4}
    assert [info.number for info in list_datasets(database, "crystals/visible")] == [2, 1]
    # The first one is what it was.
    assert dataset_rows(get_dataset(database, first.id), files) == before


def test_a_corrected_label_shows_in_the_diff_and_leads_to_its_curator(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    plates = label_plates(database, store, "P1", "P2")
    first = build(database, files, test_share=0.0)
    item = settle(database, plates[0], "A03", "crystal")
    second = build(database, files, test_share=0.0)
    (changed,) = compare(dataset_rows(first, files), dataset_rows(second, files)).relabelled
    assert (changed.key, changed.after.label) == ("P1/A03/1/1/visible", "crystal")
    assert (changed.after.source, changed.after.curation_item_id) == (LabelSource.CURATED, item)
    assert changed.before.annotation_id is not None
    with pytest.raises(CurationClosedError, match="rests on item"):
        queue.undo(database, TASK, curator="bob")


def test_new_labels_on_plates_of_the_test_set_are_withheld(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    plates = {plate.barcode: plate for plate in label_plates(database, store, "P1", "P2", "P3", "P4")}
    first = build(database, files)
    held = {row.group for row in dataset_rows(first, files) if row.partition is Partition.TEST}
    settle(database, plates[next(iter(held))], "A02", "crystal")
    # Nothing that may be learnt from is new: there is no new version.
    assert build(database, files) == first
    label_plates(database, store, "P5")
    second = build(database, files)
    assert second.counts["withheld"] == 3
    diff = compare(dataset_rows(first, files), dataset_rows(second, files))
    assert (len(diff.added), diff.relabelled) == (3, ())


def test_a_near_duplicate_of_a_test_image_is_refused_with_both_named(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate], tmp_path: Path
) -> None:
    label_plates(database, store, "P1", "P2", "P3", "P4")
    first = build(database, files)
    test_row = next(row for row in dataset_rows(first, files) if row.partition is Partition.TEST)
    intruder = store("P9")
    copy = Path(tmp_path / "images" / "P9_1_A02_1_visible.png")
    Image.open(test_row.path).convert("L").point(lambda value: value * 9 // 10).save(copy)
    label(database, intruder, "A02", "other")
    with pytest.raises(DataLeakError) as caught:
        build(database, files)
    assert "P9/A02/1/1/visible" in str(caught.value)
    assert test_row.key in str(caught.value)
    plan = plan_task_dataset(
        database, files, "crystals/visible", BuildSettings(made_by="ada"), labels=LabelChoice.STANDING
    )
    (leak,) = plan.leaks
    assert (leak.train.group, leak.test.key, leak.same_file) == ("P9", test_row.key, False)
    assert [info.number for info in list_datasets(database)] == [1]
    label(database, intruder, "A03", "other")
    second = build(database, files, withhold_leaks=True)
    assert second.counts["leaks_withheld"] == 1
    added = compare(dataset_rows(first, files), dataset_rows(second, files)).added
    assert [row.key for row in added] == ["P9/A03/1/1/visible"]


def test_the_same_file_under_another_name_leaks_too(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    label_plates(database, store, "P1", "P2", "P3", "P4")
    first = build(database, files)
    tests = [row for row in dataset_rows(first, files) if row.partition is Partition.TEST]
    intruder = store("P9")
    label(database, intruder, "A03", "other")
    with database.session() as session:
        image = session.get_one(DropImageFile, intruder.images["A03", 1, 1, "visible"])
        image.sha256 = tests[0].sha256
    with pytest.raises(DataLeakError, match="is the same file as"):
        build(database, files)


def test_answers_that_arrive_while_a_version_is_built_join_the_next(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    plates = label_plates(database, store, "P1", "P2", "P3")
    done = threading.Event()

    def go_on_labelling() -> None:
        for plate in plates:
            for well in WELLS:
                label(database, plate, well, "crystal" if well == "A01" else "other")
                settle(database, plate, well, "other")
        done.set()

    thread = threading.Thread(target=go_on_labelling)
    thread.start()
    infos = [build(database, files, test_share=0.0)]
    thread.join()
    assert done.is_set()
    infos.append(build(database, files, test_share=0.0))
    for info in infos:
        rows = dataset_rows(info, files)
        assert (len(rows), info.counts["images"]) == (info.counts["images"], len(rows))
    assert {row.source for row in dataset_rows(infos[1], files)} == {LabelSource.CURATED}


def test_an_answer_undone_while_a_version_is_built_makes_it_anew(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate], monkeypatch: pytest.MonkeyPatch
) -> None:
    plates = label_plates(database, store, "P1", "P2")
    settle(database, plates[0], "A02", "crystal")
    calls = []

    def labels(*_: object) -> list[object]:
        found = drop_labels(database)
        calls.append(len(found))
        if len(calls) == 1:
            queue.undo(database, TASK, curator="bob")
        return list(found)

    monkeypatch.setattr("structloop.jobs.datasets._LABELS", {TASK: labels})
    info = build(database, files, test_share=0.0)
    assert len(calls) == 2
    assert info.number == 1
    assert all(row.source is LabelSource.AGREED for row in dataset_rows(info, files))


def test_what_cannot_be_built_says_why(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    with pytest.raises(DatasetError, match="nothing is left to learn"):
        build(database, files)
    label_plates(database, store, "P1")
    with pytest.raises(NotFoundError, match="no test set 'x'"):
        build(database, files, test_set="x")
    with pytest.raises(UnknownPluginError, match="crystals/shg"):
        build_task_dataset(database, files, "crystals/shg", BuildSettings(made_by="ada"), labels=LabelChoice.STANDING)
    with pytest.raises(DatasetError, match="share"):
        BuildSettings(made_by="ada", test_share=1.0)
    for name in ("99", "crystals/visible", "crystals/visible#7"):
        with pytest.raises(NotFoundError, match="no data set"):
            find_dataset(database, name)


def test_a_manifest_that_is_gone_or_damaged_is_told(
    database: Database, files: KeptFiles, store: Callable[[str], StoredPlate]
) -> None:
    label_plates(database, store, "P1")
    info = build(database, files)
    assert find_dataset(database, "crystals/visible#1") == find_dataset(database, str(info.id)) == info
    path = files.path(info.manifest_sha256, ".parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(NotFoundError, match="is damaged"):
        dataset_rows(info, files)
    path.unlink()
    with pytest.raises(NotFoundError, match="is gone"):
        dataset_rows(info, files)


def test_a_full_disk_leaves_nothing_behind(
    database: Database, store: Callable[[str], StoredPlate], tmp_path: Path
) -> None:
    label_plates(database, store, "P1")
    blocked = tmp_path / "kept"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        build(database, KeptFiles(blocked))
    assert list_datasets(database) == []
