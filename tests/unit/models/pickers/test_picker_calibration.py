"""Probabilities mean what they say, also where few particles are marked or none."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from structloop.models.pickers.calibration import (
    AGREEMENT,
    Judged,
    blind_calibration,
    fit_mixture,
    judged_calibration,
    log_odds,
    matched,
    probabilities,
)
from structloop.schema.models import IdentityCalibration, PlattCalibration


def judged(seed: int, count: int = 800, marked: int = 400) -> Judged:
    draw = np.random.default_rng(seed)
    z = draw.normal(-1, 2, count)
    return Judged(expit(z), draw.random(count) < expit(1.5 * z + 1.0), marked)


def test_a_known_sigmoid_is_found_again_and_the_curve_is_what_happened() -> None:
    parts = [judged(seed) for seed in range(4)]
    fitted = judged_calibration(parts)
    assert isinstance(fitted.calibration, PlattCalibration)
    assert fitted.calibration.slope == pytest.approx(1.5, abs=0.15)
    assert fitted.calibration.intercept == pytest.approx(1.0, abs=0.15)
    at = next(each for each in fitted.expected if each.threshold == 0.5)
    raw = np.concatenate([each.raw for each in parts])
    right = np.concatenate([each.right for each in parts])
    picked = probabilities(fitted.calibration, raw) >= 0.5
    assert at.precision == pytest.approx(right[picked].mean())
    assert at.recall == pytest.approx(right[picked].sum() / 1600)
    assert at.precision_low < at.precision < at.precision_high


def test_one_micrograph_that_was_marked_carelessly_does_not_change_the_others() -> None:
    careful = [judged(seed, 1500, 1200) for seed in range(4)]
    missing = np.random.default_rng(9).random(1500) < 0.6
    careless = Judged(careful[0].raw, careful[0].right & ~missing, 1200)
    fitted = judged_calibration([careless, *careful[1:], judged(5, 1500, 1200)]).calibration
    assert isinstance(fitted, PlattCalibration)
    assert "median of 5 pictures" in fitted.note
    raw = np.linspace(0.05, 0.95, 19)
    assert probabilities(fitted, raw) == pytest.approx(expit(1.5 * log_odds(raw) + 1.0), abs=0.06)


def test_pictures_whose_labels_are_not_complete_do_not_count_where_most_are() -> None:
    complete = [judged(seed, 1500, 1200) for seed in range(3)]
    clicks = replace(judged(4, 1500), right=np.arange(1500) < 10, marked=10, complete=False)
    mixed = judged_calibration([*complete, clicks])
    assert mixed == judged_calibration(complete)
    assert "shape" in getattr(judged_calibration([complete[0], clicks, clicks]).calibration, "note", "")


def test_without_labels_nothing_is_surer_than_annotators_agree() -> None:
    draw = np.random.default_rng(3)
    z = np.concatenate([draw.normal(-3, 0.7, 600), draw.normal(2, 0.7, 400)])
    fitted = blind_calibration(expit(z))
    assert probabilities(fitted.calibration, expit(z[600:])).mean() == pytest.approx(AGREEMENT, abs=0.03)
    picked = probabilities(fitted.calibration, expit(z)) >= fitted.threshold
    assert picked[600:].mean() > 0.99
    assert picked[:600].mean() < 0.01


def test_intervals_widen_where_micrographs_differ() -> None:
    alike = judged_calibration([judged(seed) for seed in range(4)]).expected[9]
    few = Judged(np.full(800, 0.9), np.arange(800) % 2 == 0, 400)
    many = Judged(np.full(800, 0.9), np.arange(800) % 20 != 0, 760)
    unlike = judged_calibration([few, many]).expected[9]
    assert unlike.precision_high - unlike.precision_low > 3 * (alike.precision_high - alike.precision_low)


def test_too_few_candidates_are_left_as_they_are() -> None:
    one = Judged(np.array([0.2, 0.9]), np.array([False, True]), 1)
    assert isinstance(judged_calibration([one]).calibration, IdentityCalibration)


def test_scores_that_mislead_are_never_turned_round() -> None:
    draw = np.random.default_rng(0)
    raw = draw.random(500)
    wrong_way = Judged(raw, draw.random(500) > raw, 250)
    fitted = judged_calibration([wrong_way]).calibration
    assert isinstance(fitted, IdentityCalibration) or fitted.slope > 0


def test_a_mixture_is_taken_apart_without_labels() -> None:
    draw = np.random.default_rng(1)
    raw = expit(np.concatenate([draw.normal(-3, 1, 1500), draw.normal(1.5, 1, 900)]))
    fitted = blind_calibration(raw)
    probability = probabilities(fitted.calibration, raw)
    assert probability.sum() == pytest.approx(900, rel=0.1)
    assert (probability[1500:] >= fitted.threshold).mean() > 0.93
    assert (probability[:1500] >= fitted.threshold).mean() < 0.07
    assert 0.2 < fitted.threshold < 0.8


def test_scores_that_lie_far_apart_do_not_make_anything_certain() -> None:
    draw = np.random.default_rng(3)
    raw = expit(np.concatenate([draw.normal(-7, 0.3, 250), draw.normal(6, 0.3, 48)]))
    probability = probabilities(fit_mixture(raw), raw)
    assert probability[:250].max() < 0.01
    assert 0.9 < probability[250:].min() < probability[250:].max() < 0.995


def test_known_particles_pull_the_mixture_towards_them() -> None:
    draw = np.random.default_rng(2)
    raw = expit(np.concatenate([draw.normal(-1.5, 1.2, 1500), draw.normal(0.5, 1.2, 500)]))
    told = fit_mixture(raw, expit(draw.normal(0.5, 1.2, 60)))
    blind = fit_mixture(raw)
    assert isinstance(told, PlattCalibration)
    assert isinstance(blind, PlattCalibration)
    errors = [abs(probabilities(each, raw).sum() - 500) for each in (told, blind)]
    assert errors[0] < 250


def test_log_odds_stay_finite() -> None:
    assert np.isfinite(log_odds([0.0, 1.0])).all()


def test_a_particle_serves_one_pick_the_best() -> None:
    truth = np.array([[10.0, 10.0], [50.0, 10.0]])
    picks = np.array([[12.0, 10.0], [9.0, 10.0], [51.0, 11.0], [90.0, 90.0]])
    assert matched(picks, truth, 5.0).tolist() == [True, False, True, False]
    assert matched(picks[:0], truth, 5.0).shape == (0,)
    assert not matched(picks, truth[:0], 5.0).any()
