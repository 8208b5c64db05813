"""Two models on the same items: the tests against published numbers and laws, and what a comparison says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import average_precision_score

from structloop.core.errors import EvaluationSetError, ImageMissingError
from structloop.loop.datasets.items import LabelledItem
from structloop.loop.evaluation.comparing import compare
from structloop.loop.evaluation.curves import weighted_average_precisions
from structloop.loop.evaluation.judging import Judgement, judge_items, judgement_of, review_load
from structloop.loop.evaluation.paired import mcnemar, paired_differences, paired_proportions
from structloop.schema.images import Modality
from support.classifiers import BrightnessClassifier, brightness_card
from support.labelled_items import labelled_items


def no_image() -> Image.Image:
    raise ImageMissingError("nothing is there")


def judged(probabilities: list[float], name: str = "one", labels: str = "cocoocoo") -> Judgement:
    names = {"c": "crystal", "o": "other"}
    items = [
        LabelledItem(f"item-{index}", f"plate {index % 2}", names[label], no_image, tags=(("detail", label * 2),))
        for index, label in enumerate(labels)
    ]
    return judgement_of(brightness_card(name), Modality.VISIBLE, items, np.array(probabilities))


def test_mcnemar_is_the_binomial_test_of_the_items_that_differ() -> None:
    first = [True] * 10 + [False] * 2 + [True] * 50
    second = [False] * 10 + [True] * 2 + [True] * 50
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (10, 2)
    # Twice the share of the 4096 ways in which at most two of twelve go to one side.
    assert found.p_value == pytest.approx(2 * (1 + 12 + 66) / 4096)
    assert mcnemar([True], [True]).p_value == 1.0
    with pytest.raises(ValueError, match="same items"):
        mcnemar([True], [True, False])


def test_tangos_interval_is_that_of_the_score_test() -> None:
    # Without a differing item the interval's ends are z^2 / (n + z^2).
    z2 = 1.959963984540054**2
    same = paired_proportions([True] * 44, [True] * 44)
    assert same.high == pytest.approx(z2 / (44 + z2), abs=1e-6)
    assert same.low == pytest.approx(-z2 / (44 + z2), abs=1e-6)
    # At each end, the constrained score statistic is z; recomputed by searching the constrained likelihood.
    first = np.array([1] * 30 + [0] * 5 + [1] * 9 + [0] * 6, dtype=bool)
    second = np.array([1] * 30 + [0] * 5 + [0] * 9 + [1] * 6, dtype=bool)
    found = paired_proportions(first, second)
    for end in (found.low, found.high):
        shares = np.linspace(max(0, -end) + 1e-9, (1 - end) / 2 - 1e-9, 400_001)
        likelihood = 9 * np.log(np.maximum(shares - 0, 1e-300)) + 6 * np.log(np.maximum(shares + end, 1e-300))
        likelihood += 35 * np.log(np.maximum(1 - 2 * shares - end, 1e-300))
        lost = shares[np.argmax(likelihood)]
        statistic = (6 - 9 - 50 * end) / np.sqrt(50 * (2 * lost + end - end**2))
        assert abs(statistic) == pytest.approx(1.96, abs=2e-3)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
@settings(max_examples=100, deadline=None)
def test_paired_intervals_hold_their_value_and_turn_round_with_the_roles(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there, back = paired_proportions(first, second), paired_proportions(second, first)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low), abs=1e-6)


def test_tangos_interval_covers_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(1000):
        first = random.random(60) < 0.9
        found = paired_proportions(first, first ^ (random.random(60) < 0.08))
        hits += found.low <= 0.1 * 0.08 - 0.9 * 0.08 <= found.high
    assert 0.92 <= hits / 1000 <= 0.98


def test_weighted_average_precision_is_that_of_repeated_items() -> None:
    random = np.random.default_rng(1)
    truth, scores = random.random(40) < 0.3, random.integers(0, 12, 40) / 12
    weights = random.integers(0, 4, (5, 40))
    found = weighted_average_precisions(truth, scores, weights.astype(float))
    for row, value in zip(weights, found, strict=True):
        expected = average_precision_score(np.repeat(truth, row), np.repeat(scores, row))
        assert value == pytest.approx(expected)


def test_differences_draw_groups_and_not_images() -> None:
    """Ten plates of ten equal images say as little as ten images."""
    random = np.random.default_rng(2)
    truth = np.ones(100, dtype=bool)
    first = np.repeat(random.random(10), 10)
    second = np.repeat(random.random(10), 10)
    plates = [f"plate {index // 10}" for index in range(100)]
    alone = [f"image {index}" for index in range(100)]
    by_plate = paired_differences(truth, first, second, (0.5, 0.5), plates).values["recall"]
    by_image = paired_differences(truth, first, second, (0.5, 0.5), alone).values["recall"]
    assert by_plate is not None
    assert by_image is not None
    assert by_plate.value == by_image.value
    assert by_plate.high - by_plate.low > 2 * (by_image.high - by_image.low)
    assert paired_differences(truth, first, second, (0.5, 0.5), plates).values["specificity"] is None


def test_the_review_load_counts_alarms_per_plate() -> None:
    truth = np.array([True, False, False, False, True, False])
    alarms = np.array([True, True, True, False, False, False])
    load = review_load(truth, alarms, ["a", "a", "a", "a", "b", "b"])
    assert (load.groups, load.mean, load.most, load.share, load.per_positive) == (2, 1.5, 3, 0.5, 3.0)
    assert review_load(truth, ~truth, ["a"] * 6).to_json()["per_positive"] is None


def test_judging_reads_scores_and_breaks_down() -> None:
    def missing() -> Image.Image:
        raise ImageMissingError("gone.png is not there")

    classifier = BrightnessClassifier(brightness_card(alarm_threshold=0.43))
    items = [*labelled_items(40, ["a", "b"]), LabelledItem("gone", "a", "other", missing)]
    items[0] = replace(items[0], tags=(("detail", "needles"),))
    told: list[int] = []
    found = judge_items(classifier, items, Modality.VISIBLE, on_progress=lambda done, *_: told.append(done))
    assert told[-1] == 41
    assert found.unreadable == {"gone": "gone.png is not there"}
    assert len(found.items) == 40
    assert found.overall.recall is not None
    assert found.overall.recall.value > 0.9, "squares make images brighter"
    assert [each.name for each in found.by_group] == ["a", "b"]
    assert [each.name for each in found.by_tag["detail"]] == ["needles"]
    assert found.by_tag["detail"][0].recall is None
    assert found.to_json()["items"] == 40
    with pytest.raises(EvaluationSetError, match="labelled 'unknown'"):
        judge_items(classifier, [replace(items[0], label="unknown")], Modality.VISIBLE)
    with pytest.raises(EvaluationSetError, match="none of the items"):
        judge_items(classifier, items[-1:], Modality.VISIBLE)


def test_a_comparison_says_who_is_right_where_they_differ() -> None:
    current = judged([0.9, 0.8, 0.1, 0.2, 0.3, 0.9, 0.1, 0.1])
    candidate = judged([0.9, 0.1, 0.8, 0.2, 0.3, 0.4, 0.1, 0.1], "two")
    found = compare(current, candidate)
    assert (found.mcnemar.only_first, found.mcnemar.only_second, found.mcnemar.p_value) == (1, 2, 1.0)
    assert found.recall_difference is not None
    assert found.recall_difference.low <= found.recall_difference.value <= found.recall_difference.high
    assert set(found.disagreements) == {"item-1", "item-2", "item-5"}
    assert found.disagreements[0] in {"item-1", "item-2"}
    told = found.to_json()
    assert told["groups"] == 2
    assert set(told["differences"]) >= {"recall", "balanced_accuracy", "average_precision"}


def test_only_what_both_scored_is_compared() -> None:
    current, whole = judged([0.9] * 8), judged([0.1] * 8, "two")
    part = judgement_of(whole.card, Modality.VISIBLE, whole.items[3:], whole.probabilities[3:])
    assert len(compare(current, part).current.items) == 5
    elsewhere = judgement_of(whole.card, Modality.VISIBLE, [replace(whole.items[0], key="x")], np.array([0.5]))
    with pytest.raises(EvaluationSetError, match="different items"):
        compare(current, elsewhere)
    with pytest.raises(EvaluationSetError, match="not the same"):
        compare(current, judged([0.1] * 8, "two", labels="ooooocoo"))
    with pytest.raises(EvaluationSetError, match="uv"):
        compare(current, judgement_of(whole.card, Modality.UV, whole.items, whole.probabilities))
