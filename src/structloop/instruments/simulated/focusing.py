"""The focus part: defocus by beam tilt, height by stage tilt, drift by looking twice."""

import math
from typing import Literal

from structloop.core.errors import InstrumentError, InstrumentFaultError, InstrumentTimeoutError
from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.draws import draw
from structloop.instruments.simulated.machine import Doing, Machine
from structloop.instruments.simulated.measuring import displacement_px, on_specimen_um
from structloop.instruments.simulated.presets import SimulatedPreset
from structloop.schema.acquisition import Drifting, Fault, Focused, StagePosition

BEAM_TILT_MRAD = 3.0
FOCUS_ERROR_UM = 0.01
"""What coma and charging add to a measured defocus, standard deviation."""

SETTLED_UM = 0.3
"""Autofocus is done when what it measures is no further from what was set."""

HEIGHT_STEPS: dict[str, tuple[tuple[str, float], ...]] = {
    "rough": (("search", 3.0), ("search", 10.0)),
    "fine": (("search", 10.0), ("hole", 4.0), ("hole", 16.0)),
}
"""Presets and angles that a height is found at, one after the other; each sees what the one before left."""

_TILTS_BACK = frozenset({Fault.CAMERA_TIMEOUT, Fault.DEWAR_FILLING, Fault.VACUUM, Fault.OTHER})

DRIFT_EVERY_S, DRIFT_AT_MOST_S = 2.5, 15.0
"""Least and largest pause between the images of a wait for drift: the longer it lasts, the longer."""


