"""The queries behind plate list, plate map, drop viewer and hit list, on both databases."""

from pathlib import Path

import pytest
from sqlalchemy import update

from structloop.core.errors import LabelsError, NotFoundError
from structloop.crystals.annotations import annotate, annotations_of_drop, withdraw
from structloop.crystals.changes import look_at_plates
from structloop.crystals.drops import drop_detail, image_view
from structloop.crystals.hits import ranked_hits
from structloop.crystals.platelist import import_problems, list_plates, plate_detail
from structloop.crystals.platemap import plate_map
from structloop.crystals.views import PlateFilter, PlateMapCell, PlateOrder, PlateState
from structloop.schema.crystals import CombinationRule
from structloop.store import Database
from structloop.store.tables import DropImageFile, ExperimentScore, ImportProblem, ImportRun, Plate, Project
from support.stored_plates import THRESHOLD, StoredPlate, store_plate

LIKELY = {("A02", 3, 1): 0.9, ("A02", 3, 2): 0.4, ("B01", 1, 3): 0.7, ("B03", 1, 2): 0.2}


@pytest.fixture
def plate(database: Database, tmp_path: Path) -> StoredPlate:
    missing = [("A01", 1, number) for number in (1, 2, 3)] + [("B02", 1, 3)]
    return store_plate(database, tmp_path / "images", probabilities=LIKELY, missing=missing)


def cell(cells: list[PlateMapCell], well: str, drop: int) -> PlateMapCell:
    (found,) = [item for item in cells if (item.well, item.drop) == (well, drop)]
    return found


def test_the_map_shows_each_drop_at_its_best_inspection_so_far(database: Database, plate: StoredPlate) -> None:
    shown = plate_map(database, plate.id)
    assert (shown.rows, shown.columns, shown.drops) == (2, 3, [1, 3])
    assert [item.number for item in shown.inspections] == [1, 2, 3]
    assert shown.inspection is None
    best = cell(shown.cells, "A02", 3)
    assert best.inspection == 1
    assert best.probability == pytest.approx(0.9)
    assert best.visible_probability == pytest.approx(0.9)
    assert best.uv_probability == pytest.approx(0.45)
    assert best.image_visible_id == plate.images["A02", 3, 1, "visible"]
    assert best.image_uv_id == plate.images["A02", 3, 1, "uv"]
    assert shown.scoring is not None
    assert shown.scoring.rule is CombinationRule.MAX
    assert shown.scoring.alarm_threshold == THRESHOLD
    assert shown.scoring.model_visible is not None
    assert shown.scoring.model_visible.name == "tester"


def test_drops_that_were_never_imaged_have_no_cell_and_the_others_are_in_plate_order(
    database: Database, plate: StoredPlate
) -> None:
    places = [(item.row, item.column, item.drop) for item in plate_map(database, plate.id).cells]
    assert (0, 0, 1) not in places
    assert (0, 0, 3) in places
    assert len(places) == 11
    assert places == sorted(places)


def test_the_map_of_one_inspection_has_empty_cells_where_nothing_was_imaged(
    database: Database, plate: StoredPlate
) -> None:
    shown = plate_map(database, plate.id, inspection=3)
    assert shown.inspection == 3
    absent = cell(shown.cells, "B02", 1)
    assert (absent.probability, absent.inspection, absent.image_visible_id) == (None, None, None)
    assert cell(shown.cells, "A02", 3).probability == pytest.approx(0.1)
    assert cell(shown.cells, "B01", 1).probability == pytest.approx(0.7)


def test_a_plate_without_scores_shows_its_newest_images(database: Database, tmp_path: Path) -> None:
    plate = store_plate(database, tmp_path / "images", scored=False, missing=[("A01", 1, 3)])
    shown = plate_map(database, plate.id)
    assert shown.scoring is None
    assert cell(shown.cells, "A01", 1).inspection == 2
    newest = cell(shown.cells, "A01", 3)
    assert (newest.inspection, newest.probability) == (3, None)
    assert newest.image_uv_id == plate.images["A01", 3, 3, "uv"]


