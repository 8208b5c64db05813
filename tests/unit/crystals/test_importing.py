"""Plates arrive partly, late, twice, in several inspections, with damaged files and noise between: nothing is lost."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from sqlalchemy import func, select

from structloop.core.errors import LayoutError
from structloop.core.settings import LayoutPattern, Settings, load_settings
from structloop.crystals.importing import ImportReport, import_folder, preview_import, watch_folder
from structloop.crystals.importing.checking import CheckedImage, check_image, modified_at
from structloop.crystals.importing.recording import record
from structloop.crystals.importing.scanning import FoundFile
from structloop.imaging.reading import read_file
from structloop.schema.crystals import DropImage, FileProblem, Well
from structloop.store import Database, DerivedFiles
from structloop.store.tables import Drop, DropImageFile, ImportProblem, ImportRun, Inspection, Plate, Project
from support.crystals_on_disk import FOLDER, jpeg, write_plate

Importing = Callable[..., ImportReport]


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings(home=home)


@pytest.fixture
def importing(database: Database, settings: Settings) -> Importing:
    """Imports a folder into the test's database."""

    def run(path: Path, **options: object) -> ImportReport:
        return import_folder(database, path, **{"settings": settings, **options})  # type: ignore[arg-type]

    return run


def rows(database: Database) -> list[tuple[object, ...]]:
    """Everything that is known of live images, without numbers that the database made."""
    statement = (
        select(
            Plate.barcode,
            Inspection.number,
            Drop.row,
            Drop.column,
            Drop.number,
            DropImageFile.modality,
            DropImageFile.path,
            DropImageFile.sha256,
            DropImageFile.width_px,
        )
        .join(Drop, Drop.id == DropImageFile.drop_id)
        .join(Inspection, Inspection.id == DropImageFile.inspection_id)
        .join(Plate, Plate.id == Drop.plate_id)
        .where(DropImageFile.superseded_by_id.is_(None))
        .order_by(DropImageFile.path)
    )
    with database.reading() as session:
        return [tuple(row) for row in session.execute(statement)]


def the_plate(database: Database, barcode: str = "97wo") -> Plate:
    with database.reading() as session:
        return session.scalars(select(Plate).where(Plate.barcode == barcode)).one()


def problems(database: Database) -> dict[str, str]:
    with database.reading() as session:
        return {Path(row.path).name: row.reason for row in session.scalars(select(ImportProblem))}


def test_importing_records_every_image_once(database: Database, importing: Importing, tmp_path: Path) -> None:
    paths = write_plate(tmp_path / "store", wells=96, drops=2)
    report = importing(tmp_path / "store")
    assert (report.layout, report.added, report.problems) == ("xchem", 192, [])
    found = rows(database)
    assert [row[6] for row in found] == sorted(map(str, paths))
    plate = the_plate(database)
    assert (plate.rows, plate.columns, plate.drops, plate.image_count) == (8, 12, [1, 2], 192)
    with database.reading() as session:
        run = session.scalars(select(ImportRun)).one()
        assert run.finished_at is not None
        assert run.counts["added"] == 192
        assert session.scalars(select(Inspection)).one().key == "2021-09-14 RI1000-0276"


def test_importing_again_changes_nothing(database: Database, importing: Importing, tmp_path: Path) -> None:
    write_plate(tmp_path / "store")
    importing(tmp_path / "store")
    before, at = rows(database), the_plate(database).imported_at
    again = importing(tmp_path / "store")
    assert (again.added, again.unchanged, again.plates) == (0, 24, {})
    assert rows(database) == before
    assert the_plate(database).imported_at == at


