"""The conformance suite of microscope drivers: subclass it, give a microscope, and run it with pytest.

class TestOurMicroscope(MicroscopeTests):
    @pytest.fixture
    def microscope(self) -> Microscope:
        return open_microscope("our-microscope://127.0.0.1:5000")

Each test connects anew. What the microscope does not declare is skipped, with the reason.
"""

from structloop.instruments.microscope import Microscope
from structloop.testing.microscope_imaging import ImagingTests
from structloop.testing.microscope_moving import MovingTests
from structloop.testing.microscope_observing import ObserverTests


class MicroscopeTests(MovingTests, ImagingTests):
    """What every microscope that takes commands must do, as far as it declares it.

    Attributes (set them in the subclass where the defaults do not fit):
        slot, other_slot: Slots of the autoloader with a grid in them; `slot` is loaded before each test. None: leave
            the autoloader alone.
        empty_slot: A slot without a grid, if there is one.
        place_um: Where on the grid images of `preset` show something; override `look_somewhere` to search for it,
            and `look_at_grain` where that is no place to focus at.
        preset: That images are compared at; chosen by its field where None. Moves of the stage are judged by a wider
            one where the stage is too coarse for it.
        montage_preset: That the montage is taken with; `preset` where None.
        stage_steps_um, stage_tolerance_um, tilt_tolerance_deg: Where the stage is sent, and how exactly it must arrive.
        position_tolerance_um: How far an image's stage position may be from the truth.
        displacement_tolerance_px: How far a displacement measured in images may be from the expected one.
        defocus_tolerance_um, height_tolerance_um: Of autofocus and eucentric height.
        aperture, aperture_sizes_um: An aperture and what it is set to.
        patience_s: Seconds of the wall clock for each test.
    """

    async def prepare(self, microscope: Microscope) -> None:
        """A grid on the stage, valves open, beam on; override it where a microscope needs something else."""
        operations, parts = microscope.description.operations, microscope.parts
        if self.slot is not None and "load-grid" in operations and parts.autoloader is not None:
            await parts.autoloader.load(self.slot)
        if parts.vacuum is not None and "set-valves" in operations:
            await parts.vacuum.set_valves(True)
        if parts.optics is not None and "set-beam" in operations:
            await parts.optics.set_beam(True)


__all__ = ["MicroscopeTests", "ObserverTests"]
