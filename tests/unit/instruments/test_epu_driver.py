"""The driver `epu`: addresses, what it observes, pixels as they are stored, and advice where a service is named."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import mrcfile
import numpy as np
import pytest
import tifffile
from PIL import Image

from structloop.core.errors import (
    AcquisitionFileError,
    ImageError,
    ImageMissingError,
    InstrumentConnectionError,
    NotCapableError,
)
from structloop.instruments.drivers import Driver, ScopeAddress, open_microscope
from structloop.instruments.epu import DecisionClient, EpuDriver, EpuMicroscope
from structloop.instruments.epu import driver as driver_module
from structloop.instruments.epu.pictures import probe_picture, read_pixels
from structloop.instruments.microscope import Microscope, Observation, ObservedImage
from structloop.schema.acquisition import Capability, Tier
from structloop.testing import ObserverTests
from structloop.testing.epu_decision_server import create_app
from support import epu_trees
from support.epu_trees import EPU_3, HOLES, SQUARE


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return epu_trees.write_session(tmp_path / "my session")


def observe(microscope: Microscope) -> list[ObservedImage]:
    """All that a microscope shows, until its session ends."""

    async def run() -> list[ObservedImage]:
        await microscope.connect()
        assert isinstance(microscope.parts.observation, Observation)
        seen = [image async for image in microscope.parts.observation.images()]
        await microscope.close()
        return seen

    return asyncio.run(run())


class TestEpu(ObserverTests):
    """What every driver that observes must do."""

    @pytest.fixture
    def microscope(self, session: Path) -> Microscope:
        return EpuDriver().open(ScopeAddress("epu", path=str(session)))


def test_images_come_in_the_order_they_were_taken_in(session: Path) -> None:
    folder = session / "Images-Disc1" / f"GridSquare_{SQUARE}"
    late = epu_trees.image_xml(at="2023-01-02T12:00:00Z")
    epu_trees.write_image(folder / "FoilHoles", epu_trees.hole_stem(hole=HOLES[1]), late)
    epu_trees.write_image(folder / "Data", epu_trees.exposure_stem(hole=HOLES[1]), late)
    epu_trees.write_image(folder, "GridSquare_20230102_235959", epu_trees.image_xml(at="2023-01-02T23:00:00Z"))
    images = observe(EpuDriver().open(ScopeAddress("epu", path=str(session))))
    assert [image.name for image in images] == [
        SQUARE,
        HOLES[0],
        epu_trees.exposure_stem(),
        HOLES[1],
        epu_trees.exposure_stem(hole=HOLES[1]),
        SQUARE,
    ]


def test_a_hole_is_shown_before_what_lies_in_it_although_its_own_xml_never_came(session: Path) -> None:
    folder = session / "Images-Disc1" / f"GridSquare_{SQUARE}" / "FoilHoles"
    (folder / f"{epu_trees.hole_stem()}.xml").unlink()
    images = observe(EpuDriver().open(ScopeAddress("epu", path=str(session))))
    assert [image.level for image in images] == ["square", "hole", "exposure"]


def test_it_is_a_driver_among_the_plugins(session: Path) -> None:
    assert isinstance(EpuDriver(), Driver)
    microscope = open_microscope(f"epu://{session.as_posix().replace(' ', '%20')}")
    assert isinstance(microscope, Microscope)
    assert (microscope.description.driver, microscope.description.tier) == ("epu", Tier.OBSERVE)
    assert microscope.description.operations == frozenset()
    assert EpuDriver().capabilities == {Capability.OBSERVATION, Capability.ADVICE}


def test_a_finished_session_is_observed_to_its_end(session: Path) -> None:
    images = observe(EpuDriver().open(ScopeAddress("epu", path=str(session))))
    assert [(image.level, image.name, image.parent) for image in images] == [
        ("square", SQUARE, "3001"),
        ("hole", HOLES[0], SQUARE),
        ("exposure", epu_trees.exposure_stem(), HOLES[0]),
    ]
    assert all(image.source.is_file() for image in images)
    taken = images[0].image
    assert taken is not None
    facts = taken.facts
    assert (facts.preset, facts.width_px, facts.height_px) == ("square", 256, 192)
    assert facts.pixel_size_angstrom == pytest.approx(1600), "the picture is reduced four times"
    assert facts.image_to_stage_um[0] == pytest.approx((-0.16, 0))
    assert facts.image_to_stage_um[1] == pytest.approx((0, 0.16))
    pixels = taken.pixels()
    assert pixels.shape == (192, 256)
    assert pixels.dtype == np.uint8
    assert pixels[0, 0] < pixels[0, -1]
    assert np.array_equal(taken.pixels(), pixels)
    assert taken.pixels(4).shape == (48, 64)
    last = images[2].image
    assert last is not None
    assert last.facts.preset == "record"
    assert last.facts.frames_path is not None


def test_a_live_session_is_observed_until_it_is_quiet_or_aborted(session: Path) -> None:
    options = {"follow": "yes", "settle": "0", "quiet": "0.05"}
    assert len(observe(EpuDriver().open(ScopeAddress("epu", path=str(session), options=options)))) == 3

    async def aborted() -> int:
        microscope = EpuDriver().open(ScopeAddress("epu", path=str(session), options={"follow": "yes", "settle": "0"}))
        await microscope.connect()
        assert microscope.parts.observation is not None
        count = 0
        async with asyncio.timeout(30):
            async for _ in microscope.parts.observation.images():
                count += 1
                await microscope.abort()
        return count

    assert asyncio.run(aborted()) == 3


def test_what_lacks_scale_or_place_is_told_without_its_image(session: Path) -> None:
    folder = session / "Images-Disc1" / f"GridSquare_{SQUARE}" / "FoilHoles"
    (folder / f"{epu_trees.hole_stem()}.xml").unlink()
    images = {image.level: image.image for image in observe(EpuDriver().open(ScopeAddress("epu", path=str(session))))}
    assert images["hole"] is None
    assert images["square"] is not None


def test_the_state_is_that_of_the_latest_image(session: Path) -> None:
    async def run() -> None:
        microscope = EpuDriver().open(ScopeAddress("epu", path=str(session)))
        await microscope.connect()
        await microscope.connect()
        assert (await microscope.state()).stage is None
        assert microscope.parts.observation is not None
        async for _ in microscope.parts.observation.images():
            pass
        state = await microscope.state()
        assert state.stage is not None
        assert state.stage.x_um == pytest.approx(10)
        assert state.preset == "record"
        await microscope.close()
        await microscope.close()
        await microscope.abort()

    asyncio.run(run())


def test_a_folder_that_is_not_there_is_told_when_connecting(tmp_path: Path) -> None:
    microscope = EpuDriver().open(ScopeAddress("epu", path=str(tmp_path / "nowhere")))
    with pytest.raises(InstrumentConnectionError, match="nowhere"):
        asyncio.run(microscope.connect())


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("epu://", "three slashes"),
        ("epu://server/share", "three slashes"),
        ("epu:///data?follow=perhaps", "follow=perhaps"),
        ("epu:///data?settle=-1", "settle=-1"),
        ("epu:///data?quiet=nan", "quiet=nan"),
        ("epu:///data?dry-run=yes", "decisions"),
        ("epu:///data?session=a", "decisions"),
        ("epu:///data?decisions=ftp://x", "http://host:port"),
        ("epu:///data?folow=yes", "follow"),
    ],
)
def test_faulty_addresses_say_what_to_write(address: str, says: str) -> None:
    with pytest.raises(NotCapableError, match=says):
        open_microscope(address)


@pytest.fixture
def _service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decision service, without a network between."""

    class Local(DecisionClient):
        def __init__(self, base_url: str, **options: Any) -> None:
            super().__init__(base_url, transport=httpx.ASGITransport(create_app()), **options)

    monkeypatch.setattr(driver_module, "DecisionClient", Local)


