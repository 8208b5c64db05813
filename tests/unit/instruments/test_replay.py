import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structloop.core.errors import (
    ImageChangedError,
    ImageMissingError,
    InstrumentConnectionError,
    JournalError,
    NotCapableError,
)
from structloop.instruments.clock import VirtualClock
from structloop.instruments.drivers import open_microscope
from structloop.instruments.images import Keep, read_kept
from structloop.instruments.journal import JOURNAL_NAME, Journal, read_journal
from structloop.instruments.microscope import Microscope, ObservedImage
from structloop.instruments.replay import ReplayMicroscope, record
from structloop.instruments.runner import Runner
from structloop.schema.acquisition import (
    Acquire,
    AcquireMontage,
    Imaged,
    LoadGrid,
    MontageImaged,
    MoveStage,
    SetBeam,
    SetValves,
)
from structloop.testing import ObserverTests
from support.microscopes import MemoryMicroscope


async def take(folder: Path, keep: Keep | None = None) -> None:
    with Journal.open(folder) as journal:
        async with Runner(MemoryMicroscope(), journal, keep=keep) as runner:
            await runner.run("open", SetValves(open=True))
            await runner.run("beam", SetBeam(on=True))
            await runner.run("slot1/load", LoadGrid(slot=1))
            await runner.run("slot1/atlas", AcquireMontage(preset="atlas", columns=2, rows=2))
            await runner.run("slot1/square1/image", Acquire(preset="square"))
            await runner.run("slot1/square1/move", MoveStage(x_um=3.0))
            await runner.run("slot1/square1/hole1", Acquire(preset="hole"))
            await runner.wait(3600)
            await runner.run("slot1/square1/hole1/e1", Acquire(preset="record"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("session")
    asyncio.run(take(folder))
    return folder


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


async def seen(microscope: Microscope) -> list[ObservedImage]:
    await microscope.connect()
    try:
        assert microscope.parts.observation is not None
        return [image async for image in microscope.parts.observation.images()]
    finally:
        await microscope.close()


def images_of(folder: Path) -> list[Imaged]:
    found: list[Imaged] = []
    for entry in read_journal(folder).entries:
        if entry.entry == "done" and isinstance(entry.result, Imaged):
            found.append(entry.result)
        elif entry.entry == "done" and isinstance(entry.result, MontageImaged):
            found.extend(entry.result.tiles)
    return found


class TestReplay(ObserverTests):
    @pytest.fixture
    def microscope(self, session: Path) -> Microscope:
        return open_microscope(f"replay://{session}?speed=1000&clock=virtual")


def test_the_same_images_come_in_the_same_order_byte_for_byte(session: Path) -> None:
    replayed = asyncio.run(seen(ReplayMicroscope(session, clock=VirtualClock())))
    recorded = images_of(session)
    assert [image.image.facts for image in replayed if image.image] == [imaged.image for imaged in recorded]
    for image, imaged in zip(replayed, recorded, strict=True):
        assert image.image is not None
        assert imaged.kept is not None
        assert image.image.pixels().tobytes() == read_kept(session, imaged.kept).tobytes()
    assert [(image.level, image.name) for image in replayed] == [
        *(("atlas", f"slot1/atlas~{tile:03d}") for tile in range(4)),
        ("square", "slot1/square1/image"),
        ("hole", "slot1/square1/hole1"),
        ("exposure", "slot1/square1/hole1/e1"),
    ]
    assert replayed[-1].parent == "slot1/square1/hole1"


@given(st.floats(1, 1000))
@settings(max_examples=10, deadline=None)
def test_the_spacing_is_that_of_the_session_over_the_speed(session: Path, speed: float) -> None:
    async def times() -> list[float]:
        clock = VirtualClock()
        microscope = ReplayMicroscope(session, speed, clock)
        await microscope.connect()
        assert microscope.parts.observation is not None
        return [clock.elapsed_s() async for _ in microscope.parts.observation.images()]

    taken = [imaged.image.taken_at for imaged in images_of(session)]
    expected = [(at - taken[0]).total_seconds() / speed for at in taken]
    assert asyncio.run(times()) == pytest.approx(expected, abs=1e-4)


def test_who_looks_slowly_is_not_made_to_wait_twice(session: Path) -> None:
    async def scenario() -> float:
        clock = VirtualClock()
        microscope = ReplayMicroscope(session, 1.0, clock)
        await microscope.connect()
        assert microscope.parts.observation is not None
        async for _ in microscope.parts.observation.images():
            await clock.sleep(100.0)
        return clock.elapsed_s()

    taken = [imaged.image.taken_at for imaged in images_of(session)]
    assert asyncio.run(scenario()) == pytest.approx((taken[-1] - taken[0]).total_seconds() + 100, abs=1)


def test_an_image_that_was_changed_is_named_and_the_others_come(tmp_path: Path) -> None:
    asyncio.run(take(tmp_path))
    damaged = tmp_path / "images/slot1/square1/image.mrc"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\xff")
    (tmp_path / "images/slot1/square1/hole1.mrc").unlink()
    replayed = asyncio.run(seen(ReplayMicroscope(tmp_path, clock=VirtualClock())))
    failures = {}
    for image in replayed:
        assert image.image is not None
        try:
            image.image.pixels()
        except (ImageChangedError, ImageMissingError) as error:
            failures[image.name] = error
    assert isinstance(failures["slot1/square1/image"], ImageChangedError)
    assert str(damaged) in str(failures["slot1/square1/image"])
    assert isinstance(failures["slot1/square1/hole1"], ImageMissingError)
    assert len(failures) == 2
    assert len(replayed) == 7


def test_images_kept_coarsely_or_not_at_all_say_so(tmp_path: Path) -> None:
    asyncio.run(take(tmp_path, Keep({"square": 4, "record": None})))
    replayed = {image.name: image.image for image in asyncio.run(seen(ReplayMicroscope(tmp_path, 9, VirtualClock())))}
    square, exposure = replayed["slot1/square1/image"], replayed["slot1/square1/hole1/e1"]
    assert square is not None
    assert (square.facts.width_px, square.facts.pixel_size_angstrom) == (24, 4000)
    assert square.pixels().shape == (20, 24)
    assert exposure is not None
    assert exposure.facts.preset == "record"
    with pytest.raises(ImageMissingError, match="hole1/e1 was taken and not kept"):
        exposure.pixels()


def test_a_session_that_was_interrupted_replays_what_it_has(tmp_path: Path) -> None:
    asyncio.run(take(tmp_path))
    path = tmp_path / JOURNAL_NAME
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b'"tile":2') + 20])
    replayed = asyncio.run(seen(ReplayMicroscope(tmp_path, clock=VirtualClock())))
    assert [image.name for image in replayed] == ["slot1/atlas~000", "slot1/atlas~001"]


