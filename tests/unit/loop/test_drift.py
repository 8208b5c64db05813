"""Drift: the rate of false alarms that is stated, what is found, and which images are asked for."""

import numpy as np
import pytest
from scipy.stats import energy_distance as energy_distance_1d

from structloop.loop.evaluation.drift import DriftSample, detect_drift, energy_distance, pick_diverse


def plates(
    random: np.random.Generator, count: int, *, shift: float = 0.0, name: str = "p", images: int = 12
) -> DriftSample:
    """Plates whose images resemble each other: each plate has an offset of its own."""
    offsets = random.standard_normal((count, 5)) + shift
    features = np.repeat(offsets, images, axis=0) + 0.5 * random.standard_normal((count * images, 5))
    return DriftSample(features.astype(np.float32), [f"{name}{index // images}" for index in range(count * images)])


def test_energy_distance_is_that_of_the_literature() -> None:
    random = np.random.default_rng(0)
    first, second = random.standard_normal(30), random.standard_normal(40) + 0.7
    # scipy gives the square root of it, in one dimension.
    assert energy_distance(first[:, None], second[:, None]) == pytest.approx(energy_distance_1d(first, second) ** 2)


def test_false_alarms_are_as_rare_as_stated_although_plates_differ() -> None:
    """At a level of 20 %, so that a few hundred draws tell; permuting images instead would alarm nearly always."""
    random = np.random.default_rng(1)
    alarms = 0
    for index in range(150):
        report = detect_drift("x", plates(random, 12), plates(random, 4), alpha=0.2, permutations=99, seed=index)
        alarms += report.is_alarm
    assert alarms / 150 <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / 150)


def test_an_imager_that_is_new_is_found_and_the_message_asks_for_labels() -> None:
    random = np.random.default_rng(2)
    report = detect_drift("RI-54", plates(random, 15), plates(random, 6, shift=3), to_label=25)
    assert report.is_alarm
    assert report.groups == (6, 15)
    assert report.message.startswith("RI-54 looks new (")
    assert report.message.endswith("label these 25")
    assert "looks like the training set" in detect_drift("RI-1", plates(random, 15), plates(random, 6)).message


def test_with_too_few_plates_nothing_is_claimed() -> None:
    random = np.random.default_rng(3)
    report = detect_drift("RI-54", plates(random, 5), plates(random, 1, shift=9))
    assert not report.is_alarm
    assert not report.possible
    assert "too few plates" in report.message


def test_what_is_asked_for_is_far_from_what_is_known_and_not_twice_the_same() -> None:
    known = DriftSample(np.zeros((3, 2), dtype=np.float32), ["a"] * 3)
    new = DriftSample(np.array([[0, 0], [10, 0], [10.01, 0], [0, 8], [1, 1]], dtype=np.float32), ["b"] * 5)
    assert pick_diverse(known, new, 2) in ([1, 3], [2, 3], [3, 1], [3, 2])
    assert sorted(pick_diverse(known, new, 99)) == [0, 1, 2, 3, 4]
    empty = DriftSample(np.zeros((0, 2), dtype=np.float32), [])
    assert len(pick_diverse(empty, new, 3)) == 3
    assert pick_diverse(known, empty, 3) == []


def test_samples_that_cannot_be_compared_are_refused() -> None:
    random = np.random.default_rng(4)
    with pytest.raises(ValueError, match="on both sides"):
        detect_drift("x", plates(random, 2), DriftSample(np.zeros((0, 5), dtype=np.float32), []))
