"""A small microscope in memory, with every part, that fails when told: what the runner is tested on."""

import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from structloop.core.errors import InstrumentError, InstrumentFaultError, NotCapableError
from structloop.instruments.clock import Clock, VirtualClock
from structloop.instruments.images import average_blocks
from structloop.instruments.microscope import Parts, Pixels, TakenImage
from structloop.schema.acquisition import (
    CAPABILITY_OF,
    Aligned,
    Drifting,
    Focused,
    ImageFacts,
    MicroscopeDescription,
    MicroscopeState,
    Preset,
    Slot,
    StagePosition,
    Tier,
)

PRESETS = (
    Preset(name="atlas", magnification=100, pixel_size_angstrom=10_000, width_px=96, height_px=80, exposure_s=1),
    Preset(name="square", magnification=500, pixel_size_angstrom=1_000, width_px=96, height_px=80, exposure_s=1),
    Preset(name="hole", magnification=2_000, pixel_size_angstrom=100, width_px=96, height_px=80, exposure_s=1),
    Preset(
        name="record",
        magnification=100_000,
        pixel_size_angstrom=10,
        width_px=96,
        height_px=80,
        exposure_s=2,
        dose_e_per_angstrom2=40,
        frames=8,
    ),
)
OVERLAP = 0.15
# The image's axes are turned and mirrored against the stage's, as at a real microscope.
TURN = np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]]) @ np.diag([1.0, -1.0])


@dataclass
class Failure:
    """A fault at an action.

    Attributes:
        kind: Of the action.
        when: Before anything happens, in the middle (the thing happens, no reply), after it; "hang" never returns.
        times: How often it fails; then it works again.
        skip: How many of that kind succeed before.
    """

    kind: str
    when: Literal["before", "middle", "after", "hang"] = "before"
    error: Callable[[bool], BaseException] = field(
        default=lambda may: InstrumentFaultError("it failed", may_have_happened=may)
    )
    times: int = 1
    skip: int = 0


