"""structloop's conformance suite for the picture microscope, and what is peculiar to it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from structloop_example_microscope import PictureMicroscope, Slide

from structloop.core.errors import InstrumentConnectionError, NotCapableError
from structloop.instruments.drivers import microscope_drivers, open_microscope
from structloop.instruments.microscope import Microscope, TakenImage
from structloop.testing import MicroscopeTests


class TestPictureMicroscope(MicroscopeTests):
    stage_tolerance_um = 1e-9
    displacement_tolerance_px = 1.0

    @pytest.fixture
    def microscope(self) -> Microscope:
        return open_microscope("picture://?seed=5")


def one_image(address: str) -> TakenImage:
    async def take() -> TakenImage:
        microscope = open_microscope(address)
        await microscope.connect()
        try:
            assert microscope.parts.camera is not None
            return await microscope.parts.camera.acquire("detail")
        finally:
            await microscope.close()

    return asyncio.run(take())


def test_the_driver_is_found_through_its_entry_point() -> None:
    assert "picture" in microscope_drivers.names()
    assert isinstance(open_microscope("picture://"), PictureMicroscope)


def test_the_middle_of_the_picture_is_where_the_stage_is_at_zero(tmp_path: Path) -> None:
    grey = np.zeros((201, 301), dtype=np.uint8)
    grey[100, 150] = 200
    Image.fromarray(grey).save(tmp_path / "slide.png")
    pixels = one_image(f"picture://{tmp_path}/slide.png?um_per_pixel=0.25").pixels()
    # 128 x 96 pixels have their middle between four pixels, each a quarter of a pixel's square away from the spot.
    assert pixels[47:49, 63:65].ravel() == pytest.approx([50.0] * 4)
    assert pixels.sum() == pytest.approx(200.0)


def test_a_slide_goes_on_beyond_its_edge() -> None:
    slide = Slide(np.arange(12, dtype=np.float32).reshape(3, 4), um_per_pixel=1.0)
    assert slide.view(100.0, -50.0, 5, 5, 1.0).shape == (5, 5)
    assert slide.view(0.0, 0.0, 4, 3, 1.0).tolist() == np.arange(12).reshape(3, 4).tolist()


def test_a_slide_that_is_not_there_is_said_when_connecting(tmp_path: Path) -> None:
    with pytest.raises(InstrumentConnectionError, match="there is no slide"):
        one_image(f"picture://{tmp_path}/missing.png")
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(InstrumentConnectionError, match="is no picture"):
        one_image(f"picture://{tmp_path}/notes.txt")


@pytest.mark.parametrize("option", ["um_per_pixel=0", "um_per_pixel=wide", "seed=-1"])
def test_an_impossible_option_is_refused(option: str) -> None:
    with pytest.raises(NotCapableError):
        open_microscope(f"picture://?{option}")
