import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from structloop.core.errors import DataLeakError, DatasetError, ImageChangedError, LabelsError
from structloop.crystals.schemes import SCHEMES
from structloop.loop.datasets import (
    ExportLayout,
    ImportedSet,
    ManifestRow,
    dataset_rows,
    export_rows,
    import_images,
    list_datasets,
    list_test_sets,
    record_imported,
)
from structloop.schema.images import Modality
from structloop.schema.loop import Partition
from structloop.store import Database, KeptFiles

TASK = "crystals/visible"


def write(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).resize((96, 64), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def marco(tmp_path: Path) -> Path:
    """A set laid out and labelled as MARCO is."""
    root = tmp_path / "marco"
    for seed, (part, label) in enumerate(
        (part, label) for part in ("train", "test") for label in ("Clear", "Crystals", "Other", "Precipitate")
    ):
        write(root / part / label / f"{seed}.png", seed)
    return root


def read(folder: Path, name: str = "set", scheme: str | None = None) -> ImportedSet:
    return import_images(folder, SCHEMES, name=name, modality=Modality.VISIBLE, scheme=scheme)


def by_file(rows: tuple[ManifestRow, ...]) -> dict[str, ManifestRow]:
    return {Path(row.path).name: row for row in rows}


def test_marco_is_read_as_it_is_published(marco: Path) -> None:
    found = read(marco, "marco")
    assert (found.scheme, found.has_parts, found.duplicates, found.problems) == ("marco", True, 0, ())
    rows = by_file(found.rows)
    assert {name: row.label for name, row in rows.items() if row.partition is Partition.TRAIN} == {
        "0.png": "other",
        "1.png": "crystal",
        "2.png": "other",
        "3.png": "other",
    }
    assert rows["5.png"].partition is Partition.TEST
    assert rows["1.png"].key == "marco/train/Crystals/1.png"
    assert {row.group for row in rows.values()} == {"marco train", "marco test"}


@pytest.mark.parametrize(
    ("labels", "scheme"),
    [
        (("crystal", "other"), "axis"),
        (("Crystals", "No_Crystal"), "axis"),
        (("9", "0"), "ispyb-grade"),
        (("needles", "phase separation"), "ispyb-grade"),
    ],
)
def test_folders_by_class_are_read_whatever_names_the_lab_uses(
    tmp_path: Path, labels: tuple[str, str], scheme: str
) -> None:
    for seed, label in enumerate(labels):
        write(tmp_path / "c3" / label / f"{seed}.jpg", seed)
    found = read(tmp_path / "c3")
    assert found.scheme == scheme
    assert [row.label for row in sorted(found.rows, key=lambda row: row.path[-5:])] == ["crystal", "other"]
    assert not found.has_parts


def test_grades_tell_the_type_of_crystal(tmp_path: Path) -> None:
    for seed, label in enumerate(("6", "9", "0")):
        write(tmp_path / "graded" / label / f"{seed}.png", seed)
    assert [row.detail for row in by_file(read(tmp_path / "graded").rows).values()] == ["", "microcrystals", "3d"]


def test_a_csv_beside_the_images_is_read_with_plates_and_parts(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path / "vmxi" / "images" / f"{seed}.png", seed)
    (tmp_path / "vmxi" / "labels.csv").write_text(
        "\ufeffImage,Label,Plate,Split,Modality\nimages/0.png,crystal,P1,train,uv\nimages/1.png,other,P2,val,\n"
        "images/2.png,other,P3,test,visible\n",
        encoding="utf-8",
    )
    rows = by_file(read(tmp_path / "vmxi").rows)
    assert [(row.group, row.partition.value, row.modality.value) for row in rows.values()] == [
        ("P1", "train", "uv"),
        ("P2", "validation", "visible"),
        ("P3", "test", "visible"),
    ]


def test_what_cannot_be_used_is_listed_and_nothing_is_lost(tmp_path: Path) -> None:
    root = tmp_path / "messy"
    good = write(root / "crystal" / "good.png", 1)
    (root / "crystal" / "copy.png").write_bytes(good.read_bytes())
    (root / "other" / "x").mkdir(parents=True)
    (root / "other" / "same.png").write_bytes(good.read_bytes())
    (root / "other" / "broken.png").write_bytes(good.read_bytes()[:50])
    write(root / "other" / "x" / "deep.png", 2)
    write(root / "uncertain" / "unsure.png", 3)
    found = read(root)
    assert sorted(Path(row.path).name for row in found.rows) == ["copy.png", "deep.png"]
    assert found.duplicates == 1
    reasons = dict(found.problems)
    assert set(reasons) == {"other/broken.png", "other/same.png", "uncertain/unsure.png"}
    assert "same file as" in reasons["other/same.png"]
    assert "says neither" in reasons["uncertain/unsure.png"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no labelled images"),
        ({"cats/1.png": None, "dogs/2.png": None}, "no label scheme knows"),
        ({"labels.csv": "image,label\n,crystal\n"}, "names no image"),
        ({"labels.csv": "image,label,split\na.png,crystal,exam\n"}, "no part 'exam'"),
        ({"metadata.jsonl": "[1]\n"}, "no JSON object"),
        ({"metadata.jsonl": "{\n"}, "cannot be understood"),
        ({"labels.csv": "image,label\ngone.png,crystal\n"}, "no image of .* is usable"),
    ],
)
def test_a_folder_that_is_no_set_is_refused(tmp_path: Path, files: dict[str, str | None], message: str) -> None:
    root = tmp_path / "set"
    root.mkdir()
    for name, text in files.items():
        if text is None:
            write(root / name, len(name))
        else:
            (root / name).write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        read(root)