def test_its_state_is_that_of_the_last_image(session: Path) -> None:
    async def scenario() -> None:
        microscope = ReplayMicroscope(session, clock=VirtualClock())
        await microscope.connect()
        assert (await microscope.state()).stage is None
        assert microscope.parts.observation is not None
        async for image in microscope.parts.observation.images():
            assert image.image is not None
            state = await microscope.state()
            assert (state.stage, state.preset) == (image.image.facts.stage, image.image.facts.preset)

    asyncio.run(scenario())


def test_aborting_ends_the_replay(session: Path) -> None:
    async def scenario() -> int:
        microscope = ReplayMicroscope(session, clock=VirtualClock())
        await microscope.connect()
        assert microscope.parts.observation is not None
        count = 0
        async for _ in microscope.parts.observation.images():
            count += 1
            if count == 3:
                await microscope.abort()
        return count

    assert asyncio.run(scenario()) == 3


def test_a_folder_with_nothing_to_replay_is_told_as_such(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InstrumentConnectionError, match=str(folder)):
            asyncio.run(seen(ReplayMicroscope(folder)))
    (tmp_path / JOURNAL_NAME).write_text("nonsense\n")
    with pytest.raises(InstrumentConnectionError, match="line 1"):
        asyncio.run(seen(ReplayMicroscope(tmp_path)))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("replay:///data?speed=0.5", "out of range; give 1 to 1000"),
        ("replay:///data?speed=1001", "out of range"),
        ("replay:///data?speed=nan", "out of range"),
        ("replay:///data?speed=fast", "is no number"),
        ("replay:///data?clock=sun", "neither wall nor virtual"),
        ("replay:///data?sped=3", "no option 'sped'; did you mean 'speed'"),
        ("replay://data", "three slashes"),
        ("replay://", "three slashes"),
    ],
)
def test_a_bad_address_is_refused(address: str, message: str) -> None:
    with pytest.raises(NotCapableError, match=message):
        open_microscope(address)


