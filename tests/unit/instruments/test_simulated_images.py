"""Images of the simulated microscope: lazy, reproducible, of the place that was looked at."""

import asyncio
import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage

from structloop.core.errors import NotCapableError
from structloop.instruments.clock import VirtualClock
from structloop.instruments.microscope import TakenImage
from structloop.instruments.simulated import SimulatedMicroscope, SimulatedOptions
from structloop.instruments.simulated.correlating import find_shift
from structloop.instruments.simulated.rendering import coma_b_factor_angstrom2
from structloop.simulation.grids import Cassette
from support.simulated_microscope import Scope, good_hole, scope


async def at_a_hole(here: Scope) -> None:
    await here.begin()
    await here.go_to(good_hole(here.truth.cassette))


def test_the_same_seed_and_actions_give_the_same_images() -> None:
    async def images(seed: int) -> list[TakenImage]:
        here = scope(seed)
        await at_a_hole(here)
        return [await here.camera.acquire(preset) for preset in ("square", "hole", "record")]

    first, again, other = (asyncio.run(images(seed)) for seed in (3, 3, 4))
    for one, two, three in zip(first, again, other, strict=True):
        assert one.facts == two.facts
        assert np.array_equal(one.pixels(2), two.pixels(2))
        assert not np.array_equal(one.pixels(2), three.pixels(2))


def test_an_image_stays_what_it_was_whatever_the_microscope_does_later() -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        image = await here.camera.acquire("record")
        twin = scope()
        await at_a_hole(twin)
        expected = (await twin.camera.acquire("record")).pixels(2)
        await here.stage.move(x_um=100.0, y_um=50.0)
        await here.focus.set_defocus(4.0)
        await here.image_shift.shift(3.0, 3.0)
        await here.autoloader.load(2)
        await here.vacuum.set_valves(False)
        await here.microscope.close()
        assert np.array_equal(image.pixels(2), expected)
        assert np.array_equal(image.pixels(2), image.pixels(2))

    asyncio.run(body())


@pytest.mark.parametrize("preset", ["atlas", "square", "hole", "record"])
def test_binning_is_rendered_at_its_size_and_shows_the_mean_of_the_same(preset: str) -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        image = await here.camera.acquire(preset)
        full, half, third = image.pixels(), image.pixels(2), image.pixels(3)
        assert full.shape == (512, 512)
        assert half.shape == (256, 256)
        assert third.shape == (170, 170)
        assert full.dtype == half.dtype == np.float32
        assert float(half.mean()) == pytest.approx(float(full.mean()), rel=0.03)
        moved = find_shift(full.reshape(256, 2, 256, 2).mean(axis=(1, 3)), half.astype(np.float32))
        assert np.hypot(moved.dx_px, moved.dy_px) < 0.3
        for binning in (0, 100):
            with pytest.raises(NotCapableError, match="binning"):
                image.pixels(binning)

    asyncio.run(body())


def test_all_magnifications_show_the_same_place() -> None:
    async def body() -> None:
        here = scope(flaws=False)
        await here.begin()
        hole = good_hole(here.truth.cassette)
        await here.go_to(hole)
        for preset in ("atlas", "search", "square", "hole", "record"):
            image = await here.camera.acquire(preset)
            assert here.truth.looks_at(image) == pytest.approx((hole.x_um, hole.y_um), abs=1e-6)
        for fine, coarse in (("square", "search"), ("search", "atlas")):
            small, large = await here.camera.acquire(fine), await here.camera.acquire(coarse)
            # The fine image, made as coarse as the other, is found in the middle of it, turned as the matrices say.
            ratio = large.facts.pixel_size_angstrom / small.facts.pixel_size_angstrom
            pixels, picture = large.pixels(), ndimage.gaussian_filter(small.pixels(), 0.4 * ratio)
            matches = []
            step = np.array(large.facts.image_to_stage_um)
            into = np.linalg.inv(np.array(small.facts.image_to_stage_um)) @ step
            reach = int(256 / ratio * 0.6)
            for dx in range(-reach, reach, 3):
                for dy in range(-reach, reach, 3):
                    x, y = into @ [dx + 0.5, dy + 0.5] + 255.5
                    matches.append((pixels[256 + dy, 256 + dx], picture[round(y), round(x)]))
            assert np.corrcoef(np.array(matches).T)[0, 1] > 0.6

    asyncio.run(body())


