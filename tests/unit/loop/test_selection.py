from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.loop.curation import DEFAULT_SHARES, mix, settle
from structloop.loop.curation.selection import (
    ScoredItems,
    agreements,
    conflicts,
    disagreements,
    flagged,
    label_errors,
    near_threshold,
)
from structloop.schema.loop import CurationReason, CurationState

NAN = float("nan")


def items(probability: Sequence[float], human: Sequence[int], views: Sequence[Sequence[float]] = ()) -> ScoredItems:
    count = len(probability)
    return ScoredItems(
        probability=np.array(probability, dtype=np.float64),
        threshold=np.full(count, 0.5),
        human=np.array(human, dtype=np.int8),
        views=np.array(views, dtype=np.float64) if views else np.full((count, 2), NAN),
        project=np.zeros(count, dtype=np.int64),
        item=np.arange(count),
    )


def test_disagreements_come_surest_first_and_need_both_sides() -> None:
    some = items([0.9, 0.6, 0.1, 0.4, NAN, 0.99], [0, 0, 1, 0, 1, -1])
    assert disagreements(some).tolist() == [0, 2, 1]


def test_near_the_threshold_the_closest_comes_first_and_labelled_items_are_left_out() -> None:
    some = items([0.6, 0.48, 0.9, 0.5, NAN], [-1, -1, -1, 1, -1])
    assert near_threshold(some, 0.15).tolist() == [1, 0]


def test_conflicts_are_wide_and_lie_across_the_threshold() -> None:
    views = [[0.9, 0.1], [0.9, 0.6], [0.95, 0.02], [0.9, NAN], [0.55, 0.45], [NAN, NAN], [0.9, 0.1]]
    some = items([0.9] * 7, [-1] * 6 + [1], views)
    assert conflicts(some).tolist() == [2, 0]


def test_label_errors_are_those_that_count_for_the_other_class_only() -> None:
    probability = [0.9, 0.95, 0.05, 0.1, 0.02, 0.97, 0.5, 0.5]
    human = [1, 1, 1, 0, 0, 0, 1, 0]
    assert label_errors(items(probability, human)).tolist() == [5, 2]
    assert label_errors(items([0.9, 0.8], [1, 1])).size == 0
    assert label_errors(items([0.1] * 8, human), np.array(probability)).tolist() == [5, 2]
    with pytest.raises(ValueError, match="out_of_sample"):
        label_errors(items(probability, human), np.zeros(3))


def test_planted_label_errors_are_found_by_a_good_model() -> None:
    rng = np.random.default_rng(7)
    truth = rng.random(4000) < 0.2
    probability = 1 / (1 + np.exp(-np.where(truth, 2.5, -2.5) - rng.normal(0, 1, truth.size)))
    wrong = rng.random(truth.size) < 0.05
    found = label_errors(items(probability.tolist(), (truth ^ wrong).astype(int).tolist()))
    hit = wrong[found]
    assert hit.mean() > 0.8
    assert hit.sum() / wrong.sum() > 0.5
    # Ranked: the first ones are surer than the last ones.
    assert hit[: len(hit) // 2].mean() >= hit[len(hit) // 2 :].mean()


def test_audits_and_flags_are_random_but_the_same_for_the_same_seed() -> None:
    some = items([0.9, 0.1, 0.9, 0.2] * 10, [1, 0, 0, -1] * 10)
    first = agreements(some, np.random.default_rng(1))
    assert sorted(first) == [i for i in range(40) if i % 4 < 2]
    assert first.tolist() == agreements(some, np.random.default_rng(1)).tolist()
    assert sorted(flagged(np.array([True, False, True]), np.random.default_rng(1))) == [0, 2]


def test_arrays_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="must have 2 entries"):
        items([0.1, 0.2], [1])


reasons = st.sampled_from(list(DEFAULT_SHARES))
searches = st.dictionaries(reasons, st.lists(st.integers(0, 29), unique=True, max_size=30))
columns = st.lists(st.integers(0, 3), min_size=30, max_size=30)


def arrays(found: dict[CurationReason, list[int]]) -> dict[CurationReason, np.ndarray]:
    return {reason: np.array(indices, dtype=np.intp) for reason, indices in found.items()}


@given(searches, columns, columns, st.integers(0, 40), st.integers(1, 10))
def test_caps_hold_and_nothing_is_chosen_twice(
    found: dict[CurationReason, list[int]], project: list[int], drop: list[int], size: int, cap: int
) -> None:
    queued = {0: 2, 1: cap + 3}
    chosen = mix(
        arrays(found), size, project=np.array(project), item=np.array(drop), cap=cap, queued=queued, present=[0, 1]
    )
    assert len(chosen) <= size
    assert len({each.index for each in chosen}) == len(chosen)
    assert not {0, 1} & {each.index for each in chosen}
    assert all(each.index in found[each.reason] for each in chosen)
    for number, count in Counter(project[each.index] for each in chosen).items():
        assert count + queued.get(number, 0) <= cap