def test_extended_focus_stands_for_a_drop_and_replaced_images_do_not(database: Database, plate: StoredPlate) -> None:
    first = plate.images["A01", 3, 1, "visible"]
    with database.session() as session:
        again = DropImageFile(
            **{
                column.key: getattr(session.get(DropImageFile, first), column.key)
                for column in DropImageFile.__table__.columns
                if column.key not in ("id", "focus", "superseded_by_id")
            },
            focus="extended",
        )
        session.add(again)
        session.flush()
        extended = again.id
        session.execute(
            update(DropImageFile)
            .where(DropImageFile.id == plate.images["A03", 1, 1, "visible"])
            .values(superseded_by_id=extended)
        )
        session.execute(update(Plate).values(current_scoring_id=None))
    cells = plate_map(database, plate.id, inspection=1).cells
    assert cell(cells, "A01", 3).image_visible_id == extended
    assert cell(cells, "A03", 1).image_visible_id is None


def test_an_experiment_with_an_error_only_is_shown_with_it(database: Database, plate: StoredPlate) -> None:
    with database.session() as session:
        session.execute(
            update(ExperimentScore)
            .where(ExperimentScore.drop_id == plate.drops["A01", 3])
            .values(crystal_probability=None, visible_probability=None, uv_probability=None, error="file truncated")
        )
    shown = cell(plate_map(database, plate.id).cells, "A01", 3)
    assert (shown.probability, shown.error, shown.inspection) == (None, "file truncated", 3)


def test_what_is_not_there_is_named(database: Database, plate: StoredPlate) -> None:
    for call in (
        lambda: plate_map(database, 999),
        lambda: plate_detail(database, 999),
        lambda: plate_map(database, plate.id, inspection=9),
        lambda: plate_map(database, plate.id, scoring_id=999),
        lambda: drop_detail(database, 999),
        lambda: image_view(database, 999),
        lambda: ranked_hits(database, plate_id=999),
        lambda: import_problems(database, plate_id=999),
        lambda: annotations_of_drop(database, 999),
    ):
        with pytest.raises(NotFoundError, match=r"999|inspection 9"):
            call()


