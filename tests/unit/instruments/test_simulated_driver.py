"""The driver `simulated`: addresses, options, the state of the microscope, several side by side."""

import asyncio
import itertools
import time

import pytest

from structloop.core.errors import InstrumentConnectionError, NotCapableError
from structloop.instruments.clock import VirtualClock, WallClock
from structloop.instruments.drivers import microscope_drivers, open_microscope
from structloop.instruments.simulated import FaultPlan, SimulatedMicroscope, SimulatedOptions
from structloop.instruments.simulated.flaws import Flaws
from structloop.instruments.simulated.surroundings import Beam, Dewars, Slit
from structloop.schema.acquisition import CAPABILITY_OF, Fault
from structloop.simulation.grids import Cassette
from support.simulated_microscope import Scope, scope


def test_an_address_says_how_it_is_set_up() -> None:
    microscope = open_microscope("simulated://?seed=7&grids=2&camera=256&clock=wall&measure=model&flaws=none")
    assert isinstance(microscope, SimulatedMicroscope)
    assert isinstance(microscope.clock, WallClock)
    assert {preset.width_px for preset in microscope.description.presets} == {256}
    assert microscope.description.operations == set(CAPABILITY_OF)
    assert isinstance(open_microscope("simulated"), SimulatedMicroscope)
    lacey = open_microscope("simulated://?grids=1&kinds=lacey")
    assert isinstance(lacey, SimulatedMicroscope)
    assert Scope(lacey).truth.cassette.grid(1).kind.value == "lacey"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("simulated://?seed=x", "seed=x"),
        ("simulated://?seed=-1", "seed=-1"),
        ("simulated://?grids=13", "grids=13"),
        ("simulated://?camera=100", "camera=100"),
        ("simulated://?camera=513", "camera=513"),
        ("simulated://?clock=sun", "virtual, wall"),
        ("simulated://?kinds=paper", "paper"),
        ("simulated://?measure=guess", "images, model"),
        ("simulated://?faults=jam", "faults"),
        ("simulated://localhost:3", "nowhere"),
        ("simulated://?sed=3", "did you mean 'seed'"),
    ],
)
def test_an_address_that_cannot_be_is_refused_with_its_reason(address: str, said: str) -> None:
    with pytest.raises(NotCapableError, match=said):
        open_microscope(address)


def test_every_option_is_read() -> None:
    driver = microscope_drivers.get("simulated")
    assert set(driver.options) == {
        *("seed", "grids", "kinds", "clock", "camera", "faults", "measure", "flaws", "frames", "movies", "exposure_log")
    }


def test_presets_have_the_same_field_whatever_the_camera() -> None:
    large, small = (
        SimulatedMicroscope(Cassette.from_seed(1, 1), options=SimulatedOptions(camera_px=size)).description
        for size in (4096, 512)
    )
    for preset in large.presets:
        other = small.preset(preset.name)
        assert other is not None
        assert other.pixel_size_angstrom * other.width_px == pytest.approx(preset.pixel_size_angstrom * preset.width_px)
        assert other.dose_e_per_angstrom2 == preset.dose_e_per_angstrom2
    atlas, record = large.preset("atlas"), large.preset("record")
    assert atlas is not None
    assert record is not None
    assert (atlas.width_px, record.width_px, small.presets[0].width_px) == (2048, 4096, 512)
    assert 0.8 < record.pixel_size_angstrom < 1.3
    assert 40 < (record.dose_e_per_angstrom2 or 0) < 60


def test_it_does_nothing_before_it_is_connected_and_after_it_is_closed() -> None:
    async def body() -> None:
        here = scope()
        for _ in range(2):
            with pytest.raises(InstrumentConnectionError):
                await here.stage.move(x_um=1)
            with pytest.raises(InstrumentConnectionError):
                await here.microscope.state()
            await here.begin()
            await here.microscope.close()

    asyncio.run(body())