@given(searches, columns, st.integers(0, 40))
def test_without_caps_and_duplicates_nothing_found_is_left_out(
    found: dict[CurationReason, list[int]], project: list[int], size: int
) -> None:
    chosen = mix(arrays(found), size, project=np.array(project), item=np.arange(30))
    assert len(chosen) == min(size, len({index for indices in found.values() for index in indices}))


@given(searches, columns)
def test_a_time_series_comes_once_where_its_pictures_look_the_same(
    found: dict[CurationReason, list[int]], drop: list[int]
) -> None:
    chosen = mix(
        arrays(found),
        30,
        project=np.zeros(30, dtype=np.int64),
        item=np.array(drop),
        present=[0],
        is_duplicate=lambda _index, _others: True,
    )
    drops = [drop[each.index] for each in chosen]
    assert len(set(drops)) == len(drops)
    assert drop[0] not in drops


@given(searches, columns, columns)
def test_a_question_is_asked_once_in_a_filling_whatever_its_pictures_look_like(
    found: dict[CurationReason, list[int]], drop: list[int], question: list[int]
) -> None:
    chosen = mix(arrays(found), 30, project=np.zeros(30, dtype=np.int64), item=np.array(drop), once=np.array(question))
    asked = [question[each.index] for each in chosen]
    assert sorted(asked) == sorted({question[index] for indices in found.values() for index in indices})


def test_reasons_are_mixed_by_their_shares_from_the_start() -> None:
    found = arrays({reason: list(range(100 * place, 100 * place + 100)) for place, reason in enumerate(DEFAULT_SHARES)})
    chosen = mix(found, 100, project=np.zeros(600, dtype=np.int64), item=np.arange(600))
    for part in (chosen[:20], chosen):
        counts = Counter(each.reason for each in part)
        for reason, share in DEFAULT_SHARES.items():
            assert abs(counts[reason] - share * len(part)) <= 1


def test_what_one_reason_cannot_fill_goes_to_the_others() -> None:
    found = arrays({CurationReason.DISAGREEMENT: [0], CurationReason.AUDIT: list(range(1, 20))})
    chosen = mix(found, 10, project=np.zeros(20, dtype=np.int64), item=np.arange(20))
    assert Counter(each.reason for each in chosen) == {CurationReason.DISAGREEMENT: 1, CurationReason.AUDIT: 9}


@pytest.mark.parametrize("shares", [{}, {CurationReason.AUDIT: 0.0}, {CurationReason.AUDIT: -1.0}])
def test_shares_that_make_no_queue_are_refused(shares: dict[CurationReason, float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        mix({}, 1, project=np.zeros(0, dtype=np.int64), item=np.zeros(0, dtype=np.int64), shares=shares)


@pytest.mark.parametrize(
    ("answers", "needed", "state", "label"),
    [
        ([], 2, "open", None),
        (["crystal"], 2, "open", None),
        (["crystal", "other"], 2, "open", None),
        (["crystal", "other", "crystal"], 2, "settled", "crystal"),
        (["crystal", "other", "uncertain"], 2, "uncertain", None),
        (["uncertain", "uncertain"], 2, "uncertain", None),
        (["unusable", "crystal", "unusable"], 2, "unusable", None),
        (["other"], 1, "settled", "other"),
        (["crystal", "other", "crystal", "other"], 3, "open", None),
    ],
)
def test_two_equal_answers_settle_and_a_third_person_breaks_ties(
    answers: list[str], needed: int, state: str, label: str | None
) -> None:
    outcome = settle([(answer, None) for answer in answers], needed)
    assert (outcome.state, outcome.label) == (CurationState(state), label)


def test_the_kind_is_settled_only_where_those_who_name_one_agree() -> None:
    assert settle([("crystal", "2d"), ("crystal", None)]).detail == "2d"
    assert settle([("crystal", "2d"), ("other", None), ("crystal", "2d")]).detail == "2d"
    assert settle([("crystal", "2d"), ("crystal", "3d")]).detail is None
    with pytest.raises(ValueError, match="at least 1"):
        settle([], 0)


@given(st.lists(st.sampled_from(["crystal", "other", "uncertain"]), max_size=5), st.integers(1, 3), st.randoms())
def test_the_order_of_answers_does_not_matter(answers: list[str], needed: int, random: object) -> None:
    rows = [(answer, None) for answer in answers]
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert settle(shuffled, needed) == settle(rows, needed)


@given(st.floats(-4, 4))
def test_which_labels_are_suspected_does_not_depend_on_the_prevalence_that_probabilities_are_for(shift: float) -> None:
    rng = np.random.default_rng(7)
    truth = rng.random(800) < 0.08
    odds = np.where(truth, 0.5, -4.0) + rng.standard_normal(800)
    human = (truth ^ (rng.random(800) < np.where(truth, 0.1, 0.02))).astype(int).tolist()
    found, moved = (label_errors(items((1 / (1 + np.exp(-odds - by))).tolist(), human)).tolist() for by in (0.0, shift))
    assert moved == found
    wrong = np.array(human) != truth
    # Where positives are rare, most wrong labels say positive, and the surest of them come first.
    assert wrong[found[: wrong.sum()]].mean() > 0.6
    assert wrong[found].sum() > 0.6 * wrong.sum()