def test_a_closed_beam_gives_dark_images_and_no_dose() -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        await here.optics.set_beam(False)
        dark = await here.camera.acquire("record")
        await here.optics.set_beam(True)
        await here.vacuum.set_valves(False)
        closed = await here.camera.acquire("square")
        assert dark.pixels(4).max() == closed.pixels(4).max() == 0
        assert [capture.dose_e_per_angstrom2 for capture in here.truth.exposures[-2:]] == [0, 0]

    asyncio.run(body())


def test_without_a_grid_there_is_nothing_in_the_beam() -> None:
    async def body() -> None:
        here = scope()
        await here.begin(slot=None)
        pixels = (await here.camera.acquire("record")).pixels()
        dose = here.truth.exposures[-1].dose_e_per_angstrom2
        size = here.truth.exposures[-1].pixel_size_angstrom
        assert pixels.mean() == pytest.approx(dose * size**2, rel=0.01)
        assert pixels.var() == pytest.approx(pixels.mean(), rel=0.05)

    asyncio.run(body())


def test_a_slit_that_wandered_dims_exposures_until_it_is_aligned() -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        energy_filter = here.microscope.parts.energy_filter
        assert energy_filter is not None
        await energy_filter.set_slit(10.0)
        await energy_filter.align_zero_loss()
        await here.clock.sleep(5 * 3600)
        await here.vacuum.wait_ready(7200)
        dim = (await here.camera.acquire("record")).pixels(4).mean()
        square = (await here.camera.acquire("square")).pixels(4).mean()
        await energy_filter.align_zero_loss()
        assert (await here.camera.acquire("record")).pixels(4).mean() > 1.5 * dim
        assert (await here.camera.acquire("square")).pixels(4).mean() == pytest.approx(float(square), rel=0.02)

    asyncio.run(body())


def test_an_image_shift_costs_resolution() -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        straight = here.truth.image(await here.camera.acquire("record")).optics
        await here.image_shift.shift(8.0, 0.0, 2.0)
        shifted = here.truth.image(await here.camera.acquire("record")).optics
        fine = np.array([0.25], np.float32)
        assert shifted.damping(fine)[0] < 0.9 * straight.damping(fine)[0]
        assert any(shifted.beam_tilt_mrad)

    asyncio.run(body())
    assert coma_b_factor_angstrom2(0.0) == 0
    assert coma_b_factor_angstrom2(0.5) > coma_b_factor_angstrom2(0.1) > 0


def test_a_montage_covers_the_place_and_ends_where_it_began() -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        for preset in ("atlas", "record"):
            before = await here.microscope.state()
            tiles = [tile async for tile in here.camera.montage(preset, 3, 2)]
            after = await here.microscope.state()
            assert {(tile.facts.column, tile.facts.row) for tile in tiles} == {(c, r) for c in range(3) for r in (0, 1)}
            assert before.stage is not None
            assert after.stage is not None
            assert after.stage.x_um == pytest.approx(before.stage.x_um, abs=0.05)
            assert after.image_shift_um == before.image_shift_um
            # What a tile shows beyond its middle towards the next one is what the next one shows.
            facts = tiles[0].facts
            right = np.array(facts.image_to_stage_um) @ [facts.width_px * 0.88, 0]
            expected = np.add(here.truth.looks_at(tiles[0]), right)
            field_um = facts.width_px * facts.pixel_size_angstrom * 1e-4
            assert np.hypot(*np.subtract(here.truth.looks_at(tiles[1]), expected)) < max(0.05 * field_um, 0.05)

    asyncio.run(body())