def test_several_microscopes_do_not_know_of_each_other() -> None:
    async def alone(seed: int) -> tuple[float, float]:
        here = scope(seed)
        await here.begin()
        await here.stage.move(x_um=10)
        return here.clock.elapsed_s(), here.truth.stage().x_um

    async def together() -> list[tuple[float, float]]:
        return list(await asyncio.gather(alone(1), alone(2)))

    assert asyncio.run(together()) == [asyncio.run(alone(1)), asyncio.run(alone(2))]


def test_the_times_of_a_virtual_day_are_those_of_a_real_one() -> None:
    async def body() -> None:
        here = scope()
        spent: dict[str, float] = {}

        async def timed(name: str, work: object) -> None:
            began = here.clock.elapsed_s()
            await work  # type: ignore[misc]  # any of the microscope's coroutines
            spent[name] = here.clock.elapsed_s() - began

        await here.begin()
        await timed("load", here.autoloader.load(2))
        await timed("move", here.stage.move(x_um=20, y_um=20))
        await timed("shift", here.image_shift.shift(2, 2, 0.3))
        await timed("record", here.camera.acquire("record"))
        await timed("again", here.camera.acquire("record"))
        await timed("focus", here.focus.autofocus(1.5))
        assert 120 < spent["load"] < 400
        assert 1 < spent["move"] < 4
        assert 0.3 < spent["shift"] < 1
        assert 3 < spent["again"] < 6 < spent["record"] + 4
        assert 4 < spent["focus"] < 30

    asyncio.run(body())


def test_on_the_wall_clock_things_take_their_time() -> None:
    async def body() -> None:
        here = scope(clock=WallClock())
        await here.microscope.connect()
        began = time.monotonic()
        await here.image_shift.shift(1, 1, 0.2)
        assert time.monotonic() - began > 0.3
        moving = asyncio.create_task(here.stage.move(x_um=900))
        await asyncio.sleep(0.05)
        await here.microscope.abort()
        with pytest.raises(Exception, match="aborted"):
            await moving
        assert time.monotonic() - began < 3

    asyncio.run(body())


def test_dewars_beam_and_slit_follow_the_clock_alone() -> None:
    for seed in range(5):
        step, jump = Dewars(seed), Dewars(seed)
        seen = [step.ready_in_s(60.0 * minute) > 0 for minute in range(60 * 24)]
        assert 3 <= sum(after and not before for before, after in itertools.pairwise(seen)) <= 8
        assert jump.ready_in_s(60.0 * (60 * 24 - 1)) == pytest.approx(step.ready_in_s(60.0 * (60 * 24 - 1)))
    assert not any(Dewars(1, flawless=True).ready_in_s(600.0 * step) for step in range(1000))
    flaws = Flaws.from_seed(2)
    beam, slit = Beam(flaws), Slit(flaws, 2)
    assert beam.intensity(10 * 3600) < 0.99 * beam.intensity(0)
    beam.flash(10 * 3600)
    assert beam.intensity(10 * 3600) == pytest.approx(1.0, abs=0.02)
    beam.condenser_um = 50.0
    assert beam.intensity(10 * 3600) == pytest.approx((50 / 70) ** 2, abs=0.02)
    assert slit.transmission(0) > 0.99 > slit.transmission(10 * 3600)
    slit.width_ev = None
    assert slit.transmission(10 * 3600) == 1


def test_faults_of_an_address_come_by_chance() -> None:
    async def body() -> None:
        microscope = open_microscope("simulated://?camera=256&faults=stage-jam:1")
        assert isinstance(microscope, SimulatedMicroscope)
        here = Scope(microscope)
        await here.begin()
        with pytest.raises(Exception, match="stage is stuck") as raised:
            await here.stage.move(x_um=5)
        assert getattr(raised.value, "fault", None) == Fault.STAGE_JAM

    asyncio.run(body())


def test_parts_come_ready_made() -> None:
    microscope = SimulatedMicroscope()
    assert isinstance(microscope.clock, VirtualClock)
    assert FaultPlan() == FaultPlan.parse("")