def test_plates_are_searched_filtered_and_sorted(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    other = store_plate(database, tmp_path / "images", "other_2", scored=False)
    best = store_plate(database, tmp_path / "images", "third", probabilities={("A01", 1, 1): 0.99})
    with database.session() as session:
        project = Project(name="Lysozyme 100%")
        run = ImportRun(root="/x", layout="tests")
        session.add_all([project, run])
        session.flush()
        session.execute(update(Plate).where(Plate.id == other.id).values(project_id=project.id))
        session.add(ImportProblem(run_id=run.id, plate_id=best.id, path="/x/a.jpg", reason="is empty"))

    def barcodes(**options: object) -> list[str]:
        return [item.barcode for item in list_plates(database, **options).items]  # type: ignore[arg-type]

    assert barcodes(search="OTHER") == ["other_2"]
    assert barcodes(search="100%") == ["other_2"]
    assert barcodes(search="%") == ["other_2"]
    assert barcodes(search="_") == ["other_2"]
    assert barcodes(state=PlateFilter.UNSCORED) == ["other_2"]
    assert set(barcodes(state=PlateFilter.SCORED)) == {"PLATE1", "third"}
    assert barcodes(state=PlateFilter.PROBLEMS) == ["third"]
    assert barcodes(sort=PlateOrder.BARCODE) == sorted(["PLATE1", "other_2", "third"])
    assert barcodes(sort=PlateOrder.BEST) == ["third", "PLATE1", "other_2"]
    assert barcodes(sort=PlateOrder.NEWEST_HIT)[-1] == "other_2"
    page = list_plates(database, sort=PlateOrder.BARCODE, limit=1, offset=1)
    assert (len(page.items), page.total) == (1, 3)
    summary = list_plates(database, search="third").items[0]
    assert (summary.state, summary.hit_count, summary.problem_count) == (PlateState.SCORED, 1, 1)
    assert summary.experiment_count == summary.scored_count == 36
    assert import_problems(database, plate_id=best.id).items[0].reason == "is empty"
    assert import_problems(database).total == 1


def test_a_late_inspection_makes_a_plate_partly_scored(database: Database, plate: StoredPlate) -> None:
    with database.session() as session:
        session.execute(update(Plate).values(experiment_count=Plate.experiment_count + 1))
    assert list_plates(database).items[0].state is PlateState.PARTLY_SCORED


def test_a_drop_comes_with_its_time_course_and_neighbours(database: Database, plate: StoredPlate) -> None:
    drop = drop_detail(database, plate.drops["A02", 3])
    assert (drop.well, drop.drop, drop.best_inspection) == ("A02", 3, 1)
    assert [item.number for item in drop.inspections] == [1, 2, 3]
    first = drop.inspections[0]
    assert first.score is not None
    assert first.score.probability == pytest.approx(0.9)
    assert [image.modality.value for image in first.images] == ["visible", "uv"]
    assert first.images[0].scores[0].probability == pytest.approx(0.9)
    assert drop.previous_drop_id == plate.drops["A02", 1]
    assert drop.next_drop_id == plate.drops["A03", 1]
    assert drop.previous_well_drop_id == plate.drops["A01", 3]
    assert drop.next_well_drop_id == plate.drops["A03", 3]
    assert (drop.position, drop.drop_count) == (3, 11)


def test_neighbours_end_at_the_edges_and_skip_missing_drops(database: Database, plate: StoredPlate) -> None:
    first = drop_detail(database, plate.drops["A01", 3])
    assert (first.previous_drop_id, first.previous_well_drop_id) == (None, None)
    last = drop_detail(database, plate.drops["B03", 3])
    assert (last.next_drop_id, last.next_well_drop_id) == (None, None)
    # Well A01 has no drop 1: going back from A02 drop 1 ends at the drop that it has.
    assert drop_detail(database, plate.drops["A02", 1]).previous_well_drop_id == plate.drops["A01", 3]


def test_a_drop_without_images_at_an_inspection_keeps_its_place(database: Database, plate: StoredPlate) -> None:
    course = drop_detail(database, plate.drops["B02", 1]).inspections
    assert [len(item.images) for item in course] == [2, 2, 0]
    assert course[2].score is None


def test_hits_are_ranked_across_plates(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    store_plate(
        database,
        tmp_path / "images",
        "second",
        probabilities={("A01", 1, 2): 0.8, ("A01", 3, 2): 0.95, ("B01", 1, 1): 0.55},
    )
    page = ranked_hits(database)
    assert [(item.barcode, item.well, item.drop) for item in page.items] == [
        ("second", "A01", 3),
        ("PLATE1", "A02", 3),
        ("second", "A01", 1),
        ("PLATE1", "B01", 1),
        ("second", "B01", 1),
    ]
    assert [item.rank for item in page.items] == [1, 2, 3, 4, 5]
    assert (page.total, page.has_more) == (5, False)
    assert all(item.is_hit for item in page.items)
    assert page.items[0].inspection == 2
    pages = [ranked_hits(database, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [item.drop_id for part in pages for item in part.items] == [item.drop_id for item in page.items]
    assert [part.has_more for part in pages] == [True, True, False]
    assert {part.total for part in pages} == {5}


def test_the_ranking_goes_on_below_the_threshold_when_asked(database: Database, plate: StoredPlate) -> None:
    assert len(ranked_hits(database, plate_id=plate.id).items) == 2
    page = ranked_hits(database, plate_id=plate.id, below_threshold=True)
    assert len(page.items) == 11
    assert [item.is_hit for item in page.items[:3]] == [True, True, False]
    assert page.items[2].well == "B03"
    probabilities = [item.probability for item in page.items]
    assert probabilities == sorted(probabilities, reverse=True)


def test_the_ranking_over_many_plates_is_the_ranking_of_all_drops(database: Database, tmp_path: Path) -> None:
    expected = []
    for number in range(30):
        probability = 0.5 + ((number * 37) % 30) / 100
        expected.append((-probability, f"P{number:02d}"))
        store_plate(
            database,
            tmp_path / "images",
            f"P{number:02d}",
            probabilities={("A01", 1, 1): probability},
            rows=1,
            columns=1,
            drops=(1,),
            inspections=1,
        )
    page = ranked_hits(database, limit=12, offset=3)
    assert [item.barcode for item in page.items] == [barcode for _, barcode in sorted(expected)[3:15]]
    assert (page.has_more, page.total) == (True, 30)


def test_reviewed_drops_can_be_left_out_of_the_ranking(database: Database, plate: StoredPlate) -> None:
    annotation = annotate(
        database,
        plate.drops["A02", 3],
        inspection=1,
        scheme="axis",
        label="crystal",
        annotator="ann",
        score_visible=True,
    )
    assert ranked_hits(database).items[0].label_is_crystal is True
    assert [item.well for item in ranked_hits(database, unreviewed=True).items] == ["B01"]
    withdraw(database, annotation.id, annotator="ann")
    assert len(ranked_hits(database, unreviewed=True).items) == 2


def test_the_newest_label_that_was_not_withdrawn_counts(database: Database, plate: StoredPlate) -> None:
    drop = plate.drops["A02", 3]

    def label(text: str, inspection: int = 1, scheme: str = "ispyb-grade") -> int:
        return annotate(
            database,
            drop,
            inspection=inspection,
            scheme=scheme,
            label=text,
            annotator="ann",
            score_visible=False,
            seconds=1.5,
        ).id

    def shown(inspection: int | None = None) -> tuple[str | None, bool | None]:
        item = cell(plate_map(database, plate.id, inspection=inspection).cells, "A02", 3)
        return item.label, item.label_is_crystal

    label("2")
    second = label("9", inspection=2)
    assert shown() == ("9", True)
    assert shown(1) == ("2", False)
    assert shown(3) == (None, None)
    label("uncertain", scheme="axis", inspection=3)
    assert shown() == ("uncertain", None)
    withdraw(database, second, annotator="bob")
    assert shown(2) == (None, None)
    history = annotations_of_drop(database, drop)
    assert [(item.label, item.inspection, item.withdrawn) for item in history] == [
        ("uncertain", 3, False),
        ("9", 2, True),
        ("2", 1, False),
    ]
    assert drop_detail(database, drop).annotations == history


def test_withdrawing_twice_changes_nothing(database: Database, plate: StoredPlate) -> None:
    drop = plate.drops["A02", 3]
    given = annotate(database, drop, inspection=1, scheme="axis", label="other", annotator="ann", score_visible=True)
    assert withdraw(database, given.id, annotator="ann").withdrawn
    assert withdraw(database, given.id, annotator="ann").withdrawn
    assert len(annotations_of_drop(database, drop)) == 1


@pytest.mark.parametrize(
    ("scheme", "label", "error"),
    [("axis", "maybe", "'maybe'"), ("ispyb-grade", "10", "'10'"), ("mine", "crystal", "'mine'")],
)
def test_labels_outside_their_scheme_are_refused(
    database: Database, plate: StoredPlate, scheme: str, label: str, error: str
) -> None:
    with pytest.raises(LabelsError, match=error):
        annotate(
            database,
            plate.drops["A02", 3],
            inspection=1,
            scheme=scheme,
            label=label,
            annotator="ann",
            score_visible=True,
        )


def test_labels_need_a_drop_and_an_inspection_that_exist(database: Database, plate: StoredPlate) -> None:
    for drop, inspection in ((999, 1), (plate.drops["A02", 3], 77)):
        with pytest.raises(NotFoundError):
            annotate(
                database,
                drop,
                inspection=inspection,
                scheme="axis",
                label="crystal",
                annotator="ann",
                score_visible=True,
            )
    with pytest.raises(NotFoundError):
        withdraw(database, 999, annotator="ann")


def test_changes_name_the_plates_that_changed(database: Database, plate: StoredPlate, tmp_path: Path) -> None:
    seen, changed = look_at_plates(database, None)
    assert changed == []
    assert look_at_plates(database, seen) == (seen, [])
    new = store_plate(database, tmp_path / "images", "new", scored=False)
    seen, changed = look_at_plates(database, seen)
    assert changed == [new.id]
    annotate(
        database,
        plate.drops["A02", 3],
        inspection=1,
        scheme="axis",
        label="crystal",
        annotator="ann",
        score_visible=True,
    )
    seen, changed = look_at_plates(database, seen)
    assert changed == [plate.id]
    assert look_at_plates(database, seen)[1] == []
