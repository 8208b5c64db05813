import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from structloop.core.errors import ModelNotFoundError, NotFoundError, UnsupportedModalityError
from structloop.crystals.platelist import plate_detail
from structloop.crystals.score_files import ScoreRow, score_rows
from structloop.crystals.scoring import assign_models, plates_below, score_plate
from structloop.schema.crystals import CombinationRule
from structloop.schema.images import Focus, Modality
from structloop.store import Database
from structloop.store.tables import Base, DropImageFile, ExperimentScore, ImageScore, Plate, Scoring
from support.classifiers import BrightnessModels, brightness_card
from support.plates import PlateBuilder, plate_of_greys


def rows_of(database: Database, scoring_id: int) -> dict[tuple[str, int], ScoreRow]:
    return {(row.well, row.inspection): row for row in score_rows(database, [scoring_id])}


def count(database: Database, table: type[Base]) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_every_experiment_gets_its_two_probabilities_and_the_combined_one(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {0: (51, 204), 1: (102, None), 2: (None, 153), 3: (0, 255)})
    report = score_plate(database, BrightnessModels.of(), plate)
    rows = rows_of(database, report.scoring_id)
    assert report.experiments == len(rows) == 4
    assert rows["A01", 1].visible_probability == pytest.approx(0.2)
    assert rows["A01", 1].uv_probability == pytest.approx(0.8)
    assert rows["A01", 1].crystal_probability == pytest.approx(0.8)
    # A missing modality is not a zero, and a zero is not missing.
    assert rows["A02", 1].uv_probability is None
    assert rows["A02", 1].crystal_probability == rows["A02", 1].visible_probability == pytest.approx(0.4)
    assert rows["A03", 1].crystal_probability == rows["A03", 1].uv_probability == pytest.approx(0.6)
    assert rows["A04", 1].visible_probability == pytest.approx(0, abs=1e-5)
    assert all(row.error is None for row in rows.values())


def test_the_mean_of_one_modality_is_that_modality(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {0: (51, 204), 1: (102, None)})
    report = score_plate(database, BrightnessModels.of(), plate, rule=CombinationRule.MEAN)
    rows = rows_of(database, report.scoring_id)
    assert rows["A01", 1].crystal_probability == pytest.approx(0.5)
    assert rows["A02", 1].crystal_probability == pytest.approx(0.4)


def test_an_image_is_scored_once_per_model_version(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {0: (51, 204), 1: (102, None)})
    models = BrightnessModels.of()
    first = score_plate(database, models, plate)
    again = score_plate(database, models, plate, rule=CombinationRule.NOISY_OR)
    assert (first.images_scored, again.images_scored, again.images_known) == (3, 0, 3)
    assert models.loaded["brightness"].images_seen == 3
    other = BrightnessModels.of(brightness_card(weights="1"))
    assert score_plate(database, other, plate).images_scored == 3
    assert count(database, ImageScore) == 6
    assert count(database, Scoring) == 3


def test_scoring_again_changes_no_row(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {0: (51, 204)})
    report = score_plate(database, BrightnessModels.of(), plate)
    with database.reading() as session:
        before = session.scalars(select(ExperimentScore.created_at)).all()
    again = score_plate(database, BrightnessModels.of(), plate)
    with database.reading() as session:
        assert session.scalars(select(ExperimentScore.created_at)).all() == before
    assert again.scoring_id == report.scoring_id


