"""The alarm threshold: what is bought at which price, and that few or wrong labels do not throw it about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import expit, logit

from structloop.loop.training.thresholds import MOST_FALSE_ALARMS, WORTH, choose_threshold

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def drawn(positives: int, negatives: int, apart: float, seed: int) -> tuple[Bools, Floats]:
    """Log-odds of two normal classes, `apart` standard deviations from each other, as probabilities."""
    random = np.random.default_rng(seed)
    truth = np.arange(positives + negatives) < positives
    return truth, expit(random.standard_normal(len(truth)) + apart * truth)


def shares(truth: Bools, probabilities: Floats, threshold: float) -> tuple[float, float]:
    alarms = probabilities >= threshold
    return float(alarms[truth].mean()), float(alarms[~truth].mean())


@pytest.mark.parametrize("worth", [1.0, 1.5])
def test_the_threshold_is_where_the_price_is_reached(worth: float) -> None:
    # Of two normal classes 2 apart the densities are as 1 to `worth` at 1 - log(worth) / 2.
    truth, probabilities = drawn(20_000, 20_000, 2.0, 0)
    found = logit(choose_threshold(truth, probabilities, worth=worth))
    assert found == pytest.approx(1 - np.log(worth) / 2, abs=0.1)


def test_a_model_that_tells_crystals_apart_misses_none_and_one_that_cannot_alarms_at_no_more_than_half() -> None:
    truth, probabilities = drawn(30, 500, 9.0, 1)
    assert shares(truth, probabilities, choose_threshold(truth, probabilities)) == (1.0, 0.0)
    truth, probabilities = drawn(30, 500, -1.0, 2)
    assert shares(truth, probabilities, choose_threshold(truth, probabilities))[1] <= MOST_FALSE_ALARMS


def test_it_does_not_depend_on_how_rare_crystals_are() -> None:
    some, many = (choose_threshold(*drawn(count, 4000, 2.0, 3)) for count in (400, 4000))
    assert logit(some) == pytest.approx(logit(many), abs=0.2)


def test_wrong_labels_move_it_less_than_they_move_a_quantile() -> None:
    moved, moved_quantile = [], []
    for seed in range(12):
        truth, probabilities = drawn(40, 800, 2.5, seed)
        labels = truth.copy()
        # A quarter of what is called a crystal is none.
        labels[np.random.default_rng(seed).choice(np.flatnonzero(~truth), 13, replace=False)] = True

        def alarms(threshold: float, truth: Bools = truth, probabilities: Floats = probabilities) -> float:
            return shares(truth, probabilities, threshold)[1]

        moved.append(alarms(choose_threshold(labels, probabilities)) - alarms(choose_threshold(truth, probabilities)))
        moved_quantile.append(
            alarms(float(np.quantile(probabilities[labels], 0.05)))
            - alarms(float(np.quantile(probabilities[truth], 0.05)))
        )
    assert abs(np.mean(moved)) < 0.12
    assert np.mean(moved_quantile) > 3 * abs(np.mean(moved))


@settings(max_examples=60, deadline=None)
@given(positives=st.integers(1, 30), negatives=st.integers(1, 60), seed=st.integers(0, 10_000))
def test_any_labels_give_a_threshold_and_more_worth_never_a_higher_one(
    positives: int, negatives: int, seed: int
) -> None:
    truth, probabilities = drawn(positives, negatives, 1.5, seed)
    found = [choose_threshold(truth, probabilities, worth=worth) for worth in (1.0, WORTH, 3.0)]
    assert found == sorted(found, reverse=True)
    assert all(0 < each < 1 for each in found)
    assert (probabilities[~truth] >= found[-1]).mean() <= MOST_FALSE_ALARMS + 1 / negatives


def test_small_probabilities_keep_a_threshold_above_nothing() -> None:
    truth, probabilities = drawn(20, 2000, 3.0, 4)
    rare = expit(logit(probabilities) - 10)
    threshold = choose_threshold(truth, rare)
    assert 0 < threshold < 1e-3
    assert shares(truth, rare, threshold) == shares(truth, probabilities, choose_threshold(truth, probabilities))


def test_a_class_that_is_missing_and_a_worth_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="both classes"):
        choose_threshold([True], [0.5])
    with pytest.raises(ValueError, match="worth is 0"):
        choose_threshold([True, False], [0.5, 0.4], worth=0)
