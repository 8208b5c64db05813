"""What the simulated microscope leaves behind where an action is interrupted or refused."""

import asyncio

import pytest

from structloop.core.errors import InstrumentError, InstrumentFaultError, NotCapableError
from structloop.instruments.simulated import PlannedFault, When
from structloop.schema.acquisition import Fault
from support.simulated_microscope import good_hole, scope


@pytest.mark.parametrize(
    ("fault", "back"),
    [(Fault.CAMERA_TIMEOUT, True), (Fault.DEWAR_FILLING, True), (Fault.OTHER, True), (Fault.USER_STOP, False)],
)
def test_a_height_that_fails_tilts_the_stage_back_where_it_may(fault: Fault, back: bool) -> None:
    async def body() -> None:
        here = scope(1)
        await here.begin()
        await here.stage.tilt(1.5)
        here.microscope.inject(PlannedFault(fault, "find-eucentric-height", when=When.MIDDLE))
        with pytest.raises(InstrumentError):
            await here.focus.eucentric_height("rough")
        assert ((await here.stage.position()).tilt_deg == pytest.approx(1.5, abs=0.1)) is back

    asyncio.run(body())


@pytest.mark.parametrize("kind", ["load-grid", "unload-grid"])
def test_of_a_grid_that_is_stuck_on_its_way_the_slot_is_unknown(kind: str) -> None:
    async def body() -> None:
        here = scope(3)
        await here.begin(1 if kind == "unload-grid" else None)
        here.microscope.inject(PlannedFault(Fault.AUTOLOADER, kind, when=When.MIDDLE))
        load = kind == "load-grid"
        with pytest.raises(InstrumentFaultError):
            await (here.autoloader.load(1) if load else here.autoloader.unload())
        assert [slot.occupied for slot in await here.autoloader.slots()][:3] == [None, True, False]
        assert (await here.microscope.state()).slot is None
        await here.autoloader.unload()
        assert [slot.occupied for slot in await here.autoloader.slots()][:3] == [True, True, False]
        await here.autoloader.load(2)
        assert (await here.microscope.state()).slot == 2

    asyncio.run(body())


def test_no_movie_is_made_of_one_frame_and_nothing_is_exposed_for_it() -> None:
    async def body() -> None:
        here = scope(3)
        await here.begin()
        with pytest.raises(NotCapableError, match="no movie"):
            await here.camera.acquire("square", save_frames=True)
        assert here.truth.exposures == ()

    asyncio.run(body())


def test_an_alignment_beyond_the_reach_of_the_image_shift_sets_none() -> None:
    async def body() -> None:
        here = scope(3, camera=256)
        await here.begin()
        await here.go_to(good_hole(here.truth.cassette))
        template = await here.camera.acquire("square")
        await here.stage.move(x_um=25.0, relative=True)
        with pytest.raises(InstrumentFaultError, match="reach of the image shift"):
            await here.camera.align_to(template)
        assert (await here.microscope.state()).image_shift_um == (0.0, 0.0)

    asyncio.run(body())
