"""The simulated microscope: its description, its parts, and what is not a part."""

from pathlib import Path

from structloop.core.errors import NotCapableError
from structloop.instruments.clock import Clock, VirtualClock
from structloop.instruments.microscope import Parts
from structloop.instruments.simulated.camera import SimulatedCamera
from structloop.instruments.simulated.faults import FaultPlan, PlannedFault
from structloop.instruments.simulated.focusing import SimulatedFocus
from structloop.instruments.simulated.machine import LARGEST_IMAGE_SHIFT_UM, Machine
from structloop.instruments.simulated.movies import write_movie
from structloop.instruments.simulated.options import SimulatedOptions
from structloop.instruments.simulated.parts import (
    TASKS,
    SimulatedApertures,
    SimulatedAutoloader,
    SimulatedEnergyFilter,
    SimulatedImageShift,
    SimulatedMaintenance,
    SimulatedOptics,
    SimulatedStage,
    SimulatedVacuum,
)
from structloop.schema.acquisition import CAPABILITY_OF, MicroscopeDescription, MicroscopeState, Tier
from structloop.simulation.grids import Cassette


class SimulatedMicroscope:
    """A microscope over a simulated cassette; see `docs/explanations/simulated-microscope.md` for its physics.

    It has no state outside of itself and starts no tasks: several live side by side, and all that goes on by itself
    follows from the clock when somebody looks.

    Args:
        cassette: Its grids; by default four of the options' seed.
        clock: Its time; by default a virtual clock, on which nothing takes time.
        faults: Which faults come; by default none.
        options: How it is set up.
    """

    def __init__(
        self,
        cassette: Cassette | None = None,
        clock: Clock | None = None,
        faults: FaultPlan | None = None,
        options: SimulatedOptions | None = None,
    ) -> None:
        options = options or SimulatedOptions()
        self._machine = Machine(
            cassette or Cassette.from_seed(options.seed), clock or VirtualClock(), faults or FaultPlan(), options
        )
        machine = self._machine
        self._parts = Parts(
            stage=SimulatedStage(machine),
            autoloader=SimulatedAutoloader(machine),
            optics=SimulatedOptics(machine),
            image_shift=SimulatedImageShift(machine),
            camera=SimulatedCamera(machine, self.write_movie),
            focus=SimulatedFocus(machine),
            apertures=SimulatedApertures(machine),
            energy_filter=SimulatedEnergyFilter(machine),
            vacuum=SimulatedVacuum(machine),
            maintenance=SimulatedMaintenance(machine),
        )
        self._description = MicroscopeDescription(
            name=f"Simulated microscope, seed {options.seed}",
            driver="simulated",
            tier=Tier.COMMAND,
            operations=frozenset(CAPABILITY_OF),
            presets=tuple(preset.preset for preset in machine.presets.values()),
            largest_image_shift_um=LARGEST_IMAGE_SHIFT_UM,
            maintenance_tasks=tuple(TASKS),
            simulated=True,
        )

    @property
    def description(self) -> MicroscopeDescription:
        """What it is and what it can do."""
        return self._description

    @property
    def parts(self) -> Parts:
        """What it can do it with: everything."""
        return self._parts

    @property
    def clock(self) -> Clock:
        """Its time; whoever waits for it waits on this."""
        return self._machine.clock

    async def connect(self) -> None:
        """Reach it, also after the connection was lost; it is as it was left."""
        if not self._machine.connected:
            self._machine.connected = True
            await self._machine.clock.sleep(0.2)

    async def close(self) -> None:
        """Let go of it, leaving it as it is."""
        self._machine.connected = False

    async def state(self) -> MicroscopeState:
        """One look at it."""
        machine = self._machine
        machine.require_connection()
        now = machine.now_s
        return MicroscopeState(
            at=machine.clock.now(),
            stage=machine.goniometer.reading(now),
            slot=machine.slot,
            preset=machine.lenses.preset.preset.name,
            image_shift_um=machine.lenses.image_shift_um,
            defocus_um=machine.lenses.defocus_um,
            valves_open=machine.vacuum.valves_open,
            beam_on=machine.beam.on,
            vacuum_ready=machine.vacuum.ready_in_s(now) == 0,
            dewars_filling=machine.dewars.ready_in_s(now) > 0,
            slit_width_ev=machine.slit.width_ev,
        )

    async def abort(self) -> None:
        """Stop what is going on; it ends within half a second with an InstrumentFaultError."""
        self._machine.abort()

    def inject(self, planned: PlannedFault) -> None:
        """Plan a fault while the microscope runs; its `nth` counts from now."""
        self._machine.faults.add(planned)

    def write_movie(self, image_id: str, binning: int = 1) -> Path:
        """Write the movie of an image that was taken with `save_frames`, to where its `frames_path` says.

        Args:
            image_id: Of the image.
            binning: Writes smaller frames.

        Raises:
            NotCapableError: no such image was taken, or there is no folder for frames (option `frames`).
        """
        folder = self._machine.options.frames
        if folder is None:
            raise NotCapableError("simulated microscope: movies are written only with option frames=FOLDER")
        capture = self._machine.log.of_image(image_id)
        if capture is None:
            raise NotCapableError(f"simulated microscope: no image {image_id} was taken")
        return write_movie(capture, folder / f"{image_id}.mrc", binning)


__all__ = ["SimulatedMicroscope"]
