"""Images that turn out to belong to another drop take their scores along: no well keeps a hit that is not its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update

from structloop.core.settings import load_settings
from structloop.crystals.importing import import_folder
from structloop.crystals.platemap import plate_map
from structloop.crystals.score_files import score_rows
from structloop.crystals.scoring import score_plate
from structloop.schema.images import Modality
from structloop.store import Database
from structloop.store.tables import DropImageFile, ExperimentScore, Plate
from support.classifiers import BrightnessModels
from support.plates import PlateBuilder, write_grey

Manifest = Callable[..., None]


@pytest.fixture
def manifest(database: Database, home: Path, tmp_path: Path) -> Manifest:
    """Writes a manifest of `image,barcode,well,modality` lines and imports it."""

    def write(*lines: str) -> None:
        file = tmp_path / "plates.csv"
        file.write_text("\n".join(["image,barcode,well,modality", *lines, ""]))
        import_folder(database, file, settings=load_settings(home=home))

    return write


def plate(database: Database, barcode: str = "P1") -> Plate:
    with database.reading() as session:
        return session.scalars(select(Plate).where(Plate.barcode == barcode)).one()


def probabilities(database: Database, barcode: str = "P1") -> dict[str, float | None]:
    """What the map shows, by well."""
    return {cell.well: cell.probability for cell in plate_map(database, plate(database, barcode).id).cells}


def test_a_corrected_manifest_takes_the_hit_out_of_the_wrong_well(
    database: Database, manifest: Manifest, tmp_path: Path
) -> None:
    write_grey(tmp_path / "hit.png", 250)
    write_grey(tmp_path / "other.png", 20)
    manifest("hit.png,P1,A01,visible", "other.png,P1,A02,visible")
    models = BrightnessModels.of()
    score_plate(database, models, plate(database).id)
    manifest("hit.png,P1,B01,visible", "other.png,P1,A02,visible")
    # At once, not only when the plate is scored again.
    assert probabilities(database) == {"A01": None, "A02": pytest.approx(20 / 255), "B01": None}
    found = plate(database)
    assert (found.scored_count, found.hit_count, found.newest_hit_at) == (1, 0, None)
    assert (found.image_count, found.experiment_count) == (2, 2)
    report = score_plate(database, models, found.id)
    assert probabilities(database)["B01"] == pytest.approx(250 / 255)
    assert (report.experiments, report.hits) == (2, 1)
    assert [row.well for row in score_rows(database, [report.scoring_id])] == ["A02", "B01"]


def test_two_images_that_change_places_take_their_scores_along(
    database: Database, manifest: Manifest, tmp_path: Path
) -> None:
    write_grey(tmp_path / "hit.png", 250)
    write_grey(tmp_path / "other.png", 20)
    manifest("hit.png,P1,A01,visible", "other.png,P1,A02,visible")
    score_plate(database, BrightnessModels.of(), plate(database).id)
    manifest("hit.png,P1,A02,visible", "other.png,P1,A01,visible")
    assert probabilities(database) == {"A01": None, "A02": None}
    assert plate(database).hit_count == 0


def test_a_drop_whose_uv_image_was_another_drops_loses_that_hit_but_keeps_its_own_image(
    database: Database, manifest: Manifest, tmp_path: Path
) -> None:
    write_grey(tmp_path / "seen.png", 20)
    write_grey(tmp_path / "glow.png", 250)
    manifest("seen.png,P1,A01,visible", "glow.png,P1,A01,uv")
    models = BrightnessModels.of()
    score_plate(database, models, plate(database).id)
    manifest("seen.png,P1,A01,visible", "glow.png,P1,A02,uv")
    assert probabilities(database) == {"A01": None, "A02": None}
    assert plate(database).hit_count == 0
    report = score_plate(database, models, plate(database).id)
    assert probabilities(database) == {"A01": pytest.approx(20 / 255), "A02": pytest.approx(250 / 255)}
    assert report.experiments == 2


def test_an_image_that_moves_to_another_plate_leaves_no_hit_behind(
    database: Database, manifest: Manifest, tmp_path: Path
) -> None:
    write_grey(tmp_path / "hit.png", 250)
    write_grey(tmp_path / "other.png", 20)
    manifest("hit.png,P2,A01,visible", "other.png,P2,A02,visible")
    score_plate(database, BrightnessModels.of(), plate(database, "P2").id)
    manifest("hit.png,P1,A01,visible", "other.png,P2,A02,visible")
    left = plate(database, "P2")
    assert probabilities(database, "P2") == {"A01": None, "A02": pytest.approx(20 / 255)}
    assert (left.image_count, left.experiment_count, left.scored_count, left.hit_count) == (1, 1, 1, 0)
    assert plate(database, "P1").image_count == 1


def test_an_image_written_again_keeps_its_score_until_the_new_one_is_scored(
    database: Database, manifest: Manifest, tmp_path: Path
) -> None:
    write_grey(tmp_path / "hit.png", 250)
    manifest("hit.png,P1,A01,visible")
    models = BrightnessModels.of()
    score_plate(database, models, plate(database).id)
    write_grey(tmp_path / "hit.png", 20)
    manifest("hit.png,P1,A01,visible")
    assert plate(database).hit_count == 1
    # That score is of an image that was replaced where it was: it must go, too, when its successor leaves.
    manifest("hit.png,P1,A02,visible")
    assert probabilities(database) == {"A01": None, "A02": None}
    score_plate(database, models, plate(database).id)
    assert probabilities(database) == {"A01": None, "A02": pytest.approx(20 / 255)}


def test_scoring_forgets_experiments_without_images_of_what_it_covers(database: Database, tmp_path: Path) -> None:
    builder = PlateBuilder(database, tmp_path)
    for inspection in (1, 2):
        builder.add(0, 20, inspection=inspection)
    gone = [builder.add(1, 250, inspection=inspection) for inspection in (1, 2)]
    models = BrightnessModels.of()
    score_plate(database, models, builder.plate_id)
    successor = builder.add(2, 20)
    with database.session() as session:
        moved = update(DropImageFile).where(DropImageFile.id.in_(gone))
        session.execute(moved.values(superseded_by_id=successor))
    report = score_plate(database, models, builder.plate_id, inspection=2)
    rows = {(row.well, row.inspection) for row in score_rows(database, [report.scoring_id])}
    assert rows == {("A01", 1), ("A01", 2), ("A02", 1)}
    report = score_plate(database, models, builder.plate_id)
    rows = {(row.well, row.inspection) for row in score_rows(database, [report.scoring_id])}
    assert rows == {("A01", 1), ("A01", 2), ("A03", 1)}
    assert report.hits == 0


def test_a_drop_is_news_when_it_becomes_a_hit_not_when_it_is_first_scored(database: Database, tmp_path: Path) -> None:
    builder = PlateBuilder(database, tmp_path)
    builder.add(0, 20)
    models = BrightnessModels.of()

    def dates() -> tuple[object, object, object]:
        with database.reading() as session:
            row = session.scalars(select(ExperimentScore)).one()
            return row.created_at, row.hit_at, session.get_one(Plate, builder.plate_id).newest_hit_at

    score_plate(database, models, builder.plate_id)
    scored_at, *hit = dates()
    assert hit == [None, None]
    uv = builder.add(0, 250, modality=Modality.UV)
    score_plate(database, models, builder.plate_id)
    created_at, hit_at, newest = dates()
    assert created_at == scored_at
    assert hit_at == newest is not None
    assert hit_at > scored_at  # type: ignore[operator]
    score_plate(database, models, builder.plate_id)
    assert dates() == (created_at, hit_at, newest)
    with database.session() as session:
        session.execute(update(DropImageFile).where(DropImageFile.id == uv).values(superseded_by_id=uv))
    score_plate(database, models, builder.plate_id)
    assert dates() == (created_at, None, None)