@pytest.mark.usefixtures("_service")
def test_with_a_service_it_advises(session: Path) -> None:
    address = f"epu://{session.as_posix()}?decisions=http://service:8080&dry-run=yes"
    microscope = open_microscope(address)
    assert isinstance(microscope, EpuMicroscope)

    async def run() -> None:
        await microscope.connect()
        assert microscope.description.tier is Tier.ADVISE
        assert microscope.parts.capabilities() == {Capability.OBSERVATION, Capability.ADVICE}
        await microscope.close()
        assert microscope.parts.capabilities() == set()

    asyncio.run(run())


def test_a_service_that_is_away_is_told_when_connecting(session: Path) -> None:
    microscope = open_microscope(f"epu://{session.as_posix()}?decisions=http://127.0.0.1:9")
    with pytest.raises(InstrumentConnectionError, match=r"127\.0\.0\.1:9"):
        asyncio.run(microscope.connect())
    assert microscope.parts.advice is None


# --- Pictures --------------------------------------------------------------------------------------------------------


def test_pictures_are_read_as_they_are_stored(tmp_path: Path) -> None:
    values = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1000
    tifffile.imwrite(tmp_path / "a.tiff", values)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(values.astype(np.int16))
    with mrcfile.new(tmp_path / "f.mrc") as file:
        file.set_data(values.astype(np.float32))
    Image.fromarray(np.full((6, 8, 3), 77, np.uint8)).save(tmp_path / "rgb.jpg")
    assert np.array_equal(read_pixels(tmp_path / "a.tiff"), values)
    assert np.array_equal(read_pixels(tmp_path / "a.mrc"), values.astype(np.int16))
    assert read_pixels(tmp_path / "f.mrc").dtype == np.float32
    assert read_pixels(tmp_path / "rgb.jpg").shape == (6, 8)
    assert np.allclose(read_pixels(tmp_path / "a.tiff", 2)[0, 0], values[:2, :2].mean())
    for name, reduced in (("a.tiff", False), ("a.mrc", False), ("rgb.jpg", True)):
        probed = probe_picture(tmp_path / name, name)
        assert (probed.width_px, probed.height_px, probed.is_reduced) == (8, 6, reduced)
    with pytest.raises(ValueError, match="binning 7"):
        read_pixels(tmp_path / "a.tiff", 7)


