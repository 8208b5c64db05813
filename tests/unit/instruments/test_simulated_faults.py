"""Faults of the simulated microscope: on demand, by seed, and truthful about what may have happened."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    NotCapableError,
    StoppedByUserError,
)
from structloop.instruments.drivers import open_microscope
from structloop.instruments.simulated import SUSCEPTIBLE, FaultPlan, PlannedFault, When
from structloop.instruments.simulated.faults import FaultSource
from structloop.schema.acquisition import CAPABILITY_OF, Fault
from support.simulated_microscope import Scope, good_hole, scope

ERRORS: dict[Fault, type[InstrumentError]] = {
    Fault.STAGE_JAM: InstrumentFaultError,
    Fault.AUTOLOADER: InstrumentFaultError,
    Fault.CONNECTION_LOST: InstrumentConnectionError,
    Fault.CAMERA_TIMEOUT: InstrumentTimeoutError,
    Fault.TIMEOUT: InstrumentTimeoutError,
    Fault.VACUUM: InstrumentFaultError,
    Fault.DEWAR_FILLING: InstrumentFaultError,
    Fault.USER_STOP: StoppedByUserError,
}


async def montage(here: Scope) -> None:
    async for _ in here.camera.montage("hole", 2, 2):
        pass


async def align(here: Scope) -> None:
    image = await here.camera.acquire("hole")
    await here.camera.align_to(image)


ACTIONS: dict[str, Callable[[Scope], Awaitable[object]]] = {
    "load-grid": lambda here: here.autoloader.load(2),
    "unload-grid": lambda here: here.autoloader.unload(),
    "set-valves": lambda here: here.vacuum.set_valves(False),
    "set-beam": lambda here: here.optics.set_beam(False),
    "wait-ready": lambda here: here.vacuum.wait_ready(10),
    "apply-preset": lambda here: here.optics.apply_preset("record"),
    "move-stage": lambda here: here.stage.move(x_um=50, relative=True),
    "tilt-stage": lambda here: here.stage.tilt(20),
    "shift-image": lambda here: here.image_shift.shift(1, 1),
    "set-defocus": lambda here: here.focus.set_defocus(1),
    "autofocus": lambda here: here.focus.autofocus(1),
    "find-eucentric-height": lambda here: here.focus.eucentric_height("rough"),
    "wait-drift": lambda here: here.focus.wait_drift(1, 200),
    "acquire": lambda here: here.camera.acquire("record"),
    "acquire-montage": montage,
    "align-to": align,
    "maintain": lambda here: here.maintenance.maintain("flash-gun"),
}


@pytest.mark.parametrize("fault", list(ERRORS))
@pytest.mark.parametrize("kind", list(ACTIONS))
def test_each_fault_comes_at_each_kind_of_action_and_says_what_may_have_happened(kind: str, fault: Fault) -> None:
    async def body() -> None:
        here = scope(camera=256)
        await here.begin()
        await here.go_to(good_hole(here.truth.cassette))
        for when in When:
            here.microscope.inject(PlannedFault(fault, kind, when=when))
            with pytest.raises(ERRORS[fault]) as raised:
                async with here.clock.timeout(4000, kind):
                    await ACTIONS[kind](here)
            if fault is not Fault.TIMEOUT:  # which the clock ends, knowing nothing
                assert raised.value.fault == fault
                assert raised.value.may_have_happened == (when is not When.BEFORE)
            if fault is Fault.CONNECTION_LOST:
                with pytest.raises(InstrumentConnectionError, match=r"connect\(\)"):
                    await here.stage.position()
                await here.microscope.connect()
            state = await here.microscope.state()
            if fault is Fault.VACUUM:
                assert state.valves_open is False
                assert state.vacuum_ready is False
            if fault is Fault.DEWAR_FILLING:
                assert state.dewars_filling is True
            await here.vacuum.wait_ready(4000)
            await here.autoloader.load(1)
            await here.vacuum.set_valves(True)
            await here.optics.set_beam(True)
            await here.go_to(good_hole(here.truth.cassette))
            # It is over, and the action can be done.
            await ACTIONS[kind](here)
            await here.autoloader.load(1)
            await here.vacuum.set_valves(True)
            await here.optics.set_beam(True)

    asyncio.run(body())


def test_every_kind_of_action_can_be_hit() -> None:
    assert set(CAPABILITY_OF) - set(ACTIONS) == {"set-aperture", "set-energy-filter", "align-zero-loss"}


@pytest.mark.parametrize("fault", [Fault.CAMERA_TIMEOUT, Fault.CONNECTION_LOST, Fault.USER_STOP, Fault.VACUUM])
@pytest.mark.parametrize(
    ("when", "carried_out", "exposed"),
    [
        (When.BEFORE, None, 0),
        (When.MIDDLE, False, 0),
        (When.MIDDLE, True, 1),
        (When.AFTER, None, 1),
    ],
)
def test_the_truth_knows_whether_a_lost_exposure_happened(
    fault: Fault, when: When, carried_out: bool | None, exposed: int
) -> None:
    async def body() -> None:
        here = scope(camera=256, faults=FaultPlan((PlannedFault(fault, "acquire", 1, when, 1, carried_out),)))
        await here.begin()
        with pytest.raises(InstrumentError) as raised:
            await here.camera.acquire("record")
        assert len(here.truth.exposures) == exposed
        # It never says that nothing happened when something did.
        assert raised.value.may_have_happened or exposed == 0

    asyncio.run(body())


def test_a_montage_that_breaks_off_has_exposed_the_tiles_before() -> None:
    async def body() -> None:
        here = scope(camera=256)
        await here.begin()
        here.microscope.inject(
            PlannedFault(Fault.CAMERA_TIMEOUT, "acquire-montage", when=When.MIDDLE, carried_out=False)
        )

        async def take() -> None:
            async for _ in here.camera.montage("square", 3, 2):
                pass

        with pytest.raises(InstrumentTimeoutError):
            await take()
        assert len(here.truth.exposures) == 3

    asyncio.run(body())


def test_a_jammed_stage_stops_between_where_it_was_and_where_it_should_be() -> None:
    async def body() -> None:
        here = scope(faults=FaultPlan((PlannedFault(Fault.STAGE_JAM, "move-stage", 2, When.MIDDLE),)))
        await here.begin()
        await here.stage.move(x_um=0)
        with pytest.raises(InstrumentFaultError):
            await here.stage.move(x_um=400)
        assert 50 < (await here.stage.position()).x_um < 350
        assert (await here.stage.move(x_um=400)).x_um == pytest.approx(400, abs=0.1)

    asyncio.run(body())


def test_an_autoloader_that_fails_half_way_leaves_no_grid_on_the_stage_and_the_valves_closed() -> None:
    async def body() -> None:
        here = scope(faults=FaultPlan((PlannedFault(Fault.AUTOLOADER, "load-grid", 2, When.MIDDLE),)))
        await here.begin()
        with pytest.raises(InstrumentFaultError):
            await here.autoloader.load(2)
        state = await here.microscope.state()
        assert (state.slot, state.valves_open) == (None, False)
        await here.autoloader.load(2)
        assert (await here.microscope.state()).slot == 2

    asyncio.run(body())


def test_the_dewars_are_filled_every_few_hours_and_exposures_wait() -> None:
    async def body() -> None:
        here = scope(camera=256)
        await here.begin()
        refused: list[InstrumentFaultError] = []
        for _ in range(8 * 12):
            await here.clock.sleep(300)
            try:
                await here.camera.acquire("record")
            except InstrumentFaultError as error:
                refused.append(error)
                await here.camera.acquire("square")  # which a little shaking does not hurt
                await here.vacuum.wait_ready(1800)
                await here.camera.acquire("record")
        assert 1 <= len(refused) <= 4
        assert {(error.fault, error.may_have_happened) for error in refused} == {(Fault.DEWAR_FILLING, False)}

    asyncio.run(body())


def test_dewars_that_interrupt_a_montage_do_not_say_that_nothing_happened() -> None:
    async def body() -> None:
        here = scope(camera=256)
        await here.begin()
        errors: list[InstrumentFaultError] = []

        async def take() -> None:
            async for _ in here.camera.montage("record", 2, 2):
                await here.maintenance.maintain("normalise-lenses")
                await here.clock.sleep(1800)

        for _ in range(6):
            try:
                await take()
            except InstrumentFaultError as error:
                errors.append(error)
                await here.vacuum.wait_ready(1800)
        assert errors
        assert any(error.may_have_happened for error in errors)

    asyncio.run(body())


def test_valves_stay_closed_while_the_vacuum_is_bad() -> None:
    async def body() -> None:
        here = scope(faults=FaultPlan((PlannedFault(Fault.VACUUM, "acquire"),)))
        await here.begin()
        with pytest.raises(InstrumentFaultError):
            await here.camera.acquire("square")
        with pytest.raises(InstrumentFaultError, match="vacuum is bad"):
            await here.vacuum.set_valves(True)
        with pytest.raises(InstrumentTimeoutError):
            await here.vacuum.wait_ready(5)
        await here.vacuum.wait_ready(1800)
        await here.vacuum.set_valves(True)

    asyncio.run(body())


def test_an_aborted_load_ends_soon_and_can_be_repeated() -> None:
    async def body() -> None:
        here = scope()
        await here.microscope.connect()
        loading = asyncio.create_task(here.autoloader.load(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(InstrumentFaultError, match="busy with load-grid"):
            await here.stage.move(x_um=1)
        await here.microscope.abort()
        with pytest.raises(InstrumentFaultError, match="aborted"):
            await loading
        await here.autoloader.load(1)
        assert (await here.microscope.state()).slot == 1

    asyncio.run(body())


def test_rates_bring_faults_at_what_they_can_befall_the_same_by_seed() -> None:
    def drawn(seed: int) -> list[tuple[Fault, When] | None]:
        source = FaultSource(FaultPlan(rates={Fault.STAGE_JAM: 0.2, Fault.CAMERA_TIMEOUT: 0.1}), seed)
        found = [source.next(kind) for kind in ("move-stage", "acquire", "set-beam") * 200]
        assert not any(found[2::3])
        assert all(hit is None or hit.fault in (Fault.STAGE_JAM, Fault.CAMERA_TIMEOUT) for hit in found)
        jams = sum(hit is not None and hit.fault is Fault.STAGE_JAM for hit in found[0::3])
        assert 20 < jams < 60
        return [None if hit is None else (hit.fault, hit.when) for hit in found]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 4),
    st.lists(st.sampled_from(["acquire", "move-stage", "load-grid"]), min_size=1, max_size=40),
)
def test_a_planned_fault_comes_at_exactly_its_actions(nth: int, times: int, kinds: list[str]) -> None:
    source = FaultSource(FaultPlan((PlannedFault(Fault.USER_STOP, "acquire", nth, When.AFTER, times),)), 0)
    hits = [source.next(kind) is not None for kind in kinds]
    counted, expected = 0, []
    for kind in kinds:
        counted += kind == "acquire"
        expected.append(kind == "acquire" and nth <= counted < nth + times)
    assert hits == expected


def test_a_plan_is_read_from_an_address() -> None:
    plan = FaultPlan.parse("stage-jam:0.01, vacuum:1e-3,camera-timeout@acquire#3:middle,user-stop@any#20")
    assert plan.rates == {Fault.STAGE_JAM: 0.01, Fault.VACUUM: 0.001}
    assert plan.planned == (
        PlannedFault(Fault.CAMERA_TIMEOUT, "acquire", 3, When.MIDDLE),
        PlannedFault(Fault.USER_STOP, None, 20, When.BEFORE),
    )
    assert FaultPlan.parse("") == FaultPlan()
    assert set(SUSCEPTIBLE) == set(ERRORS)


@pytest.mark.parametrize(
    "text",
    [
        "stage-jam",
        "earthquake:0.1",
        "stage-jam:2",
        "limit:0.1",
        "vacuum@nothing#1",
        "vacuum@acquire#0",
        "vacuum@acquire#1:later",
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(NotCapableError):
        open_microscope(f"simulated://?faults={text.replace('#', '%23')}")
