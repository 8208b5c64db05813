"""Focus, height, drift and alignment: measured on images, with an error that is small and never zero."""

import asyncio
import math

import numpy as np
import pytest

from structloop.core.errors import InstrumentFaultError, InstrumentTimeoutError, NotCapableError
from structloop.instruments.simulated.correlating import find_shift
from support.simulated_microscope import Scope, good_hole, scope


async def at_a_hole(here: Scope) -> None:
    await here.begin()
    await here.go_to(good_hole(here.truth.cassette))


@pytest.mark.parametrize("model", [False, True])
def test_height_and_defocus_come_close_to_the_truth_but_not_upon_it(model: bool) -> None:
    async def body() -> None:
        here = scope(11, model=model)
        await at_a_hole(here)
        assert abs(here.truth.height_um()) > 3
        found = await here.focus.eucentric_height("fine")
        assert found.z_um == (await here.stage.position()).z_um
        assert 0 < abs(here.truth.height_um()) < 0.6
        focused = await here.focus.autofocus(1.5)
        assert focused.defocus_um == 1.5
        image = await here.camera.acquire("record")
        assert image.facts.defocus_um == 1.5
        assert 1e-4 < abs(here.truth.image(image).optics.mean_defocus_um - 1.5) < 0.15
        again = await here.focus.autofocus(1.5)
        assert again.measured_um == pytest.approx(1.5, abs=0.15)

    asyncio.run(body())


def test_autofocus_reports_what_a_wrong_height_does_to_the_defocus() -> None:
    async def body() -> None:
        here = scope(11)
        await at_a_hole(here)
        await here.focus.eucentric_height("fine")
        await here.focus.autofocus(2.0)
        await here.stage.move(z_um=3.0, relative=True)
        assert (await here.focus.autofocus(2.0)).measured_um == pytest.approx(5.0, abs=0.4)

    asyncio.run(body())


@pytest.mark.parametrize("off_um", [20.0, -20.0])
def test_autofocus_measures_rightly_as_far_as_its_images_overlap(off_um: float) -> None:
    async def body() -> None:
        here = scope(12)
        await at_a_hole(here)
        await here.focus.eucentric_height("fine")
        await here.focus.autofocus(2.0)
        await here.stage.move(z_um=off_um, relative=True)
        assert (await here.focus.autofocus(2.0)).measured_um == pytest.approx(2.0 + off_um, abs=0.5)
        image = await here.camera.acquire("record")
        assert here.truth.image(image).optics.mean_defocus_um == pytest.approx(2.0, abs=0.15)

    asyncio.run(body())


@pytest.mark.parametrize("off_um", [56.0, -40.0])
def test_autofocus_refuses_what_is_too_far_out_of_focus_and_changes_nothing(off_um: float) -> None:
    async def body() -> None:
        here = scope(12)
        await at_a_hole(here)
        await here.focus.eucentric_height("fine")
        await here.focus.autofocus(2.0)
        await here.stage.move(z_um=off_um, relative=True)
        before = here.truth.image(await here.camera.acquire("record")).optics.mean_defocus_um
        assert abs(before - 2.0 - off_um) < 5
        with pytest.raises(InstrumentFaultError, match=r"autofocus.*eucentric height"):
            await here.focus.autofocus(1.0)
        image = await here.camera.acquire("record")
        assert image.facts.defocus_um == 2.0
        assert here.truth.image(image).optics.mean_defocus_um == pytest.approx(before, abs=0.2)

    asyncio.run(body())


def test_a_specimen_off_the_eucentric_height_moves_when_it_tilts() -> None:
    async def moved_um(here: Scope) -> float:
        await here.stage.tilt(0)
        flat = await here.camera.acquire("square")
        await here.stage.tilt(20)
        tilted = await here.camera.acquire("square")
        await here.stage.tilt(0)
        return math.dist(here.truth.looks_at(flat), here.truth.looks_at(tilted))

    async def body() -> None:
        here = scope(11)
        await at_a_hole(here)
        height = abs(here.truth.height_um())
        assert await moved_um(here) == pytest.approx(height * math.tan(math.radians(20)), abs=0.4)
        await here.focus.eucentric_height("fine")
        assert await moved_um(here) < 0.5

    asyncio.run(body())


@pytest.mark.parametrize("model", [False, True])
def test_waiting_for_drift_ends_when_it_drifts_slowly(model: bool) -> None:
    async def body() -> None:
        here = scope(11, model=model)
        await at_a_hole(here)
        await here.clock.sleep(200)
        await here.stage.move(x_um=20, y_um=10, relative=True)
        await here.go_to(good_hole(here.truth.cassette))
        before = here.truth.drift_angstrom_per_s()
        assert before > 2
        found = await here.focus.wait_drift(1.0, 200)
        assert found.rate_angstrom_per_s <= 1.0
        assert found.waited_s > 3
        assert here.truth.drift_angstrom_per_s() < min(1.3, before)
        await here.stage.move(x_um=200, relative=True)
        await here.go_to(good_hole(here.truth.cassette))
        with pytest.raises(InstrumentTimeoutError, match="A/s"):
            await here.focus.wait_drift(0.01, 10)

    asyncio.run(body())


