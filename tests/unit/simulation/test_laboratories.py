"""The simulated laboratories are none that the embedded default was trained on."""

from dataclasses import asdict

import pytest

from structloop.models.registry import ModelRegistry
from structloop.simulation.drops import Facility, SimulationError, sample_facility
from structloop.simulation.laboratories import DEVELOPMENT, FAMILIAR, LABORATORIES, TRAINING_FACILITIES, laboratory

LEAST_OUTSIDE = 4


def traits(facility: Facility) -> dict[str, float]:
    """All numbers that make a facility look as it does."""
    return {
        f"{part}.{name}": float(value)
        for part, style in asdict(facility).items()
        if part in ("well", "light", "camera", "drop")
        for name, value in style.items()
        if not isinstance(value, str)
    }


@pytest.fixture(scope="module")
def trained() -> list[dict[str, float]]:
    return [traits(sample_facility(number)) for number in TRAINING_FACILITIES]


def test_training_facilities_are_those_of_the_card(tmp_path_factory: pytest.TempPathFactory) -> None:
    registry = ModelRegistry(tmp_path_factory.mktemp("models"))
    training = registry.card(registry.default_name).training
    assert training is not None
    assert training.version == f"facilities {TRAINING_FACILITIES.start} to {TRAINING_FACILITIES.stop - 1}"


@pytest.mark.parametrize("name", [*LABORATORIES, *DEVELOPMENT])
def test_a_laboratory_lies_outside_of_what_training_saw(name: str, trained: list[dict[str, float]]) -> None:
    lab = laboratory(name)
    assert lab.seed not in TRAINING_FACILITIES
    own = traits(lab)
    outside = {
        trait
        for trait, value in own.items()
        if not min(other[trait] for other in trained) <= value <= max(other[trait] for other in trained)
    }
    assert len(outside) >= LEAST_OUTSIDE, outside
    # Both its imager and its drops or plates.
    assert any(trait.startswith(("camera.", "light.")) for trait in outside)
    assert any(trait.startswith(("well.", "drop.")) for trait in outside)


def test_laboratories_differ_from_each_other_and_from_each_training_facility(trained: list[dict[str, float]]) -> None:
    labs = [traits(laboratory(name)) for name in (*LABORATORIES, *DEVELOPMENT)]
    for lab in labs:
        for other in (*trained, *(each for each in labs if each is not lab)):
            assert sum(lab[trait] != other[trait] for trait in lab) > len(lab) / 2


def test_the_familiar_laboratory_is_a_training_facility() -> None:
    assert laboratory(FAMILIAR).seed in TRAINING_FACILITIES
    assert laboratory(FAMILIAR) == sample_facility(laboratory(FAMILIAR).seed)


def test_unknown_laboratories_are_refused() -> None:
    with pytest.raises(SimulationError, match="grainy"):
        laboratory("nowhere")
