"""The parts that take no images: stage, autoloader, optics, image shift, apertures, filter, vacuum, maintenance."""

from typing import Literal

from structloop.core.errors import InstrumentFaultError, InstrumentTimeoutError, NotCapableError
from structloop.instruments.simulated.machine import HOME, SLOTS, Doing, Machine
from structloop.schema.acquisition import Fault, Slot, StagePosition

UNLOAD_S, LOAD_S, EXCHANGE_PUMP_S = 75.0, 105.0, 20.0
VALVES_S = 3.0
SHIFT_S = 0.2

TASKS = {
    "fill-dewars": 0.0,
    "flash-gun": 60.0,
    "normalise-lenses": 6.0,
    "dark-reference": 40.0,
}
"""Maintenance tasks and how many seconds each takes (filling the dewars: as long as it takes)."""


class SimulatedStage:
    """Moves the specimen, nearly to where it is told."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def position(self) -> StagePosition:
        """See `Stage.position`."""
        self._machine.require_connection()
        return self._machine.goniometer.reading(self._machine.now_s)

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        """See `Stage.move`."""
        machine = self._machine
        async with machine.doing("move-stage") as doing:
            await machine.arrive()
            here = machine.goniometer.reading(machine.now_s)
            base = here if relative else HOME
            target = StagePosition(
                x_um=here.x_um if x_um is None else base.x_um + x_um,
                y_um=here.y_um if y_um is None else base.y_um + y_um,
                z_um=here.z_um if z_um is None else base.z_um + z_um,
                tilt_deg=here.tilt_deg,
            )
            return await machine.drive(target, doing)

    async def tilt(self, tilt_deg: float) -> StagePosition:
        """See `Stage.tilt`."""
        machine = self._machine
        async with machine.doing("tilt-stage") as doing:
            await machine.arrive()
            here = machine.goniometer.reading(machine.now_s)
            return await machine.drive(here.model_copy(update={"tilt_deg": tilt_deg}), doing)


class SimulatedAutoloader:
    """Changes grids, with closed valves and the stage at home."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def slots(self) -> tuple[Slot, ...]:
        """See `Autoloader.slots`. Of a slot whose grid is stuck on its way, nothing is known."""
        machine = self._machine
        machine.require_connection()
        return tuple(
            Slot(
                number=number,
                occupied=None if number == machine.in_transit else machine.occupied(number),
                name=self._name(number),
            )
            for number in range(1, SLOTS + 1)
        )

    def _name(self, number: int) -> str:
        return self._machine.cassette.grid(number).name if self._machine.occupied(number) else ""

    async def load(self, slot: int) -> None:
        """See `Autoloader.load`. The valves are closed meanwhile, and are after it as they were before."""
        machine = self._machine
        async with machine.doing("load-grid") as doing:
            if not machine.occupied(slot):
                raise InstrumentFaultError(
                    f"simulated microscope, load-grid: slot {slot} is empty; there are grids in "
                    f"{', '.join(map(str, machine.cassette.slots))}",
                    fault=Fault.AUTOLOADER,
                    may_have_happened=False,
                )
            if machine.slot == slot:
                return
            self._refuse_while_filling("load-grid")
            open_before = await self._prepare()
            if machine.slot is not None:
                machine.slot, machine.in_transit = None, machine.slot
            if machine.in_transit not in (None, slot):
                await machine.wait(UNLOAD_S)
            machine.in_transit = slot
            await machine.wait(LOAD_S / 2)
            await doing.middle()  # the grid is between cassette and stage, and no slot is on it
            await machine.wait(LOAD_S / 2)
            machine.put(slot)
            await self._finish(open_before)

    async def unload(self) -> None:
        """See `Autoloader.unload`."""
        machine = self._machine
        async with machine.doing("unload-grid") as doing:
            if machine.slot is None and machine.in_transit is None:
                return
            self._refuse_while_filling("unload-grid")
            open_before = await self._prepare()
            if machine.slot is not None:
                machine.slot, machine.in_transit = None, machine.slot
            await machine.wait(UNLOAD_S / 2)
            await doing.middle()
            await machine.wait(UNLOAD_S / 2)
            machine.in_transit = None
            await self._finish(open_before)

    def _refuse_while_filling(self, kind: str) -> None:
        filling = self._machine.dewars.ready_in_s(self._machine.now_s)
        if filling:
            raise InstrumentFaultError(
                f"simulated microscope, {kind}: the dewars are being filled for another {filling:.0f} s",
                fault=Fault.DEWAR_FILLING,
                may_have_happened=False,
            )

    async def _prepare(self) -> bool:
        machine = self._machine
        open_before, machine.vacuum.valves_open = machine.vacuum.valves_open, False
        await machine.drive(HOME, Doing(machine, "load-grid", None))
        return open_before

    async def _finish(self, open_before: bool) -> None:
        machine = self._machine
        await machine.wait(EXCHANGE_PUMP_S)
        machine.vacuum.valves_open = open_before and not machine.vacuum.ready_in_s(machine.now_s)