def test_pictures_that_are_cut_off_or_gone_are_told(tmp_path: Path) -> None:
    values = np.zeros((64, 64), np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(values)
    epu_trees.write_jpeg(tmp_path / "a.jpg")
    for name in ("a.tif", "a.mrc", "a.jpg"):
        whole = (tmp_path / name).read_bytes()
        for length in (0, 3, 100, len(whole) // 2):
            (tmp_path / name).write_bytes(whole[:length])
            if name != "a.tif" or length < 100:
                with pytest.raises(AcquisitionFileError, match=name):
                    probe_picture(tmp_path / name, name)
            with pytest.raises(ImageError, match=name):
                read_pixels(tmp_path / name)
    with pytest.raises(ImageMissingError):
        read_pixels(tmp_path / "gone.jpg")
    (tmp_path / "b.jpg").write_bytes(b"no picture at all")
    with pytest.raises(AcquisitionFileError, match=r"b\.jpg"):
        probe_picture(tmp_path / "b.jpg", "b.jpg")


def test_a_whole_readout_counts_before_a_reduced_picture(session: Path) -> None:
    square = session / "Images-Disc1" / f"GridSquare_{SQUARE}" / f"GridSquare_{EPU_3.stamp}.tiff"
    tifffile.imwrite(square, np.zeros((768, 1024), np.uint16))
    images = observe(EpuDriver().open(ScopeAddress("epu", path=str(session))))
    taken = images[0].image
    assert taken is not None
    assert taken.facts.width_px == 1024
    assert taken.facts.pixel_size_angstrom == pytest.approx(400)
    assert taken.pixels().dtype == np.uint16
