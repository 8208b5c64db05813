from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from structloop.core.errors import DatasetError, LabelsError
from structloop.crystals.annotations import annotate, annotations_of_drop, current_labels, withdraw
from structloop.crystals.labels import LabelImportReport, import_labels
from structloop.store import Database
from structloop.store.tables import Annotation, Inspection
from support.stored_plates import StoredPlate, store_plate


@pytest.fixture
def plate(database: Database, tmp_path: Path) -> StoredPlate:
    """A plate of drops 1 and 3 in three wells, with two inspections; batch 77 is the second."""
    stored = store_plate(database, tmp_path / "images", "P1", rows=1, columns=3, inspections=2)
    with database.session() as session:
        session.get_one(Inspection, stored.inspections[2]).key = "77"
    return stored


def labels(database: Database, text: str, folder: Path, **more: object) -> LabelImportReport:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return import_labels(database, path, annotator="importer", **more)  # type: ignore[arg-type]


def stored(database: Database) -> list[tuple[int, str, str, str]]:
    with database.reading() as session:
        rows = session.scalars(select(Annotation).order_by(Annotation.id)).all()
        return [(row.item_id, row.scheme, str(row.label), row.annotator) for row in rows]


def test_labels_of_drops_are_added_once(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    text = (
        "Barcode;Well;Drop;Inspection;Label;User;Date;Seconds;Score visible\n"
        "P1;A1;1;1;Crystals;ada;2026-03-31 14:05:00;2.5;yes\nP1;a02;3;2;Precipitate;;;;\n"
    )
    report = labels(database, text, tmp_path)
    assert (report.added, report.already, report.left_out, dict(report.scheme)) == (2, 0, [], {"marco": 2})
    assert stored(database) == [
        (plate.drops["A01", 1], "marco", "crystals", "ada"),
        (plate.drops["A02", 3], "marco", "precipitate", "importer"),
    ]
    view = annotations_of_drop(database, plate.drops["A01", 1])[0]
    assert (view.is_crystal, view.inspection, view.seconds, view.score_visible) == (True, 1, 2.5, True)
    assert view.created_at == datetime(2026, 3, 31, 14, 5, tzinfo=UTC)
    again = labels(database, text, tmp_path)
    assert (again.added, again.already) == (0, 2)


def test_what_was_withdrawn_does_not_come_back(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    text = "barcode,well,drop,inspection,label\nP1,A01,1,1,crystal\n"
    labels(database, text, tmp_path)
    withdraw(database, annotations_of_drop(database, plate.drops["A01", 1])[0].id, annotator="ada")
    assert labels(database, text, tmp_path).already == 1
    assert annotations_of_drop(database, plate.drops["A01", 1])[0].withdrawn


def test_an_old_label_that_is_imported_late_does_not_replace_a_newer_one(
    database: Database, plate: StoredPlate, tmp_path: Path
) -> None:
    drop = plate.drops["A01", 1]
    annotate(database, drop, inspection=1, scheme="axis", label="crystal", annotator="ada", score_visible=False)
    labels(database, "barcode,well,drop,inspection,label,date\nP1,A01,1,1,other,2020-01-01\n", tmp_path)
    with database.reading() as session:
        assert current_labels(session, plate.id)[drop].label == "crystal"
    assert [each.label for each in annotations_of_drop(database, drop)] == ["crystal", "other"]


def test_every_line_is_added_or_left_out_with_a_reason(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    lines = [
        "P9,A01,1,1,crystal,,",
        "P1,A01,2,1,crystal,,",
        "P1,A01,,1,crystal,,",
        "P1,H12,,1,crystal,,",
        "P1,A01,1,9,crystal,,",
        "P1,A01,1,,crystal,,",
        "P1,?,1,1,crystal,,",
        "P1,A01,1,1,maybe,,",
        "P1,A01,1,1,,,",
        "P1,A01,1,1,crystal,nonsense,",
        "P1,A01,1,1,crystal,,yesterday",
        "P1,A01,x,1,crystal,,",
        ",,1,1,crystal,,",
        "P1,A01,1,1,crystal,,",
    ]
    report = labels(
        database, "barcode,well,drop,inspection,label,scheme,date\n" + "\n".join(lines), tmp_path, scheme="axis"
    )
    assert report.added == 1
    assert len(report.left_out) + report.added + report.already == len(lines)
    reasons = {each.where: each.reason for each in report.left_out}
    expected = {
        2: "no plate P9",
        3: "no drop 2",
        4: "drops 1, 3; say which",
        5: "no drop in well H12",
        6: "no inspection 9",
        7: "names no inspection",
        8: "no well name",
        9: "no label of the scheme axis",
        10: "no label",
        11: "no scheme 'nonsense'",
        12: "is not understood",
        13: "is no number",
        14: "neither a drop nor an image",
    }
    for line, reason in expected.items():
        assert reason in reasons[f"labels.csv, line {line}"]
    assert len(report.to_json()["left_out"]) == 13


def test_labels_without_an_inspection_can_be_of_the_latest(
    database: Database, plate: StoredPlate, tmp_path: Path
) -> None:
    text = "barcode,well,drop,label\nP1,A01,1,9\n"
    assert labels(database, text, tmp_path).added == 0
    assert labels(database, text, tmp_path, latest=True).added == 1
    view = annotations_of_drop(database, plate.drops["A01", 1])[0]
    assert (view.scheme, view.label, view.inspection) == ("ispyb-grade", "9", 2)


def test_the_report_of_rockmaker_is_matched_through_the_names_of_its_images(
    database: Database, plate: StoredPlate, tmp_path: Path
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    text = (
        "Image Name\tDrop\tUser Score\tScored By\r\n"
        "C:\\export\\P1_A1_Visible_v_77.jpg\t3\t3D crystals\tada\r\n"
        "P1_A2.1_Visible_v_77.jpg\t\tclear\t\r\n"
        "P1_A2.1_Visible_v_99.jpg\t\tclear\t\r\n"
        "thumbs.db\t\tclear\t\r\n"
    )
    (folder / "report.csv").write_bytes(text.encode("utf-16"))
    report = import_labels(database, folder, annotator="rockmaker")
    assert (report.added, [each.where for each in report.left_out]) == (
        2,
        ["report.csv, line 5", "report.csv, line 4"],
    )
    assert stored(database) == [
        (plate.drops["A01", 3], "ispyb-grade", "9", "ada"),
        (plate.drops["A02", 1], "ispyb-grade", "0", "rockmaker"),
    ]


def test_a_folder_of_labelled_images_is_matched_by_contents(
    database: Database, plate: StoredPlate, tmp_path: Path
) -> None:
    source = tmp_path / "images" / "P1_2_A03_1_uv.png"
    for label in ("crystal", "other"):
        (tmp_path / "labelled" / label).mkdir(parents=True)
    (tmp_path / "labelled" / "crystal" / "renamed.png").write_bytes(source.read_bytes())
    (tmp_path / "labelled" / "other" / "stranger.png").write_bytes(source.read_bytes() + b"x")
    report = import_labels(database, tmp_path / "labelled", annotator="ada")
    assert report.added == 1
    assert [each.reason for each in report.left_out] == ["its image is none of those imported"]
    view = annotations_of_drop(database, plate.drops["A03", 1])[0]
    assert (view.inspection, view.label) == (2, "crystal")
    assert import_labels(database, tmp_path / "labelled", annotator="ada").already == 1


def test_a_csv_may_name_images_or_digests(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    text = "image,sha256,label\nimages/P1_1_A01_1_visible.png,,crystal\n,nonsense,other\nimages/gone.png,,other\n"
    report = labels(database, text, tmp_path)
    assert report.added == 1
    assert ["is no SHA-256" in each.reason or "no file" in each.reason for each in report.left_out] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("barcode,well\nP1,A01\n", "no column holds the label"),
        ("label\ncrystal\n", "no column says what is labelled"),
        ("barcode,well,label\nP1,A01,cats\n", "no label scheme knows"),
    ],
)
def test_files_that_cannot_be_understood_are_refused(
    database: Database, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(LabelsError, match=message):
        labels(database, text, tmp_path)


def test_what_is_not_there_or_is_nobodys_is_refused(database: Database, tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read"):
        import_labels(database, tmp_path / "gone.csv", annotator="ada")
    with pytest.raises(LabelsError, match="name the annotator"):
        import_labels(database, tmp_path / "gone.csv", annotator=" ")
    (tmp_path / "latin.csv").write_bytes("barcode,well,label\nP1,A01,\xe9\n".encode("latin-1"))
    with pytest.raises(LabelsError, match="UTF-8"):
        import_labels(database, tmp_path / "latin.csv", annotator="ada")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no labelled images"):
        import_labels(database, tmp_path / "empty", annotator="ada")
