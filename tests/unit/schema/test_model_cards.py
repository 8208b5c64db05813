"""Cards are frozen and strict, and their version changes with everything that changes a probability."""

import json

import pytest
from pydantic import ValidationError

from structloop.schema.images import Modality
from structloop.schema.models import (
    InputSpecification,
    Metric,
    ModelCard,
    ModelFile,
    PlattCalibration,
    TemperatureCalibration,
    TrainingDataset,
    is_model_name,
)

FILE = ModelFile(path="model.safetensors", size_bytes=3, sha256="0" * 64)
CARD = ModelCard(
    name="a-model",
    summary="s",
    family="f",
    input=InputSpecification(width_px=8, height_px=8, colour="grayscale", resize="pad", mean=(0.5,), std=(0.5,)),
    labels=("crystal", "other"),
    modalities=(Modality.VISIBLE, Modality.UV),
    calibration={Modality.UV: PlattCalibration(slope=1.5, intercept=-1.0, prevalence=0.05)},
    modality_alarm_thresholds={Modality.UV: 0.7},
    alarm_threshold=0.5,
    licence="Apache-2.0",
    origin="o",
    training=TrainingDataset(name="n", version="1", description="d"),
    files=(FILE,),
)


def test_a_card_survives_its_file() -> None:
    assert ModelCard.model_validate_json(CARD.to_json()) == CARD


def test_the_version_follows_what_changes_probabilities_and_nothing_else() -> None:
    same = [
        CARD.updated(name="other-name"),
        CARD.updated(alarm_threshold=0.9, licence="MIT", limitations=("fails",)),
        CARD.updated(calibration={Modality.UV: PlattCalibration(slope=1.5, intercept=-1.0, note="the same numbers")}),
    ]
    assert {card.version for card in same} == {CARD.version}
    different = [
        CARD.updated(files=(FILE.model_copy(update={"sha256": "1" * 64}),)),
        CARD.updated(calibration={Modality.UV: TemperatureCalibration(temperature=2.0)}),
        CARD.updated(input=CARD.input.model_copy(update={"resize": "squash"})),
        CARD.updated(positive_label="other"),
        CARD.updated(parameters={"width": 2}),
    ]
    assert len({card.version for card in [CARD, *different]}) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "surprise"),
        ({"labels": ["crystal", "crystal"]}, "twice"),
        ({"positive_label": "salt"}, "not among labels"),
        ({"alarm_threshold": 1.5}, "less than or equal to 1"),
        ({"alarm_threshold": "0.5"}, "valid number"),
        ({"modalities": ["visible"]}, "not among the card's modalities"),
        ({"version": "0" * 12}, "does not agree"),
        ({"name": "../a"}, "pattern"),
        ({"files": [{"path": "../x.safetensors", "size_bytes": 1, "sha256": "0" * 64}]}, "plain relative path"),
        ({"calibration": {"uv": {"kind": "platt", "slope": -1.0, "intercept": 0.0}}}, "greater than 0"),
    ],
)
def test_a_card_that_is_not_in_order_is_refused(change: dict[str, object], message: str) -> None:
    content = json.loads(CARD.to_json()) | {"version": ""} | change
    with pytest.raises(ValidationError, match=message):
        ModelCard.model_validate_json(json.dumps(content))


def test_cards_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        CARD.alarm_threshold = 0.1  # type: ignore[misc]


def test_thresholds_and_calibrations_fall_back() -> None:
    assert CARD.alarm_threshold_for() == CARD.alarm_threshold_for(Modality.VISIBLE) == 0.5
    assert CARD.alarm_threshold_for(Modality.UV) == 0.7
    assert CARD.calibration_for(Modality.VISIBLE).kind == "identity"
    assert not CARD.serves(Modality.SHG)


def test_an_interval_holds_its_value() -> None:
    with pytest.raises(ValidationError, match="lies outside"):
        Metric(name="AUC", value=0.5, low=0.6, high=0.7, dataset="d")
    with pytest.raises(ValidationError, match="one end"):
        Metric(name="AUC", value=0.5, low=0.4, dataset="d")


def test_model_names_are_safe_folder_names() -> None:
    assert is_model_name("axis-crims_v3.1")
    assert not any(is_model_name(name) for name in ("", "..", "a/b", "A", "a..b", "-a", "a b", "a\n"))