def test_a_movie_has_a_name_at_once_and_frames_when_asked(tmp_path: Path) -> None:
    async def body() -> None:
        options = SimulatedOptions(seed=3, camera_px=256, measure="model", frames=tmp_path / "frames")
        here = Scope(SimulatedMicroscope(Cassette.from_seed(3, 1), VirtualClock(), options=options))
        await at_a_hole(here)
        plain = await here.camera.acquire("record")
        assert plain.facts.frames_path is None
        image = await here.camera.acquire("record", save_frames=True)
        assert image.facts.frames_path is not None
        path = Path(image.facts.frames_path)
        assert not path.exists()
        assert here.microscope.write_movie(image.facts.image_id) == path
        with mrcfile.open(path) as file:
            frames = np.array(file.data, np.float64)
            assert frames.shape == (40, 256, 256)
            assert file.voxel_size.x == pytest.approx(image.facts.pixel_size_angstrom, rel=0.02)
        # The frames are the image, taken apart: their sum has its counts (less what the camera misses).
        assert frames.sum(axis=0).mean() == pytest.approx(float(image.pixels().mean()) * 0.9, rel=0.05)
        like = np.corrcoef(frames.sum(axis=0).reshape(32, 8, 32, 8).mean(axis=(1, 3)).ravel(), image.pixels(8).ravel())
        assert like[0, 1] > 0.5
        with pytest.raises(NotCapableError, match="no image"):
            here.microscope.write_movie("another")
        assert here.truth.motion(image).frames == 40

    asyncio.run(body())
    with pytest.raises(NotCapableError, match="frames=FOLDER"):
        SimulatedMicroscope(Cassette.from_seed(3, 1)).write_movie("any")


def test_movies_can_be_written_when_taken(tmp_path: Path) -> None:
    async def body() -> None:
        options = SimulatedOptions(seed=3, camera_px=128, frames=tmp_path, movies_when_taken=True)
        here = Scope(SimulatedMicroscope(Cassette.from_seed(3, 1), options=options))
        await at_a_hole(here)
        image = await here.camera.acquire("record", save_frames=True)
        assert Path(str(image.facts.frames_path)).is_file()

    asyncio.run(body())


def test_exposures_are_counted_and_logged_before_they_happen(tmp_path: Path) -> None:
    async def body() -> None:
        log = tmp_path / "exposures.jsonl"
        options = SimulatedOptions(seed=3, camera_px=128, measure="model", exposure_log=log)
        here = Scope(SimulatedMicroscope(Cassette.from_seed(3, 1), options=options))
        await at_a_hole(here)
        first = await here.camera.acquire("record")
        assert here.truth.exposed_twice() == []
        await here.image_shift.shift(1.0, 0.0)
        await here.camera.acquire("record")
        assert here.truth.exposed_twice() == []
        await here.image_shift.shift(0.0, 0.0, 2.0)
        again = await here.camera.acquire("record")
        ((earlier, later),) = here.truth.exposed_twice()
        assert (earlier.image_id, later.image_id) == (first.facts.image_id, again.facts.image_id)
        x_um, y_um = here.truth.looks_at(first)
        dose = first.facts.dose_e_per_angstrom2
        assert dose is not None
        assert here.truth.dose_e_per_angstrom2(1, x_um, y_um) == pytest.approx(2 * dose, rel=0.05)
        assert here.truth.dose_e_per_angstrom2(1, x_um + 50, y_um) == 0
        assert len(here.truth.exposures_near(1, x_um, y_um, 0.3)) == 2
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        assert [line["image_id"] for line in lines] == [c.image_id for c in here.truth.exposures]

    asyncio.run(body())


def test_the_truth_of_an_image_is_that_of_its_place() -> None:
    async def body() -> None:
        here = scope()
        await at_a_hole(here)
        await here.focus.eucentric_height("fine")
        await here.focus.autofocus(1.5)
        image = await here.camera.acquire("record")
        truth = here.truth.image(image)
        assert truth.optics.mean_defocus_um == pytest.approx(1.5, abs=0.2)
        assert truth.ice_nm.min() >= 0
        assert truth.particles is not None
        inside = (truth.particles.x_px > 0) & (truth.particles.x_px < 512)
        assert inside.any()
        assert here.truth.image(image.facts.image_id).capture == truth.capture
        square = here.truth.image(await here.camera.acquire("square"))
        assert square.particles is None
        assert square.ice_nm.shape == (128, 128)
        assert 0 < square.mean_ice_nm < 500

    asyncio.run(body())