@pytest.mark.parametrize("preset", ["square", "hole", "record"])
def test_alignment_finds_how_far_the_image_was_off(preset: str) -> None:
    async def body() -> None:
        here = scope(11, model=False)
        await at_a_hole(here)
        await here.clock.sleep(300)
        template = await here.camera.acquire(preset)
        field_um = template.facts.width_px * template.facts.pixel_size_angstrom * 1e-4
        x, y = min(0.1 * field_um, 0.4), min(-0.05 * field_um, 0.4)
        await here.image_shift.shift(x, y, 2.0)
        aligned = await here.camera.align_to(template)
        tolerance = max(0.004 * field_um, 0.01)
        assert (aligned.dx_um, aligned.dy_um) == pytest.approx((x, y), abs=tolerance)
        again = await here.camera.acquire(preset)
        assert math.dist(here.truth.looks_at(again), here.truth.looks_at(template)) < tolerance

    asyncio.run(body())


def test_what_shows_nothing_cannot_be_measured() -> None:
    async def body() -> None:
        for model in (False, True):
            here = scope(model=model)
            await at_a_hole(here)
            template = await here.camera.acquire("hole")
            await here.vacuum.set_valves(False)
            for work in (
                here.focus.autofocus(1.0),
                here.focus.eucentric_height("rough"),
                here.focus.wait_drift(1.0, 20),
                here.camera.align_to(template),
            ):
                with pytest.raises(InstrumentFaultError, match="nothing"):
                    await work

    asyncio.run(body())


def test_a_template_of_another_camera_is_refused() -> None:
    async def body() -> None:
        here, other = scope(), scope(camera=256)
        await at_a_hole(here)
        await at_a_hole(other)
        template = await other.camera.acquire("hole")
        with pytest.raises(NotCapableError, match="256 x 256"):
            await here.camera.align_to(template)

    asyncio.run(body())


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (7, -12), (40, 25), (-60, 3)])
def test_a_shift_is_found_in_noise_and_on_a_lattice(dx: int, dy: int) -> None:
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:320, 0:320]
    lattice = np.cos(2 * np.pi * x / 20) * np.cos(2 * np.pi * y / 20) + 0.5 * rng.standard_normal((320, 320))
    grain = rng.standard_normal((320, 320))
    for scene, noise in ((lattice, 0.1), (grain, 2.0)):
        first = scene[80:240, 80:240] + noise * rng.standard_normal((160, 160))
        second = scene[80 - dy : 240 - dy, 80 - dx : 240 - dx] + noise * rng.standard_normal((160, 160))
        found = find_shift(first.astype(np.float32), second.astype(np.float32))
        assert (found.dx_px, found.dy_px) == pytest.approx((dx, dy), abs=0.25)
        assert found.significance > 5.5 or found.correlation > 0.9


def test_a_shift_is_found_to_parts_of_a_pixel() -> None:
    rng = np.random.default_rng(2)
    spectrum = np.fft.fft2(rng.standard_normal((256, 256)))
    k = np.fft.fftfreq(256)
    spectrum *= np.exp(-((k[:, None] ** 2 + k[None, :] ** 2) / 0.01))
    turned = spectrum * np.exp(-2j * np.pi * (k[None, :] * 3.3 - k[:, None] * 1.6))
    first, second = (np.fft.ifft2(part).real[32:224, 32:224].astype(np.float32) for part in (spectrum, turned))
    found = find_shift(first, second)
    assert (found.dx_px, found.dy_px) == pytest.approx((3.3, -1.6), abs=0.1)


def test_noise_has_no_shift() -> None:
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((12, 2, 192, 192)).astype(np.float32)
    chance = [find_shift(first, second).significance for first, second in noise]
    assert max(chance) < 5.5
    flat = np.zeros((64, 64), np.float32)
    assert find_shift(flat, flat).significance == 0


@pytest.mark.parametrize(("dx", "dy"), [(9, -4), (-30, 14), (0, 25), (3, -28)])
def test_a_correlation_is_that_of_what_both_images_show(dx: int, dy: int) -> None:
    scene = np.random.default_rng(dx % 100).normal(5.0, 1.0, (160, 200)).astype(np.float32)
    first, second = scene[40:88, 50:121], scene[40 - dy : 88 - dy, 50 - dx : 121 - dx].copy()
    second += np.random.default_rng(1).normal(0, 0.5, second.shape).astype(np.float32)
    found = find_shift(first, second, blur_px=0)
    assert (round(found.dx_px), round(found.dy_px)) == (dx, dy)
    a = first[max(-dy, 0) : 48 - max(dy, 0), max(-dx, 0) : 71 - max(dx, 0)]
    b = second[max(dy, 0) : 48 + min(dy, 0), max(dx, 0) : 71 + min(dx, 0)]
    # Slow changes and extremes are taken out before, which changes little.
    assert found.correlation == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=0.03)
