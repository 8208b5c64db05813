"""The camera part: images and montages that are rendered when they are opened, and alignment to an earlier image."""

import math
from collections.abc import AsyncIterator, Callable

import numpy as np

from structloop.core.errors import InstrumentFaultError, NotCapableError
from structloop.instruments.microscope import TakenImage
from structloop.instruments.simulated.captures import Capture
from structloop.instruments.simulated.correlating import find_shift
from structloop.instruments.simulated.machine import LARGEST_IMAGE_SHIFT_UM, Doing, Machine
from structloop.instruments.simulated.measuring import (
    binning_for,
    displacement_px,
    fitted,
    looked_px,
    on_specimen_um,
)
from structloop.instruments.simulated.presets import SimulatedPreset, image_to_stage_um
from structloop.instruments.simulated.rendering import Picture, render
from structloop.schema.acquisition import Aligned, Fault, ImageFacts, StagePosition

OVERLAP = 0.12
SHIFTED_MONTAGE_UM = 4.0
"""Montages of images smaller than this are taken by image shift, larger ones by moving the stage."""


class SimulatedCamera:
    """Takes images.

    Args:
        machine: The microscope.
        write_movie: Called for each movie that is to be written when it is taken.
    """

    def __init__(self, machine: Machine, write_movie: Callable[[str], object]) -> None:
        self._machine = machine
        self._write_movie = write_movie

    async def acquire(self, preset: str, *, save_frames: bool = False) -> TakenImage:
        """See `Camera.acquire`.

        Raises:
            NotCapableError: a movie is asked for of a preset that takes a single frame; nothing was exposed.
        """
        chosen = self._machine.preset(preset)
        if save_frames and chosen.preset.frames < 2:
            raise NotCapableError(
                f"simulated microscope: preset '{preset}' takes one frame and makes no movie; take it without frames"
            )
        async with self._machine.doing("acquire") as doing:
            return await self._take(chosen, doing, save_frames=save_frames)

    async def montage(self, preset: str, columns: int, rows: int) -> AsyncIterator[TakenImage]:
        """See `Camera.montage`. Row by row, there and back; stage and image shift end where they began."""
        machine = self._machine
        chosen = machine.preset(preset)
        async with machine.doing("acquire-montage") as doing:
            await machine.arrive()
            centre = machine.goniometer.reading(machine.now_s)
            shift = machine.lenses.image_shift_um
            field_um = chosen.preset.width_px * chosen.preset.pixel_size_angstrom * 1e-4
            total, done = columns * rows, 0
            for row in range(rows):
                for step in range(columns):
                    column = step if row % 2 == 0 else columns - 1 - step
                    offset = _tile_offset(chosen, centre, column - (columns - 1) / 2, row - (rows - 1) / 2)
                    await self._look(centre, shift, offset, field_um < SHIFTED_MONTAGE_UM)
                    now = doing if done == total // 2 else doing.calm()
                    image = await self._take(chosen, now, column=column, row=row)
                    done += 1
                    async with machine.resting():
                        yield image
            await self._look(centre, shift, (0.0, 0.0), field_um < SHIFTED_MONTAGE_UM)

    async def _look(
        self, centre: StagePosition, shift: tuple[float, float], offset: tuple[float, float], by_shift: bool
    ) -> None:
        machine = self._machine
        if by_shift:
            machine.lenses.shift(shift[0] + offset[0], shift[1] + offset[1], machine.now_s)
            await machine.wait(0.5)
            return
        target = centre.model_copy(update={"x_um": centre.x_um + offset[0], "y_um": centre.y_um + offset[1]})
        await machine.drive(target, Doing(machine, "acquire-montage", None))

    async def align_to(self, template: TakenImage) -> Aligned:
        """See `Camera.align_to`. What was off is where the image looked from where the template did.

        Raises:
            NotCapableError: the template is not of a preset of this microscope.
            InstrumentFaultError: the two have nothing in common.
        """
        machine = self._machine
        chosen = machine.preset(template.facts.preset)
        if (template.facts.width_px, template.facts.height_px) != (chosen.preset.width_px, chosen.preset.height_px):
            raise NotCapableError(
                f"simulated microscope: image {template.facts.image_id} is {template.facts.width_px} x "
                f"{template.facts.height_px} pixels, and preset '{chosen.preset.name}' takes "
                f"{chosen.preset.width_px} x {chosen.preset.height_px}; align to an image of this microscope"
            )
        async with machine.doing("align-to") as doing:
            capture = await machine.expose(chosen, doing)
            seen = self._off(template, capture)
            if seen is None:
                raise InstrumentFaultError(
                    f"simulated microscope, align-to: nothing in the image fits {template.facts.image_id}; is it the "
                    "same place?",
                    fault="other",
                    may_have_happened=True,
                )
            off = on_specimen_um(chosen, capture.tilt_deg, seen)
            x, y = machine.lenses.image_shift_um
            if math.hypot(x - off[0], y - off[1]) > LARGEST_IMAGE_SHIFT_UM:
                raise InstrumentFaultError(
                    f"simulated microscope, align-to: what {template.facts.image_id} shows lies {math.hypot(*off):.1f} "
                    f"um away, beyond the reach of the image shift ({LARGEST_IMAGE_SHIFT_UM:g} um); move the stage",
                    fault=Fault.LIMIT,
                    may_have_happened=True,
                )
            machine.lenses.shift(x - off[0], y - off[1], machine.now_s)
            await machine.wait(0.2)
            return Aligned(dx_um=off[0], dy_um=off[1])

    def _off(self, template: TakenImage, capture: Capture) -> tuple[float, float] | None:
        then = template.read.capture if isinstance(template.read, Picture) else None
        if then is not None and (capture.high or self._machine.options.measure == "model"):
            return displacement_px(then, capture, self._machine.options.measure)
        binning = binning_for(capture.width_px)
        image = render(capture, binning)
        earlier = fitted(np.asarray(template.pixels(binning), np.float32), *image.shape)
        return looked_px(find_shift(earlier, image), binning)

    async def _take(
        self,
        preset: SimulatedPreset,
        doing: Doing,
        *,
        save_frames: bool = False,
        column: int | None = None,
        row: int | None = None,
    ) -> TakenImage:
        machine = self._machine
        image_id = machine.new_image_id()
        capture = await machine.expose(preset, doing, image_id=image_id)
        stage = machine.goniometer.reading(machine.now_s)
        sold = preset.preset
        frames_path = None
        if save_frames:
            folder = machine.options.frames
            frames_path = f"{image_id}.mrc" if folder is None else str(folder / f"{image_id}.mrc")
            if folder is not None and machine.options.movies_when_taken:
                self._write_movie(image_id)
        facts = ImageFacts(
            image_id=image_id,
            preset=sold.name,
            width_px=sold.width_px,
            height_px=sold.height_px,
            pixel_size_angstrom=sold.pixel_size_angstrom,
            image_to_stage_um=image_to_stage_um(
                sold.pixel_size_angstrom, preset.calibrated_rotation_deg, stage.tilt_deg
            ),
            stage=stage,
            image_shift_um=machine.lenses.image_shift_um,
            defocus_um=machine.lenses.defocus_of(preset),
            exposure_s=sold.exposure_s,
            dose_e_per_angstrom2=sold.dose_e_per_angstrom2,
            taken_at=capture.at,
            frames_path=frames_path,
            column=column,
            row=row,
        )
        return TakenImage(facts, Picture(capture))


def _tile_offset(preset: SimulatedPreset, stage: StagePosition, columns: float, rows: float) -> tuple[float, float]:
    (a, b), (c, d) = preset.image_to_stage_um
    across, down = (length * (1 - OVERLAP) for length in (preset.preset.width_px, preset.preset.height_px))
    stretch = 1 / max(math.cos(math.radians(stage.tilt_deg)), 0.05)
    dx, dy = columns * across, rows * down
    return a * dx + b * dy, (c * dx + d * dy) * stretch


__all__ = ["OVERLAP", "SimulatedCamera"]
