"""Limits learned from marks: what a person means is found, and few or contradictory marks do no harm."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.micrographs.judging import Indicators, Limits, MarkedExposure, judge, learn_limits

RESOLUTIONS = st.lists(st.floats(2.5, 12.0), min_size=1, max_size=12)


def _by_resolution(values: list[float], limit: float) -> list[MarkedExposure]:
    return [MarkedExposure(Indicators(ctf_resolution_angstrom=value), value <= limit) for value in values]


def _learned(values: list[float], limit: float) -> float:
    found = learn_limits(_by_resolution(values, limit)).limits.most_ctf_resolution_angstrom
    assert found is not None
    return found


def test_without_marks_the_limits_stay_and_it_is_said() -> None:
    learned = learn_limits([])
    assert learned.limits == Limits()
    assert learned.moved == ()
    assert "no marks" in learned.remarks[0]


def test_a_clear_limit_is_found_and_the_rest_stays() -> None:
    rng = np.random.default_rng(3)
    marked = [
        MarkedExposure(
            Indicators(ctf_resolution_angstrom=resolution, total_motion_angstrom=motion, ice_nm=ice), resolution <= 4.0
        )
        for resolution, motion, ice in zip(
            rng.uniform(3, 5.5, 40), rng.uniform(5, 30, 40), rng.uniform(20, 90, 40), strict=True
        )
    ]
    learned = learn_limits(marked)
    assert learned.limits.most_ctf_resolution_angstrom == pytest.approx(4.0, abs=0.25)
    assert learned.limits.ice_nm == Limits().ice_nm
    assert learned.limits.most_total_motion_angstrom == Limits().most_total_motion_angstrom
    assert [each.name for each in learned.moved] == ["most_ctf_resolution_angstrom"]
    detail = learned.moved[0]
    assert detail.moved > 0.95
    assert detail.low is not None
    assert detail.high is not None
    assert detail.low <= 4.0 <= detail.high
    assert "CTF resolution: at most" in detail.words
    assert learned.agreed_after > learned.agreed_before


def test_two_marks_do_nothing_silly() -> None:
    marked = _by_resolution([3.2, 5.0], 4.0)
    learned = learn_limits(marked)
    for each in learned.moved:
        assert each.before is not None
        assert each.after is not None
        assert 0.2 < each.after / each.before < 5
    assert learned.agreed_after >= learned.agreed_before
    assert judge(Indicators(ctf_resolution_angstrom=3.0), learned.limits).problematic < 0.5


def test_contradictory_marks_leave_the_limits_and_are_remarked() -> None:
    same = Indicators(ctf_resolution_angstrom=4.0, total_motion_angstrom=12.0, ice_nm=40.0, defocus_um=1.5)
    learned = learn_limits([MarkedExposure(same, is_good) for is_good in (True, False) * 5])
    assert learned.limits == Limits()
    assert any("go against" in remark for remark in learned.remarks)


def test_marks_of_one_kind_are_remarked() -> None:
    learned = learn_limits(_by_resolution([3.0, 3.5], 9.0))
    assert learned.limits == Limits()
    assert "All 2 marks are good" in learned.remarks[0]


def test_a_limit_that_was_not_there_appears_only_with_evidence() -> None:
    few = [MarkedExposure(Indicators(particles_per_um2=200.0), False)]
    assert learn_limits(few).limits.particles_per_um2 == (None, None)
    rng = np.random.default_rng(0)
    many = [
        MarkedExposure(Indicators(particles_per_um2=float(value)), bool(value > 500))
        for value in rng.uniform(50, 2000, 40)
    ]
    low, high = learn_limits(many).limits.particles_per_um2
    assert low == pytest.approx(500, rel=0.25)
    assert high is None


def test_crystalline_ice_is_allowed_where_it_is_marked_good() -> None:
    marked = [MarkedExposure(Indicators(crystalline_ice=True), True) for _ in range(6)]
    marked += [MarkedExposure(Indicators(crystalline_ice=False, ctf_resolution_angstrom=9.0), False)]
    learned = learn_limits(marked)
    assert learned.limits.crystalline_ice_allowed
    assert "allowed from now on" in learned.moved[0].words


def test_exposures_without_rings_can_be_marked() -> None:
    marked = [
        *_by_resolution([3.0, 3.5, 4.5, 5.0], 4.0),
        MarkedExposure(Indicators(ctf_resolution_angstrom=math.inf), False),
    ]
    assert learn_limits(marked).limits.most_ctf_resolution_angstrom is not None


def test_the_order_of_marks_does_not_matter() -> None:
    marked = _by_resolution([2.9, 3.4, 3.8, 4.4, 5.1, 5.6, 3.1], 4.0)
    assert learn_limits(marked).limits == learn_limits(marked[::-1]).limits


@settings(max_examples=40)
@given(RESOLUTIONS, st.floats(3.0, 6.0), st.floats(0.0, 2.0))
def test_a_stricter_person_never_gets_a_looser_limit(values: list[float], limit: float, stricter: float) -> None:
    assert _learned(values, limit - stricter) <= _learned(values, limit) * (1 + 1e-9)


@settings(max_examples=40)
@given(RESOLUTIONS, st.floats(3.0, 6.0), st.floats(2.5, 12.0))
def test_one_more_bad_mark_never_loosens_the_limit(values: list[float], limit: float, another: float) -> None:
    marked = _by_resolution(values, limit)
    more = [*marked, MarkedExposure(Indicators(ctf_resolution_angstrom=another), False)]
    before = learn_limits(marked).limits.most_ctf_resolution_angstrom
    after = learn_limits(more).limits.most_ctf_resolution_angstrom
    assert before is not None
    assert after is not None
    assert after <= before * (1 + 1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(3.2, 5.0))
def test_more_marks_narrow_it(seed: int, limit: float) -> None:
    values = np.random.default_rng(seed).uniform(2.5, 6.5, 64).tolist()
    widths = []
    for count in (4, 64):
        detail = next(
            each
            for each in learn_limits(_by_resolution(values[:count], limit)).details
            if each.name == "most_ctf_resolution_angstrom"
        )
        assert detail.low is not None
        assert detail.high is not None
        widths.append(detail.high / detail.low)
    assert widths[1] <= widths[0]