def test_a_missing_folder_and_an_unknown_scheme_are_told(tmp_path: Path, marco: Path) -> None:
    with pytest.raises(DatasetError, match="is no folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(LabelsError, match="no label scheme 'x'"):
        read(marco, scheme="x")


@pytest.mark.parametrize("layout", list(ExportLayout))
def test_what_is_exported_comes_back_the_same(marco: Path, tmp_path: Path, layout: ExportLayout) -> None:
    rows = read(marco, "marco").rows
    report = export_rows(rows, tmp_path / "out", layout, title="marco, as it was")
    assert (report.images, report.folder) == (8, tmp_path / "out")
    assert report.size_bytes == sum(Path(row.path).stat().st_size for row in rows)
    assert "marco, as it was" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")

    def facts(row: ManifestRow) -> tuple[object, ...]:
        return (row.sha256, row.label, row.partition, row.group, row.modality, row.detail)

    again = read(tmp_path / "out", "again")
    assert again.problems == ()
    assert sorted(map(facts, again.rows), key=str) == sorted(map(facts, rows), key=str)


def test_the_layout_of_hugging_face_names_files_within_their_part(marco: Path, tmp_path: Path) -> None:
    export_rows(read(marco).rows, tmp_path / "out", ExportLayout.HUGGING_FACE)
    lines = (tmp_path / "out" / "train" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    facts = [json.loads(line) for line in lines]
    assert len(facts) == 4
    assert all((tmp_path / "out" / "train" / each["file_name"]).is_file() for each in facts)
    assert {each["label"] for each in facts} == {"crystal", "other"}


def test_an_export_is_whole_or_not_there(marco: Path, tmp_path: Path) -> None:
    rows = read(marco).rows
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(DatasetError, match="not empty"):
        export_rows(rows, tmp_path / "full")
    write(Path(rows[3].path), 99)
    with pytest.raises(ImageChangedError):
        export_rows(rows, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["full", "marco"]
    (tmp_path / "blocked").write_text("")
    with pytest.raises(DatasetError, match="cannot be written"):
        export_rows(rows[:1], tmp_path / "blocked" / "out")


def test_an_imported_set_becomes_a_version_with_its_own_test_set(
    database: Database, marco: Path, tmp_path: Path
) -> None:
    files = KeptFiles(tmp_path / "kept")
    rows = read(marco, "marco").rows
    info = record_imported(database, files, TASK, rows, name="marco", made_by="ada")
    assert (info.number, info.test_set, info.counts["images"]) == (1, "marco", 8)
    (test_set,) = list_test_sets(database, TASK)
    assert {row.partition for row in dataset_rows(test_set, files)} == {Partition.TEST}
    # Again: nothing is new.
    assert record_imported(database, files, TASK, rows, name="marco", made_by="ada") == info
    assert len(list_datasets(database)) == 1
    for seed in (20, 21):
        write(tmp_path / "c3" / ("crystal" if seed == 20 else "other") / f"{seed}.png", seed)
    second = record_imported(database, files, TASK, read(tmp_path / "c3", "c3").rows, name="c3", made_by="ada")
    assert (second.parent_id, second.counts["imported"], second.counts["images"]) == (info.id, 2, 10)


def test_an_imported_set_cannot_bring_the_test_set_in(database: Database, marco: Path, tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / "kept")
    rows = read(marco, "marco").rows
    record_imported(database, files, TASK, rows, name="marco", made_by="ada")
    test_image = next(Path(row.path) for row in rows if row.partition is Partition.TEST)
    for label in ("crystal", "other"):
        write(tmp_path / "c3" / label / "new.png", 30 + len(label))
    copy = tmp_path / "c3" / "crystal" / "again.jpg"
    Image.open(test_image).convert("RGB").save(copy, quality=80)
    found = read(tmp_path / "c3", "c3").rows
    with pytest.raises(DataLeakError, match=r"c3/crystal/again.jpg .* looks like"):
        record_imported(database, files, TASK, found, name="c3", made_by="ada")
    info = record_imported(database, files, TASK, found, name="c3", made_by="ada", withhold_leaks=True)
    assert (info.counts["leaks_withheld"], info.counts["images"]) == (1, 10)


def test_a_frozen_test_set_is_not_replaced(database: Database, marco: Path, tmp_path: Path) -> None:
    files = KeptFiles(tmp_path / "kept")
    record_imported(database, files, TASK, read(marco, "marco").rows, name="marco", made_by="ada")
    write(marco / "test" / "Crystals" / "new.png", 50)
    with pytest.raises(DatasetError, match="frozen one stays"):
        record_imported(database, files, TASK, read(marco, "marco").rows, name="marco", made_by="ada")