class SimulatedFocus:
    """Finds focus, height and rest, on images of its own."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    async def set_defocus(self, defocus_um: float) -> None:
        """See `Focus.set_defocus`. It holds for the next image, and from then on for that image's lens mode."""
        machine = self._machine
        async with machine.doing("set-defocus"):
            machine.lenses.set_defocus(defocus_um)
            await machine.wait(0.2)

    async def autofocus(self, target_um: float) -> Focused:
        """See `Focus.autofocus`. Two images with the beam tilted either way; their shift tells the defocus.

        What was corrected is measured again. Where it fails, the focus is as it was before.

        Raises:
            InstrumentFaultError: nothing can be seen here, or it is too far out of focus (some 25 um): the two images
                then share too little, and what seems to be measured does not hold when it is measured again.
        """
        machine = self._machine
        preset = machine.presets["focus"]
        async with machine.doing("autofocus") as doing:
            await machine.apply(preset)
            before, corrected = machine.lenses.defocus_um, 0.0
            try:
                for attempt in range(4):
                    set_um = machine.lenses.defocus_um
                    off = await self._measure_defocus(doing if attempt == 0 else doing.calm()) - set_um
                    machine.lenses.correct(off)
                    corrected += off
                    machine.lenses.set_defocus(target_um)
                    if abs(off) < SETTLED_UM:
                        break
                else:
                    raise InstrumentFaultError(
                        f"simulated microscope, autofocus: it does not settle (still {off:.1f} um off): too far out of "
                        "focus; find the eucentric height first, or try another place",
                        fault=Fault.OTHER,
                    )
            except InstrumentError:
                machine.lenses.correct(-corrected)
                machine.lenses.set_defocus(before)
                raise
            machine.lenses.expose()  # the target now holds for the lens mode of focus and record
            return Focused(measured_um=before + corrected, defocus_um=target_um)

    async def _measure_defocus(self, doing: Doing) -> float:
        machine = self._machine
        preset = machine.presets["focus"]
        one = await machine.expose(preset, doing.calm(), beam_tilt_mrad=BEAM_TILT_MRAD)
        other = await machine.expose(preset, doing, beam_tilt_mrad=-BEAM_TILT_MRAD)
        moved = self._displacement(preset, one, other, "autofocus")
        error = draw(other.seed, "focus").normal(0, FOCUS_ERROR_UM) if machine.options.flaws else 0.0
        return -moved[0] / (2e-3 * BEAM_TILT_MRAD) + float(error)

    async def eucentric_height(self, method: Literal["rough", "fine"]) -> Focused:
        """See `Focus.eucentric_height`. The stage is tilted either way, twice or more; the shift tells the height.

        Where it fails, the stage is tilted back as far as it can be: not when it is stuck, when STOP was pressed or
        it was aborted, nor when it is cancelled.

        Raises:
            InstrumentFaultError: nothing can be seen here.
        """
        machine = self._machine
        steps = HEIGHT_STEPS[method]
        async with machine.doing("find-eucentric-height") as doing:
            await machine.arrive()
            start = machine.goniometer.reading(machine.now_s)
            try:
                await self._find_height(steps, start, doing)
            except InstrumentError as error:
                # Where the stage may move at all: not when it is stuck, and not when somebody wants it to stand still.
                if error.fault in _TILTS_BACK and not machine.aborted:
                    here = machine.goniometer.reading(machine.now_s)
                    await machine.drive(here.model_copy(update={"tilt_deg": start.tilt_deg}), doing.calm())
                raise
            return Focused(z_um=machine.goniometer.reading(machine.now_s).z_um)

    async def _find_height(self, steps: tuple[tuple[str, float], ...], start: StagePosition, doing: Doing) -> None:
        machine = self._machine
        for index, (name, angle_deg) in enumerate(steps):
            preset = machine.presets[name]
            captures = []
            for side in (-1, 1):
                here = machine.goniometer.reading(machine.now_s)
                now = doing if (index, side) == (0, 1) else doing.calm()
                await machine.drive(here.model_copy(update={"tilt_deg": side * angle_deg}), doing.calm())
                captures.append(await machine.expose(preset, now))
            moved = self._displacement(preset, captures[0], captures[1], "find-eucentric-height")
            height = -moved[1] / (2 * math.tan(math.radians(angle_deg)))
            here = machine.goniometer.reading(machine.now_s)
            tilt = start.tilt_deg if index == len(steps) - 1 else here.tilt_deg
            await machine.drive(here.model_copy(update={"z_um": here.z_um - height, "tilt_deg": tilt}), doing.calm())

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> Drifting:
        """See `Focus.wait_drift`. Images of preset focus are taken every few seconds.

        Raises:
            InstrumentTimeoutError: it drifts faster all the time.
            InstrumentFaultError: nothing can be seen here.
        """
        machine = self._machine
        preset = machine.presets["focus"]
        async with machine.doing("wait-drift") as doing:
            began = machine.now_s
            last, pause = await machine.expose(preset, doing.calm()), DRIFT_EVERY_S
            while True:
                passed = (machine.clock.now() - last.at).total_seconds()
                await machine.wait(max(min(pause, began + timeout_s - machine.now_s + passed) - passed, 0.0))
                capture = await machine.expose(preset, doing)
                moved = self._displacement(preset, last, capture, "wait-drift")
                passed = (capture.at - last.at).total_seconds()
                rate = math.hypot(*moved) * 1e4 / passed
                waited = machine.now_s - began
                if rate <= rate_angstrom_per_s:
                    return Drifting(rate_angstrom_per_s=rate, waited_s=waited)
                if waited >= timeout_s:
                    raise InstrumentTimeoutError(
                        f"simulated microscope, wait-drift: still {rate:.2f} A/s after {waited:.0f} s, not "
                        f"{rate_angstrom_per_s:g}",
                        fault=Fault.TIMEOUT,
                    )
                last = capture
                pause = min(max(6 * math.log(rate / rate_angstrom_per_s), 1.3 * pause), DRIFT_AT_MOST_S)

    def _displacement(self, preset: SimulatedPreset, first: Capture, second: Capture, kind: str) -> tuple[float, float]:
        """Where the second image looks from where the first does, micrometres of the stage, by the calibration."""
        moved = displacement_px(first, second, self._machine.options.measure)
        if moved is None:
            raise InstrumentFaultError(
                f"simulated microscope, {kind}: the images show nothing in common that can be measured; try another "
                + ("place" if kind != "autofocus" else "place, or find the eucentric height first"),
                fault=Fault.OTHER,
            )
        return on_specimen_um(preset, abs(first.tilt_deg), moved)


__all__ = [
    "BEAM_TILT_MRAD",
    "DRIFT_AT_MOST_S",
    "DRIFT_EVERY_S",
    "FOCUS_ERROR_UM",
    "HEIGHT_STEPS",
    "SETTLED_UM",
    "SimulatedFocus",
]
