"""Calibrated probabilities: what each kind computes, that order is kept, and that fits find what made the data."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, softmax

from structloop.core.errors import UnsupportedModalityError
from structloop.models.calibration import apply_calibration, crystal_probabilities, fit_platt, fit_temperature
from structloop.schema.images import Modality
from structloop.schema.models import (
    Calibration,
    IdentityCalibration,
    InputSpecification,
    ModelCard,
    PlattCalibration,
    TemperatureCalibration,
    TrainingDataset,
)

CARD = ModelCard(
    name="m",
    summary="s",
    family="f",
    input=InputSpecification(width_px=8, height_px=8, colour="grayscale", resize="squash", mean=(0.5,), std=(0.5,)),
    labels=("clear", "crystal", "precipitate"),
    modalities=(Modality.VISIBLE, Modality.UV),
    calibration={Modality.UV: PlattCalibration(slope=0.5, intercept=-1.0)},
    alarm_threshold=0.5,
    licence="Apache-2.0",
    origin="o",
    training=TrainingDataset(name="n", version="1", description="d"),
)
LOGITS = arrays(np.float64, (6, 3), elements=st.floats(-30, 30))


@given(LOGITS)
def test_without_calibration_it_is_the_softmax(logits: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    found = crystal_probabilities(CARD, logits, Modality.VISIBLE)
    np.testing.assert_allclose(found, softmax(logits, axis=1)[:, 1], atol=1e-12)


@given(LOGITS, st.floats(0.1, 10), st.floats(0.1, 10), st.floats(-5, 5))
def test_two_classes_keep_their_order_under_every_calibration(
    logits: np.ndarray[tuple[int, ...], np.dtype[np.float64]], temperature: float, slope: float, intercept: float
) -> None:
    pair = logits[:, :2]
    plain = apply_calibration(IdentityCalibration(), pair, 0)
    kinds: list[Calibration] = [
        TemperatureCalibration(temperature=temperature),
        PlattCalibration(slope=slope, intercept=intercept),
    ]
    for calibration in kinds:
        found = apply_calibration(calibration, pair, 0)
        assert ((found >= 0) & (found <= 1)).all()
        assert (np.diff(found[np.argsort(plain)]) >= -1e-12).all()


def test_each_modality_has_its_own_calibration() -> None:
    logits = np.array([[0.0, 2.0, -50.0]])
    assert crystal_probabilities(CARD, logits, Modality.UV)[0] == pytest.approx(expit(0.5 * 2.0 - 1.0))
    with pytest.raises(UnsupportedModalityError, match="serves visible, uv, not shg"):
        crystal_probabilities(CARD, logits, Modality.SHG)
    with pytest.raises(ValueError, match="3 labels"):
        crystal_probabilities(CARD, logits[:, :2], Modality.UV)


def test_fits_recover_what_made_the_data() -> None:
    generator = np.random.default_rng(0)
    z = generator.normal(0, 4, 20_000)
    truth = generator.random(20_000) < expit(0.5 * z - 1)
    logits = np.stack([z, np.zeros_like(z)], axis=1)
    platt = fit_platt(logits, truth, 0)
    assert isinstance(platt, PlattCalibration)
    assert platt.slope == pytest.approx(0.5, abs=0.03)
    assert platt.intercept == pytest.approx(-1, abs=0.08)
    rarer = fit_platt(logits, truth, 0, prevalence=0.05)
    assert isinstance(rarer, PlattCalibration)
    assert (rarer.slope, rarer.prevalence) == (platt.slope, 0.05)
    assert rarer.intercept < platt.intercept
    cooled = fit_temperature(logits, generator.random(20_000) < expit(z / 3), 0)
    assert isinstance(cooled, TemperatureCalibration)
    assert cooled.temperature == pytest.approx(3, rel=0.05)


def test_fits_refuse_one_class_and_scores_that_run_backwards() -> None:
    logits = np.array([[1.0, 0.0], [-1.0, 0.0], [2.0, 0.0], [-2.0, 0.0]])
    with pytest.raises(ValueError, match="both classes"):
        fit_platt(logits, [True] * 4, 0)
    with pytest.raises(ValueError, match="negative slope"):
        fit_platt(logits, [False, True, False, True], 0)
