"""Scoring with what was promoted: where no model is named, in the shadow, and when a promoted model is damaged."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from structloop.core.errors import ModelFormatError
from structloop.crystals.scoring import score_plate
from structloop.jobs.workspace import open_workspace
from structloop.loop.promotion.roles import give_role, promote, record_version, roll_back
from structloop.schema.images import Modality
from structloop.schema.models import ModelCard
from structloop.store import Database
from structloop.store.tables import ImageScore, ModelVersion
from support.classifiers import BrightnessModels, brightness_card
from support.plates import plate_of_greys
from support.tiny_models import TINY, add_tiny_model

GREYS = {0: (51, 204), 1: (102, 153), 2: (0, 255)}


def put_in_production(database: Database, card: ModelCard, modality: Modality, replaces: str | None = None) -> None:
    version = record_version(database, card)
    promote(database, f"crystals/{modality.value}", version, who="Ada", evidence={}, replaces=replaces)


def scores_of(database: Database, name: str) -> int:
    with database.reading() as session:
        statement = select(func.count()).select_from(ImageScore).join(ModelVersion).where(ModelVersion.name == name)
        return session.scalars(statement).one()


def test_production_scores_its_modality_and_the_default_the_rest(database: Database, tmp_path: Path) -> None:
    plate_id = plate_of_greys(database, tmp_path, GREYS)
    better = brightness_card("better", (Modality.VISIBLE,))
    source = BrightnessModels.of(brightness_card(), better)
    assert score_plate(database, source, plate_id).models["visible"].startswith("brightness@")
    put_in_production(database, better, Modality.VISIBLE)
    report = score_plate(database, source, plate_id)
    assert report.models == {
        "visible": f"better@{better.version}",
        "uv": f"brightness@{brightness_card().version}",
    }
    assert scores_of(database, "brightness") > scores_of(database, "better") > 0, "old scores stay"
    named = score_plate(database, source, plate_id, models=["brightness"])
    assert named.models["visible"].startswith("brightness@"), "a model that is named scores"
    roll_back(database, "crystals/visible", who="Ada")
    assert score_plate(database, source, plate_id).models["visible"].startswith("brightness@")


def test_a_shadow_scores_and_changes_nothing_else(database: Database, tmp_path: Path) -> None:
    plate_id = plate_of_greys(database, tmp_path, GREYS)
    shadow, missing = brightness_card("shadow", (Modality.UV,)), brightness_card("missing", (Modality.UV,))
    source = BrightnessModels.of(brightness_card(), shadow)
    before = score_plate(database, source, plate_id)
    for card in (shadow, missing):
        give_role(database, "crystals/uv", record_version(database, card), "shadow", who="Ada")
    after = score_plate(database, source, plate_id)
    assert (after.scoring_id, after.hits, after.models) == (before.scoring_id, before.hits, before.models)
    assert scores_of(database, "shadow") > 0
    assert scores_of(database, "shadow") * 2 == scores_of(database, "brightness")
    assert [problem.split(":")[0] for problem in after.shadow_problems] == [f"shadow missing@{missing.version}"]


def test_a_damaged_model_in_production_is_refused_and_the_way_back_is_named(home: Path, tmp_path: Path) -> None:
    """No other model takes over in silence; going back is one command, and then the plate is scored."""
    first = add_tiny_model(home, tmp_path / "scratch")
    with open_workspace(home) as workspace:
        second = workspace.models.add(first.updated(name="second"), tmp_path / "scratch")
        plate_id = plate_of_greys(workspace.database, tmp_path, GREYS)
        put_in_production(workspace.database, first, Modality.VISIBLE)
        put_in_production(workspace.database, second, Modality.VISIBLE, replaces=f"{TINY}@{first.version}")
        weights = workspace.models.folder("second") / "model.safetensors"
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-100])
        with pytest.raises(ModelFormatError, match="damaged") as raised:
            score_plate(workspace.database, workspace.classifiers, plate_id)
        assert f"go back to {TINY}@{first.version} with `structloop loop rollback crystals/visible`" in str(
            raised.value
        )
        assert scores_of(workspace.database, "second") == 0
        weights.write_bytes(whole)
        assert score_plate(workspace.database, workspace.classifiers, plate_id).models["visible"].startswith("second@")
        weights.unlink()
        (workspace.models.folder("second") / "card.json").unlink()
        with pytest.raises(ModelFormatError, match="no model 'second'"):
            score_plate(workspace.database, workspace.classifiers, plate_id)
        roll_back(workspace.database, "crystals/visible", who="Ada")
        assert score_plate(workspace.database, workspace.classifiers, plate_id).models["visible"].startswith(TINY)


def test_another_version_under_the_same_name_is_not_what_was_promoted(database: Database, tmp_path: Path) -> None:
    plate_id = plate_of_greys(database, tmp_path, GREYS)
    put_in_production(database, brightness_card("better", weights="1"), Modality.VISIBLE)
    source = BrightnessModels.of(brightness_card(), brightness_card("better", weights="2"))
    with pytest.raises(ModelFormatError, match="by now, not") as raised:
        score_plate(database, source, plate_id)
    assert "the model that the settings name" in str(raised.value)
