"""Pickers lie in the registry beside classifiers, under one set of names, and neither is taken for the other."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from safetensors.torch import save_file
from typer.testing import CliRunner

from structloop.cli.main import app
from structloop.core.errors import ModelExistsError, ModelFormatError
from structloop.models.pickers.heatmap import WEIGHTS_FILE
from structloop.models.registry import DEFAULT_MODEL, GENERAL_PICKER, ModelRegistry
from structloop.schema.models import ExpectedAt, PickerCard, PlattCalibration
from support.pickers import picker_card, random_picker


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    save_file(random_picker().state, folder / WEIGHTS_FILE)
    return folder


def test_a_picker_is_added_listed_shown_and_exported(home: Path, weights: Path, tmp_path: Path) -> None:
    registry = ModelRegistry(home)
    added = registry.add(picker_card(), weights)
    assert registry.picker_card("test-picker") == added
    assert [card.name for card in registry.picker_cards()[0]] == [GENERAL_PICKER, "test-picker"]
    assert "test-picker" not in [card.name for card in registry.cards()[0]]
    target = registry.export("test-picker", tmp_path / "out.zip")
    again = ModelRegistry(tmp_path / "elsewhere", shipped=tmp_path / "none").import_(target)
    assert again == added
    assert registry.load_picker("test-picker").card == added


def test_commands_show_both_kinds(home: Path, weights: Path) -> None:
    ModelRegistry(home).add(picker_card(), weights)
    run = CliRunner().invoke
    listed = run(app, ["--home", str(home), "models", "list", "--json"])
    tasks = {entry["name"]: entry["task"] for entry in json.loads(listed.stdout)["models"]}
    assert tasks == {
        DEFAULT_MODEL: "crystal-classification",
        "exposures-condition": "exposure-condition",
        GENERAL_PICKER: "particle-picking",
        "test-picker": "particle-picking",
    }
    assert "micrographs" in run(app, ["--home", str(home), "models", "list"]).stdout
    shown = run(app, ["--home", str(home), "models", "show", "test-picker"])
    assert "threshold: 0.5" in shown.stdout
    assert "particle diameter: told when picking" in shown.stdout


def test_one_kind_where_the_other_is_wanted_is_refused_in_words(home: Path) -> None:
    registry = ModelRegistry(home)
    with pytest.raises(ModelFormatError, match="is a particle picker, not a classifier"):
        registry.load(GENERAL_PICKER)
    with pytest.raises(ModelFormatError, match="is a particle picker, not a classifier"):
        registry.card(GENERAL_PICKER)
    with pytest.raises(ModelFormatError, match="is a classifier of drop images, not a particle picker"):
        registry.load_picker(DEFAULT_MODEL)


def test_names_are_shared(home: Path, weights: Path) -> None:
    registry = ModelRegistry(home)
    with pytest.raises(ModelExistsError, match="comes with structloop"):
        registry.add(picker_card(DEFAULT_MODEL), weights)
    with pytest.raises(ModelExistsError, match="comes with structloop"):
        registry.add(picker_card(GENERAL_PICKER), weights)


def test_the_version_follows_what_changes_a_probability_and_nothing_else() -> None:
    card = picker_card()
    assert card.updated(summary="other words").version == card.version
    assert card.updated(threshold=0.3).version == card.version
    assert card.updated(parameters={"views": 8}).version != card.version
    calibrated = card.updated(calibration=PlattCalibration(slope=2.0, intercept=0.1))
    assert calibrated.version != card.version
    assert PickerCard.model_validate_json(calibrated.to_json()) == calibrated


def test_faulty_cards_are_refused(home: Path, weights: Path) -> None:
    registry = ModelRegistry(home)
    registry.add(picker_card(), weights)
    path = registry.folder("test-picker") / "card.json"
    good = json.loads(path.read_text())
    at = dict.fromkeys(ExpectedAt.model_fields, 0.5)
    for change, message in (
        ({"task": "particle-painting"}, "task"),
        ({"working_diameter_px": 0.0}, "working_diameter_px"),
        ({"unknown": 1}, "unknown"),
        ({"calibration": {"kind": "platt", "slope": -1.0, "intercept": 0.0}}, "slope"),
        ({"parameters": {"views": 8}}, "version"),
    ):
        path.write_text(json.dumps(good | change))
        with pytest.raises(ModelFormatError, match=message):
            registry.picker_card("test-picker")
    with pytest.raises(ValidationError, match="rise in threshold"):
        picker_card(expected=(ExpectedAt(**at), ExpectedAt(**at)))
