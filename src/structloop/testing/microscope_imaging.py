"""The suite's tests of images: camera, image shift, montage, alignment, focus; and a session as the runner does it."""

import asyncio
import itertools
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from structloop.core.errors import InstrumentError
from structloop.instruments.answers import image_told
from structloop.instruments.images import average_blocks
from structloop.instruments.journal import Journal
from structloop.instruments.microscope import Camera, Microscope, TakenImage
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import Acquire, Focused, Preset
from structloop.testing.microscope_basics import (
    MicroscopeGround,
    apart,
    centre_um,
    expected_displacement_px,
    field_um,
    need,
)
from structloop.testing.microscope_displacements import Pair, check_displacements, correlation

CANCELLED_WITHIN_S = 10.0
"""On the wall clock: how soon a call ends that is cancelled."""


class ImagingTests(MicroscopeGround):
    """See `MicroscopeTests`."""

    place_um: ClassVar[tuple[float, float]] = (0.0, 0.0)
    preset: ClassVar[str | None] = None
    montage_preset: ClassVar[str | None] = None
    displacement_tolerance_px: ClassVar[float] = 6.0
    position_tolerance_um: ClassVar[float] = 0.5
    defocus_tolerance_um: ClassVar[float] = 0.5
    height_tolerance_um: ClassVar[float] = 3.0

    async def look_somewhere(self, microscope: Microscope) -> None:
        """Bring the stage to a place where images of `preset` show something that is not the same everywhere."""
        if "move-stage" in microscope.description.operations:
            assert microscope.parts.stage is not None
            await microscope.parts.stage.move(x_um=self.place_um[0], y_um=self.place_um[1])

    async def look_at_grain(self, microscope: Microscope) -> None:
        """Bring the stage to a place to focus at: film, where images of the highest magnification show most."""
        await self.look_somewhere(microscope)

    def chosen(self, microscope: Microscope) -> Preset:
        """The preset that images are compared at: `preset`, or the one whose field fits the image shift best."""
        presets = microscope.description.presets
        assert presets, "it takes images, and has no preset"
        if self.preset is not None:
            found = microscope.description.preset(self.preset)
            assert found is not None, f"it has no preset '{self.preset}', which the suite was told to use"
            return found
        reach = microscope.description.largest_image_shift_um or 5.0
        fitting = [preset for preset in presets if 0.3 * field_um(preset) <= reach]
        return max(fitting or presets, key=field_um)

    async def _camera(self, scope: Microscope) -> tuple[Camera, Preset]:
        assert scope.parts.camera is not None
        await self.look_somewhere(scope)
        return scope.parts.camera, self.chosen(scope)

    def test_images_are_what_the_presets_say(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire")
            camera, _ = await self._camera(scope)
            seen: list[str] = []
            for preset in scope.description.presets:
                image = await camera.acquire(preset.name)
                image_told(image, Acquire(preset=preset.name), scope.description)
                facts = image.facts
                assert (facts.preset, facts.width_px, facts.height_px) == (
                    preset.name,
                    preset.width_px,
                    preset.height_px,
                )
                assert facts.pixel_size_angstrom == pytest.approx(preset.pixel_size_angstrom, rel=0.05)
                sides = np.linalg.norm(np.array(facts.image_to_stage_um), axis=0) * 1e4
                assert sides == pytest.approx([facts.pixel_size_angstrom] * 2, rel=0.1), "matrix and pixel size differ"
                assert facts.taken_at.utcoffset() == timedelta(0), "times are UTC"
                assert facts.image_id not in seen, "an image_id stands twice"
                seen.append(facts.image_id)
                if scope.parts.stage is not None:
                    assert apart(facts.stage, await scope.parts.stage.position()) <= self.position_tolerance_um
                assert (await scope.state()).preset in {preset.name, None}
            with pytest.raises(InstrumentError):
                await camera.acquire("a preset that nobody has")

        self.at(microscope, body)

    def test_an_image_read_twice_is_the_same_and_binning_averages(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire")
            camera, preset = await self._camera(scope)
            image = await camera.acquire(preset.name)
            pixels = image.pixels()
            assert pixels.dtype.name in {"uint8", "uint16", "int16", "float32"}
            assert pixels.shape == (preset.height_px, preset.width_px)
            assert np.isfinite(pixels).all()
            assert pixels.std() > 0, "an image of nothing: set `place_um`, or `look_somewhere`"
            assert np.array_equal(pixels, image.pixels())
            await camera.acquire(preset.name)
            assert np.array_equal(pixels, image.pixels()), "a later image changed an earlier one"
            for binning in (2, 3, 8):
                binned = image.pixels(binning)
                assert binned.shape == (preset.height_px // binning, preset.width_px // binning)
            averaged = average_blocks(pixels.astype(np.float32), 8)
            like = np.corrcoef(averaged.ravel(), image.pixels(8).ravel().astype(np.float64))[0, 1]
            assert like > 0.9 or averaged.std() < 0.02 * abs(averaged.mean()), "binning does not average the same image"

        self.at(microscope, body)

    def test_a_movie_has_a_file(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire")
            camera, _ = await self._camera(scope)
            movies = [preset for preset in scope.description.presets if preset.frames > 1]
            if not movies:
                pytest.skip("it has no preset with more than one frame")
            assert (await camera.acquire(movies[0].name, save_frames=True)).facts.frames_path

        self.at(microscope, body)

    def test_a_movie_that_cannot_be_made_is_refused(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire")
            camera, _ = await self._camera(scope)
            single = [preset for preset in scope.description.presets if preset.frames < 2]
            if not single:
                pytest.skip("each of its presets has more than one frame")
            try:
                image = await camera.acquire(single[0].name, save_frames=True)
            except InstrumentError:
                # NotCapableError, where it is known before; a server in between may only tell that it failed.
                return
            assert image.facts.frames_path, "a movie was asked for, and silently not made"

        self.at(microscope, body)

    def test_an_acquisition_that_is_cancelled_ends_soon(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire")
            camera, preset = await self._camera(scope)
            going = asyncio.create_task(camera.acquire(preset.name))
            await asyncio.sleep(0)
            going.cancel()
            done, _ = await asyncio.wait([going], timeout=CANCELLED_WITHIN_S)
            assert done, "it swallows being cancelled: let asyncio.CancelledError through"
            if not going.cancelled() and (error := going.exception()) is not None:
                assert isinstance(error, InstrumentError)
            # What the runner does next, in either order, and more than once.
            for _ in range(2):
                await scope.abort()
            await scope.close()
            await scope.abort()
            await scope.close()
            await scope.connect()
            await scope.state()

        self.at(microscope, body)

    def test_the_image_shift_moves_the_image_as_its_matrix_says(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire", "shift-image")
            assert scope.parts.image_shift is not None
            camera, preset = await self._camera(scope)
            await scope.parts.image_shift.shift(0.0, 0.0)
            first = await camera.acquire(preset.name)
            pairs: list[Pair] = []
            for dx_um, dy_um in self._shifts(scope, preset):
                await scope.parts.image_shift.shift(dx_um, dy_um, 1.0)
                second = await camera.acquire(preset.name)
                assert second.facts.image_shift_um == pytest.approx((dx_um, dy_um), abs=1e-3)
                matrix = np.array(first.facts.image_to_stage_um)
                expected = -np.linalg.solve(matrix, [dx_um, dy_um])
                pairs.append(Pair(first, second, expected))
                state = await scope.state()
                assert state.image_shift_um is None or state.image_shift_um == pytest.approx((dx_um, dy_um), abs=1e-3)
            check_displacements(pairs, self.displacement_tolerance_px)

        self.at(microscope, body)

    def _shifts(self, scope: Microscope, preset: Preset) -> list[tuple[float, float]]:
        reach = scope.description.largest_image_shift_um or 5.0
        far = min(0.25 * field_um(preset), 0.7 * reach)
        return [(far, 0.0), (0.0, far), (-0.5 * far, 0.3 * far)]

    def test_moving_the_stage_moves_the_image_likewise(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire", "move-stage")
            assert scope.parts.stage is not None
            camera, preset = await self._camera(scope)
            preset = self._seeing_moves(scope, preset)
            far = 0.25 * field_um(preset)
            images: list[TakenImage] = []
            # All in one direction, the first for the play of the stage: what a move has to take up is not judged here.
            for x, y in ((0.2, 0.2), (1.0, 0.4), (0.3, 0.9)):
                await scope.parts.stage.move(x_um=x * far, y_um=y * far, relative=True)
                images.append(await camera.acquire(preset.name))
            pairs = [
                Pair(one, other, expected_displacement_px(one, other))
                for one, other in itertools.combinations(images, 2)
            ]
            pixel_um = preset.pixel_size_angstrom * 1e-4
            check_displacements(pairs, self.displacement_tolerance_px + self.position_tolerance_um / pixel_um)

        self.at(microscope, body)

    def _seeing_moves(self, scope: Microscope, preset: Preset) -> Preset:
        """The preset that moves of the stage are judged by: the one given, if its field is wide enough for that."""
        wide = [
            other
            for other in scope.description.presets
            if field_um(other) >= max(field_um(preset), 40 * self.position_tolerance_um)
        ]
        if not wide:
            pytest.skip("the stage is too coarse to be judged by an image of any preset")
        return min(wide, key=field_um)

    def test_the_tiles_of_a_montage_overlap_around_the_stage_position(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire-montage")
            camera, preset = await self._camera(scope)
            preset = scope.description.preset(self.montage_preset or "") or preset
            start = (await scope.state()).stage
            tiles = {
                (tile.facts.column, tile.facts.row): tile
                async for tile in camera.montage(preset.name, columns=3, rows=2)
            }
            assert sorted(tiles) == [(column, row) for column in range(3) for row in range(2)]
            middle = np.mean([centre_um(tile) for tile in tiles.values()], axis=0)
            if start is not None:
                off = float(np.hypot(*(middle - [start.x_um, start.y_um])))
                assert off <= 0.3 * field_um(preset) + self.position_tolerance_um, "not around the stage position"
            for column, row, other in ((0, 0, (1, 0)), (1, 1, (2, 1)), (0, 0, (0, 1))):
                self._check_neighbours(tiles[column, row], tiles[other])

        self.at(microscope, body)

    def _check_neighbours(self, first: TakenImage, second: TakenImage) -> None:
        facts = first.facts
        apart_px = expected_displacement_px(first, second)
        along = int(np.argmax(np.abs(apart_px) / [facts.width_px, facts.height_px]))
        share = abs(apart_px[along]) / (facts.width_px, facts.height_px)[along]
        assert 0.3 < share < 0.99, f"neighbouring tiles lie {share:.2f} of a tile apart; they should overlap a little"

    def test_align_to_brings_a_shifted_image_back(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire", "align-to", "shift-image")
            assert scope.parts.image_shift is not None
            camera, preset = await self._camera(scope)
            await scope.parts.image_shift.shift(0.0, 0.0)
            template = await camera.acquire(preset.name)
            pixel_um = preset.pixel_size_angstrom * 1e-4
            # Less than half of what lattices of holes repeat after: an alignment cannot tell more.
            far = max(0.3 * self._shifts(scope, preset)[0][0], 3 * self.displacement_tolerance_px * pixel_um)
            await scope.parts.image_shift.shift(far, -0.5 * far, 1.0)
            aligned = await camera.align_to(template)
            off_um = 1.5 * self.displacement_tolerance_px * pixel_um
            assert np.hypot(aligned.dx_um, aligned.dy_um) == pytest.approx(np.hypot(far, 0.5 * far), abs=off_um)
            again = Pair(template, await camera.acquire(preset.name), np.zeros(2))
            check_displacements([again], self.displacement_tolerance_px)

        self.at(microscope, body)

    def test_autofocus_ends_near_its_target(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "autofocus")
            assert scope.parts.focus is not None
            await self.look_at_grain(scope)
            for target_um in (1.0, 2.5):
                found = await scope.parts.focus.autofocus(target_um)
                assert isinstance(found, Focused)
                assert found.defocus_um == pytest.approx(target_um, abs=self.defocus_tolerance_um)
            again = await scope.parts.focus.autofocus(2.5)
            if again.measured_um is not None:
                assert again.measured_um == pytest.approx(2.5, abs=2 * self.defocus_tolerance_um)

        self.at(microscope, body)

    def test_the_defocus_is_what_was_set(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "set-defocus")
            assert scope.parts.focus is not None
            for defocus_um in (0.8, 2.2):
                await scope.parts.focus.set_defocus(defocus_um)
                state = await scope.state()
                assert state.defocus_um is None or state.defocus_um == pytest.approx(defocus_um, abs=0.05)

        self.at(microscope, body)

    def test_the_eucentric_height_is_found_again(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "find-eucentric-height", "move-stage")
            assert scope.parts.focus is not None
            assert scope.parts.stage is not None
            await self.look_somewhere(scope)
            heights: list[float] = []
            for away_um in (0.0, 8.0):
                await scope.parts.stage.move(z_um=away_um, relative=True)
                found = await scope.parts.focus.eucentric_height("fine")
                at = await scope.parts.stage.position()
                assert found.z_um is not None
                assert at.z_um == pytest.approx(found.z_um, abs=0.5)
                assert at.tilt_deg == pytest.approx(0.0, abs=0.2), "the stage is left tilted"
                heights.append(found.z_um)
            assert heights[1] == pytest.approx(heights[0], abs=self.height_tolerance_um)

        self.at(microscope, body)

    def test_a_slow_drift_is_waited_for(self, microscope: Microscope) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "wait-drift")
            assert scope.parts.focus is not None
            await self.look_at_grain(scope)
            found = await scope.parts.focus.wait_drift(50.0, 600.0)
            assert 0 <= found.rate_angstrom_per_s <= 50.0
            assert 0 <= found.waited_s <= 600.0

        self.at(microscope, body)

    def test_a_session_runs_on_it_and_is_read_back(self, microscope: Microscope, tmp_path: Path) -> None:
        async def body(scope: Microscope) -> None:
            need(scope, "acquire")
            _, preset = await self._camera(scope)
            with Journal.open(tmp_path / "session") as journal:
                async with Runner(scope, journal) as runner:
                    await runner.run("image", Acquire(preset=preset.name))
                    live = await runner.image("image")
                    kept = await Runner(scope, journal).image("image")
                    assert kept.facts == live.facts
                    assert np.array_equal(kept.pixels(), live.pixels())
                    assert correlation(live, kept, max(1, preset.width_px // 512)).max() == pytest.approx(1.0)

        self.at(microscope, body)


__all__ = ["ImagingTests"]
