"""Simulated experts err as often as they should, tire, and disagree as published."""

import numpy as np
import pytest

from structloop.simulation.experts import (
    CURATOR,
    NEGATIVE,
    POSITIVE,
    PUBLISHED,
    SCORER,
    SESSION_S,
    UNCERTAIN,
    Expert,
    ExpertRates,
)

MICRO_SHARE = 0.25
N = 20_000


def items(count: int, positive: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < positive
    return truth, truth & (rng.random(count) < MICRO_SHARE), rng.standard_normal(count)


def steady(rates: ExpertRates) -> ExpertRates:
    """Without the scatter between people, so that a rate can be read off one of them."""
    return ExpertRates(**{name: getattr(rates, name) for name in ("miss", "miss_micro", "false_alarm")}, scatter=0.0)


def test_misses_and_false_alarms_come_at_their_rates() -> None:
    truth, micro, hard = items(N, 0.5)
    labels = Expert(steady(SCORER), 3).answer(truth, micro, hard).labels
    missed, alarmed = labels == NEGATIVE, labels == POSITIVE
    assert missed[truth & ~micro].mean() == pytest.approx(SCORER.miss, abs=0.012)
    assert missed[micro].mean() == pytest.approx(SCORER.miss_micro, abs=0.03)
    assert alarmed[~truth].mean() == pytest.approx(SCORER.false_alarm, abs=0.005)


def test_twice_the_errors_are_twice_as_many() -> None:
    truth, micro, hard = items(N, 0.5)
    once = Expert(steady(SCORER), 3).answer(truth, micro, hard).labels
    twice = Expert(steady(SCORER.times(2)), 3).answer(truth, micro, hard).labels
    errors = [np.mean((labels == POSITIVE) != truth) for labels in (once, twice)]
    assert errors[1] / errors[0] == pytest.approx(2.0, abs=0.15)


def test_people_disagree_as_published() -> None:
    truth, micro, hard = items(1200, 1.0, seed=5)
    panel = np.stack([Expert(SCORER, seed).answer(truth, micro, hard).labels for seed in range(7)])
    found = (panel == POSITIVE).sum(axis=0)
    pairs = (found * (7 - found) / 21).mean()
    unanimous = np.mean((found == 0) | (found == 7))
    assert 0.1 < pairs <= PUBLISHED["largest share of images on which two experts disagree"]
    assert unanimous == pytest.approx(PUBLISHED["share of images on which seven experts agree"], abs=0.1)


def test_false_alarms_lie_within_the_published_bounds() -> None:
    truth, micro, hard = items(N, 0.0, seed=6)
    alarms = np.mean([np.mean(Expert(SCORER, seed).answer(truth, micro, hard).labels == POSITIVE) for seed in range(5)])
    low, high = (PUBLISHED[f"{end} share of false alarms, AXIS cycle 1"] for end in ("least", "largest"))
    assert low < alarms < high


def test_errors_grow_within_a_session_and_not_beyond_it() -> None:
    truth, micro, hard = items(N * 2, 1.0, seed=7)
    expert = Expert(ExpertRates(scatter=0.0, fatigue=1.0), 8)
    answers = expert.answer(truth, micro, hard)
    at = np.mod(np.cumsum(answers.seconds), SESSION_S) / SESSION_S
    missed = answers.labels == NEGATIVE
    early, late = missed[at < 0.2].mean(), missed[at > 0.8].mean()
    # From the mean of the first fifth to that of the last: (1 + 0.9) / (1 + 0.1).
    assert late / early == pytest.approx(1.9 / 1.1, rel=0.12)


def test_what_is_hard_is_missed_by_all() -> None:
    truth, micro, hard = items(N, 1.0, seed=9)
    together = [Expert(SCORER, seed).answer(truth, micro, hard).labels == NEGATIVE for seed in (1, 2)]
    alone = [Expert(ExpertRates(shared=0.0), seed).answer(truth, micro, hard).labels == NEGATIVE for seed in (1, 2)]
    both = [np.mean(pair[0] & pair[1]) / (pair[0].mean() * pair[1].mean()) for pair in (together, alone)]
    assert both[0] > 1.5
    assert both[1] == pytest.approx(1.0, abs=0.45)  # microcrystals are hard for all in any case


def test_a_scorer_answers_as_fast_as_published_and_never_shrugs() -> None:
    truth, micro, hard = items(N, 0.05, seed=10)
    answers = Expert(SCORER, 1).answer(truth, micro, hard)
    assert 60 / np.median(answers.seconds) == pytest.approx(PUBLISHED["images a minute"], rel=0.03)
    assert not np.any(answers.labels == UNCERTAIN)


def test_curators_err_less_and_may_shrug() -> None:
    truth, micro, hard = items(N, 0.5, seed=11)
    answers = Expert(CURATOR, 1).answer(truth, micro, hard)
    assert np.mean(answers.labels == UNCERTAIN) == pytest.approx(CURATOR.uncertain, abs=0.01)
    assert np.mean(answers.labels[truth] == NEGATIVE) < 0.5 * (SCORER.miss + SCORER.miss_micro)


def test_the_same_seed_is_the_same_person() -> None:
    truth, micro, hard = items(300, 0.5)
    first, second, other = (Expert(SCORER, seed).answer(truth, micro, hard) for seed in (1, 1, 2))
    assert np.array_equal(first.labels, second.labels)
    assert np.array_equal(first.seconds, second.seconds)
    assert not np.array_equal(first.seconds, other.seconds)


@pytest.mark.parametrize(
    "wrong", [{"miss": 1.0}, {"false_alarm": -0.1}, {"fatigue": 3.0}, {"shared": -1.0}, {"seconds": 0.0}]
)
def test_rates_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ExpertRates(**wrong)


def test_items_must_match() -> None:
    with pytest.raises(ValueError, match="differ in number"):
        Expert(SCORER, 1).answer([True], [False, True], [0.0])