def test_a_late_image_joins_its_experiment(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    plate.add(0, 51)
    models = BrightnessModels.of()
    score_plate(database, models, plate.plate_id)
    plate.add(0, 204, modality=Modality.UV)
    report = score_plate(database, models, plate.plate_id)
    assert (report.images_scored, report.images_known) == (1, 1)
    assert rows_of(database, report.scoring_id)["A01", 1].crystal_probability == pytest.approx(0.8)


def test_one_image_stands_for_a_drop_extended_focus_first_then_the_lowest_profile(
    database: Database, tmp_path: Path
) -> None:
    plate = PlateBuilder(database, tmp_path)
    plate.add(0, 10, profile="2")
    plate.add(0, 200, profile="1")
    plate.add(1, 10, profile="1")
    plate.add(1, 200, profile="9", focus=Focus.EXTENDED)
    report = score_plate(database, BrightnessModels.of(), plate.plate_id)
    rows = rows_of(database, report.scoring_id)
    assert report.images_scored == 2
    for well in ("A01", "A02"):
        assert rows[well, 1].visible_probability == pytest.approx(200 / 255)


def test_a_superseded_image_is_not_scored(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    old, new = plate.add(0, 10, profile="1"), plate.add(0, 200, profile="2")
    with database.session() as session:
        session.execute(update(DropImageFile).where(DropImageFile.id == old).values(superseded_by_id=new))
    report = score_plate(database, BrightnessModels.of(), plate.plate_id)
    assert rows_of(database, report.scoring_id)["A01", 1].visible_probability == pytest.approx(200 / 255)


def test_the_best_over_the_inspections_makes_the_hit(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    for inspection, level in ((1, 20), (2, 250), (3, 30)):
        plate.add(0, level, inspection=inspection)
        plate.add(1, 40, inspection=inspection)
    report = score_plate(database, BrightnessModels.of(), plate.plate_id)
    assert (report.experiments, report.hits) == (6, 1)
    assert report.best_probability == pytest.approx(250 / 255)
    with database.reading() as session:
        row = session.get_one(Plate, plate.plate_id)
        assert (row.current_scoring_id, row.scored_count, row.hit_count) == (report.scoring_id, 6, 1)
        assert row.newest_hit_at is not None


def test_only_new_hits_are_news(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    plate.add(0, 250)

    def newest() -> object:
        with database.reading() as session:
            return session.get_one(Plate, plate.plate_id).newest_hit_at

    score_plate(database, BrightnessModels.of(), plate.plate_id)
    first = newest()
    score_plate(database, BrightnessModels.of(brightness_card(weights="1")), plate.plate_id)
    assert newest() == first
    plate.add(1, 250)
    score_plate(database, BrightnessModels.of(), plate.plate_id)
    assert newest() != first


def test_one_inspection_can_be_scored_alone(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    plate.add(0, 20, inspection=1)
    plate.add(0, 30, inspection=2)
    report = score_plate(database, BrightnessModels.of(), plate.plate_id, inspection=2)
    assert list(rows_of(database, report.scoring_id)) == [("A01", 2)]
    with pytest.raises(NotFoundError, match="no inspection 7; it has 1, 2"):
        score_plate(database, BrightnessModels.of(), plate.plate_id, inspection=7)


def test_a_damaged_file_is_recorded_once_and_the_rest_goes_on(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    plate.add(0, None, contents=b"no image at all")
    plate.add(1, 102)
    models = BrightnessModels.of()
    report = score_plate(database, models, plate.plate_id)
    rows = rows_of(database, report.scoring_id)
    assert [failure.will_retry for failure in report.failures] == [False]
    assert rows["A01", 1].crystal_probability is None
    assert "visible" in str(rows["A01", 1].error)
    assert rows["A02", 1].crystal_probability == pytest.approx(0.4)
    again = score_plate(database, models, plate.plate_id)
    assert (again.images_scored, again.failures) == (0, [])
    assert rows_of(database, again.scoring_id)["A01", 1].error == rows["A01", 1].error


def test_experiments_that_only_failed_do_not_count_as_scored(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    plate.add(0, None, contents=b"no image at all", inspection=1)
    models = BrightnessModels.of()
    report = score_plate(database, models, plate.plate_id)
    assert (report.experiments, report.experiments_failed) == (0, 1)
    assert plate_detail(database, plate.plate_id).state == "unscored"
    plate.add(0, 102, inspection=2)
    report = score_plate(database, models, plate.plate_id, inspection=1)
    assert (report.experiments, report.experiments_failed) == (0, 1)
    with database.session() as session:
        session.execute(update(Plate).values(experiment_count=2))
    report = score_plate(database, models, plate.plate_id)
    assert (report.experiments, report.experiments_failed) == (1, 1)
    found = plate_detail(database, plate.plate_id)
    assert (found.state, found.scored_count) == ("partly-scored", 1)
    # What was asked for counts, not what other inspections have.
    assert score_plate(database, models, plate.plate_id, inspection=1).experiments == 0


def test_a_missing_file_is_reported_and_tried_again(database: Database, tmp_path: Path) -> None:
    plate = PlateBuilder(database, tmp_path)
    image = plate.add(0, 102)
    plate.add(0, 51, modality=Modality.UV)
    path = plate.path(image)
    contents = path.read_bytes()
    path.unlink()
    models = BrightnessModels.of()
    report = score_plate(database, models, plate.plate_id)
    row = rows_of(database, report.scoring_id)["A01", 1]
    assert [failure.will_retry for failure in report.failures] == [True]
    assert row.visible_probability is None
    assert row.crystal_probability == pytest.approx(0.2)
    assert "visible" in str(row.error)
    assert count(database, ImageScore) == 1
    path.write_bytes(contents)
    healed = rows_of(database, score_plate(database, models, plate.plate_id).scoring_id)["A01", 1]
    assert healed.crystal_probability == pytest.approx(0.4)
    assert healed.error is None


def test_a_file_that_was_overwritten_is_not_scored_as_if_it_were_the_imported_one(
    database: Database, tmp_path: Path
) -> None:
    plate = PlateBuilder(database, tmp_path)
    image = plate.add(0, 102)
    plate.path(image).write_bytes(b"something else")
    report = score_plate(database, BrightnessModels.of(), plate.plate_id)
    assert "changed" in report.failures[0].reason
    assert report.failures[0].will_retry
    assert count(database, ImageScore) == 0


def test_two_models_take_a_modality_each_and_the_lower_threshold_counts(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {0: (51, 204)})
    models = BrightnessModels.of(
        brightness_card("seen", [Modality.VISIBLE], alarm_threshold=0.7),
        brightness_card("glow", [Modality.UV], alarm_threshold=0.6),
    )
    report = score_plate(database, models, plate, models=["seen", "glow"])
    row = rows_of(database, report.scoring_id)["A01", 1]
    assert (str(row.model_visible).split("@")[0], str(row.model_uv).split("@")[0]) == ("seen", "glow")
    assert report.alarm_threshold == 0.6
    assert report.hits == 1


def test_a_modality_that_no_model_serves_is_left_out_and_said_so(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {0: (51, 204), 1: (None, 204)})
    models = BrightnessModels.of(brightness_card("seen", [Modality.VISIBLE]))
    rows = rows_of(database, score_plate(database, models, plate).scoring_id)
    assert rows["A01", 1].crystal_probability == pytest.approx(0.2)
    assert rows["A01", 1].error is None
    assert rows["A02", 1].crystal_probability is None
    assert "no chosen model serves uv" in str(rows["A02", 1].error)


def test_models_that_overlap_or_serve_nothing_are_refused() -> None:
    models = BrightnessModels.of(
        brightness_card("both"), brightness_card("seen", [Modality.VISIBLE]), brightness_card("shg", [Modality.SHG])
    )
    with pytest.raises(UnsupportedModalityError, match="'both' and 'seen' both serve visible"):
        assign_models(models, ["both", "seen"])
    with pytest.raises(UnsupportedModalityError, match="serves shg"):
        assign_models(models, ["shg"])
    with pytest.raises(ModelNotFoundError):
        assign_models(models, ["none"])
    assert assign_models(models, ["both", "both"]).visible is not None


def test_a_stopped_scoring_keeps_whole_batches_and_goes_on_later(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {column: (10 * column, None) for column in range(12)})
    models = BrightnessModels.of()
    stopped = score_plate(database, models, plate, batch_size=4, should_stop=lambda: True)
    assert stopped.stopped
    assert (stopped.images_scored, stopped.experiments) == (4, 4)
    finished = score_plate(database, models, plate, batch_size=4)
    assert (finished.images_scored, finished.images_known, finished.experiments) == (8, 4, 12)
    assert models.loaded["brightness"].largest_batch == 4


def test_two_scorers_at_once_score_every_image_once(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {column: (column, 255 - column) for column in range(12)})
    errors: list[BaseException] = []

    def work() -> None:
        try:
            score_plate(database, BrightnessModels.of(), plate, batch_size=3)
        except BaseException as error:  # noqa: BLE001  # carried to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert count(database, ImageScore) == 24
    assert count(database, ExperimentScore) == 12


def test_progress_ends_at_the_total(database: Database, tmp_path: Path) -> None:
    plate = plate_of_greys(database, tmp_path, {column: (column, None) for column in range(5)})
    seen: list[tuple[int, int | None]] = []
    score_plate(
        database,
        BrightnessModels.of(),
        plate,
        batch_size=2,
        on_progress=lambda done, total, _message: seen.append((done, total)),
    )
    assert seen[0] == (0, 5)
    assert seen[-1] == (5, 5)


def test_plates_are_found_by_the_folder_of_their_images(database: Database, tmp_path: Path) -> None:
    inside = PlateBuilder(database, tmp_path / "a_b", "P1")
    inside.add(0, 1)
    beside = PlateBuilder(database, tmp_path / "a_bc", "P2")
    beside.add(0, 1)
    assert plates_below(database, tmp_path / "a_b") == [inside.plate_id]
    assert plates_below(database, tmp_path) == [inside.plate_id, beside.plate_id]


def test_an_unknown_plate_is_an_error(database: Database) -> None:
    with pytest.raises(NotFoundError, match="no plate 7"):
        score_plate(database, BrightnessModels.of(), 7)
