"""The driver: presets, traps of SerialEM's commands, what its errors mean, and exposures that are never repeated."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    NotCapableError,
    StoppedByUserError,
)
from structloop.instruments.drivers import Driver, ScopeAddress, open_microscope
from structloop.instruments.microscope import Microscope
from structloop.instruments.serialem.driver import SerialEMDriver
from structloop.instruments.serialem.places import DEFAULT_PLACES, Place, places_of
from structloop.schema.acquisition import (
    Acquire,
    Action,
    Drifting,
    Fault,
    LoadGrid,
    MoveStage,
    Preset,
    SetBeam,
    SetValves,
)
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_program import FakeSerialEM
from structloop.testing.serialem_server import SerialEMServer, Trouble, serving

Scenario = Callable[[Microscope, SerialEMServer, BenchMicroscope], Awaitable[Any]]


def run(scenario: Scenario, bench: BenchMicroscope | None = None, *, slots_reply: int = 2, **options: str) -> Any:
    """Run a scenario with the driver connected to a fake SerialEM on a bench."""
    behind = bench or BenchMicroscope()
    program = FakeSerialEM(behind, slots_reply=slots_reply)

    async def main(server: SerialEMServer) -> Any:
        scope = SerialEMDriver().open(ScopeAddress("serialem", "127.0.0.1", server.port, options=options))
        await scope.connect()
        try:
            async with asyncio.timeout(20):
                return await scenario(scope, server, behind)
        finally:
            await scope.close()

    with serving(program, header_pause_s=0.0) as server:
        return asyncio.run(main(server))


class OtherPresets(BenchMicroscope):
    """A bench without some presets."""

    lacking: tuple[str, ...] = ()

    @property
    def description(self) -> Any:
        whole = super().description
        left = tuple(preset for preset in whole.presets if preset.name not in self.lacking)
        return whole.model_copy(update={"presets": left})


# --- Opening ---------------------------------------------------------------------------------------------------------


def test_it_is_a_driver_and_opens_nothing_before_it_connects() -> None:
    driver = SerialEMDriver()
    assert isinstance(driver, Driver)
    scope = open_microscope("serialem://127.0.0.1:1?square=S")
    with pytest.raises(InstrumentConnectionError, match="connect"):
        _ = scope.description
    with pytest.raises(InstrumentConnectionError, match="no SerialEM at"):
        asyncio.run(scope.connect())


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("serialem://host/path", "no path"),
        ("serialem://host?timeout=soon", "timeout=soon"),
        ("serialem://host?slots=0", "slots=0"),
        ("serialem://host?atlas=", "atlas="),
        ("serialem://host?speed=3", "speed"),
    ],
)
def test_impossible_addresses_are_told(address: str, told: str) -> None:
    with pytest.raises(NotCapableError, match=told):
        open_microscope(address)


def test_presets_are_areas_or_imaging_states() -> None:
    assert places_of({}) == DEFAULT_PLACES
    places = places_of({"square": "S", "atlas": "LMM"})
    assert places["square"] == Place("S", needed=True)
    assert places["atlas"] == Place("R", "LMM", needed=True)


def test_presets_are_read_from_the_instrument_and_nothing_is_exposed() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        presets = {preset.name: preset for preset in scope.description.presets}
        assert list(presets) == list(DEFAULT_PLACES)
        expected = bench.description.preset("record")
        assert isinstance(expected, Preset)
        got = presets["record"]
        assert (got.magnification, got.width_px, got.height_px, got.exposure_s) == (100_000, 64, 48, 1.0)
        assert got.pixel_size_angstrom == pytest.approx(1.0)
        assert got.frames == 20
        assert presets["view"].defocus_um == 30.0
        assert presets["atlas"].pixel_size_angstrom == pytest.approx(1000.0)
        assert (bench.images, bench.preset, server.program.low_dose) == (0, "view", True)
        assert scope.description.largest_image_shift_um == 15.0

    run(scenario)


def test_a_square_is_taken_in_search_where_there_is_no_state_of_that_name() -> None:
    bench = OtherPresets()
    bench.lacking = ("atlas", "square")

    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        presets = {preset.name: preset for preset in scope.description.presets}
        assert "atlas" not in presets
        assert presets["square"].pixel_size_angstrom == presets["search"].pixel_size_angstrom
        assert scope.parts.camera is not None
        await scope.parts.camera.acquire("square")
        assert "Search" in server.program.ran

    run(scenario, bench)


def test_a_state_that_the_operator_named_must_be_there() -> None:
    async def scenario(*_: object) -> None:
        raise AssertionError("it connected")

    with pytest.raises(NotCapableError, match=r"'LMM' for atlas"):
        run(scenario, atlas="LMM")


# --- Traps -----------------------------------------------------------------------------------------------------------


def test_an_image_shift_over_the_limit_is_an_error_and_nothing_moves() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.image_shift is not None
        await scope.parts.image_shift.shift(3.0, -4.0)
        assert bench.image_shift_um == pytest.approx((3.0, -4.0))
        with pytest.raises(InstrumentFaultError, match="over SerialEM's limit") as raised:
            await scope.parts.image_shift.shift(30.0, 0.0)
        assert raised.value.fault == Fault.LIMIT
        assert not raised.value.may_have_happened
        assert bench.image_shift_um == pytest.approx((3.0, -4.0))
        await scope.parts.image_shift.shift(0.0, 0.0)
        assert bench.image_shift_um == pytest.approx((0.0, 0.0))

    run(scenario)


@pytest.mark.parametrize(("vendor", "named"), [(1, False), (2, True), (6, True)])
def test_slots_are_understood_however_they_are_told(vendor: int, named: bool) -> None:
    async def scenario(scope: Microscope, *_: object) -> None:
        assert scope.parts.autoloader is not None
        slots = await scope.parts.autoloader.slots()
        assert [slot.number for slot in slots] == list(range(1, 15))
        assert [slot.occupied for slot in slots[:4]] == [True] * 4
        assert slots[0].name == ("grid 1" if named else "")
        assert slots[12].occupied is None, "SerialEM has no slot 13"

    run(scenario, slots_reply=vendor, slots="14")


def test_an_image_has_the_geometry_that_the_microscope_has() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.camera is not None
        assert scope.parts.stage is not None
        await scope.parts.stage.move(x_um=12.0, y_um=-7.0)
        image = await scope.parts.camera.acquire("record", save_frames=True)
        step = 1e-4
        assert np.array(image.facts.image_to_stage_um) == pytest.approx(np.array([[0, step], [step, 0]]), abs=1e-9)
        assert (image.facts.stage.x_um, image.facts.stage.y_um) == (12.0, -7.0)
        assert (image.facts.dose_e_per_angstrom2, image.facts.exposure_s) == (40.0, 1.0)
        assert image.facts.frames_path == "D:\\frames\\movie.tif"
        direct = await bench.acquire("record")
        np.testing.assert_array_equal(image.pixels(), direct.pixels())

    run(scenario)


def test_the_tiles_of_a_montage_know_where_they_were_taken() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.camera is not None
        tiles = [tile async for tile in scope.parts.camera.montage("view", 3, 2)]
        pieces = {(piece.facts.column, piece.facts.row): piece for piece in server.program.pieces}
        assert len(tiles) == 6
        for tile in tiles:
            piece = pieces[tile.facts.column, tile.facts.row]
            assert tile.facts.stage.x_um == pytest.approx(piece.facts.stage.x_um)
            assert tile.facts.stage.y_um == pytest.approx(piece.facts.stage.y_um)
            np.testing.assert_array_equal(tile.pixels(), piece.pixels())
        assert server.program.files == []

    run(scenario)


def test_defocus_counts_from_focus_once_autofocus_has_found_it() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.focus is not None
        focused = await scope.parts.focus.autofocus(1.5)
        assert (focused.measured_um, focused.defocus_um) == (1.0, 1.5)
        assert server.program.target_defocus == -1.5
        # As if somebody had zeroed the lens' reading 4 um further down.
        bench.defocus_um = 1.5 + 4
        focused = await scope.parts.focus.autofocus(2.0)
        await scope.parts.focus.set_defocus(0.8)
        assert (await scope.state()).defocus_um == pytest.approx(0.8)

    run(scenario)


class Drifts(BenchMicroscope):
    """A bench whose specimen never comes to rest."""

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> Drifting:
        await self.clock.sleep(timeout_s)
        raise InstrumentTimeoutError("it drifts on")


def test_a_drift_that_does_not_end_is_a_timeout_and_rates_are_in_angstroms() -> None:
    async def rests(scope: Microscope, *_: object) -> Drifting:
        assert scope.parts.focus is not None
        return await scope.parts.focus.wait_drift(4.0, 60.0)

    found = run(rests)
    assert (found.rate_angstrom_per_s, found.waited_s) == (pytest.approx(2.0), 10.0)
    with pytest.raises(InstrumentTimeoutError, match="still drifts"):
        run(rests, Drifts())


def test_a_wait_for_the_vacuum_ends_by_serialems_own_clock() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.vacuum is not None
        await scope.parts.vacuum.wait_ready(100.0)
        bench.vacuum_ready = False
        with pytest.raises(InstrumentTimeoutError, match="100 s"):
            await scope.parts.vacuum.wait_ready(100.0)
        assert bench.clock.elapsed_s() == pytest.approx(100.0, abs=1.0)

    run(scenario)


async def do(scope: Microscope, action: Action) -> None:
    """One action, through the part that does it."""
    parts = scope.parts
    assert parts.stage is not None
    assert parts.autoloader is not None
    assert parts.camera is not None
    assert parts.vacuum is not None
    assert parts.optics is not None
    match action:
        case MoveStage():
            await parts.stage.move(x_um=action.x_um)
        case LoadGrid():
            await parts.autoloader.load(action.slot)
        case Acquire():
            await parts.camera.acquire(action.preset)
        case SetValves():
            await parts.vacuum.set_valves(action.open)
        case SetBeam():
            await parts.optics.set_beam(action.on)


# --- What errors mean ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("MoveStageTo", Fault.STAGE_JAM),
        ("LoadCartridge", Fault.AUTOLOADER),
        ("Record", Fault.CAMERA_TIMEOUT),
        ("SetColumnOrGunValve", Fault.VACUUM),
        ("SetBeamBlank", Fault.OTHER),
    ],
)
def test_the_fault_follows_from_the_command(command: str, fault: Fault) -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        server.disturb(Trouble.FAIL, command)
        asked: dict[str, Action] = {
            "MoveStageTo": MoveStage(x_um=1.0),
            "LoadCartridge": LoadGrid(slot=2),
            "Record": Acquire(preset="record"),
            "SetColumnOrGunValve": SetValves(open=True),
            "SetBeamBlank": SetBeam(on=True),
        }
        with pytest.raises(InstrumentFaultError, match="because a test asked for it") as raised:
            await do(scope, asked[command])
        assert raised.value.fault == fault

    run(scenario)


@pytest.mark.parametrize(
    ("broken", "fault"), [({"dewars_filling": True}, Fault.DEWAR_FILLING), ({"vacuum_ready": False}, Fault.VACUUM)]
)
def test_nothing_is_exposed_while_dewars_fill_or_the_vacuum_is_bad(broken: dict[str, bool], fault: Fault) -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        for name, value in broken.items():
            setattr(bench, name, value)
        assert scope.parts.camera is not None
        with pytest.raises(InstrumentFaultError) as raised:
            await scope.parts.camera.acquire("record")
        assert (raised.value.fault, raised.value.may_have_happened, bench.images) == (fault, False, 0)

    run(scenario)


@pytest.mark.parametrize(("trouble", "happened"), [(Trouble.STOP_BEFORE, False), (Trouble.STOP_DURING, True)])
def test_stop_is_told_and_control_comes_back(trouble: Trouble, happened: bool) -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        server.disturb(trouble, "Record")
        assert scope.parts.camera is not None
        with pytest.raises(StoppedByUserError) as raised:
            await scope.parts.camera.acquire("record")
        assert raised.value.may_have_happened is happened
        assert (await scope.state()).stage is not None

    run(scenario)


# --- Exposures are never repeated ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "images"),
    [(Trouble.DROP_BEFORE, 0), (Trouble.DROP_AFTER, 1), (Trouble.HALF_REPLY, 1)],
)
@pytest.mark.parametrize("kind", ["acquire", "align"])
def test_an_exposure_whose_answer_is_lost_is_not_taken_again(trouble: Trouble, images: int, kind: str) -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.camera is not None
        template = await bench.acquire("record")
        before = bench.images
        server.disturb(trouble, "Record")
        camera = scope.parts.camera
        exposing = camera.acquire("record") if kind == "acquire" else camera.align_to(template)
        with pytest.raises(InstrumentConnectionError) as raised:
            await exposing
        assert raised.value.may_have_happened
        await scope.connect()
        assert (await scope.state()).stage is not None
        assert bench.images - before == images

    run(scenario)


@pytest.mark.parametrize("request_", ["GetBufferImage", "ImageProperties", "ReportStageXYZ"])
def test_an_image_whose_transfer_is_lost_is_fetched_again_not_taken_again(request_: str) -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.camera is not None
        server.disturb(Trouble.HALF_REPLY, request_)
        image = await scope.parts.camera.acquire("record")
        assert image.pixels().shape == (48, 64)
        assert bench.images == 1

    run(scenario)


def test_an_image_that_cannot_be_fetched_was_taken_all_the_same() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.camera is not None
        server.disturb(Trouble.DROP_BEFORE, "GetBufferImage", times=2)
        with pytest.raises(InstrumentConnectionError) as raised:
            await scope.parts.camera.acquire("record")
        assert raised.value.may_have_happened
        assert bench.images == 1

    run(scenario)


def test_a_montage_that_is_lost_may_have_been_taken() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.camera is not None
        server.disturb(Trouble.DROP_AFTER, "Montage")
        tiles = scope.parts.camera.montage("view", 2, 2)
        with pytest.raises(InstrumentConnectionError) as raised:
            await anext(tiles)
        assert raised.value.may_have_happened
        assert bench.images == 4

    run(scenario)


def test_a_connection_that_the_microscope_itself_lost_comes_back() -> None:
    behind = open_microscope("simulated://?grids=1&camera=128&faults=connection-lost@move-stage%231:before")

    async def main(port: int) -> float:
        scope = open_microscope(f"serialem://127.0.0.1:{port}")
        await scope.connect()
        assert scope.parts.stage is not None
        with pytest.raises(InstrumentConnectionError):
            await scope.parts.stage.move(x_um=5.0)
        await scope.connect()
        at = await scope.parts.stage.move(x_um=5.0)
        await scope.close()
        return at.x_um

    with serving(FakeSerialEM(behind), header_pause_s=0.0) as server:
        assert asyncio.run(main(server.port)) == pytest.approx(5.0, abs=0.5)


def test_no_command_takes_longer_than_the_address_allows() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.autoloader is not None
        server.disturb(Trouble.SILENT_BEFORE, "LoadCartridge")
        with pytest.raises(InstrumentTimeoutError, match=r"0\.2 s") as raised:
            await scope.parts.autoloader.load(2)
        assert raised.value.may_have_happened

    run(scenario, longest="0.2")


def test_abort_ends_a_command_that_does_not_answer() -> None:
    async def scenario(scope: Microscope, server: SerialEMServer, bench: BenchMicroscope) -> None:
        assert scope.parts.stage is not None
        await scope.abort()
        server.disturb(Trouble.SILENT_AFTER, "MoveStageTo")
        moving = asyncio.create_task(scope.parts.stage.move(x_um=5.0))
        while "MoveStageTo" not in server.requests:
            await asyncio.sleep(0.005)
        await scope.abort()
        with pytest.raises(InstrumentError):
            await moving
        assert (await scope.parts.stage.move(x_um=1.0)).x_um == 1.0

    run(scenario)