class MemoryMicroscope:
    """All parts in one object; every operation takes some seconds of its clock.

    Attributes:
        exposed: Every exposure that really happened, as `preset@x,y`.
        calls: How often each kind was asked for.
    """

    def __init__(self, clock: Clock | None = None, failures: list[Failure] | None = None):
        self.clock: Clock = clock or VirtualClock()
        self.failures = failures or []
        self.exposed: list[str] = []
        self.calls: Counter[str] = Counter()
        self.done: list[str] = []
        self.connected = False
        self.slot: int | None = None
        self.preset: str | None = None
        self.stage = StagePosition(x_um=0, y_um=0)
        self.image_shift = (0.0, 0.0)
        self.defocus = 0.0
        self.valves_open = False
        self.beam_on = False
        self.slit: float | None = None
        self.aborts = 0
        self.operations = frozenset(CAPABILITY_OF)
        self.name = "memory"
        self.knows_slot = True
        self.eucentric_um = 12.0
        self.focus_error_um = 1.3
        # On the wall clock nothing takes time: tests do not wait.
        self.pace = 1.0 if isinstance(self.clock, VirtualClock) else 0.0

    # --- the microscope ---

    @property
    def description(self) -> MicroscopeDescription:
        return MicroscopeDescription(
            name=self.name,
            driver="memory",
            tier=Tier.COMMAND,
            operations=self.operations,
            presets=PRESETS,
            largest_image_shift_um=12.0,
            maintenance_tasks=("flash",),
            simulated=True,
        )

    @property
    def parts(self) -> Parts:
        return Parts(
            stage=self,
            autoloader=self,
            optics=self,
            image_shift=self,
            camera=self,
            focus=self,
            apertures=self,
            energy_filter=self,
            vacuum=self,
            maintenance=self,
        )

    async def connect(self) -> None:
        if not self.connected:
            await self._do("connect", 0.1, lambda: None)
        self.connected = True

    async def close(self) -> None:
        self.connected = False

    async def state(self) -> MicroscopeState:
        await self._do("state", 0.0, lambda: None)
        return MicroscopeState(
            at=self.clock.now(),
            stage=self.stage,
            slot=self.slot if self.knows_slot else None,
            preset=self.preset,
            image_shift_um=self.image_shift,
            defocus_um=self.defocus,
            valves_open=self.valves_open,
            beam_on=self.beam_on,
            vacuum_ready=True,
            dewars_filling=False,
            slit_width_ev=self.slit,
        )

    async def abort(self) -> None:
        self.aborts += 1

    async def _do(self, kind: str, seconds: float, effect: Callable[[], None]) -> None:
        self.calls[kind] += 1
        due = next((each for each in self.failures if each.kind == kind and each.times > 0), None)
        if due is not None and due.skip > 0:
            due.skip -= 1
            due = None
        if due is not None:
            due.times -= 1
            if due.when == "before":
                raise due.error(False)
            await self.clock.sleep(self.pace * seconds / 2)
            effect()
            self.done.append(kind)
            if due.when == "hang":
                await self.clock.sleep(math.inf)
            raise due.error(True)
        await self.clock.sleep(self.pace * seconds)
        effect()
        self.done.append(kind)

    # --- stage ---

    async def position(self) -> StagePosition:
        await self._do("position", 0.0, lambda: None)
        return self.stage

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        def effect() -> None:
            asked = {"x_um": x_um, "y_um": y_um, "z_um": z_um}
            base = self.stage.model_dump() if relative else dict.fromkeys(asked, 0.0)
            told = {axis: base[axis] + value for axis, value in asked.items() if value is not None}
            self.stage = self.stage.model_copy(update=told)

        await self._do("move-stage", 1.5, effect)
        return self.stage

    async def tilt(self, tilt_deg: float) -> StagePosition:
        def effect() -> None:
            self.stage = self.stage.model_copy(update={"tilt_deg": tilt_deg})

        await self._do("tilt-stage", 2.0, effect)
        return self.stage

    # --- autoloader ---

    async def slots(self) -> tuple[Slot, ...]:
        return tuple(Slot(number=number, occupied=number <= 4 and number != self.slot) for number in range(1, 13))

    async def load(self, slot: int) -> None:
        if slot > 4:
            raise InstrumentError(f"slot {slot} is empty", fault="autoloader")

        def effect() -> None:
            self.slot, self.stage = slot, StagePosition(x_um=0, y_um=0)

        await self._do("load-grid", 120.0, effect)

    async def unload(self) -> None:
        def effect() -> None:
            self.slot = None

        await self._do("unload-grid", 60.0, effect)

    # --- optics ---

    async def apply_preset(self, preset: str) -> None:
        def effect() -> None:
            self.preset = preset

        self._preset(preset)
        await self._do("apply-preset", 1.0, effect)

    async def set_beam(self, on: bool) -> None:
        def effect() -> None:
            self.beam_on = on

        await self._do("set-beam", 0.1, effect)

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        def effect() -> None:
            self.image_shift = (dx_um, dy_um)

        await self._do("shift-image", 0.2 + settle_s, effect)

    # --- camera ---

    def _preset(self, name: str) -> Preset:
        preset = self.description.preset(name)
        if preset is None:
            raise NotCapableError(f"no preset '{name}'")
        return preset

    async def acquire(self, preset: str, *, save_frames: bool = False) -> TakenImage:
        found = self._preset(preset)
        await self._do("acquire", found.exposure_s, lambda: self._expose(found))
        return self._image(found, frames="movie.tif" if save_frames else None)

    def _expose(self, preset: Preset) -> None:
        self.preset = preset.name
        x_um, y_um = self.stage.x_um + self.image_shift[0], self.stage.y_um + self.image_shift[1]
        self.exposed.append(f"{preset.name}@{x_um:.3f},{y_um:.3f}")

    def _image(self, preset: Preset, frames: str | None = None, place: tuple[int, int] | None = None) -> TakenImage:
        matrix = TURN * preset.pixel_size_angstrom * 1e-4
        facts = ImageFacts(
            image_id=f"{len(self.exposed):05d}",
            preset=preset.name,
            width_px=preset.width_px,
            height_px=preset.height_px,
            pixel_size_angstrom=preset.pixel_size_angstrom,
            image_to_stage_um=((matrix[0, 0], matrix[0, 1]), (matrix[1, 0], matrix[1, 1])),
            stage=self.stage,
            image_shift_um=self.image_shift,
            defocus_um=self.defocus,
            exposure_s=preset.exposure_s,
            dose_e_per_angstrom2=preset.dose_e_per_angstrom2,
            taken_at=self.clock.now(),
            frames_path=frames,
            column=place[0] if place else None,
            row=place[1] if place else None,
        )
        slot = self.slot or 0
        return TakenImage(facts, lambda binning: average_blocks(picture(facts, slot), binning))

    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        found = self._preset(preset)
        middle = self.stage
        matrix = TURN * found.pixel_size_angstrom * 1e-4
        step = np.array([found.width_px, found.height_px]) * (1 - OVERLAP)
        for row in range(rows):
            for column in range(columns):
                at = matrix @ (step * [column - (columns - 1) / 2, row - (rows - 1) / 2])
                self.stage = middle.model_copy(update={"x_um": middle.x_um + at[0], "y_um": middle.y_um + at[1]})
                await self._do("acquire-montage", found.exposure_s + 1, lambda: self._expose(found))
                yield self._image(found, place=(column, row))
        self.stage = middle

    async def align_to(self, template: TakenImage) -> Aligned:
        found = self._preset(template.facts.preset)
        await self._do("align-to", found.exposure_s, lambda: self._expose(found))
        here, there = self._image(found).facts, template.facts
        dx = there.stage.x_um + there.image_shift_um[0] - here.stage.x_um - here.image_shift_um[0]
        dy = there.stage.y_um + there.image_shift_um[1] - here.stage.y_um - here.image_shift_um[1]
        self.image_shift = (self.image_shift[0] + dx, self.image_shift[1] + dy)
        return Aligned(dx_um=-dx, dy_um=-dy)

    # --- focus ---

    async def set_defocus(self, defocus_um: float) -> None:
        def effect() -> None:
            self.defocus = defocus_um

        await self._do("set-defocus", 0.1, effect)

    async def autofocus(self, target_um: float) -> Focused:
        before = self.defocus + self.focus_error_um

        def effect() -> None:
            self.defocus, self.focus_error_um = target_um, 0.0

        await self._do("autofocus", 8.0, effect)
        return Focused(measured_um=before, defocus_um=target_um)

    async def eucentric_height(self, method: Literal["rough", "fine"]) -> Focused:
        def effect() -> None:
            self.stage = self.stage.model_copy(update={"z_um": self.eucentric_um})

        await self._do("find-eucentric-height", 30.0 if method == "rough" else 60.0, effect)
        return Focused(z_um=self.stage.z_um)

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> Drifting:
        await self._do("wait-drift", 5.0, lambda: None)
        return Drifting(rate_angstrom_per_s=rate_angstrom_per_s / 2, waited_s=5.0)

    # --- the rest ---

    async def set_aperture(self, aperture: Literal["condenser", "objective"], size_um: float | None) -> None:
        await self._do("set-aperture", 3.0, lambda: None)

    async def set_slit(self, width_ev: float | None) -> None:
        def effect() -> None:
            self.slit = width_ev

        await self._do("set-energy-filter", 1.0, effect)

    async def align_zero_loss(self) -> None:
        await self._do("align-zero-loss", 10.0, lambda: None)

    async def set_valves(self, open: bool) -> None:  # noqa: A002  # the protocol's word
        def effect() -> None:
            self.valves_open = open

        await self._do("set-valves", 2.0, effect)

    async def wait_ready(self, timeout_s: float) -> None:
        await self._do("wait-ready", 1.0, lambda: None)

    async def maintain(self, task: str) -> None:
        if task not in self.description.maintenance_tasks:
            raise NotCapableError(f"no maintenance task '{task}'")
        await self._do("maintain", 60.0, lambda: None)


