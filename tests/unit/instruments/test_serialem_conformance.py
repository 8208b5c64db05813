"""The SerialEM driver passes the suite of all drivers, over TCP, on what the fake SerialEM commands."""

from collections.abc import Iterator
from typing import ClassVar

import pytest

from structloop.instruments.drivers import ScopeAddress, open_microscope
from structloop.instruments.microscope import Microscope
from structloop.instruments.serialem.driver import SerialEMDriver
from structloop.testing.microscopes import MicroscopeTests
from structloop.testing.serialem_bench import BenchMicroscope
from structloop.testing.serialem_program import FakeSerialEM
from structloop.testing.serialem_server import serving
from support.simulated_microscope import look_at_a_hole, look_at_film


class OverTheSocket(MicroscopeTests):
    """On a simulated microscope behind the fake SerialEM."""

    empty_slot: ClassVar[int | None] = 7
    address: ClassVar[str]

    async def look_somewhere(self, microscope: Microscope) -> None:
        """Bring the stage to a hole: only the microscope behind SerialEM knows where one is."""
        await look_at_a_hole(self.behind)

    async def look_at_grain(self, microscope: Microscope) -> None:
        """Bring the stage to the film beside it."""
        await look_at_film(self.behind)

    @pytest.fixture
    def microscope(self) -> Iterator[Microscope]:
        self.behind = open_microscope(self.address)
        with serving(FakeSerialEM(self.behind), header_pause_s=0.002) as server:
            yield SerialEMDriver().open(ScopeAddress("serialem", "127.0.0.1", server.port))


class TestSerialEMOnTheSimulatedMicroscope(OverTheSocket):
    """With all its flaws; how it measures on images is no matter of the driver."""

    address: ClassVar[str] = "simulated://?seed=3&grids=2&camera=512&measure=model"


class TestSerialEMOnAFlawlessMicroscope(OverTheSocket):
    """On one that does exactly what it is told; rows of images are padded and sent in several chunks."""

    address: ClassVar[str] = "simulated://?seed=5&grids=2&camera=512&flaws=none&measure=model"

    @pytest.fixture
    def microscope(self) -> Iterator[Microscope]:
        self.behind = open_microscope(self.address)
        program = FakeSerialEM(self.behind, specimen_rotation_deg=-87.0, slots_reply=1)
        with serving(program, header_pause_s=0.002, row_alignment=96, chunk_bytes=100_000) as server:
            yield SerialEMDriver().open(ScopeAddress("serialem", "127.0.0.1", server.port))


class TestSerialEMOnTheBench(MicroscopeTests):
    """On a microscope without physics, with slots told as JEOL does."""

    empty_slot: ClassVar[int | None] = 7
    preset: ClassVar[str | None] = "view"
    position_tolerance_um: ClassVar[float] = 0.1

    @pytest.fixture
    def microscope(self) -> Iterator[Microscope]:
        program = FakeSerialEM(BenchMicroscope(width=128, height=96), slots_reply=6)
        with serving(program, header_pause_s=0.0) as server:
            yield SerialEMDriver().open(ScopeAddress("serialem", "127.0.0.1", server.port))
