"""The simulated microscope passes the suite that every driver must pass."""

from typing import ClassVar

import pytest

from structloop.instruments.drivers import open_microscope
from structloop.instruments.microscope import Microscope
from structloop.testing.microscopes import MicroscopeTests
from support.simulated_microscope import look_at_a_hole, look_at_film


class TestSimulatedMicroscope(MicroscopeTests):
    """With all its flaws, and measuring on images."""

    empty_slot: ClassVar[int | None] = 7

    async def look_somewhere(self, microscope: Microscope) -> None:
        """Bring the stage to a hole."""
        await look_at_a_hole(microscope)

    async def look_at_grain(self, microscope: Microscope) -> None:
        """Bring the stage to the film beside it."""
        await look_at_film(microscope)

    @pytest.fixture
    def microscope(self) -> Microscope:
        return open_microscope("simulated://?seed=3&grids=2&camera=512")


class TestFlawlessMicroscope(MicroscopeTests):
    """The one that does exactly what it is told, and measures by the model."""

    async def look_somewhere(self, microscope: Microscope) -> None:
        """Bring the stage to a hole."""
        await look_at_a_hole(microscope)

    async def look_at_grain(self, microscope: Microscope) -> None:
        """Bring the stage to the film beside it."""
        await look_at_film(microscope)

    @pytest.fixture
    def microscope(self) -> Microscope:
        return open_microscope("simulated://?seed=5&grids=2&camera=512&flaws=none&measure=model")
