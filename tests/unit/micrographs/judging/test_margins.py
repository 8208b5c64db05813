"""How far exposures are beyond the limit says sooner that a place is poor, with the error that is stated."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from structloop.core.errors import JudgingError
from structloop.micrographs.judging import (
    LeavingRule,
    Margin,
    MarginRule,
    fixed_rule_exposures,
    spreads,
    spreads_of_others,
)

WITHIN, BETWEEN = 0.34, 0.17


def place(draw: np.random.Generator, level: float, count: int, per_patch: int, lost: float = 0.3) -> list[Margin]:
    """Exposures around a level, patch after patch; of those beyond the limit some show nothing at all."""
    patches = np.repeat(draw.normal(0, BETWEEN, -(-count // per_patch)), per_patch)[:count]
    values: NDArray[np.float64] = level + patches + draw.normal(0, WITHIN, count)
    gone = (values > 0) & (draw.random(count) < lost)
    return [
        Margin(None if missing else float(value), f"patch {number // per_patch}")
        for number, (value, missing) in enumerate(zip(values, gone, strict=True))
    ]


POOR = 1.036 * math.hypot(WITHIN, BETWEEN)  # 15 % are fine.


@pytest.mark.parametrize("per_patch", [1, 6])
def test_places_worth_staying_are_left_no_oftener_than_stated(per_patch: int) -> None:
    draw = np.random.default_rng(5)
    rule = MarginRule(WITHIN, BETWEEN)
    wrong = sum(rule.after(place(draw, 0.0, 60, per_patch)).leave for _ in range(500))
    assert wrong / 500 <= 0.06
    # Counting fine ones as if each stood for itself does not hold that where a patch's exposures are alike.
    counted = LeavingRule()
    naive = 0
    for _ in range(500):
        seen = [float(each.beyond is None or each.beyond > 0) for each in place(draw, 0.0, 60, 6)]
        naive += counted.after(seen).leave
    assert naive > 1.5 * wrong


def test_poor_places_are_left_sooner_than_by_counting() -> None:
    draw = np.random.default_rng(6)
    rule, counted = MarginRule(WITHIN, BETWEEN), LeavingRule()
    poor = [place(draw, POOR, 80, 1) for _ in range(300)]
    by_margin = [rule.after(each) for each in poor]
    by_count = [counted.after([float(m.beyond is None or m.beyond > 0) for m in each]) for each in poor]
    assert np.mean([each.leave for each in by_margin]) > 0.98
    mean = np.mean([each.exposures for each in by_margin])
    assert mean < 0.75 * np.mean([each.exposures for each in by_count])
    assert mean < 0.45 * fixed_rule_exposures(counted)
    assert "beyond the limit" in by_margin[0].reason


def test_order_within_a_place_does_not_matter_to_the_evidence() -> None:
    some = place(np.random.default_rng(7), 0.0, 12, 3)
    rule = MarginRule(WITHIN, BETWEEN, error=1e-9)
    assert rule.after(some).evidence == pytest.approx(rule.after(some[::-1]).evidence)


def test_spreads_are_learned_and_not_told_too_small() -> None:
    draw = np.random.default_rng(8)
    learned = np.array([spreads([place(draw, level, 30, 3) for level in draw.normal(0, 0.2, 6)]) for _ in range(60)])
    assert np.median(learned[:, 0]) == pytest.approx(WITHIN * 1.04, rel=0.1)
    assert np.mean(learned[:, 1] > 0.75 * BETWEEN) > 0.75
    # Before anything was seen, they are those of a published session, and larger than true ones like those.
    assert spreads([]) > (WITHIN, BETWEEN)


def test_a_place_does_not_choose_its_own_yardstick() -> None:
    draw = np.random.default_rng(9)
    places = [place(draw, level, 30, 3) for level in (0.0, 0.3, -0.2)]
    for at, found in enumerate(spreads_of_others(places)):
        assert found == pytest.approx(spreads([each for other, each in enumerate(places) if other != at]))


def test_faulty_margins_and_rules_are_refused() -> None:
    with pytest.raises(JudgingError, match="a margin is nan"):
        Margin(math.nan)
    with pytest.raises(JudgingError, match="within is 0"):
        MarginRule(0.0)
    with pytest.raises(JudgingError, match="poor < worth"):
        MarginRule(0.3, worth=0.2, poor=0.4)
    with pytest.raises(JudgingError, match="error is 0"):
        MarginRule(0.3, error=0.0)