def test_known_images_are_not_read_again(importing: Importing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plate(tmp_path / "store")
    importing(tmp_path / "store")

    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr("structloop.crystals.importing.checking.read_file", refuse)
    assert importing(tmp_path / "store").unchanged == 24


def test_a_touched_image_is_the_same_image(database: Database, importing: Importing, tmp_path: Path) -> None:
    path = write_plate(tmp_path / "store")[0]
    importing(tmp_path / "store")
    before = rows(database)
    os.utime(path, (1, 1))
    assert importing(tmp_path / "store").unchanged == 24
    assert rows(database) == before


def test_a_late_image_joins_its_inspection_and_the_plate_grows(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    write_plate(tmp_path / "store", wells=3, drops=1)
    importing(tmp_path / "store")
    write_plate(tmp_path / "store", wells=5, drops=3)
    report = importing(tmp_path / "store")
    assert (report.added, report.unchanged) == (12, 3)
    assert {row[1] for row in rows(database)} == {1}
    assert the_plate(database).drops == [1, 2, 3]
    assert the_plate(database).image_count == 15


def test_inspections_are_numbered_as_they_come_and_keep_their_numbers(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    for day in ("2021-09-02", "2021-09-10"):
        write_plate(tmp_path / "store", folder=f"97wo_{day}_RI1000-0276-3drop")
    importing(tmp_path / "store")
    write_plate(tmp_path / "store", folder="97wo_2021-09-05_RI1000-0276-3drop")
    importing(tmp_path / "store")
    with database.reading() as session:
        numbers = {row.number: row.key for row in session.scalars(select(Inspection))}
    assert numbers == {1: "2021-09-02 RI1000-0276", 2: "2021-09-10 RI1000-0276", 3: "2021-09-05 RI1000-0276"}


def test_a_copy_elsewhere_is_a_duplicate_and_a_moved_file_is_found_again(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    write_plate(tmp_path / "store")
    importing(tmp_path / "store")
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    assert importing(tmp_path / "copy").duplicates == 24
    assert all("/store/" in str(row[6]) for row in rows(database))
    shutil.rmtree(tmp_path / "store")
    assert importing(tmp_path / "copy").moved == 24
    assert all("/copy/" in str(row[6]) for row in rows(database))
    assert len(rows(database)) == 24


def test_an_image_written_again_takes_the_place_of_the_old_one(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    path = write_plate(tmp_path / "store")[0]
    importing(tmp_path / "store")
    old = path.read_bytes()
    path.write_bytes(jpeg(999_999))
    report = importing(tmp_path / "store")
    assert (report.added, report.replaced, report.unchanged) == (1, 1, 23)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(DropImageFile)) == 25
    assert len(rows(database)) == 24
    assert the_plate(database).image_count == 24
    path.write_bytes(old)
    importing(tmp_path / "store")
    assert len(rows(database)) == 24


def test_another_reading_of_the_names_takes_the_place_of_the_first(
    database: Database, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "P1_A01_7.jpg").write_bytes(jpeg(1))
    pattern = "{barcode}_{well}_{profile}.jpg"
    wrong = load_settings(home=home, crystal_layouts=[LayoutPattern(name="ours", pattern=pattern)])
    right = load_settings(home=home, crystal_layouts=wrong.crystal_layouts, profile_modalities={"7": "uv"})
    import_folder(database, tmp_path / "store", settings=wrong)
    import_folder(database, tmp_path / "store", settings=right)
    assert [row[5] for row in rows(database)] == ["uv"]


def test_a_project_is_made_and_joined(database: Database, importing: Importing, tmp_path: Path) -> None:
    write_plate(tmp_path / "store")
    importing(tmp_path / "store")
    importing(tmp_path / "store", project="Lysozyme")
    importing(tmp_path / "store")
    with database.reading() as session:
        project = session.scalars(select(Project)).one()
    assert project.name == "Lysozyme"
    assert the_plate(database).project_id == project.id


def make_bad_files(folder: Path) -> dict[str, str]:
    """Files as they go wrong in practice; their names, and a word of the reason that is reported."""
    good = jpeg(5, (640, 480))
    (folder / "97wo_02A_1.jpg").write_bytes(good[: len(good) // 2])
    (folder / "97wo_02A_2.jpg").touch()
    (folder / "97wo_03A_1.jpg").write_text("<html>404</html>")
    Image.new("L", (1, 1)).save(folder / "97wo_03A_2.jpg")
    (folder / "97wo_04A_1.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "97wo_04A_2.jpg").symlink_to("97wo_04A_2.jpg")
    (folder / "Urlaub é 1.jpg").write_bytes(good)
    (folder / "loop").symlink_to(folder.parent)
    return {
        "97wo_02A_1.jpg": "cut off",
        "97wo_02A_2.jpg": "empty",
        "97wo_03A_1.jpg": "markup",
        "97wo_03A_2.jpg": "only 1 x 1",
        "97wo_04A_1.jpg": "symbolic link to nothing",
        "97wo_04A_2.jpg": "symbolic link",
        "Urlaub é 1.jpg": "does not follow the layout",
        "loop": "loop",
    }


def test_bad_files_are_listed_with_their_reason_and_the_rest_goes_on(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    paths = write_plate(tmp_path / "store", wells=1)
    expected = make_bad_files(paths[0].parent)
    report = importing(tmp_path / "store")
    assert report.added == 2
    reasons = {problem.path.name: problem.reason for problem in report.problems}
    assert reasons.keys() == expected.keys()
    for name, word in expected.items():
        assert word in reasons[name], f"{name}: {reasons[name]}"
        assert word in problems(database)[name]
    with database.reading() as session:
        of_plate = session.scalars(select(ImportProblem.plate_id).where(ImportProblem.path.like("%02A_1%"))).one()
    assert of_plate == the_plate(database).id


def test_a_problem_is_over_when_the_file_is_good_or_gone(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    paths = write_plate(tmp_path / "store", wells=1)
    folder = paths[0].parent
    make_bad_files(folder)
    importing(tmp_path / "store")
    (folder / "97wo_02A_1.jpg").write_bytes(jpeg(5))
    (folder / "97wo_03A_1.jpg").unlink()
    importing(tmp_path / "store")
    left = problems(database)
    assert "97wo_02A_1.jpg" not in left
    assert "97wo_03A_1.jpg" not in left
    assert "97wo_02A_2.jpg" in left


def test_odd_but_usable_files_are_imported_with_a_notice(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    folder = write_plate(tmp_path / "Bilder für René", wells=1)[0].parent
    Image.new("RGB", (64, 64), "red").save(folder / "97wo_05A_1.jpg", "PNG")
    tifffile.imwrite(folder / "97wo_05A_2.tif", np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    report = importing(tmp_path / "Bilder für René")
    assert (report.added, report.problems) == (4, [])
    notices = {notice.path.name: notice.reason for notice in report.notices}
    assert "PNG file although" in notices["97wo_05A_1.jpg"]
    assert "more than 8 bits" in notices["97wo_05A_2.tif"]
    assert len(rows(database)) == 4


def test_noise_between_the_images_is_counted_and_not_listed(importing: Importing, tmp_path: Path) -> None:
    folder = write_plate(tmp_path / "store", wells=1)[0].parent
    for name in ("97wo_01A_1_th.jpg", "97wo_01A_1.xml", "Thumbs.db", "._97wo_01A_1.jpg", "97wo_02A_1.jpg.part"):
        (folder / name).write_bytes(b"x")
    (folder / "thumbnails").mkdir()
    (folder / "thumbnails" / "97wo_01A_1.jpg").write_bytes(jpeg(1))
    report = importing(tmp_path / "store")
    assert (report.added, report.problems) == (2, [])
    assert dict(report.skipped) == {
        "thumbnails": 1,
        ".xml files": 1,
        ".db files": 1,
        "hidden files": 1,
        "temporary files": 1,
        "folders of thumbnails": 1,
    }


def test_an_unreadable_folder_is_reported_and_the_rest_goes_on(
    importing: Importing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plate(tmp_path / "store", wells=1)
    locked = tmp_path / "store" / "locked"
    locked.mkdir()
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    # Tests may run as root, for whom no folder is locked.
    monkeypatch.setattr(os, "scandir", refuse)
    report = importing(tmp_path / "store")
    assert report.added == 2
    assert [(p.path, p.reason) for p in report.problems] == [(locked, "folder cannot be read: Permission denied")]
    with pytest.raises(LayoutError, match="Permission denied; check its permissions"):
        importing(locked)


def test_a_name_that_is_no_text_is_reported(importing: Importing, tmp_path: Path) -> None:
    folder = write_plate(tmp_path / "store", wells=1)[0].parent
    Path(os.fsdecode(os.fsencode(folder) + b"/97wo_06A_\xff.jpg")).write_bytes(jpeg(1))
    report = importing(tmp_path / "store")
    assert report.added == 2
    assert report.problems[0].path.name == r"97wo_06A_\xff.jpg"
    assert "rename it" in report.problems[0].reason


def test_a_file_that_grows_while_it_is_read_is_left_for_later(
    importing: Importing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_plate(tmp_path / "store", wells=1, drops=1)[0]

    def read_while_written(name: Path) -> bytes:
        data = read_file(name)
        with name.open("ab") as file:
            file.write(b"more")
        return data

    monkeypatch.setattr("structloop.crystals.importing.checking.read_file", read_while_written)
    report = importing(tmp_path / "store")
    assert (report.added, report.problems[0].path) == (0, path)
    assert "being written right now" in report.problems[0].reason
    monkeypatch.undo()
    assert importing(tmp_path / "store").added == 1


def test_stopping_keeps_what_is_done_and_the_next_import_does_the_rest(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    write_plate(tmp_path / "store", wells=96, drops=2)
    asked = iter([False, True])
    first = importing(tmp_path / "store", should_stop=lambda: next(asked))
    assert first.stopped
    assert 0 < len(rows(database)) < 192
    second = importing(tmp_path / "store")
    assert first.added + second.added == 192
    assert len(rows(database)) == 192


def test_two_importers_at_once_record_everything_once(database: Database, importing: Importing, tmp_path: Path) -> None:
    for day in range(1, 4):
        write_plate(tmp_path / "store", wells=24, folder=f"97wo_2021-09-0{day}_RI1000-0276-3drop")
    reports: list[ImportReport] = []
    threads = [threading.Thread(target=lambda: reports.append(importing(tmp_path / "store"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 2
    assert sum(report.added for report in reports) == 144
    assert len(rows(database)) == len({row[6] for row in rows(database)}) == 144
    with database.reading() as session:
        assert sorted(session.scalars(select(Inspection.number))) == [1, 2, 3]


def test_progress_counts_every_file(importing: Importing, tmp_path: Path) -> None:
    write_plate(tmp_path / "store", wells=96, drops=2)
    seen: list[tuple[int, int | None]] = []
    importing(tmp_path / "store", on_progress=lambda done, total, _message: seen.append((done, total)))
    assert seen[-1] == (192, 192)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {192}


def test_thumbnails_are_made_on_the_way(importing: Importing, tmp_path: Path, home: Path) -> None:
    write_plate(tmp_path / "store", wells=2)
    importing(tmp_path / "store", files=DerivedFiles(home / "derived"))
    assert len(list((home / "derived").rglob("*.jpg"))) == 4


def test_a_manifest_is_imported_with_what_is_wrong_in_it(
    database: Database, importing: Importing, tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "one.jpg").write_bytes(jpeg(1))
    (tmp_path / "images" / "extra.jpg").write_bytes(jpeg(2))
    file = tmp_path / "plates.csv"
    file.write_text("image,barcode,well\nimages/one.jpg,P1,A01\nimages/two.jpg,P1,A02\nimages/one.jpg,P1,??\n")
    report = importing(file)
    assert (report.layout, report.added) == ("manifest", 1)
    assert sorted(problem.reason for problem in report.problems) == [
        "is not there (any more)",
        "line 4, column 'well': '??' is no well name such as A01",
    ]
    assert [row[0] for row in rows(database)] == ["P1"]


UNFIT = {
    "imager": ("i" * 201, "its imager 'iii", "at most 200"),
    "drop": ("3000000000", "its drop number 3000000000", "0 to 1000"),
    "inspection": ("3000000000", "its inspection number 3000000000", "0 to 100000"),
    "rows": ("65", "number of rows 65", "1 to 64"),
    "columns": ("3000000000", "number of columns 3000000000", "1 to 96"),
    "well": ("ZZ01", "its row 702", "1 to 64"),
    "barcode": ("b" * 201, "its barcode 'bbb", "too long"),
}


@pytest.mark.parametrize("field", UNFIT)
def test_what_the_database_cannot_keep_is_left_out_and_the_rest_goes_on(
    database: Database, importing: Importing, settings: Settings, tmp_path: Path, field: str
) -> None:
    value, *words = UNFIT[field]
    columns = ["image", "barcode", "well", "drop", "inspection", "imager", "rows", "columns"]
    good = {"image": "good.jpg", "barcode": "P1", "well": "A01"}
    bad = {"image": "bad.jpg", "barcode": "P1", "well": "A02"} | {field: value}
    lines = [",".join(line.get(column, "") for column in columns) for line in (good, bad)]
    file = tmp_path / "plates.csv"
    file.write_text("\n".join([",".join(columns), *lines]))
    (tmp_path / "good.jpg").write_bytes(jpeg(1))
    (tmp_path / "bad.jpg").write_bytes(jpeg(2))
    (planned,) = preview_import(file, settings=settings).problems
    report = importing(file)
    (problem,) = report.problems
    assert (report.added, problem.path.name) == (1, "bad.jpg")
    for word in words:
        assert word in problem.reason
    assert planned == problem
    assert [Path(str(row[6])).name for row in rows(database)] == ["good.jpg"]
    assert problems(database) == {"bad.jpg": problem.reason}


@pytest.mark.parametrize(("field", "limit"), [("profile", 100), ("inspection_key", 100), ("imager", 200)])
def test_texts_may_be_as_long_as_the_database_keeps_them(
    database: Database, settings: Settings, tmp_path: Path, field: str, limit: int
) -> None:
    checked = []
    for length in (limit, limit + 1):
        path = tmp_path / f"{length}.jpg"
        path.write_bytes(jpeg(length))
        found = FoundFile(path, path.stat().st_size, path.stat().st_mtime_ns)
        image = DropImage(path, "P1", Well(0, 0), 1, None, **{"inspection_key": "one", field: "x" * length})  # type: ignore[arg-type]
        checked.append(check_image(image, found, settle_s=0))
    fits, too_long = checked
    assert isinstance(fits, CheckedImage)
    assert isinstance(too_long, FileProblem)
    assert f"{field.replace('_', ' ')} 'xxx" in too_long.reason
    assert f"has {limit + 1} characters; at most {limit}" in too_long.reason
    with database.session() as session:
        run = ImportRun(root=str(tmp_path), layout="own")
        session.add(run)
    report = ImportReport(run.id, tmp_path, "own", "")
    record(database, [fits], [(too_long, "P1")], (), report=report)
    assert report.added == 1


@pytest.mark.parametrize("modified_ns", [10**30, -(10**30), 10**21, -(10**20)])
def test_absurd_times_become_ones_that_the_database_keeps(modified_ns: int) -> None:
    shown = modified_at(FoundFile(Path("one.jpg"), 1, modified_ns))
    assert shown == datetime(1900 if modified_ns < 0 else 3000, 1, 1, tzinfo=UTC)


def test_a_file_from_another_age_is_imported_and_known_again(importing: Importing, tmp_path: Path) -> None:
    for path, seconds in zip(write_plate(tmp_path / "store", wells=1), (10**11, -(10**11)), strict=True):
        os.utime(path, (seconds, seconds))
    assert importing(tmp_path / "store").added == 2
    assert importing(tmp_path / "store").unchanged == 2


@pytest.mark.parametrize("what", ["missing", "an image", "empty"])
def test_what_cannot_be_imported_is_said_to_be_so(importing: Importing, tmp_path: Path, what: str) -> None:
    path = tmp_path / "there.jpg"
    if what == "an image":
        path.write_bytes(jpeg(1))
    if what == "empty":
        path.mkdir()
    expected = {"missing": "does not exist", "an image": "is a single image", "empty": "holds no image files"}[what]
    with pytest.raises(LayoutError, match=expected):
        importing(path)


def test_a_preview_shows_the_plate_map_and_writes_nothing(
    database: Database, settings: Settings, importing: Importing, tmp_path: Path
) -> None:
    folder = write_plate(tmp_path / "store", wells=3)[0].parent
    (folder / "97wo_09A_1.jpg").touch()
    preview = preview_import(tmp_path / "store", settings=settings)
    (plate,) = preview.plates
    assert (preview.layout, preview.image_count, plate.is_new) == ("xchem", 6, True)
    assert plate.inspections[0].cells == {(0, column, drop): 1 for column in range(3) for drop in (1, 2)}
    assert [problem.reason for problem in preview.problems] == ["is empty (0 bytes)"]
    importing(tmp_path / "store")
    write_plate(tmp_path / "store", folder="97wo_2021-12-24_RI1000-0276-3drop")
    (again,) = preview_import(tmp_path / "store", settings=settings, database=database).plates
    assert (again.is_new, [inspection.number for inspection in again.inspections]) == (False, [1, 2])
    assert len(rows(database)) == 6


def test_a_watched_folder_imports_what_comes_once_it_has_settled(
    database: Database, home: Path, tmp_path: Path
) -> None:
    settings = load_settings(home=home, settle_s=0.3)
    store = tmp_path / "store"
    store.mkdir()
    stop = threading.Event()
    rounds: list[ImportReport] = []
    watcher = threading.Thread(
        target=watch_folder,
        args=(database, store),
        kwargs={"settings": settings, "stop": stop, "on_imported": rounds.append},
    )
    watcher.start()
    try:
        write_plate(store, wells=2)
        _until(lambda: sum(report.added for report in rounds) == 4)
        half = store / FOLDER / "97wo_07A_1.jpg"
        whole = jpeg(7, (640, 480))
        half.write_bytes(whole[:2000])
        _until(lambda: any(report.problems for report in rounds))
        with half.open("ab") as file:
            file.write(whole[2000:])
        _until(lambda: sum(report.added for report in rounds) == 5)
    finally:
        stop.set()
        watcher.join(100)
    assert not watcher.is_alive()
    assert problems(database) == {}
    assert len(rows(database)) == 5


def _until(condition: Callable[[], bool], timeout_s: float = 100) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.real_data
def test_the_real_plate_has_its_wells_and_drops(database: Database, importing: Importing, real_data: Path) -> None:
    report = importing(real_data / "crystals" / "plate_ci022987")
    assert (report.layout, report.added, report.problems) == ("minstrel", 288, [])
    found = rows(database)
    assert {row[0] for row in found} == {"0000CI022987"}
    assert {(row[2], row[3]) for row in found} == {(row, column) for row in range(8) for column in range(12)}
    assert {row[4] for row in found} == {1, 3, 4}
    assert {row[1] for row in found} == {3}