def pixels_of(images: list[ObservedImage]) -> list[bytes]:
    return [image.image.pixels().tobytes() for image in images if image.image is not None]


def test_a_recording_replays_to_the_same_images_and_goes_on_where_it_ended(session: Path, tmp_path: Path) -> None:
    folder = tmp_path / "recording"
    first = asyncio.run(record(ReplayMicroscope(session, 1000, VirtualClock()), folder))
    assert (first.images, first.without_pixels, first.known) == (7, 0, 0)
    original = asyncio.run(seen(ReplayMicroscope(session, clock=VirtualClock())))
    again = asyncio.run(seen(ReplayMicroscope(folder, clock=VirtualClock())))
    assert pixels_of(again) == pixels_of(original)
    assert [(image.level, image.name, image.parent) for image in again] == [
        (image.level, image.name, image.parent) for image in original
    ]
    second = asyncio.run(record(ReplayMicroscope(session, 1000, VirtualClock()), folder))
    assert (second.images, second.known) == (0, 7)
    assert pixels_of(asyncio.run(seen(ReplayMicroscope(folder, clock=VirtualClock())))) == pixels_of(original)


def test_a_recording_goes_on_over_images_that_cannot_be_read_and_says_which(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "recording"
    asyncio.run(take(source))
    (source / "images/slot1/square1/image.mrc").write_bytes(b"changed")
    found = asyncio.run(record(ReplayMicroscope(source, 1000, VirtualClock()), folder))
    assert (found.images, found.without_pixels) == (6, 1)
    notes = [entry.text for entry in read_journal(folder).entries if entry.entry == "note"]
    assert len(notes) == 1
    assert "slot1/square1/image" in notes[0]


def test_what_cannot_be_observed_is_not_recorded(session: Path, tmp_path: Path) -> None:
    with pytest.raises(NotCapableError, match="cannot be observed"):
        asyncio.run(record(MemoryMicroscope(), tmp_path / "none"))
    assert not (tmp_path / "none").exists()
    with Journal.open(tmp_path / "busy"), pytest.raises(JournalError, match="another process"):
        asyncio.run(record(ReplayMicroscope(session, 1000, VirtualClock()), tmp_path / "busy"))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["epu_3.7", "epu_3.9"])
def test_a_real_epu_session_replays_and_is_recorded(real_data: Path, tmp_path: Path, name: str) -> None:
    folder = real_data / "grids" / "sessions" / name
    replayed = asyncio.run(seen(ReplayMicroscope(folder, 1000, VirtualClock())))
    assert replayed
    found = asyncio.run(record(ReplayMicroscope(folder, 1000, VirtualClock()), tmp_path / "recording"))
    assert found.images + found.without_pixels == len(replayed)
    again = asyncio.run(seen(ReplayMicroscope(tmp_path / "recording", 1000, VirtualClock())))
    assert [(image.level, image.name, image.parent) for image in again] == [
        (image.level, image.name, image.parent) for image in replayed
    ]
    assert pixels_of(again) == pixels_of([image for image in replayed if image.image is not None])