class SimulatedOptics:
    """Sets magnification and illumination."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def apply_preset(self, preset: str) -> None:
        """See `Optics.apply_preset`."""
        chosen = self._machine.preset(preset)
        async with self._machine.doing("apply-preset"):
            await self._machine.apply(chosen)

    async def set_beam(self, on: bool) -> None:
        """See `Optics.set_beam`."""
        machine = self._machine
        async with machine.doing("set-beam"):
            machine.beam.on = on
            await machine.wait(0.1)


class SimulatedImageShift:
    """Looks beside the stage position, with a calibration that is a little wrong and some coma."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        """See `ImageShifting.shift`."""
        machine = self._machine
        async with machine.doing("shift-image"):
            machine.lenses.shift(dx_um, dy_um, machine.now_s)
            await machine.wait(SHIFT_S + settle_s)


class SimulatedApertures:
    """Changes apertures; the condenser aperture sets how much beam there is."""

    CONDENSER_UM = (30.0, 50.0, 70.0, 100.0, 150.0)
    OBJECTIVE_UM = (70.0, 100.0)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def set_aperture(self, aperture: Literal["condenser", "objective"], size_um: float | None) -> None:
        """See `Apertures.set_aperture`.

        Raises:
            NotCapableError: there is no such aperture.
        """
        machine = self._machine
        sizes = self.CONDENSER_UM if aperture == "condenser" else self.OBJECTIVE_UM
        if size_um is not None and size_um not in sizes:
            raise NotCapableError(
                f"simulated microscope: no {aperture} aperture of {size_um:g} um; there are "
                f"{', '.join(f'{size:g}' for size in sizes)}"
            )
        async with machine.doing("set-aperture"):
            if aperture == "condenser":
                machine.beam.condenser_um = size_um
            else:
                machine.beam.objective_um = size_um
            await machine.wait(8.0)


class SimulatedEnergyFilter:
    """Sets the energy slit; at high magnification it dims the image once the zero-loss peak has wandered off."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def set_slit(self, width_ev: float | None) -> None:
        """See `EnergyFilter.set_slit`."""
        machine = self._machine
        async with machine.doing("set-energy-filter"):
            machine.slit.width_ev = width_ev
            await machine.wait(1.0)

    async def align_zero_loss(self) -> None:
        """See `EnergyFilter.align_zero_loss`."""
        machine = self._machine
        async with machine.doing("align-zero-loss"):
            await machine.wait(15.0)
            machine.slit.align(machine.now_s)


class SimulatedVacuum:
    """Separates column and specimen."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def set_valves(self, open: bool) -> None:  # noqa: A002  # the field's word
        """See `Vacuum.set_valves`.

        Raises:
            InstrumentFaultError: they are to open while the vacuum is bad.
        """
        machine = self._machine
        async with machine.doing("set-valves"):
            bad = machine.vacuum.ready_in_s(machine.now_s)
            if open and bad:
                raise InstrumentFaultError(
                    f"simulated microscope, set-valves: the vacuum is bad for about another {bad:.0f} s; wait until it "
                    "is ready",
                    fault=Fault.VACUUM,
                    may_have_happened=False,
                )
            if open != machine.vacuum.valves_open:
                machine.vacuum.valves_open = open
                await machine.wait(VALVES_S)

    async def wait_ready(self, timeout_s: float) -> None:
        """See `Vacuum.wait_ready`."""
        machine = self._machine
        async with machine.doing("wait-ready"):
            left = timeout_s
            while wait := machine.not_ready_s():
                if left <= 0:
                    raise InstrumentTimeoutError(
                        f"simulated microscope, wait-ready: not ready after {timeout_s:g} s", fault=Fault.TIMEOUT
                    )
                step = min(wait, left)
                await machine.wait(step)
                left -= step


class SimulatedMaintenance:
    """What a microscope needs from time to time."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def maintain(self, task: str) -> None:
        """See `Maintenance.maintain`.

        Raises:
            NotCapableError: it knows no such task.
        """
        machine = self._machine
        if task not in TASKS:
            raise NotCapableError(f"simulated microscope: no maintenance task '{task}'; it knows {', '.join(TASKS)}")
        async with machine.doing("maintain"):
            now = machine.now_s
            await machine.wait(machine.dewars.fill(now) if task == "fill-dewars" else TASKS[task])
            if task == "flash-gun":
                machine.beam.flash(machine.now_s)
            elif task == "normalise-lenses":
                machine.lenses.normalise()


__all__ = [
    "TASKS",
    "SimulatedApertures",
    "SimulatedAutoloader",
    "SimulatedEnergyFilter",
    "SimulatedImageShift",
    "SimulatedMaintenance",
    "SimulatedOptics",
    "SimulatedStage",
    "SimulatedVacuum",
]
