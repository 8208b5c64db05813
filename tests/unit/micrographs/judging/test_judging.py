"""Indicators act together, intervals widen when data are few, and places worth staying are seldom left."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from structloop.core.errors import JudgingError
from structloop.micrographs.judging import (
    Indicators,
    LeavingRule,
    Limits,
    fixed_rule_exposures,
    judge,
    pooled,
)

FINE = Indicators(
    total_motion_angstrom=12.0,
    early_motion_angstrom=5.0,
    defocus_um=1.4,
    astigmatism_um=0.03,
    ctf_resolution_angstrom=3.5,
    ctf_confidence=0.999,
    ice_nm=35.0,
    crystalline_ice=False,
    film_poses=False,
    tilt_deg=1.0,
    particles_per_um2=900.0,
)


def test_a_fine_exposure_has_no_reasons() -> None:
    found = judge(FINE, Limits())
    assert found.problematic < 0.01
    assert found.reasons == ()
    assert found.known == 11


def test_limits_that_are_off_by_default() -> None:
    crowded = replace(FINE, particle_overlap=0.6, empty_fraction=0.7, poor_condition=0.9)
    assert judge(replace(crowded, poor_condition=None), Limits()).problematic < 0.01
    limits = Limits(most_particle_overlap=0.3, most_empty_fraction=0.5, poor_condition_allowed=True)
    said = [each.words for each in judge(crowded, limits).reasons]
    assert said == ["a share of 0.6 overlaps, more than 0.3", "a share of 0.7 is empty, more than 0.5"]
    with pytest.raises(JudgingError, match="poor_condition is"):
        judge(replace(FINE, poor_condition=1.2), Limits())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"total_motion_angstrom": 90.0}, "moved 90 Å, more than 50"),
        ({"early_motion_angstrom": 40.0}, "moved 40 Å in the first frames, more than 20"),
        ({"defocus_um": 0.1}, "defocus is 0.1 µm, less than 0.3"),
        ({"defocus_um": 6.0}, "defocus is 6 µm, more than 4"),
        ({"astigmatism_um": 0.5}, "astigmatism is 0.5 µm, more than 0.2"),
        ({"ctf_resolution_angstrom": 11.0}, "rings end at 11 Å, more than 6"),
        ({"ctf_resolution_angstrom": math.inf}, "no rings are seen"),
        ({"ctf_confidence": 0.02}, "no rings to be believed (confidence 0.02)"),
        ({"ice_nm": 300.0}, "ice is 300 nm thick, more than 120"),
        ({"ice_nm": 2.0}, "ice is 2 nm thick, less than 10"),
        ({"crystalline_ice": True}, "the ice is crystalline"),
        ({"film_poses": True}, "the rings are those of the film"),
        ({"poor_condition": 0.97, "condition": "broken film"}, "condition: broken film"),
    ],
)
def test_each_problem_is_told_in_words(changed: dict[str, float | bool], words: str) -> None:
    found = judge(replace(FINE, **changed), Limits())  # type: ignore[arg-type]
    assert found.problematic > 0.9
    assert [reason.words for reason in found.reasons] == [words]


def test_what_is_near_several_limits_is_likelier_to_be_problematic_than_near_one() -> None:
    one = judge(replace(FINE, astigmatism_um=0.2), Limits())
    two = judge(replace(FINE, astigmatism_um=0.2, total_motion_angstrom=50.0), Limits())
    assert one.problematic == pytest.approx(0.5, abs=0.01)
    assert two.problematic == pytest.approx(0.75, abs=0.01)
    assert len(two.reasons) == 2


def test_what_is_not_known_says_nothing() -> None:
    found = judge(Indicators(), Limits())
    assert (found.problematic, found.known) == (0, 0)


def test_faulty_limits_and_numbers_are_refused() -> None:
    with pytest.raises(JudgingError, match="ctf_resolution_angstrom is not a number"):
        Indicators(ctf_resolution_angstrom=math.nan)
    with pytest.raises(JudgingError, match="the limit of tilt_deg"):
        judge(FINE, Limits(most_tilt_deg=-1))
    with pytest.raises(JudgingError, match="lower one first"):
        judge(FINE, Limits(ice_nm=(100, 20)))
    with pytest.raises(JudgingError, match="not between 0 and 1"):
        pooled([0.2, 1.2])
    with pytest.raises(JudgingError, match="poor < worth"):
        LeavingRule(worth=0.1, poor=0.2)
    with pytest.raises(JudgingError, match="exposure 2"):
        LeavingRule().after([0.5, -0.1])


@given(share=st.floats(0.05, 0.95), count=st.integers(1, 40))
def test_intervals_hold_their_share_and_widen_with_fewer_data(share: float, count: int) -> None:
    few, many = pooled([share] * count, around=share), pooled([share] * 8 * count, around=share)
    alike = pooled([share] * 8 * count, around=share, correlation=0.5)
    assert 0 <= few.low <= few.share <= few.high <= 1
    assert many.high - many.low < few.high - few.low
    assert alike.high - alike.low > many.high - many.low


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(3)
    held = 0
    for _ in range(600):
        share = random.beta(4 * 0.3, 4 * 0.7)
        seen = random.random(random.integers(1, 25)) < share
        found = pooled([float(each) for each in seen], around=0.3)
        held += found.low <= share <= found.high
    assert 0.86 <= held / 600 <= 0.94


@pytest.mark.parametrize(("worth", "poor"), [(0.5, 0.15), (0.4, 0.1), (0.7, 0.3)])
def test_places_worth_staying_are_seldom_left_and_poor_ones_soon(worth: float, poor: float) -> None:
    random = np.random.default_rng(4)
    rule = LeavingRule(worth=worth, poor=poor)
    length = 60
    wrong = sum(rule.after((random.random(length) > worth).astype(float).tolist()).leave for _ in range(800))
    assert wrong / 800 <= 0.055
    left = [rule.after((random.random(length) > poor).astype(float).tolist()) for _ in range(400)]
    assert np.mean([each.leave for each in left]) > 0.95
    # A fixed number of exposures with the same errors takes longer than this one takes on average.
    assert np.mean([each.exposures for each in left]) < 0.75 * fixed_rule_exposures(rule)
    assert "at most 5%" in left[0].reason


def test_unsure_exposures_count_less() -> None:
    rule = LeavingRule()
    sure, unsure = rule.after([1.0] * 30), rule.after([0.7] * 30)
    assert sure.leave
    assert sure.exposures < unsure.exposures
    assert not rule.after([0.5] * 200).leave
