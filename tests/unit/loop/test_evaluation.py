import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, balanced_accuracy_score, brier_score_loss, roc_auc_score

from structloop.loop.evaluation import average_precision, evaluate_binary, roc_auc, wilson_interval
from structloop.loop.evaluation.curves import bootstrap_areas

# Few distinct values, so that ties occur.
cases = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6).map(lambda value: value / 6)), min_size=2, max_size=40
).filter(lambda rows: len({truth for truth, _ in rows}) == 2)


def columns(rows: list[tuple[bool, float]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([truth for truth, _ in rows]), np.array([score for _, score in rows])


@given(cases)
def test_areas_agree_with_scikit_learn(rows: list[tuple[bool, float]]) -> None:
    truth, scores = columns(rows)
    assert roc_auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    assert average_precision(truth, scores) == pytest.approx(average_precision_score(truth, scores))


@given(cases)
def test_turning_the_scores_round_turns_the_area_round(rows: list[tuple[bool, float]]) -> None:
    truth, scores = columns(rows)
    assert roc_auc(truth, 1 - scores) == pytest.approx(1 - roc_auc(truth, scores))


@settings(max_examples=25)
@given(cases, st.floats(0, 1))
def test_every_estimate_lies_in_its_interval_and_the_matrix_adds_up(
    rows: list[tuple[bool, float]], threshold: float
) -> None:
    truth, scores = columns(rows)
    result = evaluate_binary(truth, scores, threshold, resamples=50)
    for estimate in (result.recall, result.precision, result.specificity, result.balanced_accuracy, result.auc):
        if estimate is not None:
            assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    cells = (result.true_positives, result.false_positives, result.false_negatives, result.true_negatives)
    assert sum(cells) == len(rows) == sum(part.images for part in result.reliability)
    assert result.balanced_accuracy is not None
    assert result.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(truth, scores >= threshold))
    assert result.brier == pytest.approx(brier_score_loss(truth, scores))


def test_the_bootstrap_is_that_of_drawing_images_again() -> None:
    random = np.random.default_rng(1)
    truth = np.repeat([True, False], [30, 60])
    scores = np.round(np.clip(random.normal(0.4 + 0.2 * truth, 0.2), 0, 1), 2)
    areas, precisions = bootstrap_areas(truth, scores, resamples=400, seed=3)
    drawn_areas, drawn_precisions = [], []
    for _ in range(400):
        chosen = np.concatenate([random.choice(30, 30), 30 + random.choice(60, 60)])
        drawn_areas.append(roc_auc_score(truth[chosen], scores[chosen]))
        drawn_precisions.append(average_precision_score(truth[chosen], scores[chosen]))
    assert np.mean(areas) == pytest.approx(np.mean(drawn_areas), abs=0.02)
    assert np.std(areas) == pytest.approx(np.std(drawn_areas), rel=0.2)
    assert np.mean(precisions) == pytest.approx(np.mean(drawn_precisions), abs=0.02)
    assert np.std(precisions) == pytest.approx(np.std(drawn_precisions), rel=0.2)


def test_the_same_seed_gives_the_same_intervals() -> None:
    truth, scores = np.array([True, False] * 20), np.linspace(0, 1, 40)
    first, second, other = (evaluate_binary(truth, scores, 0.5, seed=seed, resamples=100) for seed in (1, 1, 2))
    assert first == second
    assert first.auc != other.auc


@pytest.mark.parametrize("only", [True, False])
def test_one_class_alone_has_no_area_and_says_why(only: bool) -> None:
    result = evaluate_binary(np.array([only] * 3), np.array([0.1, 0.2, 0.9]), 0.5)
    assert result.auc is None
    assert result.average_precision is None
    assert "both classes are needed" in result.reasons["auc"]
    assert result.to_json()["auc"] is None


def test_precision_at_five_percent_follows_bayes() -> None:
    truth = np.repeat([True, False], [10, 100])
    scores = np.concatenate([np.full(8, 0.9), np.full(2, 0.1), np.full(5, 0.9), np.full(95, 0.1)])
    result = evaluate_binary(truth, scores, 0.5)
    assert result.precision_at_prevalence is not None
    assert result.precision_at_prevalence.value == pytest.approx(0.8 * 0.05 / (0.8 * 0.05 + 0.05 * 0.95))
    nothing = evaluate_binary(truth, scores, 1.0)
    assert nothing.precision is None
    assert nothing.precision_at_prevalence is None


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe, Statistics in Medicine 17 (1998): 81 of 263, and 0 of 20.
    estimate = wilson_interval(81, 263)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (0.2553, 0.3662)
    assert round(wilson_interval(0, 20).high, 4) == 0.1611
    assert wilson_interval(20, 20).high == 1.0
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(1, 0)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        evaluate_binary([True], [1.2], 0.5)
    with pytest.raises(ValueError, match="equally long"):
        evaluate_binary([True, False], [0.2], 0.5)
    with pytest.raises(ValueError, match="both classes"):
        roc_auc([True], [0.2])
