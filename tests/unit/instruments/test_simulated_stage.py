"""The simulated stage and lenses: what they do against what they say."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.instruments.simulated.flaws import Flaws
from structloop.instruments.simulated.goniometer import Goniometer
from structloop.instruments.simulated.lenses import Lenses
from structloop.instruments.simulated.presets import presets
from structloop.schema.acquisition import StagePosition
from support.simulated_microscope import good_hole, scope

FLAWS = Flaws.from_seed(3)


def go(stage: Goniometer, now_s: float, **axes: float) -> float:
    here = stage.reading(now_s)
    return now_s + stage.start(here.model_copy(update=axes), now_s)


def test_the_stage_reads_one_thing_and_is_at_another() -> None:
    stage, errors, now = Goniometer(FLAWS, 3), [], 0.0
    for step in range(40):
        now = go(stage, now, x_um=float(step * 7 % 50), y_um=float(step * 11 % 40))
        assert stage.reading(now).x_um == pytest.approx(step * 7 % 50, abs=0.06)
        errors.append(stage.actual(now).x_um - stage.reading(now).x_um)
    assert 0.15 < float(np.std(errors)) < 1.0
    assert max(map(abs, errors)) < 2.0


def test_backlash_depends_on_the_direction_of_approach() -> None:
    def arrive(come_from_um: float, seed: int) -> float:
        stage = Goniometer(FLAWS, seed)
        now = go(stage, 0.0, x_um=come_from_um)
        now = go(stage, now, x_um=10.0)
        return stage.actual(now).x_um

    from_below = [arrive(0.0, seed) for seed in range(30)]
    from_above = [arrive(20.0, seed) for seed in range(30)]
    assert np.mean(from_above) - np.mean(from_below) == pytest.approx(FLAWS.backlash_um[0], abs=0.15)
    assert np.std(from_below) < 0.4 * FLAWS.backlash_um[0] + 0.1


def test_a_move_within_the_play_does_not_move_the_specimen() -> None:
    quiet = Flaws.none().__class__(**{**vars(Flaws.none()), "backlash_um": (1.0, 1.0, 0.2)})
    stage = Goniometer(quiet, 1)
    now = go(stage, 0.0, x_um=10.0)
    before = stage.actual(now).x_um
    now = go(stage, now, x_um=9.5)
    assert stage.reading(now).x_um == pytest.approx(9.5)
    assert stage.actual(now).x_um == pytest.approx(before)
    now = go(stage, now, x_um=8.0)
    assert stage.actual(now).x_um == pytest.approx(8.5)


def test_the_specimen_drifts_after_a_move_and_comes_to_rest() -> None:
    stage = Goniometer(FLAWS, 3)
    now = go(stage, 0.0, x_um=30.0)
    rates = [math.hypot(*stage.drift_angstrom_per_s(now + wait)) for wait in (0, 5, 15, 40, 120)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 2.0
    assert rates[-1] < 0.3
    # The drift is what the position changes by.
    step = 0.01
    moved = (stage.actual(now + 5 + step).x_um - stage.actual(now + 5).x_um) * 1e4 / step
    assert moved == pytest.approx(stage.drift_angstrom_per_s(now + 5)[0], rel=0.05)


def test_a_stage_without_flaws_is_where_it_says() -> None:
    stage = Goniometer(Flaws.none(), 3)
    now = go(stage, 0.0, x_um=30.0, y_um=-4.0, z_um=2.0, tilt_deg=5.0)
    for wait in (0, 100):
        assert stage.actual(now + wait) == stage.reading(now) == StagePosition(x_um=30, y_um=-4, z_um=2, tilt_deg=5)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-900, 900), st.floats(-900, 900), st.floats(-60, 60)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_a_stage_that_is_halted_stays_between_start_and_end(
    targets: list[tuple[float, float, float]], share: float
) -> None:
    stage, now = Goniometer(FLAWS, 1), 0.0
    for x_um, y_um, tilt_deg in targets:
        start = stage.reading(now)
        takes = stage.start(StagePosition(x_um=x_um, y_um=y_um, tilt_deg=tilt_deg), now)
        now += takes * share
        stage.halt(now)
        at = stage.reading(now)
        for began, ends, is_at in (
            (start.x_um, x_um, at.x_um),
            (start.y_um, y_um, at.y_um),
            (start.tilt_deg, tilt_deg, at.tilt_deg),
        ):
            assert min(began, ends) - 0.1 <= is_at <= max(began, ends) + 0.1
        assert stage.reading(now + 1000) == at
        assert math.isfinite(stage.actual(now).x_um)


def test_far_moves_take_longer_than_near_ones() -> None:
    times = []
    for distance in (0.5, 5.0, 50.0, 500.0):
        stage = Goniometer(FLAWS, 3)
        times.append(stage.start(StagePosition(x_um=distance, y_um=0.0), 0.0))
    assert times == sorted(times)
    assert 1.0 <= times[0] <= 2.0
    assert times[-1] < 20


def test_an_image_shift_is_nearly_what_was_asked_for_and_leaves_coma() -> None:
    lenses = Lenses(presets(3, FLAWS, 512), FLAWS, 3)
    lenses.shift(6.0, -2.0, 10.0)
    x, y = lenses.true_shift_um(20.0)
    off = math.hypot(x - 6.0, y + 2.0)
    assert 0.001 < off < 0.2
    assert math.hypot(*lenses.beam_tilt_mrad()) == pytest.approx(
        FLAWS.tilt_per_shift_mrad_per_um * math.hypot(6, 2), rel=1e-6
    )
    near = lenses.astigmatism().half_um
    lenses.shift(12.0, -4.0, 30.0)
    assert lenses.astigmatism().half_um != near
    assert lenses.true_shift_um(30.0)[0] == pytest.approx(2 * x, abs=0.02)
    assert math.hypot(*lenses.settling_angstrom_per_s(30.0)) > 20 * math.hypot(*lenses.settling_angstrom_per_s(31.5))


def test_a_defocus_that_is_set_holds_for_the_next_image_and_its_lens_mode() -> None:
    made = presets(3, FLAWS, 512)
    lenses = Lenses(made, FLAWS, 3)
    lenses.set_defocus(1.7)
    assert lenses.defocus_um == 1.7
    lenses.apply(made["record"])
    assert lenses.expose() == 1.7
    lenses.apply(made["hole"])
    assert lenses.expose() == made["hole"].preset.defocus_um
    lenses.apply(made["focus"])
    assert lenses.expose() == 1.7


def test_the_lens_has_hysteresis_and_is_set_wrong_by_a_little() -> None:
    made = presets(3, FLAWS, 512)
    lenses = Lenses(made, FLAWS, 3)
    lenses.apply(made["record"])
    ends = []
    for before in (0.0, 4.0):
        lenses.set_defocus(before)
        lenses.set_defocus(2.0)
        ends.append(lenses.true_defocus_um(0.0))
    assert ends[1] - ends[0] == pytest.approx(FLAWS.focus_play_um)
    assert 0 < abs(ends[0] - 2.0) < 3.0


def test_the_grid_lies_differently_after_each_load_and_at_different_heights_across_it() -> None:
    async def body() -> None:
        here = scope()
        await here.begin()
        hole = good_hole(here.truth.cassette)
        first = here.truth.stage_for(hole.x_um, hole.y_um)
        await here.autoloader.load(2)
        await here.autoloader.load(1)
        second = here.truth.stage_for(hole.x_um, hole.y_um)
        assert 0.1 < math.dist(first, second) < 100
        heights = []
        for x_um in (-600.0, 0.0, 600.0):
            await here.stage.move(x_um=x_um, y_um=0.0)
            heights.append(here.truth.height_um())
        assert max(heights) - min(heights) > 1.0

    asyncio.run(body())
