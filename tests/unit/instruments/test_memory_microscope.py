"""The suite itself, on the small microscope that the runner is tested on; and that it finds what is wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from structloop.core.errors import NotCapableError
from structloop.instruments.images import average_blocks
from structloop.instruments.microscope import Microscope, Parts, Pixels, TakenImage
from structloop.schema.acquisition import Aligned, Focused, MicroscopeState, StagePosition
from structloop.testing import MicroscopeTests
from support.microscopes import MemoryMicroscope


class TestMemoryMicroscope(MicroscopeTests):
    @pytest.fixture
    def microscope(self) -> Microscope:
        return MemoryMicroscope()

    empty_slot = 7


class WithoutDeclaring(MemoryMicroscope):
    """Has parts that its operations do not need."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.operations - {"load-grid", "unload-grid"}


class DoesWhatItDoesNotDeclare(MemoryMicroscope):
    """Waits for drift although it says it cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.operations - {"wait-drift"}


class Refuses(DoesWhatItDoesNotDeclare):
    """As it should."""

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> "object":  # type: ignore[override]  # never returns
        raise NotCapableError("no")


class WrongWay(MemoryMicroscope):
    """Its image shift goes the other way than it says."""

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        await super().shift(-dx_um, -dy_um, settle_s)

    def _image(self, *args: object, **named: object) -> TakenImage:
        image = super()._image(*args, **named)  # type: ignore[arg-type]  # passed on as they came
        x, y = image.facts.image_shift_um
        return TakenImage(image.facts.model_copy(update={"image_shift_um": (-x, -y)}), image.read)

    async def state(self) -> MicroscopeState:
        state = await super().state()
        x, y = state.image_shift_um or (0.0, 0.0)
        return state.model_copy(update={"image_shift_um": (-x, -y)})


class Holey(MemoryMicroscope):
    """Looks at a lattice of holes, all alike but for a little, as on real grids; and its facts are wrong.

    Attributes:
        mistake: What its calibration is multiplied with; a right one is none.
    """

    def __init__(self, mistake: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0))) -> None:
        super().__init__()
        self.mistake = np.array(mistake)

    def _image(self, *args: object, **named: object) -> TakenImage:
        image = super()._image(*args, **named)  # type: ignore[arg-type]  # passed on as they came
        facts = image.facts
        right = np.array(facts.image_to_stage_um)
        (a, b), (c, d) = (self.mistake @ right).tolist()

        def read(binning: int) -> Pixels:
            y, x = np.mgrid[: facts.height_px, : facts.width_px].astype(np.float64)
            um = np.tensordot(right, np.stack([x - (facts.width_px - 1) / 2, y - (facts.height_px - 1) / 2]), 1)
            um[0] += facts.stage.x_um + facts.image_shift_um[0]
            um[1] += facts.stage.y_um + facts.image_shift_um[1]
            wave = 2 * np.pi / (14 * facts.pixel_size_angstrom * 1e-4)
            holes = np.clip(np.cos(wave * um[0]) + np.cos(wave * um[1]), 0, 1)
            return average_blocks((2000 * holes + image.read(1)).astype(np.float32), binning)

        return TakenImage(facts.model_copy(update={"image_to_stage_um": ((a, b), (c, d))}), read)


WRONG_CALIBRATIONS = {
    "both axes the wrong way": ((-1.0, 0.0), (0.0, -1.0)),
    "x the wrong way": ((-1.0, 0.0), (0.0, 1.0)),
    "y the wrong way": ((1.0, 0.0), (0.0, -1.0)),
    "axes swapped": ((0.0, 1.0), (1.0, 0.0)),
    "turned by a right angle": ((0.0, -1.0), (1.0, 0.0)),
    "twice the scale": ((2.0, 0.0), (0.0, 2.0)),
    "half the scale": ((0.5, 0.0), (0.0, 0.5)),
}


class LatticeTests(MicroscopeTests):
    """Told that displacements are right to well below half a lattice; coarser than that nothing could be told."""

    displacement_tolerance_px = 2.0


COMPARED = (
    "test_moving_the_stage_moves_the_image_likewise",
    "test_the_image_shift_moves_the_image_as_its_matrix_says",
)


class NoisyPixels(MemoryMicroscope):
    """The same image is another one each time it is read."""

    def _image(self, *args: object, **named: object) -> TakenImage:
        image = super()._image(*args, **named)  # type: ignore[arg-type]  # passed on as they came
        reads = iter(range(1000))
        return TakenImage(image.facts, lambda binning: image.read(binning) + next(reads))


class Unbinned(MemoryMicroscope):
    """Cuts instead of averaging."""

    def _image(self, *args: object, **named: object) -> TakenImage:
        image = super()._image(*args, **named)  # type: ignore[arg-type]  # passed on as they came
        height, width = image.facts.height_px, image.facts.width_px
        return TakenImage(image.facts, lambda binning: image.read(1)[: height // binning, : width // binning])


class SamePlaceMontage(MemoryMicroscope):
    """Takes all tiles at one place."""

    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        for row in range(rows):
            for column in range(columns):
                yield self._image(self._preset(preset), place=(column, row))


class LazyStage(MemoryMicroscope):
    """Says that it went where it was told, and went half of it."""

    async def position(self) -> StagePosition:
        at = await super().position()
        return at.model_copy(update={"x_um": at.x_um / 2})


class LazyAlignment(MemoryMicroscope):
    """Aligns nothing."""

    async def align_to(self, template: TakenImage) -> Aligned:
        return Aligned(dx_um=0.0, dy_um=0.0)


class BadFocus(MemoryMicroscope):
    """Never reaches its target."""

    async def autofocus(self, target_um: float) -> Focused:
        return Focused(measured_um=target_um, defocus_um=target_um + 2)


class StuckBeam(MemoryMicroscope):
    """The beam never goes off."""

    async def state(self) -> MicroscopeState:
        return (await super().state()).model_copy(update={"beam_on": True})


class TwiceConnected(MemoryMicroscope):
    """Fails when it is connected twice."""

    async def connect(self) -> None:
        if self.connected:
            raise RuntimeError("connected already")
        await super().connect()


class Partless(MemoryMicroscope):
    """Declares everything, and has a part for none of it."""

    @property
    def parts(self) -> Parts:
        return Parts()


FLAWS = {
    "test_it_is_a_microscope_with_the_parts_it_declares": (WithoutDeclaring, Partless),
    "test_what_it_does_not_declare_it_refuses": (DoesWhatItDoesNotDeclare,),
    "test_the_image_shift_moves_the_image_as_its_matrix_says": (WrongWay,),
    "test_an_image_read_twice_is_the_same_and_binning_averages": (NoisyPixels, Unbinned),
    "test_the_tiles_of_a_montage_overlap_around_the_stage_position": (SamePlaceMontage,),
    "test_the_stage_goes_where_it_is_told_and_says_so": (LazyStage,),
    "test_align_to_brings_a_shifted_image_back": (LazyAlignment,),
    "test_autofocus_ends_near_its_target": (BadFocus,),
    "test_the_beam_can_be_blanked": (StuckBeam,),
    "test_connecting_and_closing_twice_does_nothing_more": (TwiceConnected,),
}


@pytest.mark.parametrize(("test", "flawed"), [(test, flawed) for test, all_ in FLAWS.items() for flawed in all_])
def test_the_suite_finds_the_flaw(test: str, flawed: type[MemoryMicroscope]) -> None:
    with pytest.raises((AssertionError, RuntimeError, pytest.fail.Exception)):
        getattr(MicroscopeTests(), test)(flawed())


@pytest.mark.parametrize("test", COMPARED)
@pytest.mark.parametrize("mistake", WRONG_CALIBRATIONS.values(), ids=WRONG_CALIBRATIONS)
def test_a_wrong_calibration_is_found_on_a_lattice_of_holes(
    test: str, mistake: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    with pytest.raises(AssertionError, match=r"displaced|against what was expected"):
        getattr(LatticeTests(), test)(Holey(mistake))


@pytest.mark.parametrize("test", COMPARED)
def test_a_right_calibration_passes_on_a_lattice_of_holes(test: str) -> None:
    getattr(LatticeTests(), test)(Holey())


def test_the_suite_accepts_an_honest_lack(tmp_path: Path) -> None:
    MicroscopeTests().test_what_it_does_not_declare_it_refuses(Refuses())
