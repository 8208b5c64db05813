import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from structloop.crystals.combining import combine_probabilities
from structloop.schema.crystals import CombinationRule

probability = st.floats(0, 1)
optional = st.one_of(st.just(float("nan")), probability)
rules = st.sampled_from(CombinationRule)


def combine(visible: float, uv: float, rule: CombinationRule) -> float:
    return float(combine_probabilities([visible], [uv], rule)[0])


@given(probability, rules)
def test_a_missing_modality_leaves_the_other_as_it_is(value: float, rule: CombinationRule) -> None:
    assert combine(value, float("nan"), rule) == value
    assert combine(float("nan"), value, rule) == value


@given(rules)
def test_two_missing_modalities_are_missing(rule: CombinationRule) -> None:
    assert np.isnan(combine(float("nan"), float("nan"), rule))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (CombinationRule.MAX, 0.8),
        (CombinationRule.MEAN, 0.4),
        (CombinationRule.PRODUCT, 0.0),
        (CombinationRule.NOISY_OR, 0.8),
    ],
)
def test_zero_is_a_probability_and_not_a_missing_value(rule: CombinationRule, expected: float) -> None:
    assert combine(0.0, 0.8, rule) == pytest.approx(expected)


@given(optional, optional, rules)
def test_the_result_is_a_probability_or_missing_and_the_order_does_not_matter(
    first: float, second: float, rule: CombinationRule
) -> None:
    result = combine(first, second, rule)
    assert np.isnan(result) or 0 <= result <= 1
    assert np.isclose(result, combine(second, first, rule), rtol=0, atol=1e-15, equal_nan=True)


@given(probability, probability, probability, rules)
def test_more_certainty_never_lowers_the_result(low: float, high: float, other: float, rule: CombinationRule) -> None:
    low, high = sorted((low, high))
    assert combine(low, other, rule) <= combine(high, other, rule) + 1e-15


@given(probability, probability)
def test_the_rules_are_ordered(first: float, second: float) -> None:
    product, mean, most, noisy = (
        combine(first, second, rule)
        for rule in (
            CombinationRule.PRODUCT,
            CombinationRule.MEAN,
            CombinationRule.MAX,
            CombinationRule.NOISY_OR,
        )
    )
    tiny = 1e-15
    assert product <= mean + tiny <= most + 2 * tiny <= noisy + 3 * tiny


@given(st.lists(st.tuples(optional, optional), max_size=20), rules)
def test_many_at_once_equal_one_at_a_time(pairs: list[tuple[float, float]], rule: CombinationRule) -> None:
    columns: NDArray[np.float64] = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    together = combine_probabilities(columns[:, 0], columns[:, 1], rule)
    assert np.array_equal(together, [combine(*pair, rule) for pair in pairs], equal_nan=True)


def test_values_outside_zero_to_one_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="UV probability"):
        combine(0.5, 1.5, CombinationRule.MAX)
    with pytest.raises(ValueError, match="shape"):
        combine_probabilities([0.1, 0.2], [0.1], CombinationRule.MAX)
