"""The machine behind the parts: its state, what time does to it, and how faults break into what it does."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NoReturn

from structloop.core.errors import (
    InstrumentConnectionError,
    InstrumentError,
    InstrumentFaultError,
    InstrumentTimeoutError,
    NotCapableError,
    StoppedByUserError,
)
from structloop.instruments.clock import Clock
from structloop.instruments.simulated.axes import Flip, Turn
from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.draws import draw, seed_of
from structloop.instruments.simulated.exposures import ExposureLog
from structloop.instruments.simulated.faults import HAS_A_MIDDLE, FaultPlan, FaultSource, PlannedFault, When
from structloop.instruments.simulated.flaws import Flaws
from structloop.instruments.simulated.goniometer import Goniometer
from structloop.instruments.simulated.lenses import Lenses
from structloop.instruments.simulated.options import SimulatedOptions
from structloop.instruments.simulated.presets import SimulatedPreset, presets
from structloop.instruments.simulated.surroundings import Beam, Dewars, Slit, VacuumSystem
from structloop.schema.acquisition import Fault, StagePosition
from structloop.simulation.grids import Cassette, SceneGrid

SLOTS = 12
SLICE_S = 0.5
READOUT_S = 1.4
CAMERA_PATIENCE_S = 30.0
VACUUM_RECOVERS_S = 300.0
LARGEST_IMAGE_SHIFT_UM = 15.0
HOME = StagePosition(x_um=0.0, y_um=0.0)

_CUTS_THE_ANSWER = frozenset({Fault.CONNECTION_LOST, Fault.TIMEOUT})


class Doing:
    """One action while it lasts.

    Attributes:
        kind: Of the action.
        fault: The fault that waits for its middle; None where none does.
        exposed: Seeds of the exposures that it has made so far.
    """

    def __init__(self, machine: "Machine", kind: str, fault: PlannedFault | None) -> None:
        self._machine = machine
        self.exposed: list[int] = []
        self.kind = kind
        self.fault = fault

    async def middle(self) -> None:
        """The middle of the action: what waits for it happens now."""
        if self.fault is not None:
            fault, self.fault = self.fault, None
            await self._machine.fail(fault, self.kind, may_have_happened=True)

    def calm(self) -> "Doing":
        """The same action, for the steps before its middle."""
        calm = Doing(self._machine, self.kind, None)
        calm.exposed = self.exposed
        return calm


class Machine:
    """Everything a simulated microscope is, behind its parts.

    Args:
        cassette: Its grids.
        clock: Its time.
        faults: Which faults come.
        options: How it is set up.
    """

    def __init__(self, cassette: Cassette, clock: Clock, faults: FaultPlan, options: SimulatedOptions) -> None:
        self.cassette = cassette
        self.clock = clock
        self.options = options
        seed = options.seed
        self.flaws = Flaws.from_seed(seed) if options.flaws else Flaws.none()
        self.presets = presets(seed, self.flaws, options.camera_px)
        self.goniometer = Goniometer(self.flaws, seed)
        self.lenses = Lenses(self.presets, self.flaws, seed)
        self.dewars = Dewars(seed, not options.flaws)
        self.vacuum = VacuumSystem()
        self.beam = Beam(self.flaws)
        self.slit = Slit(self.flaws, seed)
        self.faults = FaultSource(faults, seed)
        self.log = ExposureLog(options.exposure_log)
        self.connected = False
        self.slot: int | None = None
        self.in_transit: int | None = None  # whose grid is between its slot and the stage
        self.loads: dict[int, int] = {}
        self._lies: tuple[float, float, float] = (0.0, 0.0, 0.0)
        self._busy: str | None = None
        self._aborting = False
        self.aborted = False  # what goes on, or went on last, was aborted
        self._exposures = 0
        self._images = 0

    # --- Time --------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Seconds of the clock."""
        return self.clock.elapsed_s()

    async def wait(self, seconds: float) -> None:
        """Let time pass; an abort ends it.

        Raises:
            InstrumentFaultError: it was aborted.
        """
        end = self.now_s + seconds
        piece = max(SLICE_S, seconds / 50)
        while True:
            self._check_abort()
            left = end - self.now_s
            if left <= 1e-9:
                return
            await self.clock.sleep(left if math.isinf(left) else min(piece, left))

    def _check_abort(self) -> None:
        if self._aborting:
            self._aborting, self.aborted = False, True
            raise InstrumentFaultError(
                f"simulated microscope: {self._busy} was aborted", fault=Fault.OTHER, may_have_happened=True
            )

    def abort(self) -> None:
        """Stop what is going on; the stage stops where it is."""
        self._aborting = self._busy is not None
        self.goniometer.halt(self.now_s)

    # --- Actions -----------------------------------------------------------------------------------------------------

    def require_connection(self, *, may_have_happened: bool = False) -> None:
        """Refuse to do anything unless connected.

        Args:
            may_have_happened: Whether something was done already.

        Raises:
            InstrumentConnectionError: it is not connected, or the connection was lost.
        """
        if not self.connected:
            raise InstrumentConnectionError(
                "simulated microscope: not connected, or the connection was lost; connect()",
                may_have_happened=may_have_happened,
            )

    @asynccontextmanager
    async def doing(self, kind: str) -> AsyncIterator[Doing]:
        """One action, with the fault that is due at it: before it, in its middle, or after it.

        Raises:
            InstrumentError: the fault that came, or another action is going on.
        """
        self.require_connection()
        if self._busy is not None:
            raise InstrumentFaultError(
                f"simulated microscope: busy with {self._busy}, cannot {kind} now", may_have_happened=False
            )
        self._busy, self._aborting, self.aborted = kind, False, False
        try:
            planned = self.faults.next(kind)
            when = planned.when if planned is not None else None
            if planned is not None and when is When.BEFORE:
                await self.fail(planned, kind, may_have_happened=False)
            within = planned if when is When.MIDDLE else None
            if planned is not None and within is not None and self._answer_only(planned, kind):
                if not planned.carried_out:
                    await self.fail(planned, kind, may_have_happened=True)
                within = None
            action = Doing(self, kind, within)
            yield action
            if planned is not None and (when is When.AFTER or within is None or action.fault is not None):
                await self.fail(planned, kind, may_have_happened=True)
        finally:
            self._busy = None

    @staticmethod
    def _answer_only(planned: PlannedFault, kind: str) -> bool:
        if kind not in HAS_A_MIDDLE:
            return True
        return planned.fault in _CUTS_THE_ANSWER and kind != "acquire-montage"

    @asynccontextmanager
    async def resting(self) -> AsyncIterator[None]:
        """Within an action, while its caller holds what it gave: the microscope may be asked for other things."""
        kind, self._busy = self._busy, None
        try:
            yield
        finally:
            self._busy = kind
        self.require_connection(may_have_happened=True)

    async def fail(self, planned: PlannedFault, kind: str, *, may_have_happened: bool) -> NoReturn:
        """Bring a fault about.

        Raises:
            InstrumentError: always, of the fault's kind.
        """
        raise await self._error(Fault(planned.fault), kind, may_have_happened)

    async def _error(self, fault: Fault, kind: str, may: bool) -> InstrumentError:
        said = f"simulated microscope, {kind}: "
        match fault:
            case Fault.CONNECTION_LOST:
                self.connected = False
                return InstrumentConnectionError(f"{said}the connection was lost; connect()", may_have_happened=may)
            case Fault.CAMERA_TIMEOUT:
                await self.wait(CAMERA_PATIENCE_S)
                return InstrumentTimeoutError(f"{said}the camera did not answer", fault=fault, may_have_happened=may)
            case Fault.TIMEOUT:
                await self.wait(math.inf)
                return InstrumentTimeoutError(f"{said}no answer", may_have_happened=may)
            case Fault.USER_STOP:
                self.goniometer.halt(self.now_s)
                return StoppedByUserError(f"{said}STOP was pressed", may_have_happened=may)
            case Fault.VACUUM:
                self.vacuum.event(self.now_s, VACUUM_RECOVERS_S)
                message = f"{said}the vacuum broke and the valves closed; wait until it is ready"
            case Fault.DEWAR_FILLING:
                self.dewars.fill(self.now_s)
                message = f"{said}the dewars are being filled; wait until they are ready"
            case Fault.STAGE_JAM:
                self.goniometer.halt(self.now_s)
                message = f"{said}the stage is stuck"
            case Fault.AUTOLOADER:
                message = f"{said}the autoloader reports an error"
            case _:
                message = f"{said}it failed"
        return InstrumentFaultError(message, fault=fault, may_have_happened=may)

    def not_ready_s(self) -> float:
        """Seconds until vacuum and dewars are ready."""
        return max(self.vacuum.ready_in_s(self.now_s), self.dewars.ready_in_s(self.now_s))

    def preset(self, name: str) -> SimulatedPreset:
        """A preset by its name.

        Raises:
            NotCapableError: there is none.
        """
        if name not in self.presets:
            raise NotCapableError(f"simulated microscope: no preset '{name}'; there are {', '.join(self.presets)}")
        return self.presets[name]

    # --- Grids -------------------------------------------------------------------------------------------------------

    @property
    def grid(self) -> SceneGrid | None:
        """What is on the stage."""
        return None if self.slot is None else self.cassette.grid(self.slot)

    def occupied(self, slot: int) -> bool:
        """Whether a slot has a grid."""
        return slot in self.cassette.slots

    def put(self, slot: int) -> None:
        """The grid lies on the stage from now on, never twice in quite the same way."""
        self.slot, self.in_transit = slot, None
        count = self.loads[slot] = self.loads.get(slot, 0) + 1
        rng = draw(self.options.seed, "load", slot, count)
        x, y = rng.normal(0, self.flaws.load_offset_um, 2)
        self._lies = (float(x), float(y), float(rng.normal(0, self.flaws.load_rotation_deg)))
        self.goniometer.warm(self.now_s, sum(self.loads.values()))

    def to_grid(self, x_um: float, y_um: float) -> tuple[float, float]:
        """What lies there on the grid, of a place in the stage's axes."""
        return Turn(self._lies[2]).back(x_um - self._lies[0], y_um - self._lies[1])

    def to_stage(self, x_um: float, y_um: float) -> tuple[float, float]:
        """Where a place of the grid is, in the stage's axes."""
        x, y = Turn(self._lies[2]).on(x_um, y_um)
        return x + self._lies[0], y + self._lies[1]

    # --- Stage -------------------------------------------------------------------------------------------------------

    async def drive(self, target: StagePosition, doing: Doing) -> StagePosition:
        """Move the stage and wait until it has settled.

        Raises:
            InstrumentError: the fault that came half way.
        """
        await self.arrive()
        takes = self.goniometer.start(target, self.now_s)
        if doing.fault is not None:
            await self.wait(takes / 2)
            if doing.fault.fault not in (Fault.STAGE_JAM, Fault.USER_STOP):
                await self.arrive()
            await doing.middle()
        await self.wait(takes)
        return self.goniometer.reading(self.now_s)

    async def arrive(self) -> None:
        """Wait for a move that was left alone."""
        await self.wait(self.goniometer.arrives_s() - self.now_s)

    # --- Images ------------------------------------------------------------------------------------------------------

    def new_image_id(self) -> str:
        """Of the next image; the same in every session of the same seed that does the same."""
        self._images += 1
        return f"s{self.options.seed}-{self._images:06d}"

    async def apply(self, preset: SimulatedPreset) -> None:
        """Set everything to a preset, unless it is."""
        await self.wait(self.lenses.apply(preset))

    async def expose(
        self, preset: SimulatedPreset, doing: Doing, *, image_id: str | None = None, beam_tilt_mrad: float = 0.0
    ) -> Capture:
        """Take an image: wait for the stage, open the shutter, read out. It counts from when the shutter opens.

        Args:
            preset: Which is set where it is not.
            doing: The action that it is part of.
            image_id: Of the image that it makes.
            beam_tilt_mrad: Of the beam, along the stage's x, for focusing: it moves the image by defocus times tilt.

        Raises:
            InstrumentError: the dewars are being filled, or the fault that came.
        """
        await self.arrive()
        await self.apply(preset)
        filling = self.dewars.ready_in_s(self.now_s)
        if filling and preset.mode == "high":
            raise InstrumentFaultError(
                f"simulated microscope, {doing.kind}: the dewars are being filled for another {filling:.0f} s",
                fault=Fault.DEWAR_FILLING,
                may_have_happened=bool(doing.exposed),
            )
        self.lenses.expose()
        capture = self._capture(preset, doing.kind, image_id, beam_tilt_mrad)
        if doing.fault is not None:
            if doing.fault.carried_out:
                self.log.add(replace(capture, image_id=None))
            await doing.middle()
        self.log.add(capture)
        doing.exposed.append(capture.seed)
        await self.wait(preset.preset.exposure_s + READOUT_S)
        return capture

    def _capture(self, preset: SimulatedPreset, purpose: str, image_id: str | None, beam_tilt_mrad: float) -> Capture:
        self._exposures += 1
        now = self.now_s + preset.preset.exposure_s / 2
        stage, shift = self.goniometer.actual(now), self.lenses.true_shift_um(now)
        swing = math.sin(math.radians(stage.tilt_deg)) * self.flaws.eucentric_wobble_um
        off = preset.centre_um
        x, y = self.to_grid(stage.x_um + shift[0] + off[0], stage.y_um + shift[1] + off[1] + swing)
        defocus, height = self.lenses.true_defocus_um(now), stage.z_um - self.flaws.eucentric_z_um
        if beam_tilt_mrad:
            total = defocus + height + (0.0 if self.grid is None else float(self.grid.height_um(x, y)))
            along, across = Turn(self._lies[2]).back(total * beam_tilt_mrad * 1e-3, 0.0)
            x, y = x + along, y + across
        stage_drift, settling = self.goniometer.drift_angstrom_per_s(now), self.lenses.settling_angstrom_per_s(now)
        to_image = Flip(preset.rotation_deg)
        drift = to_image.on(stage_drift[0] + settling[0], stage_drift[1] + settling[1])
        astigmatism = self.lenses.astigmatism()
        lit = self.beam.on and self.vacuum.valves_open
        share = self.beam.intensity(now) * (self.slit.transmission(now) if preset.mode == "high" else 1.0)
        return Capture(
            grid=self.grid,
            slot=self.slot,
            load=0 if self.slot is None else self.loads[self.slot],
            purpose=purpose,
            image_id=image_id,
            preset=preset.preset.name,
            x_um=x,
            y_um=y,
            rotation_deg=preset.rotation_deg - self._lies[2],
            tilt_deg=stage.tilt_deg,
            height_um=height,
            pixel_size_angstrom=preset.pixel_size_angstrom,
            width_px=preset.preset.width_px,
            height_px=preset.preset.height_px,
            high=preset.electrons,
            dose_e_per_angstrom2=(preset.preset.dose_e_per_angstrom2 or 0.0) * share if lit else 0.0,
            defocus_um=defocus,
            astigmatism_um=astigmatism.half_um,
            astigmatism_deg=preset.rotation_deg - astigmatism.angle_deg,
            beam_tilt_mrad=to_image.on(*self.lenses.beam_tilt_mrad()),
            drift_angstrom_per_s=drift,
            exposure_s=preset.preset.exposure_s,
            frames=preset.preset.frames,
            filtered=self.slit.width_ev is not None,
            seed=seed_of(self.options.seed, "exposure", self._exposures),
            at=self.clock.now(),
        )


__all__ = ["HOME", "LARGEST_IMAGE_SHIFT_UM", "READOUT_S", "SLOTS", "Doing", "Machine"]
