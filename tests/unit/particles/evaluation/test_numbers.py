"""The numbers of an evaluation, against what can be counted by hand or by another library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon
from sklearn.metrics import average_precision_score

from structloop.core.errors import EvaluationError
from structloop.particles.evaluation import compare_methods, count_pixels, precision_recall, score_quality
from structloop.particles.evaluation.comparing import rank_biserial, signed_rank_p_value


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9]), st.booleans()), min_size=1, max_size=30))
@settings(deadline=None)
def test_average_precision_is_scikit_learns_where_all_particles_are_found(rows: list[tuple[float, bool]]) -> None:
    scores, found = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if found.any():
        curve = precision_recall(scores, found, int(found.sum()))
        assert curve.average_precision == pytest.approx(average_precision_score(found, scores))


def test_particles_that_no_pick_found_lower_average_precision() -> None:
    curve = precision_recall(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 4)
    assert curve.recall.tolist() == [0.25, 0.25, 0.5]
    assert curve.average_precision == pytest.approx(0.25 * 1 + 0.25 * 2 / 3)
    with pytest.raises(ValueError, match="2 found of 1"):
        precision_recall(np.array([0.9, 0.8]), np.array([True, True]), 1)


def test_calibration_error_and_brier_by_hand() -> None:
    quality = score_quality(np.array([0.15, 0.15, 0.85, 0.85]), np.array([False, True, True, True]))
    assert quality.calibration_error == pytest.approx((2 * 0.35 + 2 * 0.15) / 4)
    assert quality.brier == pytest.approx((0.15**2 + 3 * 0.0 + 0.85**2 + 2 * 0.15**2) / 4)
    assert quality.brier_of_base_rate == pytest.approx(0.75 * 0.25)
    assert [part.images for part in quality.bins] == [2, 2]


def test_scores_that_say_the_base_rate_have_no_skill() -> None:
    found = np.arange(100) < 30
    quality = score_quality(np.full(100, 0.3), found)
    assert quality.brier_skill == pytest.approx(0)
    assert quality.calibration_error == pytest.approx(0)
    assert score_quality(np.ones(3), np.ones(3, dtype=bool)).brier_skill is None
    with pytest.raises(ValueError, match="no probabilities"):
        score_quality(np.array([1.5]), np.array([True]))


def test_discs_are_painted_pixel_by_pixel() -> None:
    one, other = np.array([[10.0, 10.0]]), np.array([[12.0, 10.0]])
    # Of a disc of radius 2, 13 pixels have their centre inside; two apart, they share five.
    counts = count_pixels(one, other, 4.0, (30, 40))
    assert (counts.both, counts.picks_only, counts.truth_only) == (5, 8, 8)
    assert counts.f1 == pytest.approx(10 / 26)
    assert counts.iou == pytest.approx(5 / 21)
    assert count_pixels(one, one, 4.0).f1 == 1.0
    assert count_pixels(np.array([[0.0, 0.0]]), one, 4.0, (30, 40)).picks_only == 6
    assert count_pixels(np.array([[-50.0, 900.0]]), one, 4.0, (30, 40)).precision is None
    nothing = count_pixels(one[:0], one[:0], 4.0)
    assert (nothing.precision, nothing.recall, nothing.f1, nothing.iou) == (None, None, None, None)


def test_discs_are_not_painted_on_a_field_larger_than_any_micrograph() -> None:
    with pytest.raises(EvaluationError, match="more than any micrograph has"):
        count_pixels(np.array([[1e6, 1e6]]), np.zeros((0, 2)), 10.0)


@given(st.lists(st.floats(-1, 1).filter(bool), min_size=3, max_size=12, unique_by=abs))
@settings(deadline=None, max_examples=50)
def test_wilcoxons_p_value_is_scipys_where_that_is_exact(values: list[float]) -> None:
    differences = np.array(values)
    assert signed_rank_p_value(differences) == pytest.approx(wilcoxon(differences, method="exact").pvalue)


def test_wilcoxons_p_value_with_ties_is_counted() -> None:
    # Ranks 1.5, 1.5, 3: of the eight ways to sign them, both ends have one, and 2 of them sum to 1.5.
    assert signed_rank_p_value(np.array([1.0, 1.0, 2.0])) == pytest.approx(2 / 8)
    assert signed_rank_p_value(np.array([-1.0, 1.0, 2.0])) == pytest.approx(2 * 3 / 8)
    assert signed_rank_p_value(np.zeros(4)) == 1.0


def test_the_effect_is_the_balance_of_ranks() -> None:
    assert rank_biserial(np.array([0.1, 0.2, 0.3])) == 1.0
    assert rank_biserial(np.array([0.1, -0.2, 0.0])) == pytest.approx((1 - 2) / 3)
    assert rank_biserial(np.zeros(2)) == 0.0


def test_methods_are_compared_in_pairs_and_corrected_together() -> None:
    random = np.random.default_rng(0)
    base = random.uniform(0.5, 0.8, 12)
    methods = {
        name: {metric: list(base + shift + random.normal(0, 0.01, 12)) for metric in ("precision", "recall", "f1")}
        for name, shift in (("a", 0.1), ("b", 0.0), ("c", 0.0))
    }
    found = compare_methods(methods)
    assert [(each.first, each.second) for each in found[::3]] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all(each.corrected_p_value >= each.p_value for each in found)
    assert all(each.corrected_p_value < 0.01 and each.effect == 1.0 for each in found[:6])
    # Benjamini and Hochberg: sorted p-values times their number over their rank, made monotone from the largest.
    p_values = np.array([each.p_value for each in found])
    order = np.argsort(p_values)
    wanted = np.minimum.accumulate((p_values[order] * 9 / np.arange(1, 10))[::-1])[::-1]
    assert [found[place].corrected_p_value for place in order] == pytest.approx(np.minimum(wanted, 1).tolist())


def test_micrographs_without_a_number_are_left_out_of_a_comparison() -> None:
    values: dict[str, list[float | None]] = {"precision": [None, 0.5], "recall": [0.1, 0.2], "f1": [None, None]}
    found = compare_methods({"a": values, "b": values})
    assert [(each.metric, each.micrographs, each.p_value) for each in found] == [
        ("precision", 1, 1.0),
        ("recall", 2, 1.0),
    ]
    assert compare_methods({"a": values}) == ()
