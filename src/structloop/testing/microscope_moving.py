"""The suite's tests of stage, autoloader, optics, vacuum, apertures, filter and maintenance."""

import asyncio
from typing import ClassVar, Literal

import pytest

from structloop.core.errors import InstrumentError
from structloop.instruments.microscope import Microscope
from structloop.schema.acquisition import StagePosition
from structloop.testing.microscope_basics import MicroscopeGround, ends_well_or_says_why, need


class MovingTests(MicroscopeGround):
    """See `MicroscopeTests`."""

    stage_tolerance_um: ClassVar[float] = 0.5
    tilt_tolerance_deg: ClassVar[float] = 0.2
    stage_steps_um: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 0.0), (30.0, -20.0), (-45.0, 12.5), (0.4, 0.2))
    slot: ClassVar[int | None] = 1
    other_slot: ClassVar[int | None] = 2
    empty_slot: ClassVar[int | None] = None
    aperture: ClassVar[Literal["condenser", "objective"]] = "objective"
    aperture_sizes_um: ClassVar[tuple[float | None, ...]] = (100.0, None)

    def test_the_stage_goes_where_it_is_told_and_says_so(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "move-stage")
            stage = scope.parts.stage
            assert stage is not None
            for x_um, y_um in self.stage_steps_um:
                told = await stage.move(x_um=x_um, y_um=y_um)
                assert isinstance(told, StagePosition)
                for position in (told, await stage.position()):
                    off = max(abs(position.x_um - x_um), abs(position.y_um - y_um))
                    assert off <= self.stage_tolerance_um, f"told ({x_um}, {y_um}), it is at {position}"
                state = await scope.state()
                assert state.stage is None or abs(state.stage.x_um - told.x_um) <= self.stage_tolerance_um

        self.at(microscope, body)

    def test_an_axis_that_is_not_told_stays(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "move-stage")
            stage = scope.parts.stage
            assert stage is not None
            await stage.move(x_um=10.0, y_um=-10.0, z_um=5.0)
            await stage.move(y_um=20.0)
            at = await stage.move(z_um=-5.0)
            found = (at.x_um, at.y_um, at.z_um)
            assert found == pytest.approx((10.0, 20.0, -5.0), abs=self.stage_tolerance_um)

        self.at(microscope, body)

    def test_relative_moves_add_up(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "move-stage")
            stage = scope.parts.stage
            assert stage is not None
            start = await stage.move(x_um=5.0, y_um=5.0)
            await stage.move(x_um=8.0, relative=True)
            at = await stage.move(x_um=-3.0, y_um=4.0, relative=True)
            found, expected = (at.x_um, at.y_um), (start.x_um + 5.0, start.y_um + 4.0)
            assert found == pytest.approx(expected, abs=2 * self.stage_tolerance_um)

        self.at(microscope, body)

    def test_the_stage_tilts(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "tilt-stage")
            stage = scope.parts.stage
            assert stage is not None
            for tilt_deg in (10.0, -15.0, 0.0):
                told = await stage.tilt(tilt_deg)
                assert told.tilt_deg == pytest.approx(tilt_deg, abs=self.tilt_tolerance_deg)
                assert (await stage.position()).tilt_deg == pytest.approx(tilt_deg, abs=self.tilt_tolerance_deg)

        self.at(microscope, body)

    def test_a_move_that_is_aborted_ends(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "move-stage")
            stage = scope.parts.stage
            assert stage is not None
            moving = asyncio.create_task(ends_well_or_says_why(stage.move(x_um=100.0, y_um=100.0)))
            await asyncio.sleep(0)
            await scope.abort()
            await moving
            at = await stage.move(x_um=0.0, y_um=0.0)
            assert (at.x_um, at.y_um) == pytest.approx((0.0, 0.0), abs=self.stage_tolerance_um)

        self.at(microscope, body)

    def test_grids_are_loaded_and_put_back(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "load-grid", "unload-grid")
            loader = scope.parts.autoloader
            assert loader is not None
            slots = await loader.slots()
            numbers = [slot.number for slot in slots]
            assert numbers == sorted(set(numbers)), "slots come in order, each once"
            for slot in (self.slot, self.other_slot):
                if slot is None:
                    continue
                assert slot in numbers, f"there is no slot {slot}; set `slot` and `other_slot` of the suite"
                await loader.load(slot)
                assert (await scope.state()).slot in {slot, None}
                await loader.load(slot)
                assert (await scope.state()).slot in {slot, None}
            await loader.unload()
            assert (await scope.state()).slot is None

        self.at(microscope, body)

    def test_a_slot_that_is_not_there_or_empty_is_an_error_of_the_instrument(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "load-grid")
            loader = scope.parts.autoloader
            assert loader is not None
            wrong = [max(slot.number for slot in await loader.slots()) + 1]
            wrong += [self.empty_slot] if self.empty_slot is not None else []
            for slot in wrong:
                with pytest.raises(InstrumentError):
                    await loader.load(slot)

        self.at(microscope, body)

    def test_each_preset_can_be_applied_and_no_other(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "apply-preset")
            optics = scope.parts.optics
            assert optics is not None
            assert scope.description.presets, "it applies presets, and has none"
            for preset in scope.description.presets:
                await optics.apply_preset(preset.name)
                assert (await scope.state()).preset in {preset.name, None}
            with pytest.raises(InstrumentError):
                await optics.apply_preset("a preset that nobody has")

        self.at(microscope, body)

    def test_the_beam_can_be_blanked(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "set-beam")
            optics = scope.parts.optics
            assert optics is not None
            for on in (True, False, False, True):
                await optics.set_beam(on)
                assert (await scope.state()).beam_on in {on, None}

        self.at(microscope, body)

    def test_the_valves_can_be_opened_and_closed(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "set-valves")
            vacuum = scope.parts.vacuum
            assert vacuum is not None
            for is_open in (True, False, False, True):
                await vacuum.set_valves(is_open)
                assert (await scope.state()).valves_open in {is_open, None}

        self.at(microscope, body)

    def test_a_ready_vacuum_is_not_waited_for(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "wait-ready")
            assert scope.parts.vacuum is not None
            await scope.parts.vacuum.wait_ready(1800.0)
            assert (await scope.state()).vacuum_ready in {True, None}

        self.at(microscope, body)

    def test_apertures_go_in_and_out(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "set-aperture")
            apertures = scope.parts.apertures
            assert apertures is not None
            for size_um in self.aperture_sizes_um:
                await apertures.set_aperture(self.aperture, size_um)

        self.at(microscope, body)

    def test_the_energy_slit_goes_in_and_out(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "set-energy-filter")
            energy_filter = scope.parts.energy_filter
            assert energy_filter is not None
            await energy_filter.set_slit(20.0)
            assert (await scope.state()).slit_width_ev in {20.0, None}
            if "align-zero-loss" in scope.description.operations:
                await energy_filter.align_zero_loss()
            await energy_filter.set_slit(None)
            assert (await scope.state()).slit_width_ev is None

        self.at(microscope, body)

    def test_each_maintenance_task_can_be_done_and_no_other(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "maintain")
            assert scope.parts.maintenance is not None
            for task in scope.description.maintenance_tasks:
                await scope.parts.maintenance.maintain(task)
            with pytest.raises(InstrumentError):
                await scope.parts.maintenance.maintain("a task that nobody has")

        self.at(microscope, body)


__all__ = ["MovingTests"]
