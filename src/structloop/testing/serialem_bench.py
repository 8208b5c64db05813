"""A microscope without physics: it is always where it was told to be, and its images are test patterns.

For tests of what stands between a program and a microscope. Nothing takes time.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from structloop.core.errors import InstrumentFaultError
from structloop.instruments.clock import VirtualClock
from structloop.instruments.microscope import Parts, TakenImage
from structloop.schema.acquisition import (
    CAPABILITY_OF,
    Aligned,
    Drifting,
    Fault,
    Focused,
    ImageFacts,
    MicroscopeDescription,
    MicroscopeState,
    Preset,
    Slot,
    StagePosition,
    Tier,
)

_PIXELS = {"atlas": 1000.0, "square": 200.0, "search": 500.0, "view": 20.0, "focus": 1.0, "preview": 1.0, "record": 1.0}
EXPOSURES = frozenset({"focus", "preview", "record"})


def _preset(name: str, pixel_size_angstrom: float, width: int, height: int) -> Preset:
    return Preset(
        name=name,
        magnification=100_000 / pixel_size_angstrom,
        pixel_size_angstrom=pixel_size_angstrom,
        width_px=width,
        height_px=height,
        exposure_s=1.0,
        dose_e_per_angstrom2=40.0 if name == "record" else 1.0,
        defocus_um=30.0 if name == "view" else 1.0,
        frames=20 if name == "record" else 1,
    )


@dataclass
class BenchMicroscope:
    """See the module. Attributes are what it is set to; tests may set them.

    Attributes:
        width, height: Of images, pixels.
        images: How many were taken.
    """

    width: int = 64
    height: int = 48
    images: int = 0
    stage: StagePosition = field(default_factory=lambda: StagePosition(x_um=0.0, y_um=0.0))
    slot: int | None = None
    preset: str = "view"
    image_shift_um: tuple[float, float] = (0.0, 0.0)
    defocus_um: float = 1.0
    valves_open: bool = True
    beam_on: bool = True
    vacuum_ready: bool = True
    dewars_filling: bool = False
    slit_width_ev: float | None = None
    clock: VirtualClock = field(default_factory=VirtualClock)

    @property
    def description(self) -> MicroscopeDescription:
        """See `Microscope.description`."""
        return MicroscopeDescription(
            name="bench",
            driver="bench",
            tier=Tier.COMMAND,
            operations=frozenset(CAPABILITY_OF),
            presets=tuple(_preset(name, pixel, self.width, self.height) for name, pixel in _PIXELS.items()),
            largest_image_shift_um=15.0,
            maintenance_tasks=("fill-dewars", "flash-gun"),
            simulated=True,
        )

    @property
    def parts(self) -> Parts:
        """See `Microscope.parts`: it is all of them itself."""
        return Parts(self, self, self, self, self, self, self, self, self, self)

    async def connect(self) -> None:
        """See `Microscope.connect`."""

    async def close(self) -> None:
        """See `Microscope.close`."""

    async def abort(self) -> None:
        """See `Microscope.abort`."""

    async def state(self) -> MicroscopeState:
        """See `Microscope.state`."""
        return MicroscopeState(
            at=self.clock.now(),
            stage=self.stage,
            slot=self.slot,
            preset=self.preset,
            image_shift_um=self.image_shift_um,
            defocus_um=self.defocus_um,
            valves_open=self.valves_open,
            beam_on=self.beam_on,
            vacuum_ready=self.vacuum_ready,
            dewars_filling=self.dewars_filling,
            slit_width_ev=self.slit_width_ev,
        )

    async def position(self) -> StagePosition:
        """See `Stage.position`."""
        return self.stage

    async def move(
        self, *, x_um: float | None = None, y_um: float | None = None, z_um: float | None = None, relative: bool = False
    ) -> StagePosition:
        """See `Stage.move`."""
        asked = {"x_um": x_um, "y_um": y_um, "z_um": z_um}
        now = self.stage.model_dump()
        given = {axis: value + now[axis] * relative for axis, value in asked.items() if value is not None}
        self.stage = self.stage.model_copy(update=given)
        return self.stage

    async def tilt(self, tilt_deg: float) -> StagePosition:
        """See `Stage.tilt`."""
        self.stage = self.stage.model_copy(update={"tilt_deg": tilt_deg})
        return self.stage

    async def slots(self) -> tuple[Slot, ...]:
        """See `Autoloader.slots`."""
        return tuple(Slot(number=n, occupied=n <= 4, name=f"grid {n}" if n <= 4 else "") for n in range(1, 13))

    async def load(self, slot: int) -> None:
        """See `Autoloader.load`."""
        if slot > 4:
            raise InstrumentFaultError(f"slot {slot} is empty", fault=Fault.AUTOLOADER)
        self.slot = slot

    async def unload(self) -> None:
        """See `Autoloader.unload`."""
        self.slot = None

    async def apply_preset(self, preset: str) -> None:
        """See `Optics.apply_preset`."""
        self.preset = preset

    async def set_beam(self, on: bool) -> None:
        """See `Optics.set_beam`."""
        self.beam_on = on

    async def shift(self, dx_um: float, dy_um: float, settle_s: float = 0.0) -> None:
        """See `ImageShifting.shift`."""
        self.image_shift_um = (dx_um, dy_um)
        await self.clock.sleep(settle_s)

    async def acquire(self, preset: str, *, save_frames: bool = False) -> TakenImage:
        """See `Camera.acquire`."""
        return self._take(preset, "D:\\frames\\movie.tif" if save_frames else None)

    def _take(
        self, preset: str, frames_path: str | None = None, column: int | None = None, row: int | None = None
    ) -> TakenImage:
        self.preset = preset
        self.images += 1
        made = self.description.preset(preset)
        assert made is not None
        step = made.pixel_size_angstrom * 1e-4
        facts = ImageFacts(
            image_id=f"bench-{self.images}",
            preset=preset,
            width_px=self.width,
            height_px=self.height,
            pixel_size_angstrom=made.pixel_size_angstrom,
            image_to_stage_um=((0.0, step), (step, 0.0)),
            stage=self.stage,
            image_shift_um=self.image_shift_um,
            defocus_um=self.defocus_um,
            exposure_s=made.exposure_s,
            dose_e_per_angstrom2=made.dose_e_per_angstrom2,
            taken_at=self.clock.now() + timedelta(microseconds=self.images),
            frames_path=frames_path,
            column=column,
            row=row,
        )
        return TakenImage(facts, lambda binning: _pattern(facts, binning))

    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        """See `Camera.montage`."""
        middle = self.stage
        made = self.description.preset(preset)
        assert made is not None
        step = made.pixel_size_angstrom * 1e-4 * 0.9
        for row in range(rows):
            for column in range(columns):
                across, down = (column - (columns - 1) / 2) * self.width, (row - (rows - 1) / 2) * self.height
                here = {"x_um": middle.x_um + step * down, "y_um": middle.y_um + step * across}
                self.stage = middle.model_copy(update=here)
                yield self._take(preset, None, column, row)
        self.stage = middle

    async def align_to(self, template: TakenImage) -> Aligned:
        """See `Camera.align_to`."""
        self._take(template.facts.preset)
        before, self.image_shift_um = self.image_shift_um, template.facts.image_shift_um
        return Aligned(dx_um=before[0] - self.image_shift_um[0], dy_um=before[1] - self.image_shift_um[1])

    async def set_defocus(self, defocus_um: float) -> None:
        """See `Focus.set_defocus`."""
        self.defocus_um = defocus_um

    async def autofocus(self, target_um: float) -> Focused:
        """See `Focus.autofocus`."""
        measured, self.defocus_um = self.defocus_um, target_um
        return Focused(measured_um=measured, defocus_um=target_um)

    async def eucentric_height(self, method: Literal["rough", "fine"]) -> Focused:
        """See `Focus.eucentric_height`."""
        self.stage = self.stage.model_copy(update={"z_um": 12.5 if method == "rough" else 12.25})
        return Focused(z_um=self.stage.z_um)

    async def wait_drift(self, rate_angstrom_per_s: float, timeout_s: float) -> Drifting:
        """See `Focus.wait_drift`."""
        await self.clock.sleep(min(10.0, timeout_s))
        return Drifting(rate_angstrom_per_s=rate_angstrom_per_s / 2, waited_s=min(10.0, timeout_s))

    async def set_aperture(self, aperture: Literal["condenser", "objective"], size_um: float | None) -> None:
        """See `Apertures.set_aperture`."""

    async def set_slit(self, width_ev: float | None) -> None:
        """See `EnergyFilter.set_slit`."""
        self.slit_width_ev = width_ev

    async def align_zero_loss(self) -> None:
        """See `EnergyFilter.align_zero_loss`."""

    async def set_valves(self, open: bool) -> None:  # noqa: A002  # the field's word
        """See `Vacuum.set_valves`."""
        self.valves_open = open

    async def wait_ready(self, timeout_s: float) -> None:
        """See `Vacuum.wait_ready`."""

    async def maintain(self, task: str) -> None:
        """See `Maintenance.maintain`."""


def _pattern(facts: ImageFacts, binning: int) -> NDArray[np.uint16]:
    """A pattern that is fixed to the stage and looks the same nowhere else nearby."""
    y, x = np.mgrid[0 : facts.height_px, 0 : facts.width_px].astype(np.float64)
    (a, b), (c, d) = facts.image_to_stage_um
    step = facts.pixel_size_angstrom * 1e-4
    dx, dy = x - (facts.width_px - 1) / 2, y - (facts.height_px - 1) / 2
    u = (facts.stage.x_um + facts.image_shift_um[0] + a * dx + b * dy) / step
    v = (facts.stage.y_um + facts.image_shift_um[1] + c * dx + d * dy) / step
    waves = [
        np.sin(u * 0.31 + 1),
        np.sin(v * 0.23),
        np.sin((u + v) * 0.17),
        np.sin((u - 2 * v) * 0.11),
        np.sin(u * 0.07),
    ]
    pixels = np.asarray(1000 + 100 * np.sum(waves, axis=0), np.uint16)
    rows, columns = facts.height_px // binning, facts.width_px // binning
    blocks = pixels[: rows * binning, : columns * binning].reshape(rows, binning, columns, binning)
    return np.asarray(blocks.mean((1, 3)), np.uint16)


__all__ = ["BenchMicroscope"]