def picture(facts: ImageFacts, slot: int) -> Pixels:
    """What is seen at a place of a grid: smooth noise, the same wherever it is seen from, at one magnification."""
    y, x = np.mgrid[: facts.height_px, : facts.width_px].astype(np.float64)
    pixels = np.stack([x - (facts.width_px - 1) / 2, y - (facts.height_px - 1) / 2])
    um = np.tensordot(np.array(facts.image_to_stage_um), pixels, 1)
    um[0] += facts.stage.x_um + facts.image_shift_um[0]
    um[1] += facts.stage.y_um + facts.image_shift_um[1]
    lattice = um / (6 * facts.pixel_size_angstrom * 1e-4)
    low = np.floor(lattice)
    part = lattice - low
    weight = part * part * (3 - 2 * part)
    total = np.zeros(x.shape)
    for dx in (0, 1):
        for dy in (0, 1):
            share = (weight[0] if dx else 1 - weight[0]) * (weight[1] if dy else 1 - weight[1])
            total += share * _hashed(low[0] + dx, low[1] + dy, slot)
    return (1000 + 500 * total).astype(np.float32)


def _hashed(
    i: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    j: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    seed: int,
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
    bits = i.astype(np.int64).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = bits ^ (j.astype(np.int64).view(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F))
    bits = (bits + np.uint64(seed)) * np.uint64(0xFF51AFD7ED558CCD)
    bits = bits ^ (bits >> np.uint64(33))
    bits = bits * np.uint64(0xC4CEB9FE1A85EC53)
    return (bits >> np.uint64(40)).astype(np.float64) / 2**24


__all__ = ["PRESETS", "Failure", "MemoryMicroscope", "picture"]
